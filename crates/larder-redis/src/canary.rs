//! The marker whose loss is the only sign of a `FLUSHALL`: the server tells of those too, but the driver
//! drops that push.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// The namespace's generation as it is stored, as far as the heartbeats know it.
#[derive(Debug, Default)]
pub(crate) struct Canary(Mutex<Option<Bytes>>);

impl Canary {
    /// A new connection begins with this.
    pub(crate) fn expect(&self, found: Option<Bytes>) {
        *self.lock() = found;
    }

    /// Whoever watches has been told that there is another: the next heartbeat learns which.
    pub(crate) fn told(&self) {
        *self.lock() = None;
    }

    /// A heartbeat found this. Whether it is another one than before, and nobody was told.
    pub(crate) fn is_lost(&self, found: Option<Bytes>) -> bool {
        let mut known = self.lock();
        let lost = known.is_some() && *known != found;
        *known = found;
        lost
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_that_is_lost_or_replaced_unheard_is_noticed_once() {
        let (old, new) = (
            Some(Bytes::from_static(b"1")),
            Some(Bytes::from_static(b"2")),
        );
        let canary = Canary::default();
        canary.expect(old.clone());
        assert!(!canary.is_lost(old.clone()));
        assert!(canary.is_lost(None));
        assert!(!canary.is_lost(new.clone()), "made anew");
        assert!(canary.is_lost(old));
        canary.told();
        assert!(!canary.is_lost(new), "told of");
    }
}
