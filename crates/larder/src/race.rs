//! One future against the clock.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use larder_core::Sleep;

/// The future's output, or `None` if the sleep ends first. The future is asked first, and the sleep begins when that has
/// no answer at once.
pub(crate) async fn race<F: Future>(future: F, sleep: impl FnOnce() -> Sleep) -> Option<F::Output> {
    let mut future = pin!(future);
    let (mut sleep, mut sleeping) = (Some(sleep), None);
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        if let Some(sleep) = sleep.take() {
            sleeping = Some(sleep());
        }
        match &mut sleeping {
            Some(sleeping) => Pin::new(sleeping).poll(context).map(|()| None),
            None => Poll::Pending,
        }
    })
    .await
}
