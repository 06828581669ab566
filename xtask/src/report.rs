//! What was run, how it ended, and what took how long.

use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How far a step got that didn't fail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// All of it.
    Fully,
    /// A part could not be done, and this is why. Said again at the end, so that nobody overlooks it.
    Except(String),
}

/// Steps in the order in which they ran.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: String,
    repeat: String,
    took: Duration,
    outcome: Result<Done, String>,
}

impl Report {
    /// Runs a step. `repeat` is what one types to run it again.
    pub(crate) fn step(
        &mut self,
        name: &str,
        repeat: &str,
        step: impl FnOnce() -> Result<(), String>,
    ) {
        self.partial_step(name, repeat, || step().map(|()| Done::Fully));
    }

    /// Runs a step of which a part may be impossible on this machine.
    pub(crate) fn partial_step(
        &mut self,
        name: &str,
        repeat: &str,
        step: impl FnOnce() -> Result<Done, String>,
    ) {
        println!("\n=== {name}");
        let started = Instant::now();
        let outcome = step();
        match &outcome {
            Ok(Done::Fully) => {}
            Ok(Done::Except(what)) => println!("!!! {name}: {what}"),
            Err(problem) => println!("!!! {name} FAILED\n{problem}"),
        }
        self.rows.push(Row {
            name: name.to_owned(),
            repeat: repeat.to_owned(),
            took: started.elapsed(),
            outcome,
        });
    }

    /// Prints the table, then what failed and how to repeat it. Fails if anything did, or nothing ran.
    pub(crate) fn finish(self) -> ExitCode {
        println!("\n{}", self.summary());
        if self.passed() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn passed(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|row| row.outcome.is_ok())
    }

    fn summary(&self) -> String {
        let total = self.rows.iter().map(|row| row.took).sum();
        let mut lines: Vec<String> = self
            .rows
            .iter()
            .map(|row| {
                let outcome = match &row.outcome {
                    Ok(Done::Fully) => "ok",
                    Ok(Done::Except(_)) => "IN PART",
                    Err(_) => "FAILED",
                };
                format!("{:>9}  {outcome:<7}  {}", time(row.took), row.name)
            })
            .collect();
        lines.push(format!("{:>9}  total", time(total)));
        for row in &self.rows {
            match &row.outcome {
                Ok(Done::Fully) => {}
                Ok(Done::Except(what)) => lines.push(format!("\n{}: {what}", row.name)),
                Err(problem) => lines.push(format!(
                    "\n{} FAILED\n{problem}\nagain: {}",
                    row.name, row.repeat
                )),
            }
        }
        lines.join("\n")
    }
}

/// Minutes and seconds.
fn time(took: Duration) -> String {
    let tenths = took.as_millis() / 100;
    let (minutes, seconds) = (tenths / 600, tenths % 600);
    format!("{minutes}:{:02}.{}", seconds / 10, seconds % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcomes: impl IntoIterator<Item = Result<Done, String>>) -> Report {
        let mut report = Report::default();
        for (number, outcome) in outcomes.into_iter().enumerate() {
            let name = format!("step {number}");
            report.partial_step(&name, &format!("do {number}"), || outcome);
        }
        report
    }

    #[test]
    fn one_failure_fails_the_whole_and_the_rest_still_runs() {
        let report = report([Err("it broke".to_owned()), Ok(Done::Fully)]);
        assert!(!report.passed());
        let summary = report.summary();
        assert!(summary.contains("step 1"), "{summary}");
        assert!(summary.contains("it broke\nagain: do 0"), "{summary}");
    }

    #[test]
    fn what_could_not_be_done_is_said_and_is_no_failure() {
        let report = report([Ok(Done::Except("no network".to_owned()))]);
        assert!(report.passed());
        assert!(report.summary().contains("step 0: no network"));
    }

    #[test]
    fn nothing_run_is_a_failure() {
        assert!(!Report::default().passed());
    }

    #[test]
    fn times_are_minutes_and_seconds() {
        assert_eq!(time(Duration::from_millis(61_250)), "1:01.2");
    }
}
