//! When entries expire: what lets memory give their room back without being asked for them.
//!
//! moka can do this by itself, but then every look-up pays for it, a third of a hit; this costs the
//! writes of entries that expire, and nothing else (docs/decisions/0010-expiry.md).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use larder_core::{Entry, EntryId, Key, Timestamp};

/// An entry's end: when, the hash of its key, and its id, by which a later entry of the key is told
/// from it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct End {
    at: Timestamp,
    pub(crate) hash: u64,
    id: u64,
}

impl End {
    /// Whether this is the end of an entry.
    pub(crate) fn is_of(&self, entry: &Entry) -> bool {
        self.id == entry.id().as_u64() && self.at == entry.head().lifetime().expires_at
    }
}

/// The ends of one stripe's entries, soonest first. Those of entries that have been replaced or evicted
/// stay until they are due, or until they are half of all.
pub(crate) struct Expiries {
    ends: BinaryHeap<Reverse<End>>,
    /// At this length it is looked through for ends of entries that have gone.
    sweep_at: usize,
}

const FIRST_SWEEP: usize = 256;

impl Default for Expiries {
    fn default() -> Self {
        Self {
            ends: BinaryHeap::new(),
            sweep_at: FIRST_SWEEP,
        }
    }
}

impl Expiries {
    /// Remembers when an entry ends. `is_there` tells whether an end is still that of an entry.
    pub(crate) fn add(
        &mut self,
        key: &Key<'_>,
        at: Timestamp,
        id: EntryId,
        is_there: impl Fn(&End) -> bool,
    ) {
        if at.is_forever() {
            return;
        }
        if self.ends.len() >= self.sweep_at {
            self.ends.retain(|Reverse(end)| is_there(end));
            self.sweep_at = FIRST_SWEEP.max(2 * self.ends.len());
        }
        self.ends.push(Reverse(End {
            at,
            hash: key.hash64(),
            id: id.as_u64(),
        }));
    }

    /// Takes out one end that is due.
    pub(crate) fn due(&mut self, now: Timestamp) -> Option<End> {
        self.ends.peek().filter(|Reverse(end)| end.at <= now)?;
        self.ends.pop().map(|Reverse(end)| end)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }
}

#[cfg(test)]
mod tests {
    use larder_core::Namespace;

    use super::*;

    #[test]
    fn overwriting_does_not_pile_up_ends() {
        let ns = Namespace::new("test").expect("a namespace");
        let key = Key::new(&ns, "", "k").expect("a key");
        let mut expiries = Expiries::default();
        for n in 0..100_000 {
            let id = EntryId::random();
            // Only the entry that was written last is there.
            expiries.add(&key, Timestamp::from_millis(n), id, |_| false);
        }
        assert!(
            expiries.len() <= FIRST_SWEEP,
            "{} ends of one entry",
            expiries.len()
        );
    }

    #[test]
    fn ends_come_due_in_their_order() {
        let ns = Namespace::new("test").expect("a namespace");
        let key = Key::new(&ns, "", "k").expect("a key");
        let mut expiries = Expiries::default();
        for at in [30, 10, 20] {
            expiries.add(&key, Timestamp::from_millis(at), EntryId::random(), |_| {
                true
            });
        }
        expiries.add(&key, Timestamp::FOREVER, EntryId::random(), |_| true);
        let mut due = || {
            expiries
                .due(Timestamp::from_millis(20))
                .map(|end| end.at.as_millis())
        };
        assert_eq!([due(), due(), due()], [Some(10), Some(20), None]);
        assert_eq!(expiries.len(), 1);
    }
}
