//! Running one case.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::runtime;

use crate::suite::Case;
use crate::{Subject, Way};

/// How long a case may take before it counts as stuck.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs one case on a subject of its own: what a test of [`conformance!`](crate::conformance) does.
///
/// # Panics
///
/// If the case fails, is unknown, or takes longer than a minute.
pub fn run<F>(case: &str, way: Way, subject: impl FnOnce() -> F + Send + 'static)
where
    F: Future<Output = Subject>,
{
    if let Err(failure) = try_run(case, way, subject) {
        panic!("{failure}");
    }
}

/// Why a case failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The case's name.
    pub case: String,
    /// What it said.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.case, self.message)
    }
}

impl std::error::Error for Failure {}

/// [`run`] with the failure as a value: what tests of the suite itself want.
///
/// # Errors
///
/// What the case said, or that it is unknown, or that it took longer than a minute.
pub fn try_run<F>(
    case: &str,
    way: Way,
    subject: impl FnOnce() -> F + Send + 'static,
) -> Result<(), Failure>
where
    F: Future<Output = Subject>,
{
    let outcome = match Case::named(case) {
        Some(case) => within(LIMIT, case, way, subject),
        None => Err("there is no such case".to_owned()),
    };
    outcome.map_err(|message| Failure {
        case: case.to_owned(),
        message,
    })
}

fn within<F>(
    limit: Duration,
    case: &'static Case,
    way: Way,
    subject: impl FnOnce() -> F + Send + 'static,
) -> Result<(), String>
where
    F: Future<Output = Subject>,
{
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime could be made: {error}"))?;
    let handle = runtime.handle().clone();
    // The case has a thread of its own, so that this one can keep the time whatever the case blocks.
    let (done, outcome) = mpsc::sync_channel(1);
    let running = thread::Builder::new()
        .name(case.name.to_owned())
        .spawn(move || {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                handle.block_on(async {
                    let subject = subject().await.reached(way);
                    (case.run)(&subject).await;
                });
            }));
            // Nobody listens any more if it took too long.
            let _ = done.send(outcome);
        });
    running.map_err(|error| format!("no thread could be made: {error}"))?;
    let outcome = match outcome.recv_timeout(limit) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(panic)) => Err(text_of(&*panic)),
        Err(_) => Err(format!("is not done after {limit:?}: something is stuck")),
    };
    runtime.shutdown_background();
    outcome
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text.clone(),
        (_, Some(text)) => (*text).to_owned(),
        _ => "a panic without a message".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use larder_core::Store;

    use super::*;
    use crate::{ManualClock, ReferenceBackend, Time};

    async fn subject() -> Subject {
        let clock = ManualClock::new();
        Subject::new(
            Store::new(ReferenceBackend::new(clock.shared())),
            Time::Manual(clock),
        )
    }

    #[test]
    fn a_case_that_blocks_every_thread_fails_in_time() {
        const STUCK: Case = Case {
            topic: "none",
            name: "stuck",
            run: |_| {
                Box::pin(async {
                    // Nobody waits for these threads; they end with the process.
                    tokio::spawn(async { thread::sleep(LIMIT) });
                    thread::sleep(LIMIT);
                })
            },
        };
        let message = within(Duration::from_millis(50), &STUCK, Way::Bare, subject).unwrap_err();
        assert!(message.contains("stuck"), "{message}");
    }

    #[test]
    fn a_failure_has_the_words_of_the_panic() {
        const FAILING: Case = Case {
            topic: "none",
            name: "failing",
            run: |_| Box::pin(async { panic!("it's gone") }),
        };
        let message = within(LIMIT, &FAILING, Way::Bare, subject).unwrap_err();
        assert_eq!(message, "it's gone");
    }

    #[test]
    fn an_unknown_case_is_no_success() {
        assert!(try_run("c0_nothing", Way::Bare, subject).is_err());
    }
}
