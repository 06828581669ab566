//! What a cache says about itself.

use std::borrow::Cow;

use larder_core::{Finding, TierCheck, TierStats};

use crate::counters::Counters;

/// Numbers since the cache was built. Look-ups are counted once each, by outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Look-ups that were answered from the cache.
    pub hits: u64,
    /// Look-ups that found nothing.
    pub misses: u64,
    /// Look-ups that found only a stale entry.
    pub stale: u64,
    /// Look-ups that found an entry of another schema version or from before a `clear()`.
    pub outdated: u64,
    /// Look-ups that found bytes which are not the type that was asked for.
    pub unreadable: u64,
    /// Look-ups that found the record of an absence: the origin has no such value.
    pub absent: u64,
    /// Look-ups while the cache was bypassed.
    pub bypassed: u64,
    /// Hits that had to be decoded because the entry is kept as another type.
    pub converted: u64,
    /// Entries written by `set` and its relatives.
    pub sets: u64,
    /// Entries deleted.
    pub deletes: u64,
    /// Entries invalidated.
    pub invalidations: u64,
    /// Loaders that returned a value.
    pub loads: u64,
    /// Keys whose loader failed, panicked or took too long, or was given up.
    pub load_failures: u64,
    /// Callers that joined a load in progress.
    pub load_waits: u64,
    /// Stale values served because a load failed or was not awaited, each caller counted.
    pub stale_served: u64,
    /// Refreshes that ran behind their callers.
    pub refreshes: u64,
    /// Refreshes that did not take place, because of the [limits](crate::RefreshLimits).
    pub refreshes_skipped: u64,
    /// Keys that loaders of many keys returned and nobody had asked for.
    pub extra_keys: u64,
    /// Loaded values that were not stored: the key was invalidated meanwhile, or has a newer schema.
    pub fills_refused: u64,
    /// Loaded values that were not stored, because a tag that only their loader named was not known before the load.
    pub late_tags: u64,
    /// Tags invalidated, or made to expire, by this cache.
    pub tag_invalidations: u64,
    /// Values that could not be encoded.
    pub encode_failures: u64,
    /// Errors of the cache itself that callers were spared.
    pub errors: u64,
    /// The tiers, nearest first.
    pub tiers: Vec<TierStats>,
}

impl CacheStats {
    pub(crate) fn new(counters: &Counters, tiers: Vec<TierStats>) -> Self {
        Self {
            hits: counters.hits.total(),
            misses: counters.misses.total(),
            stale: counters.stale.total(),
            outdated: counters.outdated.total(),
            unreadable: counters.unreadable.total(),
            absent: counters.absent.total(),
            bypassed: counters.bypassed.total(),
            converted: counters.converted.total(),
            sets: counters.sets.total(),
            deletes: counters.deletes.total(),
            invalidations: counters.invalidations.total(),
            loads: counters.loads_ok.total(),
            load_failures: counters.loads_failed.total()
                + counters.loads_panicked.total()
                + counters.loads_timed_out.total()
                + counters.loads_abandoned.total(),
            load_waits: counters.load_waits.total(),
            stale_served: counters.stale_served.total(),
            refreshes: counters.refreshes.total(),
            refreshes_skipped: counters.refreshes_skipped.total(),
            extra_keys: counters.extra_keys.total(),
            fills_refused: counters.fills_refused.total(),
            late_tags: counters.late_tags.total(),
            tag_invalidations: counters.tags_invalidated.total(),
            encode_failures: counters.encode_failures.total(),
            errors: counters.errors(),
            tiers,
        }
    }

    /// Look-ups in all.
    pub fn requests(&self) -> u64 {
        self.hits
            + self.misses
            + self.stale
            + self.outdated
            + self.unreadable
            + self.absent
            + self.bypassed
    }

    /// Hits among all look-ups, 0 to 1; 0 before the first.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a ratio needs no more than 53 bits"
    )]
    pub fn hit_ratio(&self) -> f64 {
        if self.requests() == 0 {
            0.0
        } else {
            self.hits as f64 / self.requests() as f64
        }
    }

    /// Entries in the last tier, the one that knows; `None` if it can't count for free.
    pub fn entries(&self) -> Option<u64> {
        self.tiers.last()?.entries
    }

    /// Bytes in all tiers that count them.
    pub fn bytes(&self) -> u64 {
        self.tiers.iter().filter_map(|tier| tier.bytes).sum()
    }
}

/// What [`Cache::check`](crate::Cache::check) found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CheckReport {
    /// The tiers, nearest first.
    pub tiers: Vec<TierCheck>,
}

impl CheckReport {
    /// Whether nothing that was found is an error.
    pub fn is_healthy(&self) -> bool {
        self.tiers.iter().all(TierCheck::is_healthy)
    }

    /// All findings with the name of their tier.
    pub fn findings(&self) -> impl Iterator<Item = (&Cow<'static, str>, &Finding)> {
        self.tiers.iter().flat_map(|tier| {
            tier.findings
                .iter()
                .map(move |finding| (&tier.name, finding))
        })
    }
}

/// What was left when a cache was closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// Writes and invalidations that were accepted and could not be delivered.
    pub undelivered: u64,
    /// Loads that did not end in time and were stopped.
    pub loads_stopped: u64,
}
