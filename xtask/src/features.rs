//! Each feature alone: every library without its default features, then with one feature at a time.

use crate::process;
use crate::workspace::{Package, Workspace};

/// Checks every combination. All of them are tried; the error lists those that fail.
pub(crate) fn check(workspace: &Workspace) -> Result<(), String> {
    let combinations: Vec<Vec<String>> = workspace
        .crates()
        .filter(|package| package.has_library)
        .flat_map(combinations)
        .collect();
    let problems: Vec<String> = combinations
        .iter()
        .filter_map(|arguments| {
            process::run(&mut process::cargo(arguments.iter().map(String::as_str))).err()
        })
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n"))
    }
}

/// The command lines for one package. Clippy, not `check`: an import that only another feature uses is
/// a warning, and only clippy can deny the warnings of our crates without rebuilding everybody else's.
fn combinations(package: &Package) -> Vec<Vec<String>> {
    let command = |features: &[&str]| {
        let scope = [
            "clippy",
            "--package",
            &package.name,
            "--no-default-features",
        ];
        let words = scope
            .iter()
            .chain(features)
            .chain(&["--", "-D", "warnings"]);
        words.map(|&word| word.to_owned()).collect()
    };
    let alone = package.features.iter();
    let alone = alone.map(|(name, _)| command(&["--features", name]));
    [command(&[])].into_iter().chain(alone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_and_each_alone() {
        let package = Package {
            name: "larder-core".to_owned(),
            features: vec![("json".to_owned(), false), ("messagepack".to_owned(), true)],
            ..Package::default()
        };
        let lines: Vec<String> = combinations(&package)
            .iter()
            .map(|words| words.join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "clippy --package larder-core --no-default-features -- -D warnings",
                "clippy --package larder-core --no-default-features --features json -- -D warnings",
                "clippy --package larder-core --no-default-features --features messagepack -- -D warnings",
            ]
        );
    }
}
