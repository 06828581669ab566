//! Holding an operation at a point until the test has seen it there.

use std::sync::Arc;

use tokio::sync::watch;

/// Holds one operation until it is opened or dropped. Made by [`ChaosLayer::block_before`] and
/// [`ChaosLayer::block_after`].
///
/// [`ChaosLayer::block_before`]: crate::ChaosLayer::block_before
/// [`ChaosLayer::block_after`]: crate::ChaosLayer::block_after
#[derive(Debug)]
#[must_use = "a gate that is dropped is open"]
pub struct Gate(pub(super) Arc<Barrier>);

#[derive(Debug)]
pub(super) struct Barrier {
    reached: watch::Sender<bool>,
    open: watch::Sender<bool>,
}

impl Gate {
    pub(super) fn closed() -> Self {
        Self(Arc::new(Barrier {
            reached: watch::Sender::new(false),
            open: watch::Sender::new(false),
        }))
    }

    /// Returns as soon as the operation is held.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn reached(&self) {
        wait(&self.0.reached).await;
    }

    /// Whether the operation is held, or has been.
    pub fn is_reached(&self) -> bool {
        *self.0.reached.borrow()
    }

    /// Lets the operation go on.
    pub fn open(self) {
        drop(self);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.0.open.send_replace(true);
    }
}

impl Barrier {
    pub(super) fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    pub(super) async fn hold(&self) {
        self.reached.send_replace(true);
        wait(&self.open).await;
    }
}

async fn wait(signal: &watch::Sender<bool>) {
    // The sender is at hand, so the channel can't close.
    let _ = signal.subscribe().wait_for(|given| *given).await;
}
