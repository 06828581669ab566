//! The project's automation, as `cargo xtask <command>`: one file per command, plain processes, no shell.
//!
//! | file | what |
//! | --- | --- |
//! | `test.rs`, `check.rs`, `bench.rs`, `ci.rs` | the commands |
//! | `features.rs`, `rules.rs`, `tidy.rs`, `deny.rs` | what `check` consists of, beside fmt, clippy and docs |
//! | `redis.rs` | Redis for the tests, and a server to play with: the command `redis` |
//! | `prove.rs`, `planted.rs` | histories under faults, and bugs for their checker: the command `prove` |
//! | `timelines.rs` | the pictures of `docs/loading.md`: the command `timelines` |
//! | `workspace.rs` | what `cargo metadata` and `cargo tree` tell |
//! | `process.rs`, `report.rs` | running commands; what passed, what failed, what took how long |
#![expect(
    clippy::print_stdout,
    reason = "a command-line tool talks on standard output"
)]

mod bench;
mod check;
mod ci;
mod deny;
mod features;
mod planted;
mod process;
mod prove;
mod redis;
mod report;
mod rules;
mod test;
mod tidy;
mod timelines;
mod workspace;

use std::path::Path;
use std::process::ExitCode;

use self::report::Report;
use self::workspace::Workspace;

const USAGE: &str = "\
cargo xtask <command>

  test             every test of the default members, doctests and examples included
  check [STEP…]    formatting, lints, docs, features, dependency rules, tidiness, licences; or the steps named
  bench <GROUP>    measures against the raw engines; a group is memory, load, redis, tags or all
  prove [--seed N] [--seconds S] [--hours H] [--planted [BUG…]]
                   random operations of three nodes under random faults, checked: two minutes with fixed seeds, or as
                   long as is said; or whether the checker finds the bugs that are planted for it (docs/prove.md)
  redis up [--port N]
                   starts a Redis server to play with, on a free port, and prints the line for one's shell
  redis down       stops it
  timelines        draws the pictures of docs/loading.md anew
  ci               all that .ci/run runs: check, test, the model, benchmarks compile; ends in a table of times";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["test"] => reported(test::steps),
        ["check", steps @ ..] if check::knows(steps) => {
            reported(|workspace, report| check::steps(workspace, steps, report))
        }
        ["check", ..] => usage(&format!("the steps are {}", check::names().join(", "))),
        ["bench", group, rest @ ..] if bench::GROUPS.contains(group) => {
            let mut report = Report::default();
            bench::run(group, rest, &mut report);
            report.finish()
        }
        ["bench", ..] => usage(&format!("the groups are {}", bench::GROUPS.join(", "))),
        ["prove", options @ ..] => match prove::Options::read(options) {
            Ok(options) => reported(|workspace, report| prove::steps(workspace, &options, report)),
            Err(problem) => usage(&problem),
        },
        ["redis", "up"] => told(|target| redis::up(target, None)),
        ["redis", "up", "--port", port] => match port.parse() {
            Ok(port) => told(|target| redis::up(target, Some(port))),
            Err(_) => usage(&format!("not a port: {port}")),
        },
        ["redis", "down"] => told(redis::down),
        ["redis", ..] => usage("redis takes `up`, `up --port N` or `down`"),
        ["timelines"] => told(|_| timelines::draw(process::root())),
        ["ci"] => reported(ci::steps),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        [] => usage("no command"),
        [command, ..] => usage(&format!("no such command, or not so: {command}")),
    }
}

/// Runs a command's steps on the workspace and says how they ended.
fn reported(steps: impl FnOnce(&Workspace, &mut Report)) -> ExitCode {
    let mut report = Report::default();
    match Workspace::read() {
        Ok(workspace) => steps(&workspace, &mut report),
        Err(problem) => report.step("workspace", "cargo metadata", || Err(problem)),
    }
    report.finish()
}

/// Runs a command that has one line to say, and says it alone: a shell may read it.
fn told(command: impl FnOnce(&Path) -> Result<String, String>) -> ExitCode {
    let answer = Workspace::read().and_then(|workspace| command(&workspace.target));
    match answer {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn usage(problem: &str) -> ExitCode {
    eprintln!("{problem}\n\n{USAGE}");
    ExitCode::from(2)
}
