//! Runs a loader so that nothing it does can hurt: it may panic, and it may hang.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use larder_core::{Error, ErrorKind, Result, Sleep};

use crate::counters::Counters;
use crate::race::race;

/// How a guarded future ended.
pub(crate) enum Ended<T> {
    /// With its output.
    Returned(T),
    /// By a panic with this message.
    Panicked(String),
    /// Not in time; it was dropped.
    TimedOut,
    /// Nobody wanted it any more; it was dropped.
    Abandoned,
}

impl<T> Ended<Result<T>> {
    /// What the loader returned, or why it didn't; a failure is counted for each of its keys.
    pub(crate) fn result(self, counters: &Counters, timeout: Duration, keys: usize) -> Result<T> {
        let (count, error) = match self {
            Self::Returned(Ok(value)) => return Ok(value),
            Self::Returned(Err(error)) => (&counters.loads_failed, error),
            Self::Panicked(message) => {
                let message = format!("the loader panicked: {message}");
                let error = Error::new(ErrorKind::LoadPanicked, message);
                (&counters.loads_panicked, error)
            }
            Self::TimedOut => {
                let message = format!("the loader took longer than {timeout:?}");
                let error = Error::new(ErrorKind::Timeout, message);
                (&counters.loads_timed_out, error)
            }
            Self::Abandoned => {
                let message = "everybody who waited for the load has gone";
                let error = Error::new(ErrorKind::LoadCancelled, message);
                (&counters.loads_abandoned, error)
            }
        };
        count.add(keys as u64);
        Err(error)
    }
}

/// Runs a future to its end, its panic, or its deadline.
///
/// The sleep is only begun for a future that isn't ready at once.
pub(crate) async fn guarded<T>(
    mut future: Pin<&mut impl Future<Output = T>>,
    deadline: impl FnOnce() -> Sleep,
) -> Ended<T> {
    // The future is not polled again after a panic, so nobody sees what it left half done.
    let caught =
        poll_fn(
            |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(output)) => Poll::Ready(Ended::Returned(output)),
                Err(panic) => Poll::Ready(Ended::Panicked(message(panic.as_ref()))),
            },
        );
    race(caught, deadline).await.unwrap_or(Ended::TimedOut)
}

/// Runs code of the caller's that isn't a future: its `Serialize`, its `weigh`. A panic is its message.
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> std::result::Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| message(panic.as_ref()))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
