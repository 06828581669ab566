//! Histories of several nodes under faults, recorded and checked: `cargo xtask prove` runs it, `docs/prove.md`
//! says what it is.
//!
//! | file | what |
//! | --- | --- |
//! | `keys.rs`, `stamp.rs`, `moment.rs`, `rhythm.rs`, `bounds.rs` | the words that everybody uses |
//! | `history.rs` | what is recorded |
//! | `origin.rs` | the truth |
//! | `node.rs`, `reading.rs`, `writing.rs` | a node's process |
//! | `stage.rs`, `faults.rs`, `foreign.rs`, `run.rs` | the parent: server, networks, trouble, another program |
//! | `check/` | the checker |
#![expect(
    clippy::print_stdout,
    reason = "a command-line tool talks on standard output"
)]

mod bounds;
mod check;
mod faults;
mod foreign;
mod history;
mod keys;
mod moment;
mod node;
mod origin;
mod reading;
mod rhythm;
mod run;
mod stage;
mod stamp;
mod writing;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "\
larder-prove run <FOLDER> <SECONDS> <SEED>…   one run for each seed, histories below the folder
larder-prove check <FOLDER>                   checks the history in a folder once more";

/// What a violation ends with; other failures end with 1.
const VIOLATION: u8 = 3;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.split_first() {
        Some((word, rest)) if word == "node" => {
            node::Orders::read(rest).and_then(node::run).map(|()| true)
        }
        Some((word, [folder, seconds, seeds @ ..])) if word == "run" => {
            runs(Path::new(folder), seconds, seeds)
        }
        Some((word, [folder])) if word == "check" => told(Path::new(folder)),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(VIOLATION),
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// One run for each seed, until one of them finds something.
fn runs(folder: &Path, seconds: &str, seeds: &[String]) -> Result<bool, Box<dyn Error>> {
    let length = Duration::from_secs(seconds.parse()?);
    for seed in seeds {
        let folder: PathBuf = folder.join(format!("seed-{seed}"));
        let started = Instant::now();
        println!("seed {seed}: {seconds} s of operations and faults");
        run::run(seed.parse()?, length, &folder)?;
        let is_kept = told(&folder)?;
        println!(
            "seed {seed}: {:.1} s in all",
            started.elapsed().as_secs_f64()
        );
        if !is_kept {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Checks a history and says what was found; whether every promise was kept.
fn told(folder: &Path) -> Result<bool, Box<dyn Error>> {
    let verdict = check::check(folder)?;
    println!("  {}", verdict.summary);
    for violation in &verdict.violations {
        println!("\nVIOLATION {violation}");
    }
    Ok(verdict.violations.is_empty())
}
