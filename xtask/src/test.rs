//! `cargo xtask test`: every test of the default members, with their doctests, their features that are
//! off by default, and their examples. Needs a Rust toolchain and Redis, which it installs where it may.

use crate::process;
use crate::redis;
use crate::report::Report;
use crate::workspace::Workspace;

/// The example that the README tells a visitor to run.
const QUICKSTART: &str = "quickstart";

/// All the steps.
pub(crate) fn steps(workspace: &Workspace, report: &mut Report) {
    report.step("redis-server", "cargo xtask test", redis::ensure);
    step(report, "tests", &["test", "--no-fail-fast"]);
    let optional = with_optional_features(workspace);
    if !optional.is_empty() {
        let mut arguments = vec!["test", "--no-fail-fast", "--all-features"];
        for package in optional {
            arguments.extend(["--package", package]);
        }
        step(report, "tests of optional features", &arguments);
    }
    let examples = examples(workspace);
    report.step(
        "examples are there",
        "cargo run --example quickstart",
        || check_names(&examples),
    );
    for (name, features) in &examples {
        // Without `--package`, as a visitor types it from the root.
        let mut arguments = vec!["run", "--quiet", "--example", name];
        if !features.is_empty() {
            arguments.extend(["--features", features]);
        }
        step(report, &format!("example {name}"), &arguments);
    }
}

fn step(report: &mut Report, name: &str, arguments: &[&str]) {
    let repeat = format!("cargo {}", arguments.join(" "));
    report.step(name, &repeat, || {
        process::run(&mut process::cargo(arguments.iter().copied()))
    });
}

/// The default members with a feature that a plain `cargo test` leaves off.
fn with_optional_features(workspace: &Workspace) -> Vec<&str> {
    let packages = workspace.packages.iter();
    packages
        .filter(|package| package.is_default && package.features.iter().any(|(_, on)| !on))
        .map(|package| package.name.as_str())
        .collect()
}

/// The examples of the default members, with the features that they require.
fn examples(workspace: &Workspace) -> Vec<(&str, String)> {
    let packages = workspace.packages.iter();
    packages
        .filter(|package| package.is_default)
        .flat_map(|package| &package.examples)
        .map(|(name, features)| (name.as_str(), features.join(",")))
        .collect()
}

/// `cargo run --example NAME` from the root must mean one example, and the README's must be there.
fn check_names(examples: &[(&str, String)]) -> Result<(), String> {
    if !examples.iter().any(|(name, _)| *name == QUICKSTART) {
        return Err(format!(
            "the default members have no example named {QUICKSTART}, which the README says to run"
        ));
    }
    for (position, (name, _)) in examples.iter().enumerate() {
        if examples[..position].iter().any(|(other, _)| other == name) {
            return Err(format!("two examples are named {name}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::workspace::Package;

    fn workspace(packages: impl IntoIterator<Item = Package>) -> Workspace {
        Workspace {
            packages: packages.into_iter().collect(),
            target: PathBuf::new(),
        }
    }

    #[test]
    fn features_that_are_off_by_default_are_tested() {
        let package = |name: &str, is_default, on| Package {
            name: name.to_owned(),
            is_default,
            features: vec![("json".to_owned(), on)],
            ..Package::default()
        };
        let workspace = workspace([
            package("off", true, false),
            package("on", true, true),
            package("elsewhere", false, false),
        ]);
        assert_eq!(with_optional_features(&workspace), ["off"]);
    }

    #[test]
    fn a_missing_quickstart_and_a_name_used_twice_are_found() {
        let named = |name: &'static str| (name, String::new());
        assert!(check_names(&[named(QUICKSTART), named("custom_backend")]).is_ok());
        let error = check_names(&[named("custom_backend")]).unwrap_err();
        assert!(error.contains("no example named quickstart"), "{error}");
        let error = check_names(&[named(QUICKSTART), named(QUICKSTART)]).unwrap_err();
        assert!(error.contains("two examples"), "{error}");
    }
}
