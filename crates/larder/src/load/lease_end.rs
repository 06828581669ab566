//! What becomes of a lease whose load is dropped.

use std::pin::pin;
use std::task::{Context, Waker};

use larder_core::{Backend, EntryId, FillToken, KeyBuf, Store, WriteOptions};

/// Gives a lease back when it is dropped, unless the lease has ended: a task that is stopped, with its
/// cache or with its runtime, can't await that any more, and a fill or release that failed is tried once
/// more.
///
/// The release is polled once: a store in memory has done it by then, and a lease elsewhere ends by its time.
pub(crate) struct LeaseEnd {
    store: Store,
    lease: Option<(KeyBuf, EntryId)>,
}

impl LeaseEnd {
    pub(crate) fn new(store: &Store, token: Option<&FillToken>) -> Self {
        let lease = token.map(|token| (token.key().to_buf(), token.seen()));
        Self {
            store: store.clone(),
            lease,
        }
    }

    /// The lease has been filled or given back: nothing is left to do.
    pub(crate) fn ended(&mut self) {
        self.lease = None;
    }
}

impl Drop for LeaseEnd {
    fn drop(&mut self) {
        if let Some((key, seen)) = self.lease.take() {
            let token = FillToken::granted(&key.as_key(), seen);
            let options = WriteOptions::default();
            let release = pin!(self.store.release(vec![token], &options));
            let _ = release.poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}
