//! The main region and those reserved for prefixes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use larder_core::{Clock, Error, ErrorKind, Key, KeyBuf, RegionLimits, Result, Timestamp};

use crate::config::{MemoryBuilder, check_limits};
use crate::expiries::End;
use crate::region::{Counts, Region};

pub(crate) struct Regions {
    settings: MemoryBuilder,
    main: Region,
    /// Whether `reserved` has any, so that a store without pays one load.
    any_reserved: AtomicBool,
    /// Longest prefix first.
    reserved: RwLock<Vec<(RegionLimits, Arc<Region>)>>,
    pub(crate) counts: Arc<Counts>,
}

impl Regions {
    pub(crate) fn new(settings: &MemoryBuilder, clock: &Arc<dyn Clock>) -> Self {
        let counts = Arc::default();
        Self {
            main: Region::new(
                settings,
                settings.max_bytes,
                settings.max_entries,
                clock,
                &counts,
            ),
            settings: settings.clone(),
            any_reserved: AtomicBool::new(false),
            reserved: RwLock::default(),
            counts,
        }
    }

    /// Calls `f` with the region that a key belongs to.
    #[inline]
    pub(crate) fn with<R>(&self, key: &Key<'_>, f: impl FnOnce(&Region) -> R) -> R {
        if self.any_reserved.load(Ordering::Acquire)
            && let Some(region) = self.reserved_for(key)
        {
            return f(&region);
        }
        f(&self.main)
    }

    fn reserved_for(&self, key: &Key<'_>) -> Option<Arc<Region>> {
        let reserved = self.read();
        reserved
            .iter()
            .find(|(limits, _)| limits.covers(key))
            .map(|(_, region)| Arc::clone(region))
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<(RegionLimits, Arc<Region>)>> {
        self.reserved.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a region and moves the entries under its prefix there; the caller holds every stripe.
    /// Reserving a prefix again replaces its limits.
    pub(crate) fn reserve(&self, limits: &RegionLimits, clock: &Arc<dyn Clock>) -> Result<()> {
        if limits.prefix.is_empty() {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                "a region needs a prefix: limit the whole store where it is built",
            ));
        }
        check_limits(limits.max_bytes, limits.max_entries)
            .map_err(|error| error.with_key(&limits.prefix))?;
        let present = self.read().clone();
        if present.iter().any(|(present, _)| present == limits) {
            return Ok(());
        }
        let region = Arc::new(Region::new(
            &self.settings,
            limits.max_bytes,
            limits.max_entries,
            clock,
            &self.counts,
        ));
        // Its entries are where they were found before: in the region whose limits are replaced, in the one
        // of the longest prefix, or in the main one. Those of a region within it stay there.
        let replaced = present.iter().find(|(other, _)| same_keys(other, limits));
        let around = present.iter().find(|(other, _)| encloses(other, limits));
        let outer = replaced
            .or(around)
            .map_or(&self.main, |(_, outer)| &**outer);
        let now = clock.now();
        let moving = outer.entries(now);
        let moving: Vec<_> = moving
            .filter(|(key, _)| limits.covers(&key.as_key()))
            .collect();
        // Copied, then found in their new place, then taken from the old one: no look-up misses them.
        for (key, entry) in &moving {
            region.insert(KeyBuf::clone(key), entry.clone(), now);
        }
        let mut reserved = self
            .reserved
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        reserved.retain(|(other, _)| !same_keys(other, limits));
        reserved.push((limits.clone(), region));
        reserved.sort_by_key(|(limits, _)| std::cmp::Reverse(limits.prefix.len()));
        drop(reserved);
        self.any_reserved.store(true, Ordering::Release);
        for (key, _) in moving {
            outer.remove(&key.as_key(), now);
        }
        Ok(())
    }

    /// The keys of all entries that are alive, each where look-ups find it.
    pub(crate) fn keys(&self, now: Timestamp) -> Vec<Arc<KeyBuf>> {
        let reserved = self.read().clone();
        let home = |key: &KeyBuf| {
            reserved
                .iter()
                .position(|(limits, _)| limits.covers(&key.as_key()))
        };
        let mut keys = Vec::new();
        for (index, (_, region)) in reserved.iter().enumerate() {
            let found = region.entries(now).map(|(key, _)| key);
            keys.extend(found.filter(|key| home(key) == Some(index)));
        }
        let found = self.main.entries(now).map(|(key, _)| key);
        keys.extend(found.filter(|key| home(key).is_none()));
        keys
    }

    /// Whether the entry with this end is in any region.
    pub(crate) fn holds(&self, end: &End) -> bool {
        self.main.holds(end) || self.read().iter().any(|(_, region)| region.holds(end))
    }

    /// Gives back the room of an entry that has ended. The caller holds the stripe.
    pub(crate) fn reclaim(&self, end: &End) {
        self.main.reclaim(end);
        for (_, region) in self.read().iter() {
            region.reclaim(end);
        }
    }

    pub(crate) fn clear(&self) {
        self.main.clear();
        self.read().iter().for_each(|(_, region)| region.clear());
    }

    pub(crate) fn settle(&self) {
        self.main.settle();
        self.read().iter().for_each(|(_, region)| region.settle());
    }

    /// The limit on bytes of all regions together.
    pub(crate) fn max_bytes(&self) -> Option<u64> {
        let reserved = self.read();
        reserved
            .iter()
            .map(|(limits, _)| limits.max_bytes)
            .try_fold(self.settings.max_bytes?, |sum, bytes| {
                Some(sum.saturating_add(bytes?))
            })
    }
}

fn same_keys(a: &RegionLimits, b: &RegionLimits) -> bool {
    a.namespace == b.namespace && a.prefix == b.prefix
}

/// Whether the keys of `inner` are keys of `outer` too.
fn encloses(outer: &RegionLimits, inner: &RegionLimits) -> bool {
    let rest = inner.prefix.strip_prefix(&*outer.prefix);
    inner.namespace == outer.namespace && rest.is_some_and(|rest| rest.starts_with(':'))
}
