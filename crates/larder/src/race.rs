//! One future against the clock.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use larder_core::Sleep;

/// The future's output, or `None` if the sleep ends first. The future is asked first.
pub(crate) async fn race<F: Future>(future: F, mut sleep: Sleep) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        Pin::new(&mut sleep).poll(context).map(|()| None)
    })
    .await
}
