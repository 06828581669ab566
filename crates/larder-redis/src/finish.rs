//! What has been sent is heard to the end, whoever goes away: the reply of a write moves fences (P2, U7), so
//! somebody must be there to take it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use larder_core::Result;
use tokio::runtime::Handle;

use crate::driver::Fault;

/// Runs a write. If its caller goes away or its time is over, the write goes on in a task of its own, and
/// `orphaned` gets what came of it; that task ends with the connection at the latest.
pub(crate) fn finish<T, F, O>(
    future: F,
    within: Option<Duration>,
    orphaned: O,
) -> impl Future<Output = Result<T>> + Send
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
    O: AsyncOrphan<T>,
{
    let running = Running {
        write: Some((Box::pin(future), orphaned)),
        runtime: Handle::try_current().ok(),
    };
    // Not an async function: that would keep room for the write itself, which is thousands of bytes, beside the box.
    async move {
        match within {
            None => running.await,
            Some(within) => tokio::time::timeout(within, running)
                .await
                .unwrap_or_else(|_| Err(Fault::Timeout.into())),
        }
    }
}

/// What becomes of a result that nobody waits for any more.
pub(crate) trait AsyncOrphan<T>: Send + Unpin + 'static {
    /// Deals with it.
    fn take(self, result: T) -> impl Future<Output = ()> + Send;
}

/// Nothing is left to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forget;

impl<T: Send> AsyncOrphan<T> for Forget {
    async fn take(self, result: T) {
        drop(result);
    }
}

type Boxed<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

struct Running<T: Send + 'static, O: AsyncOrphan<T>> {
    write: Option<(Boxed<T>, O)>,
    /// Where it goes on: known from the beginning, because it may be dropped on a thread that knows none.
    runtime: Option<Handle>,
}

impl<T: Send + 'static, O: AsyncOrphan<T>> Future for Running<T, O> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some((future, _)) = &mut self.write else {
            return Poll::Pending;
        };
        let output = ready!(future.as_mut().poll(context));
        self.write = None;
        Poll::Ready(output)
    }
}

impl<T: Send + 'static, O: AsyncOrphan<T>> Drop for Running<T, O> {
    fn drop(&mut self) {
        // Without a runtime there is nobody left to read what memory holds.
        if let (Some((future, orphaned)), Some(runtime)) = (self.write.take(), &self.runtime) {
            runtime.spawn(async move {
                if let Ok(result) = future.await {
                    orphaned.take(result).await;
                }
            });
        }
    }
}
