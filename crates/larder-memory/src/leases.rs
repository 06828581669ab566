//! Who is loading what: one lock per stripe of keys, under which every write to those keys happens, and
//! which also keeps when they expire.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use larder_core::{EntryId, Key, KeyBuf, KeyHashBuilder, Namespace, Timestamp, Version};

use crate::expiries::Expiries;

const STRIPES: usize = 64;
const FIRST_SWEEP: usize = 64;

/// A lease on one key. Writes end it by removing it; `fill` stores only if it is still there.
pub(crate) struct Held {
    pub(crate) key: KeyBuf,
    pub(crate) token: EntryId,
    pub(crate) until: Timestamp,
    /// The generation it was asked for under: after a `clear()` it stands in nobody's way.
    pub(crate) generation: Option<Version>,
}

/// The leases of one stripe, by the hash of their keys: should two keys share a hash, one's write ends
/// the other's lease, which costs a fill and is safe.
#[derive(Default)]
pub(crate) struct Stripe {
    leases: HashMap<u64, Held, KeyHashBuilder>,
    /// At this many leases those of holders that died are looked for.
    sweep_at: usize,
    pub(crate) expiries: Expiries,
}

impl Stripe {
    /// The lease on a key, unless its time is over.
    pub(crate) fn held(&self, key: &Key<'_>, now: Timestamp) -> Option<&Held> {
        self.leases
            .get(&key.hash64())
            .filter(|held| now < held.until)
    }

    pub(crate) fn hold(&mut self, key: &Key<'_>, held: Held, now: Timestamp) {
        if self.leases.len() >= self.sweep_at {
            self.leases.retain(|_, held| now < held.until);
            self.sweep_at = FIRST_SWEEP.max(2 * self.leases.len());
        }
        self.leases.insert(key.hash64(), held);
    }

    /// Ends the leases of a namespace.
    pub(crate) fn end_all(&mut self, namespace: &Namespace) {
        self.leases
            .retain(|_, held| held.key.namespace() != namespace);
    }

    /// The leases that stand.
    pub(crate) fn standing(&self, now: Timestamp) -> impl Iterator<Item = &Held> {
        self.leases.values().filter(move |held| now < held.until)
    }

    /// Ends whatever lease there is on a key.
    pub(crate) fn end(&mut self, key: &Key<'_>) {
        if !self.leases.is_empty() {
            self.leases.remove(&key.hash64());
        }
    }
}

#[derive(Default)]
pub(crate) struct Stripes(Box<[Mutex<Stripe>]>);

impl Stripes {
    pub(crate) fn new() -> Self {
        Self((0..STRIPES).map(|_| Mutex::default()).collect())
    }

    /// Every stripe, locked: nothing is written anywhere meanwhile.
    pub(crate) fn lock_all(&self) -> Vec<MutexGuard<'_, Stripe>> {
        self.0
            .iter()
            .map(|stripe| stripe.lock().unwrap_or_else(PoisonError::into_inner))
            .collect()
    }

    /// Each stripe in turn, locked.
    pub(crate) fn each(&self, mut f: impl FnMut(&mut Stripe)) {
        for stripe in &self.0 {
            f(&mut stripe.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// The stripe of a key, locked. Nothing else writes to the key meanwhile.
    pub(crate) fn lock(&self, key: &Key<'_>) -> MutexGuard<'_, Stripe> {
        // The upper bits: the lower ones pick the bucket inside moka's map and the stripe's.
        let index = (key.hash64() >> 32) as usize % self.0.len();
        self.0[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
