//! Fences: an epoch for each stripe of the keys, behind one short lock, and the own writes that are under way.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use larder_core::{EntryId, Key};

/// A power of two. Two keys of one stripe void each other's samples, which costs a promotion and is safe.
const STRIPES: usize = 256;

/// An epoch as it was before something was asked for. If it is still the stripe's afterwards, *the fence
/// stood*: nobody has written, invalidated or heard of a change since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample(u64);

/// What one lock guards: nothing enters or leaves the nearest tier under a key without its stripe's.
#[derive(Debug, Default)]
pub(crate) struct Stripe {
    epoch: u64,
    /// The own writes under way, by the hash of their keys and the ids of their entries. Rarely more
    /// than one, so a list.
    pending: Vec<(u64, EntryId)>,
}

impl Stripe {
    pub(crate) fn sample(&self) -> Sample {
        Sample(self.epoch)
    }

    pub(crate) fn stood_since(&self, sample: Sample) -> bool {
        self.epoch == sample.0
    }

    /// Moves the fence: every sample from before is void.
    pub(crate) fn move_on(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// Remembers an own write until [`Stripe::take_pending`].
    pub(crate) fn expect(&mut self, key: &Key<'_>, id: EntryId) {
        self.pending.push((key.hash64(), id));
    }

    /// Whether this is an own write under way. It is so once: a second telling of the same id is
    /// somebody's `expire` of the entry, which keeps the id and changes the times (U14).
    pub(crate) fn take_pending(&mut self, key: &Key<'_>, id: EntryId) -> bool {
        let own = (key.hash64(), id);
        let Some(at) = self.pending.iter().position(|pending| *pending == own) else {
            return false;
        };
        self.pending.swap_remove(at);
        true
    }
}

/// The stripes.
pub(crate) struct Fences(Box<[Mutex<Stripe>]>);

impl Fences {
    pub(crate) fn new() -> Self {
        Self((0..STRIPES).map(|_| Mutex::default()).collect())
    }

    /// The stripe of a key, locked. Never held over a call of the far tier, which may tell of a change
    /// before it returns, and so come back here.
    pub(crate) fn lock(&self, key: &Key<'_>) -> MutexGuard<'_, Stripe> {
        // The middle bits: those above pick the stripes of the memory store, which then are not all of
        // one of ours, and those below the buckets of its map.
        let index = (key.hash64() >> 16) as usize % STRIPES;
        self.0[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every stripe, locked: nothing enters or leaves the nearest tier meanwhile.
    pub(crate) fn lock_all(&self) -> Vec<MutexGuard<'_, Stripe>> {
        self.0
            .iter()
            .map(|stripe| stripe.lock().unwrap_or_else(PoisonError::into_inner))
            .collect()
    }
}

impl fmt::Debug for Fences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} stripes", self.0.len())
    }
}
