//! `cargo xtask bench <group>`: measures against the raw engines, in the bench profile.

use crate::process;
use crate::report::Report;

/// What the benchmark program knows; `docs/benchmarks.md` says what each measures.
pub(crate) const GROUPS: &[&str] = &["memory", "load", "redis", "tags", "all"];

const PACKAGE: &str = "larder-benches";

/// Runs one group; what follows goes to the benchmark program, which prints each row's target and verdict.
pub(crate) fn run(group: &str, rest: &[&str], report: &mut Report) {
    let words = ["run", "--profile", "bench", "--package", PACKAGE, "--"];
    let arguments: Vec<&str> = words
        .into_iter()
        .chain([group])
        .chain(rest.iter().copied())
        .collect();
    let name = format!("bench {group}");
    report.step(&name, &format!("cargo xtask {name}"), || {
        process::run(&mut process::cargo(arguments))
    });
}

/// Checks that the benchmarks compile; measuring belongs on a quiet machine.
pub(crate) fn compile() -> Result<(), String> {
    process::run(&mut process::cargo([
        "check",
        "--package",
        PACKAGE,
        "--all-targets",
    ]))
}
