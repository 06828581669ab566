//! The workspace as `cargo metadata` and `cargo tree` describe it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use crate::process;

/// The packages of this repository.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The members, in cargo's order.
    pub(crate) packages: Vec<Package>,
    /// Where builds go; tools are installed below it.
    pub(crate) target: PathBuf,
}

/// One package.
#[derive(Debug, Default, Clone)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Whether it lies in `crates/`: what users depend on.
    pub(crate) is_crate: bool,
    /// Whether a plain `cargo test` covers it.
    pub(crate) is_default: bool,
    /// Whether it has a library.
    pub(crate) has_library: bool,
    /// Its features without `default`, and whether the default includes each.
    pub(crate) features: Vec<(String, bool)>,
    /// Its examples, each with the features it requires.
    pub(crate) examples: Vec<(String, Vec<String>)>,
    /// What its manifest names.
    pub(crate) dependencies: Vec<Dependency>,
}

/// One dependency in a manifest.
#[derive(Debug, Default, Clone)]
pub(crate) struct Dependency {
    /// The package's name.
    pub(crate) name: String,
    /// For tests, examples and benchmarks alone.
    pub(crate) is_development: bool,
    /// Whether it has a path, so is ours.
    pub(crate) is_path: bool,
    /// The version that is asked for; `*` where none is stated.
    pub(crate) requirement: String,
    /// The features that are asked for, with `default` where the defaults are.
    pub(crate) features: Vec<String>,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn read() -> Result<Self, String> {
        let arguments = ["metadata", "--format-version", "1", "--no-deps"];
        let text = process::capture(&mut process::cargo(arguments))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let metadata: Value = serde_json::from_str(text)
            .map_err(|error| format!("cargo metadata can't be read: {error}"))?;
        let root = string(&metadata, "workspace_root")?;
        let defaults = strings(&metadata, "workspace_default_members")?;
        let packages = array(&metadata, "packages")?
            .iter()
            .map(|package| Package::parse(package, &root, &defaults))
            .collect::<Result<_, _>>()?;
        let target = string(&metadata, "target_directory")?.into();
        Ok(Self { packages, target })
    }

    /// The crates that users depend on.
    pub(crate) fn crates(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.is_crate)
    }
}

impl Package {
    fn parse(package: &Value, root: &str, defaults: &[String]) -> Result<Self, String> {
        let manifest = string(package, "manifest_path")?.replace('\\', "/");
        let crates = format!("{}/crates/", root.replace('\\', "/"));
        let features = package["features"]
            .as_object()
            .ok_or("no `features` in cargo metadata")?;
        let default = features.get("default").map_or_else(Vec::new, listed);
        let targets = array(package, "targets")?;
        let has_kind =
            |target: &Value, kind: &str| listed(&target["kind"]).iter().any(|known| known == kind);
        Ok(Self {
            name: string(package, "name")?,
            is_crate: manifest.starts_with(&crates),
            is_default: defaults.contains(&string(package, "id")?),
            has_library: targets
                .iter()
                .any(|target| has_kind(target, "lib") || has_kind(target, "proc-macro")),
            features: features
                .keys()
                .filter(|name| *name != "default")
                .map(|name| (name.clone(), default.contains(name)))
                .collect(),
            examples: targets
                .iter()
                .filter(|target| has_kind(target, "example"))
                .map(|target| {
                    Ok((
                        string(target, "name")?,
                        listed(&target["required-features"]),
                    ))
                })
                .collect::<Result<_, String>>()?,
            dependencies: array(package, "dependencies")?
                .iter()
                .map(Dependency::parse)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Dependency {
    fn parse(dependency: &Value) -> Result<Self, String> {
        let mut features = strings(dependency, "features")?;
        if dependency["uses_default_features"] == true {
            features.push("default".to_owned());
        }
        Ok(Self {
            name: string(dependency, "name")?,
            is_development: dependency["kind"] == "dev",
            is_path: dependency["path"].is_string(),
            requirement: string(dependency, "req")?,
            features,
        })
    }
}

/// The crates that a user of a package compiles, itself included, as `name version`.
pub(crate) fn tree(package: &str, options: &[&str]) -> Result<BTreeSet<String>, String> {
    let arguments = ["tree", "--package", package, "--edges", "normal,build"];
    let shape = ["--prefix", "none", "--format", "{p}"];
    let arguments = arguments.into_iter().chain(shape);
    let text = process::capture(&mut process::cargo(
        arguments.chain(options.iter().copied()),
    ))?;
    Ok(crates_in(&text))
}

fn crates_in(tree: &str) -> BTreeSet<String> {
    tree.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some(format!("{} {}", words.next()?, words.next()?))
        })
        .collect()
}

fn string(value: &Value, name: &str) -> Result<String, String> {
    let found = value[name].as_str();
    found
        .map(str::to_owned)
        .ok_or_else(|| format!("no text `{name}` in cargo metadata"))
}

fn array<'a>(value: &'a Value, name: &str) -> Result<&'a [Value], String> {
    let found = value[name].as_array().map(Vec::as_slice);
    found.ok_or_else(|| format!("no list `{name}` in cargo metadata"))
}

fn strings(value: &Value, name: &str) -> Result<Vec<String>, String> {
    array(value, name).map(|_| listed(&value[name]))
}

/// The texts of a list; none where there is no list.
fn listed(value: &Value) -> Vec<String> {
    let items = value.as_array().map_or(&[][..], Vec::as_slice);
    let texts = items.iter().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read() {
        let workspace = Workspace::parse(
            r#"{
                "workspace_root": "/repo", "target_directory": "/repo/target",
                "workspace_default_members": ["larder-id"],
                "packages": [{
                    "name": "larder", "id": "larder-id", "manifest_path": "/repo/crates/larder/Cargo.toml",
                    "features": {"default": ["memory"], "memory": ["dep:moka"], "json": []},
                    "targets": [
                        {"name": "larder", "kind": ["lib"]},
                        {"name": "demo", "kind": ["example"], "required-features": ["json"]}
                    ],
                    "dependencies": [{
                        "name": "moka", "kind": null, "req": "^0.12", "optional": true,
                        "uses_default_features": true, "features": ["sync"]
                    }, {
                        "name": "larder-testkit", "kind": "dev", "req": "*", "path": "/repo/crates/larder-testkit",
                        "uses_default_features": false, "features": []
                    }]
                }]
            }"#,
        )
        .unwrap();
        let [larder] = workspace.packages.as_slice() else {
            panic!("one package, not {:?}", workspace.packages)
        };
        assert!(larder.is_crate && larder.is_default && larder.has_library);
        assert_eq!(
            larder.features,
            [("json".to_owned(), false), ("memory".to_owned(), true)]
        );
        assert_eq!(
            larder.examples,
            [("demo".to_owned(), vec!["json".to_owned()])]
        );
        let [moka, testkit] = larder.dependencies.as_slice() else {
            panic!("two dependencies, not {:?}", larder.dependencies)
        };
        assert_eq!(moka.features, ["sync", "default"]);
        assert!(!moka.is_path && !moka.is_development);
        assert!(testkit.is_path && testkit.is_development);
        assert_eq!(testkit.requirement, "*");
    }

    #[test]
    fn metadata_of_another_shape_is_refused_not_taken_for_an_empty_workspace() {
        assert!(Workspace::parse("{}").is_err());
    }

    #[test]
    fn a_tree_counts_each_crate_once() {
        let tree = "larder v0.1.0 (/repo/crates/larder)\nbytes v1.0.0\nbytes v1.0.0 (*)\nsyn v2.0.0\nsyn v3.0.0\n";
        assert_eq!(crates_in(tree).len(), 4);
    }
}
