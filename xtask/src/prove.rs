//! `cargo xtask prove`: histories of several nodes under faults, recorded and checked; and the checker, checked.
//! `docs/prove.md` says more.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::planted::{PLANTED, Planted};
use crate::process;
use crate::report::Report;
use crate::workspace::Workspace;

const PACKAGE: &str = "larder-prove";
/// What the program ends with when a promise was broken.
const VIOLATION: i32 = 3;

/// Two minutes: seven runs, and each takes a few seconds to come to rest.
const SEEDS: std::ops::Range<u64> = 1..8;
const SECONDS: u64 = 12;
const TO_REST: u64 = 5;

/// What a planted bug is given: so many seconds for each of so many seeds.
const PLANTED_SECONDS: u64 = 8;
const PLANTED_SEEDS: std::ops::Range<u64> = 1..9;

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    seed: Option<u64>,
    seconds: Option<u64>,
    hours: Option<u64>,
    /// All of them, or those named.
    planted: Option<Vec<String>>,
}

impl Options {
    /// Reads the words after the command.
    pub(crate) fn read(words: &[&str]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut number = || {
                let number = words.next().and_then(|number| number.parse().ok());
                number.map(Some).ok_or(format!("{word} takes a number"))
            };
            match *word {
                "--seed" => options.seed = number()?,
                "--seconds" => options.seconds = number()?,
                "--hours" => options.hours = number()?,
                "--planted" => {
                    options.planted = Some(words.by_ref().map(|name| (*name).to_owned()).collect());
                }
                other => return Err(format!("prove knows no {other}")),
            }
        }
        let known = |name: &String| PLANTED.iter().any(|planted| planted.name == name);
        match options.planted.iter().flatten().find(|name| !known(name)) {
            Some(name) => Err(format!("no such bug: {name}; there are {}", names())),
            None => Ok(options),
        }
    }
}

fn names() -> String {
    let names: Vec<&str> = PLANTED.iter().map(|planted| planted.name).collect();
    names.join(", ")
}

/// Does what was asked for.
pub(crate) fn steps(workspace: &Workspace, options: &Options, report: &mut Report) {
    if options.planted.is_some() {
        return planted(workspace, options, report);
    }
    let seconds = options.seconds.unwrap_or(SECONDS);
    let seeds: Vec<u64> = match (options.seed, options.hours) {
        (Some(seed), None) => vec![seed],
        (seed, Some(hours)) => {
            let first = seed.unwrap_or_else(some_seed);
            (first..).take(runs(hours, seconds)).collect()
        }
        (None, None) => SEEDS.collect(),
    };
    report.step("prove", "cargo xtask prove", || {
        let folder = workspace.target.join("prove");
        match run(&mut proving(process::root(), &folder, seconds, &seeds))? {
            Some(0) => Ok(()),
            Some(VIOLATION) => Err(format!(
                "a promise was broken, see above. The last seed again: cargo xtask prove --seed N --seconds {seconds}; \
                 its history once more: cargo run -p {PACKAGE} -- check {}/seed-N",
                folder.display()
            )),
            other => Err(format!("{PACKAGE} ended with {other:?}")),
        }
    });
}

/// As many runs as fit.
fn runs(hours: u64, seconds: u64) -> usize {
    usize::try_from((hours * 3_600).div_ceil(seconds + TO_REST)).unwrap_or(usize::MAX)
}

/// Another one each time; it is printed.
fn some_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs() << 16)
}

fn proving(root: &Path, folder: &Path, seconds: u64, seeds: &[u64]) -> Command {
    let words = ["run", "--quiet", "--package", PACKAGE, "--", "run"];
    let mut command = process::cargo(words);
    command.arg(folder).arg(seconds.to_string());
    command.args(seeds.iter().map(u64::to_string));
    command.current_dir(root).stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Result<Option<i32>, String> {
    let status = command.status();
    let status = status.map_err(|error| format!("cargo didn't start: {error}"))?;
    Ok(status.code())
}

/// Plants each bug in a copy of the sources, and has it found.
fn planted(workspace: &Workspace, options: &Options, report: &mut Report) {
    let place = workspace.target.join("prove/planted");
    let source = place.join("source");
    report.step("copy of the sources", "cargo xtask prove --planted", || {
        copy(&source)
    });
    let wanted = options.planted.as_deref().unwrap_or_default();
    for bug in PLANTED {
        if wanted.is_empty() || wanted.iter().any(|name| name == bug.name) {
            let again = format!("cargo xtask prove --planted {}", bug.name);
            report.step(&format!("planted: {}", bug.name), &again, || {
                caught(bug, options, &place)
            });
        }
    }
}

/// Whether the checker objects to a bug within its seeds.
fn caught(bug: &Planted, options: &Options, place: &Path) -> Result<(), String> {
    let source = place.join("source");
    let file = source.join(bug.file);
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", bug.file))?;
    let changed = change(bug, &text)?;
    let failed = |error: std::io::Error| format!("{}: {error}", file.display());
    fs::write(&file, changed).map_err(failed)?;
    let found = found(options, place, &source);
    fs::write(&file, text).map_err(failed)?;
    found
}

fn found(options: &Options, place: &Path, source: &Path) -> Result<(), String> {
    let mut build = process::cargo(["build", "--quiet", "--package", PACKAGE]);
    build
        .current_dir(source)
        .env("CARGO_TARGET_DIR", place.join("build"));
    if run(&mut build)? != Some(0) {
        return Err(
            "it doesn't compile: the table in xtask/src/planted.rs is out of date".to_owned(),
        );
    }
    let seconds = options.seconds.unwrap_or(PLANTED_SECONDS);
    let seeds: Vec<u64> = match options.seed {
        Some(seed) => vec![seed],
        None => PLANTED_SEEDS.collect(),
    };
    let started = Instant::now();
    let mut prove = proving(source, &place.join("histories"), seconds, &seeds);
    prove.env("CARGO_TARGET_DIR", place.join("build"));
    let output = prove.output().map_err(|error| format!("cargo: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let log = place.join("last.log");
    fs::write(&log, said.as_bytes()).map_err(|error| format!("{}: {error}", log.display()))?;
    let took = started.elapsed().as_secs();
    match output.status.code() {
        Some(VIOLATION) => {
            let seeds = said
                .lines()
                .filter(|line| line.contains("of operations and faults"));
            println!("caught with {} seeds, after {took} s:", seeds.count());
            for line in said
                .lines()
                .filter(|line| line.starts_with("VIOLATION"))
                .take(2)
            {
                println!("  {line}");
            }
            Ok(())
        }
        Some(0) => Err(format!("not caught within {} seeds, {took} s", seeds.len())),
        other => Err(format!(
            "{PACKAGE} ended with {other:?}\n{said}{}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// The text with the bug in it.
fn change(bug: &Planted, text: &str) -> Result<String, String> {
    match text.matches(bug.old).count() {
        1 => Ok(text.replacen(bug.old, bug.new, 1)),
        count => Err(format!(
            "what is to be changed stands in {} {count} times: the table in xtask/src/planted.rs is out of date",
            bug.file
        )),
    }
}

/// Copies what belongs to the repository; what hasn't changed keeps its time, so that it isn't compiled again.
fn copy(to: &Path) -> Result<(), String> {
    let mut list = Command::new("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let files = process::capture(&mut list)?;
    for name in files.lines() {
        let (from, to) = (process::root().join(name), to.join(name));
        let failed = |error: std::io::Error| format!("{name}: {error}");
        // Deleted, and not yet committed.
        if !from.is_file() {
            continue;
        }
        let bytes = fs::read(&from).map_err(failed)?;
        if fs::read(&to).is_ok_and(|there| there == bytes) {
            continue;
        }
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        fs::write(&to, bytes).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_planted_bug_can_still_be_planted() {
        for bug in PLANTED {
            let text = fs::read_to_string(process::root().join(bug.file)).unwrap();
            let changed = change(bug, &text).unwrap();
            assert_ne!(changed, text, "{}", bug.name);
        }
    }

    #[test]
    fn a_change_that_fits_nowhere_or_twice_is_refused() {
        let bug = &PLANTED[0];
        assert!(change(bug, "").is_err());
        assert!(change(bug, &[bug.old, bug.old].join("\n")).is_err());
    }

    #[test]
    fn options_are_read() {
        let options = Options::read(&["--seed", "7", "--planted", "deaf"]).unwrap();
        assert_eq!(options.seed, Some(7));
        assert_eq!(options.planted, Some(vec!["deaf".to_owned()]));
        assert!(Options::read(&["--planted", "no-such-bug"]).is_err());
        assert!(Options::read(&["--seconds"]).is_err());
        assert!(Options::read(&["--minutes", "2"]).is_err());
    }
}
