//! Runs a loader so that nothing it does can hurt: it may panic, and it may hang.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use larder_core::Sleep;

use crate::race::race;

/// How a guarded future ended.
pub(crate) enum Ended<T> {
    /// With its output.
    Returned(T),
    /// By a panic with this message.
    Panicked(String),
    /// Not in time; it was dropped.
    TimedOut,
}

/// Runs a future to its end, its panic, or its deadline.
pub(crate) async fn guarded<T>(future: impl Future<Output = T>, deadline: Sleep) -> Ended<T> {
    let mut future = pin!(future);
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

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
