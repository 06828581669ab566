//! The dependency rule: which crate may depend on what. What is said here is said in words in
//! `docs/decisions/0001-layered-crates.md`. It binds the crates in `crates/`; development dependencies are free.

use std::collections::BTreeSet;
use std::fs;

use crate::process;
use crate::workspace::{self, Package, Workspace};

/// Which of our crates a crate may depend on.
enum Ours {
    /// Any.
    All,
    /// These alone.
    Only(&'static [&'static str]),
}

/// Every crate has its line; a new one gets its line with its first commit.
const LAYERS: &[(&str, Ours)] = &[
    ("larder", Ours::All),
    ("larder-core", Ours::Only(&[])),
    ("larder-memory", Ours::Only(&["larder-core"])),
    ("larder-quick", Ours::Only(&["larder-core"])),
    ("larder-redis", Ours::Only(&["larder-core"])),
    ("larder-tiered", Ours::Only(&["larder-core"])),
    ("larder-compression", Ours::Only(&["larder-core"])),
    ("larder-encryption", Ours::Only(&["larder-core"])),
    ("larder-tags", Ours::Only(&["larder-core"])),
    ("larder-journal", Ours::Only(&["larder-core"])),
    (
        "larder-resilience",
        Ours::Only(&["larder-core", "larder-journal"]),
    ),
    (
        "larder-write-behind",
        Ours::Only(&["larder-core", "larder-journal"]),
    ),
    ("larder-postgres", Ours::Only(&["larder-core"])),
    ("larder-macros", Ours::Only(&[])),
    ("larder-model", Ours::Only(&[])),
    ("larder-rate-limit", Ours::All),
    ("larder-sessions", Ours::All),
    ("larder-cli", Ours::All),
    ("larder-testkit", Ours::Only(&["larder-core"])),
];

/// Engines, each with the one crate that may name it.
const ENGINES: &[(&str, &str)] = &[("fred", "larder-redis"), ("moka", "larder-memory")];

/// What the contract must not bring in, not even through somebody else: runtimes and the network.
const NOT_IN_CORE: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "async-io",
    "mio",
    "socket2",
    "hyper",
    "rustls",
    "openssl",
    "native-tls",
];

/// What a crate may ask of tokio: nothing that opens sockets, starts threads or takes over the program.
const TOKIO_FEATURES: &[&str] = &["rt", "sync", "time"];
/// Starts runtimes for its users' tests.
const TOKIO_FREE: &str = "larder-testkit";

/// Given with the project; everything else has a row in the decision.
const GIVEN: &[&str] = &[
    "tokio",
    "fred",
    "moka",
    "async-trait",
    "serde",
    "bincode",
    "zstd",
    "metrics",
    "thiserror",
];
const DECISION: &str = "docs/decisions/0002-dependencies.md";

/// The most crates that somebody compiles who wants memory alone.
const MEMORY_TREE: usize = 60;

/// Checks everything; the error lists every breach.
pub(crate) fn check(workspace: &Workspace) -> Result<(), String> {
    let decision = fs::read_to_string(process::root().join(DECISION))
        .map_err(|error| format!("{DECISION}: {error}"))?;
    let core = workspace::tree("larder-core", &["--all-features"])?;
    let memory = workspace::tree("larder", &[])?;
    println!(
        "memory alone compiles {} crates, of at most {MEMORY_TREE}",
        memory.len()
    );

    let mut breaches = Vec::new();
    for package in workspace.crates() {
        breaches.extend(layering(package));
        breaches.extend(engines(package));
        breaches.extend(tokio(package));
    }
    for package in &workspace.packages {
        breaches.extend(versions(package));
        breaches.extend(undecided(package, &decision));
    }
    breaches.extend(core_tree(&core));
    breaches.extend(memory_tree(&memory));
    if breaches.is_empty() {
        Ok(())
    } else {
        Err(breaches.join("\n"))
    }
}

/// Imports run one way: facade, plugins, core.
fn layering(package: &Package) -> Vec<String> {
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == package.name) else {
        return vec![format!(
            "{}: not in the table of xtask/src/rules.rs: say which of our crates it may depend on",
            package.name
        )];
    };
    let Ours::Only(allowed) = allowed else {
        return Vec::new();
    };
    let ours = of_users(package)
        .filter(|dependency| dependency.is_path || is_ours(&dependency.name))
        .filter(|dependency| !allowed.contains(&dependency.name.as_str()));
    ours.map(|dependency| {
        let allowed = match allowed {
            [] => "none of ours".to_owned(),
            some => some.join(" and "),
        };
        format!(
            "{} depends on {}; it may depend on {allowed}",
            package.name, dependency.name
        )
    })
    .collect()
}

fn engines(package: &Package) -> Vec<String> {
    of_users(package)
        .filter_map(|dependency| {
            let (engine, home) = ENGINES.iter().find(|(name, _)| *name == dependency.name)?;
            (package.name != *home).then(|| {
                format!(
                    "{} depends on {engine}; only {home} may name it",
                    package.name
                )
            })
        })
        .collect()
}

fn tokio(package: &Package) -> Vec<String> {
    if package.name == TOKIO_FREE {
        return Vec::new();
    }
    of_users(package)
        .filter(|dependency| dependency.name == "tokio")
        .flat_map(|dependency| &dependency.features)
        .filter(|feature| !TOKIO_FEATURES.contains(&feature.as_str()))
        .map(|feature| {
            format!(
                "{} asks for tokio's feature {feature}; {} are free",
                package.name,
                TOKIO_FEATURES.join(", ")
            )
        })
        .collect()
}

/// Without a version a crate can't be published. (A development dependency may lack it: cargo leaves it out
/// of the published manifest, which is how two crates can test with each other.)
fn versions(package: &Package) -> Vec<String> {
    of_users(package)
        .filter(|dependency| dependency.is_path && dependency.requirement == "*")
        .map(|dependency| {
            format!(
                "{} depends on {} by its path alone; state the version too",
                package.name, dependency.name
            )
        })
        .collect()
}

/// A dependency of any kind, of any package of ours, has its reasons written down: a row of the table.
fn undecided(package: &Package, decision: &str) -> Vec<String> {
    package
        .dependencies
        .iter()
        .filter(|dependency| {
            let name = &dependency.name;
            let row = format!("| `{name}` |");
            !dependency.is_path
                && !GIVEN.contains(&name.as_str())
                && !decision.lines().any(|line| line.starts_with(&row))
        })
        .map(|dependency| {
            let name = &dependency.name;
            format!(
                "{} depends on {name}; say in {DECISION} what for: a row that begins with `{name}`",
                package.name
            )
        })
        .collect()
}

fn core_tree(tree: &BTreeSet<String>) -> Vec<String> {
    NOT_IN_CORE
        .iter()
        .filter(|name| has(tree, name))
        .map(|name| format!("larder-core brings in {name}; it has no runtime and no network"))
        .collect()
}

fn memory_tree(tree: &BTreeSet<String>) -> Vec<String> {
    let mut breaches: Vec<String> = ["fred", "zstd", "zstd-sys"]
        .iter()
        .filter(|name| has(tree, name))
        .map(|name| format!("larder with its default features brings in {name}"))
        .collect();
    if tree.len() > MEMORY_TREE {
        breaches.push(format!(
            "larder with its default features is {} crates, at most {MEMORY_TREE}: {}",
            tree.len(),
            tree.iter().cloned().collect::<Vec<_>>().join(", ")
        ));
    }
    breaches
}

/// The dependencies that whoever uses the package compiles.
fn of_users(package: &Package) -> impl Iterator<Item = &workspace::Dependency> {
    let dependencies = package.dependencies.iter();
    dependencies.filter(|dependency| !dependency.is_development)
}

fn is_ours(name: &str) -> bool {
    LAYERS.iter().any(|(ours, _)| *ours == name)
}

fn has(tree: &BTreeSet<String>, name: &str) -> bool {
    tree.iter()
        .any(|krate| krate.split(' ').next() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, dependencies: impl IntoIterator<Item = Dependency>) -> Package {
        Package {
            name: name.to_owned(),
            is_crate: true,
            dependencies: dependencies.into_iter().collect(),
            ..Package::default()
        }
    }

    fn ours(name: &str) -> Dependency {
        Dependency {
            name: name.to_owned(),
            is_path: true,
            requirement: "^0.1.0".to_owned(),
            ..Dependency::default()
        }
    }

    fn theirs(name: &str) -> Dependency {
        Dependency {
            name: name.to_owned(),
            requirement: "^1".to_owned(),
            ..Dependency::default()
        }
    }

    fn for_tests(dependency: Dependency) -> Dependency {
        Dependency {
            is_development: true,
            ..dependency
        }
    }

    fn tree(crates: &[&str]) -> BTreeSet<String> {
        crates.iter().map(|name| format!("{name} v1.0.0")).collect()
    }

    /// Exactly one breach, which mentions this.
    fn assert_breach(breaches: &[String], mention: &str) {
        match breaches {
            [breach] => assert!(breach.contains(mention), "{breach}"),
            other => panic!("expected one breach about {mention}, found {other:?}"),
        }
    }

    #[test]
    fn a_backend_may_depend_on_core() {
        let memory = package("larder-memory", [ours("larder-core"), theirs("moka")]);
        assert!(layering(&memory).is_empty());
        assert!(engines(&memory).is_empty());
    }

    #[test]
    fn a_backend_that_depends_on_a_sibling_is_found() {
        let tiered = package(
            "larder-tiered",
            [ours("larder-core"), ours("larder-memory")],
        );
        assert_breach(
            &layering(&tiered),
            "larder-tiered depends on larder-memory; it may depend on larder-core",
        );
    }

    #[test]
    fn a_layer_that_depends_on_the_facade_is_found_even_from_the_registry() {
        let tags = package("larder-tags", [theirs("larder")]);
        assert_breach(&layering(&tags), "larder-tags depends on larder;");
    }

    #[test]
    fn core_that_depends_on_anything_of_ours_is_found() {
        let core = package("larder-core", [ours("larder-journal")]);
        assert_breach(&layering(&core), "none of ours");
    }

    #[test]
    fn tests_may_depend_on_anything() {
        let memory = package(
            "larder-memory",
            [
                for_tests(ours("larder-tiered")),
                for_tests(theirs("fred")),
                for_tests(Dependency {
                    features: vec!["full".to_owned()],
                    ..theirs("tokio")
                }),
                for_tests(Dependency {
                    requirement: "*".to_owned(),
                    ..ours("larder-testkit")
                }),
            ],
        );
        let breaches = [layering, engines, tokio, versions].map(|rule| rule(&memory));
        assert_eq!(breaches.concat(), Vec::<String>::new());
    }

    #[test]
    fn a_crate_without_a_line_in_the_table_is_found() {
        assert_breach(
            &layering(&package("larder-memcached", [])),
            "not in the table",
        );
    }

    #[test]
    fn an_engine_outside_its_crate_is_found() {
        assert_breach(
            &engines(&package("larder", [theirs("moka")])),
            "only larder-memory may name it",
        );
        assert_breach(
            &engines(&package("larder-tiered", [theirs("fred")])),
            "only larder-redis may name it",
        );
    }

    #[test]
    fn a_feature_of_tokio_beyond_the_free_ones_is_found() {
        let asks = |name: &str, features: &[&str]| {
            let features = features.iter().map(|&feature| feature.to_owned()).collect();
            tokio(&package(
                name,
                [Dependency {
                    features,
                    ..theirs("tokio")
                }],
            ))
        };
        assert!(asks("larder", &["rt", "sync", "time"]).is_empty());
        assert_breach(&asks("larder", &["rt", "net"]), "feature net");
        assert_breach(&asks("larder", &["default"]), "feature default");
        assert!(asks("larder-testkit", &["rt-multi-thread"]).is_empty());
    }

    #[test]
    fn a_path_without_a_version_is_found() {
        let dependency = Dependency {
            requirement: "*".to_owned(),
            ..ours("larder-core")
        };
        assert_breach(
            &versions(&package("larder", [dependency])),
            "state the version",
        );
    }

    #[test]
    fn a_dependency_without_a_row_in_the_decision_is_found() {
        let decision = "| crate | what for |\n| `bytes` | payloads, beside `anyhow` |\n";
        let undecided = |name| undecided(&package("larder", [theirs(name)]), decision);
        assert!(undecided("bytes").is_empty());
        assert!(undecided("tokio").is_empty());
        assert_breach(&undecided("anyhow"), "a row that begins with `anyhow`");
    }

    #[test]
    fn a_runtime_in_core_is_found_through_somebody_else_too() {
        assert!(core_tree(&tree(&["larder-core", "bytes", "tokio-like"])).is_empty());
        assert_breach(
            &core_tree(&tree(&["larder-core", "tokio"])),
            "brings in tokio",
        );
    }

    #[test]
    fn a_memory_tree_with_a_driver_or_a_crate_too_many_is_found() {
        let names: Vec<String> = (0..MEMORY_TREE).map(|n| format!("crate{n}")).collect();
        let mut crates: Vec<&str> = names.iter().map(String::as_str).collect();
        assert!(memory_tree(&tree(&crates)).is_empty());
        assert_breach(&memory_tree(&tree(&["larder", "fred"])), "brings in fred");
        crates.push("one-too-many");
        assert_breach(&memory_tree(&tree(&crates)), "61 crates, at most 60");
    }
}
