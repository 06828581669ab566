//! `cargo run -p larder-model`: explores the situations, plants the mistakes, prints traces.
#![expect(
    clippy::print_stdout,
    reason = "a command-line tool talks on standard output"
)]

use std::process::ExitCode;
use std::time::Instant;

use larder_model::{
    CI_LIMIT, Mistake, Outcome, Situation, Variant, Verdict, alternatives, explore, limits,
    mistakes, situations, unexpressed,
};

const USAGE: &str = "\
cargo run -p larder-model -- [OPTION…]

  --list          the names of everything
  --only NAME     what has NAME in its situation or its words, or as its code
  --safe          the protocol, and the choices that are as safe, alone
  --unsafe        the mistakes, and the accepted limits, alone
  --traces        print the counterexamples of mistakes step by step, not only their length
  --limit N       leave a situation after N states; the default is what CI does
  --all           no limit: minutes, and some gigabytes";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Safe,
    Unsafe,
}

#[derive(Default)]
struct Options {
    list: bool,
    only: Option<String>,
    half: Option<Half>,
    traces: bool,
    limit: Option<usize>,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self {
            limit: Some(CI_LIMIT),
            ..Self::default()
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => options.list = true,
                "--only" => options.only = Some(arguments.next()?),
                "--safe" => options.half = Some(Half::Safe),
                "--unsafe" => options.half = Some(Half::Unsafe),
                "--traces" => options.traces = true,
                "--limit" => options.limit = Some(arguments.next()?.parse().ok()?),
                "--all" => options.limit = None,
                _ => return None,
            }
        }
        Some(options)
    }

    fn wants(&self, code: &str, situation: &str, what: &str) -> bool {
        self.only
            .as_deref()
            .is_none_or(|only| code == only || situation.contains(only) || what.contains(only))
    }
}

/// What has been explored, and how often it was not as expected.
#[derive(Default)]
struct Tally {
    states: usize,
    unexpected: usize,
}

impl Tally {
    fn explore(
        &mut self,
        situation: &Situation,
        variant: &Variant,
        options: &Options,
        expected: impl FnOnce(&Verdict) -> bool,
        what: &str,
    ) {
        let started = Instant::now();
        let outcome = explore(situation, variant, options.limit);
        let Outcome {
            states, verdict, ..
        } = &outcome;
        let as_expected = expected(verdict);
        self.states += states;
        self.unexpected += usize::from(!as_expected);
        let sign = if as_expected { "ok" } else { "UNEXPECTED" };
        let seconds = started.elapsed().as_secs_f64();
        let title = format!("{sign:<10} {:<40} {what}", situation.name());
        println!(
            "{}\n           {outcome} ({seconds:.1} s)",
            title.trim_end()
        );
        if let Verdict::Broken(_, trace) = verdict
            && (options.traces || !as_expected)
        {
            for (number, step) in (1..).zip(trace) {
                println!("           {number:>3}. {step}");
            }
        }
    }
}

fn is_found(mistake: &Mistake, verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Broken(breach, _) if breach.promise == mistake.breaks)
}

fn main() -> ExitCode {
    let Some(options) = Options::read(std::env::args().skip(1)) else {
        println!("{USAGE}");
        return ExitCode::FAILURE;
    };
    if options.list {
        list();
        return ExitCode::SUCCESS;
    }
    let started = Instant::now();
    let mut tally = Tally::default();
    let all = situations();
    let named = |name: &str| {
        all.iter()
            .find(|situation| situation.name() == name)
            .expect("the tables name situations that exist")
    };
    let limits = limits();
    if options.half != Some(Half::Unsafe) {
        let accepted = |name| limits.iter().any(|limit| limit.situation == name);
        for situation in all.iter().filter(|situation| !accepted(situation.name())) {
            if options.wants("", situation.name(), "") {
                let holds = |verdict: &Verdict| !matches!(verdict, Verdict::Broken(..));
                tally.explore(situation, &Variant::default(), &options, holds, "");
            }
        }
        for choice in alternatives() {
            for name in choice.situations {
                if options.wants("", name, choice.what) {
                    let holds = |verdict: &Verdict| !matches!(verdict, Verdict::Broken(..));
                    let what = format!("as safe: {}", choice.what);
                    tally.explore(named(name), &choice.variant(), &options, holds, &what);
                }
            }
        }
    }
    if options.half != Some(Half::Safe) {
        // A counterexample is looked for until it is found.
        let patient = Options {
            limit: None,
            ..options
        };
        for mistake in mistakes().iter().chain(&limits) {
            if patient.wants(mistake.code, mistake.situation, mistake.what) {
                let what = format!("{}: {}", mistake.code, mistake.what);
                let found = |verdict: &Verdict| is_found(mistake, verdict);
                tally.explore(
                    named(mistake.situation),
                    &mistake.variant(),
                    &patient,
                    found,
                    &what,
                );
            }
        }
    }
    println!(
        "{} states in {:.0} s; {} results other than expected",
        tally.states,
        started.elapsed().as_secs_f64(),
        tally.unexpected
    );
    ExitCode::from(u8::from(tally.unexpected > 0))
}

fn list() {
    println!("situations");
    for situation in situations() {
        println!("  {}", situation.name());
    }
    println!("mistakes, each with the situation that shows it and the promise that it breaks");
    for mistake in mistakes() {
        show(&mistake);
    }
    println!("accepted limits");
    for limit in limits() {
        show(&limit);
    }
    println!("choices that are as safe");
    for choice in alternatives() {
        println!("  {} ({})", choice.what, choice.situations.join(", "));
    }
    println!("mistakes of the old lists that can't be planted");
    for row in unexpressed() {
        println!("  {:<6} {}", row.code, row.why);
    }
}

fn show(mistake: &Mistake) {
    let Mistake {
        code,
        what,
        situation,
        breaks,
        ..
    } = mistake;
    println!("  {code:<6} {what} ({situation}, {})", breaks.code());
}
