//! One moka cache with its limits: what a store is made of.

use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder_core::{Clock, Entry, Key, KeyBuf, KeyHashBuilder, Timestamp};
use moka::Equivalent;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::config::{MemoryBuilder, Policy};
use crate::eviction::{Eviction, EvictionCause};
use crate::expiries::End;

/// What moka, the key and the entry take beside text and value, measured by
/// `cargo xtask bench memory` (resident memory at full capacity).
const ENTRY_OVERHEAD: u64 = 896;

/// An entry as moka keeps it.
#[derive(Clone)]
pub(crate) struct Resident {
    pub(crate) entry: Entry,
    /// When it was last used, if idle entries are dropped.
    last_used: Option<Arc<AtomicU64>>,
}

/// Finds a key without joining its text.
struct Probe<'a>(&'a Key<'a>);

impl Hash for Probe<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Equivalent<KeyBuf> for Probe<'_> {
    #[inline]
    fn equivalent(&self, key: &KeyBuf) -> bool {
        key.is(self.0)
    }
}

/// Finds whatever entry is kept under a hash.
struct ByHash(u64);

impl Hash for ByHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

impl Equivalent<KeyBuf> for ByHash {
    fn equivalent(&self, key: &KeyBuf) -> bool {
        key.hash64() == self.0
    }
}

/// Counts what is held and what has left.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) entries: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) evicted: AtomicU64,
    pub(crate) expired: AtomicU64,
}

pub(crate) struct Region {
    cache: Cache<KeyBuf, Resident, KeyHashBuilder>,
    counts: Arc<Counts>,
    time_to_idle: Option<Duration>,
}

fn weight(key: &KeyBuf, entry: &Entry) -> u64 {
    let kept_beside = key.text().len() as u64 + ENTRY_OVERHEAD;
    // As moka counts: no entry weighs more than 4 GiB.
    let weight = entry.value().weight().saturating_add(kept_beside);
    weight.min(u64::from(u32::MAX))
}

impl Region {
    pub(crate) fn new(
        settings: &MemoryBuilder,
        max_bytes: Option<u64>,
        max_entries: Option<u64>,
        clock: &Arc<dyn Clock>,
        counts: &Arc<Counts>,
    ) -> Self {
        // moka has one limit. Where both are asked for, an entry weighs at least its share of the
        // bytes, so that neither is passed.
        let (capacity, least) = match (max_bytes, max_entries) {
            (Some(bytes), Some(entries)) => (bytes, bytes.div_ceil(entries)),
            (Some(bytes), None) => (bytes, 0),
            (None, Some(entries)) => (entries, 0),
            (None, None) => (u64::MAX, 0),
        };
        let (left, listener, clock) = (
            Arc::clone(counts),
            settings.listener.clone(),
            Arc::clone(clock),
        );
        let mut builder = Cache::builder()
            .max_capacity(capacity)
            .eviction_policy(match settings.policy {
                Policy::TinyLfu => EvictionPolicy::tiny_lfu(),
                Policy::Lru => EvictionPolicy::lru(),
            })
            .eviction_listener(move |key: Arc<KeyBuf>, resident: Resident, cause| {
                left.entries.fetch_sub(1, Ordering::Relaxed);
                left.bytes
                    .fetch_sub(weight(&key, &resident.entry), Ordering::Relaxed);
                let expired = || resident.entry.head().lifetime().is_expired(clock.now());
                let cause = match EvictionCause::from(cause) {
                    EvictionCause::Removed if expired() => EvictionCause::Expired,
                    cause => cause,
                };
                match cause {
                    EvictionCause::Expired => left.expired.fetch_add(1, Ordering::Relaxed),
                    EvictionCause::Size => left.evicted.fetch_add(1, Ordering::Relaxed),
                    EvictionCause::Removed | EvictionCause::Replaced => 0,
                };
                if let Some(listener) = &listener {
                    // moka drops a listener that panics, and ours counts what is held.
                    let told = AssertUnwindSafe(|| listener(&Eviction { key: &key, cause }));
                    let _ = catch_unwind(told);
                }
            });
        // A limit on entries alone goes without a weigher: moka sizes its popularity sketch for a quarter
        // of the entries when it has one (docs/benchmarks.md, hit ratio).
        if max_bytes.is_some() {
            builder = builder.weigher(move |key: &KeyBuf, resident: &Resident| {
                let weight = weight(key, &resident.entry).max(least);
                u32::try_from(weight).unwrap_or(u32::MAX)
            });
        }
        if let Some(time_to_idle) = settings.time_to_idle {
            builder = builder.time_to_idle(time_to_idle);
        }
        Self {
            cache: builder.build_with_hasher(KeyHashBuilder::default()),
            counts: Arc::clone(counts),
            time_to_idle: settings.time_to_idle,
        }
    }

    /// The entry under a key, unless it has expired or nobody has used it for too long.
    #[inline]
    pub(crate) fn get(&self, key: &Key<'_>, now: Timestamp) -> Option<Entry> {
        let resident = self.cache.get(&Probe(key))?;
        if !self.is_alive(&resident, now) {
            return None;
        }
        if let Some(last_used) = &resident.last_used {
            last_used.fetch_max(now.as_nanos(), Ordering::Relaxed);
        }
        Some(resident.entry)
    }

    #[inline]
    fn is_alive(&self, resident: &Resident, now: Timestamp) -> bool {
        if resident.entry.head().lifetime().is_expired(now) {
            return false;
        }
        match (&resident.last_used, self.time_to_idle) {
            (Some(last_used), Some(time_to_idle)) => {
                now < Timestamp::from_nanos(last_used.load(Ordering::Relaxed))
                    .saturating_add(time_to_idle)
            }
            _ => true,
        }
    }

    /// Stores an entry. The caller holds the key's stripe.
    pub(crate) fn insert(&self, key: KeyBuf, entry: Entry, now: Timestamp) {
        self.counts.entries.fetch_add(1, Ordering::Relaxed);
        self.counts
            .bytes
            .fetch_add(weight(&key, &entry), Ordering::Relaxed);
        let last_used = self
            .time_to_idle
            .map(|_| Arc::new(AtomicU64::new(now.as_nanos())));
        self.cache.insert(key, Resident { entry, last_used });
    }

    /// Removes an entry; answers it if it was alive. The caller holds the key's stripe.
    pub(crate) fn remove(&self, key: &Key<'_>, now: Timestamp) -> Option<Entry> {
        let resident = self.cache.remove(&Probe(key))?;
        self.is_alive(&resident, now).then_some(resident.entry)
    }

    /// Whether the entry with this end is here.
    pub(crate) fn holds(&self, end: &End) -> bool {
        let resident = self.cache.get(&ByHash(end.hash));
        resident.is_some_and(|resident| end.is_of(&resident.entry))
    }

    /// Gives back the room of an entry that has ended. The caller holds the stripe.
    pub(crate) fn reclaim(&self, end: &End) {
        if self.holds(end) {
            self.cache.invalidate(&ByHash(end.hash));
        }
    }

    /// All entries that are alive.
    pub(crate) fn entries(&self, now: Timestamp) -> impl Iterator<Item = (Arc<KeyBuf>, Entry)> {
        self.cache
            .iter()
            .filter(move |(_, resident)| self.is_alive(resident, now))
            .map(|(key, resident)| (key, resident.entry))
    }

    pub(crate) fn clear(&self) {
        self.cache.invalidate_all();
    }

    /// Lets moka catch up, so that counts are of now. It works in lumps; this goes on until nothing changes.
    pub(crate) fn settle(&self) {
        let entries = || self.counts.entries.load(Ordering::Relaxed);
        loop {
            let before = entries();
            self.cache.run_pending_tasks();
            if entries() >= before {
                return;
            }
        }
    }
}
