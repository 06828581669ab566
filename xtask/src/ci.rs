//! `cargo xtask ci`: everything that `.ci/run` runs. A step that fails stops none of the others.

use crate::report::Report;
use crate::workspace::Workspace;
use crate::{bench, check, process, test};

/// All the steps.
pub(crate) fn steps(workspace: &Workspace, report: &mut Report) {
    // First, because later steps would bring the lock file up to date without a word.
    report.step("lock file", "cargo fetch --locked", || {
        process::run(&mut process::cargo(["fetch", "--locked"]))
    });
    check::steps(workspace, &[], report);
    test::steps(workspace, report);
    report.step("model", "cargo test --package larder-model", || {
        process::run(&mut process::cargo(["test", "--package", "larder-model"]))
    });
    report.step(
        "benchmarks compile",
        "cargo check --package larder-benches --all-targets",
        bench::compile,
    );
}
