//! The marker whose loss is the only sign of a `FLUSHALL`: the server tells of those too, but the driver
//! drops that push.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// The namespace's generation as it is stored, as far as the heartbeats know it.
#[derive(Debug, Default)]
pub(crate) struct Canary(Mutex<Known>);

#[derive(Debug, Default, PartialEq, Eq)]
enum Known {
    /// There was none.
    #[default]
    Nothing,
    /// There is one, and another than before: whoever watches has been told.
    Told,
    /// It is this.
    Is(Bytes),
}

impl From<Option<Bytes>> for Known {
    fn from(found: Option<Bytes>) -> Self {
        found.map_or(Self::Nothing, Self::Is)
    }
}

impl Canary {
    /// A new connection begins with this.
    pub(crate) fn expect(&self, found: Option<Bytes>) {
        *self.lock() = found.into();
    }

    /// Whoever watches has been told that there is another: the next heartbeat learns which.
    pub(crate) fn told(&self) {
        *self.lock() = Known::Told;
    }

    /// A heartbeat found this. Whether it is gone, or another one than before, and nobody was told.
    pub(crate) fn is_lost(&self, found: Option<Bytes>) -> bool {
        let (mut known, found) = (self.lock(), Known::from(found));
        let lost = match (&*known, &found) {
            (Known::Nothing, _) | (Known::Told, Known::Is(_)) => false,
            // After news of one there should be one.
            (Known::Told, _) => true,
            (known, found) => known != found,
        };
        *known = found;
        lost
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
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
        assert!(!canary.is_lost(None), "nobody has made one");
        canary.expect(old.clone());
        assert!(!canary.is_lost(old.clone()));
        assert!(canary.is_lost(None));
        assert!(!canary.is_lost(None), "once");
        assert!(!canary.is_lost(new.clone()), "made anew");
        assert!(canary.is_lost(old));
        canary.told();
        assert!(!canary.is_lost(new), "told of");
        canary.told();
        assert!(canary.is_lost(None), "told of, and gone before it was seen");
    }
}
