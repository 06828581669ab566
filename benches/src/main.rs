//! What larder costs beside the engines it stands on: `cargo xtask bench <group>`. `docs/benchmarks.md`
//! says how it measures, and is where the tables go.
//!
//! | file | what |
//! | --- | --- |
//! | `memory.rs`, `load.rs`, `redis/`, `tags.rs` | the groups |
//! | `hits.rs`, `pieces.rs`, `writes.rs`, `rss.rs`, `ratio.rs` | the parts of the group `memory` |
//! | `work.rs`, `values.rs`, `zipf.rs` | keys, values, and the order in which they are asked for |
//! | `harness.rs`, `alloc.rs` | measuring time, counting allocations |
//! | `report.rs` | tables |
#![expect(
    clippy::print_stdout,
    reason = "a command-line tool talks on standard output"
)]

mod alloc;
mod harness;
mod hits;
mod load;
mod memory;
mod pieces;
mod ratio;
mod redis;
mod report;
mod rss;
mod tags;
mod values;
mod work;
mod writes;
mod zipf;

use std::env;
use std::process::ExitCode;

use self::report::{Measured, Table};

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

const GROUPS: [&str; 4] = ["memory", "load", "redis", "tags"];

const USAGE: &str = "\
usage: larder-benches memory|load|redis|tags|all [--rounds N] [--print]

  --rounds N   how often each contender takes its turn (default 25)
  --print      leave docs/benchmarks.md alone";

/// The hidden argument that repeats one kind of operation, for a profiler.
const PROFILE: &str = "profile";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        [rss::CHILD, mebibytes, policy] => {
            rss::child(mebibytes, policy).map(|told| println!("{told}"))
        }
        [PROFILE, way, count] => memory::profile(way, count),
        [PROFILE, way, callers, count] => redis::profile(way, callers, count),
        [group, ref options @ ..] => Options::parse(options).and_then(|options| match group {
            "all" => run_all(&options),
            known if GROUPS.contains(&known) => run(group, &options),
            _ => Err(USAGE.to_owned()),
        }),
        [] => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    rounds: usize,
    print: bool,
}

impl Options {
    fn parse(mut words: &[&str]) -> Result<Self, String> {
        let mut options = Self {
            rounds: 25,
            print: false,
        };
        loop {
            words = match *words {
                [] => return Ok(options),
                ["--print", ref rest @ ..] => {
                    options.print = true;
                    rest
                }
                ["--rounds", rounds, ref rest @ ..] => {
                    let rounds = rounds.parse().ok().filter(|rounds| *rounds > 0);
                    options.rounds = rounds.ok_or(USAGE)?;
                    rest
                }
                _ => return Err(USAGE.to_owned()),
            };
        }
    }
}

/// Runs every group, the next also where one has missed a target.
fn run_all(options: &Options) -> Result<(), String> {
    let problems: Vec<String> = GROUPS
        .iter()
        .filter_map(|group| run(group, options).err())
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n"))
    }
}

/// Runs a group. A missed target fails the run, after everything is measured and written down.
fn run(group: &str, options: &Options) -> Result<(), String> {
    let measured: Measured = match group {
        "memory" => memory::tables(options.rounds)?.into(),
        "load" => load::tables(options.rounds).into(),
        "tags" => tags::measured(options.rounds),
        _ => redis::measured(options.rounds),
    };
    for table in &measured.tables {
        println!("{}", table.markdown());
    }
    if !options.print {
        report::publish(group, &measured)?;
    }
    match measured.tables.iter().map(Table::missed).sum::<usize>() {
        0 => Ok(()),
        missed => Err(format!("{group}: {missed} targets missed")),
    }
}
