//! `cargo xtask check`: all that can be said of the code without running it.

use crate::report::{Done, Report};
use crate::workspace::Workspace;
use crate::{deny, features, process, rules, tidy, timelines};

type Step = fn(&Workspace) -> Result<Done, String>;

/// The steps, quick ones first.
const STEPS: &[(&str, Step)] = &[
    ("fmt", |_| {
        fully(process::run(&mut process::cargo([
            "fmt", "--all", "--check",
        ])))
    }),
    ("tidy", |_| fully(tidy::check(process::root()))),
    ("timelines", |_| fully(timelines::check(process::root()))),
    ("rules", |workspace| fully(rules::check(workspace))),
    ("clippy", |_| fully(clippy())),
    ("features", |workspace| fully(features::check(workspace))),
    ("docs", |_| fully(docs())),
    ("deny", |workspace| fully(deny::check(workspace))),
    ("advisories", deny::advisories),
];

/// The names of the steps.
pub(crate) fn names() -> Vec<&'static str> {
    STEPS.iter().map(|(name, _)| *name).collect()
}

/// Whether all of these are steps.
pub(crate) fn knows(wanted: &[&str]) -> bool {
    wanted.iter().all(|name| names().contains(name))
}

/// Runs the steps that are wanted; all of them if none is named.
pub(crate) fn steps(workspace: &Workspace, wanted: &[&str], report: &mut Report) {
    for (name, step) in STEPS {
        if wanted.is_empty() || wanted.contains(name) {
            let title = format!("check {name}");
            report.partial_step(&title, &format!("cargo xtask {title}"), || step(workspace));
        }
    }
}

fn fully(outcome: Result<(), String>) -> Result<Done, String> {
    outcome.map(|()| Done::Fully)
}

fn clippy() -> Result<(), String> {
    let scope = ["clippy", "--workspace", "--all-targets", "--all-features"];
    process::run(&mut process::cargo(
        scope.into_iter().chain(["--", "-D", "warnings"]),
    ))
}

fn docs() -> Result<(), String> {
    let arguments = ["doc", "--no-deps", "--workspace", "--all-features"];
    process::run(process::cargo(arguments).env("RUSTDOCFLAGS", "-D warnings"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_does_not_exist_is_not_known() {
        assert!(knows(&[]));
        assert!(knows(&["fmt", "rules"]));
        assert!(!knows(&["fmt", "rulez"]));
    }
}
