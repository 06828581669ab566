//! What a cache counts: for `stats()`, and through `metrics` for whoever collects them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder_core::{ErrorKind, Namespace, Operation, Tally};
use metrics::{Counter, Histogram, SharedString, counter, histogram};

/// A number for `stats()` and the metric of the same meaning, whose handle is looked up once.
pub(crate) struct Count {
    total: Tally,
    metric: Counter,
}

impl Count {
    fn new(metric: Counter) -> Self {
        Self {
            total: Tally::new(),
            metric,
        }
    }

    #[inline]
    pub(crate) fn increment(&self) {
        self.add(1);
    }

    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.total.add(n);
        self.metric.increment(n);
    }

    pub(crate) fn total(&self) -> u64 {
        self.total.total()
    }
}

/// All that one cache counts. `docs/metrics.md` has a row per metric.
pub(crate) struct Counters {
    pub(crate) hits: Count,
    pub(crate) misses: Count,
    pub(crate) stale: Count,
    pub(crate) outdated: Count,
    pub(crate) unreadable: Count,
    pub(crate) absent: Count,
    pub(crate) bypassed: Count,
    pub(crate) converted: Count,
    pub(crate) encode_failures: Count,
    pub(crate) sets: Count,
    pub(crate) deletes: Count,
    pub(crate) invalidations: Count,
    pub(crate) expires: Count,
    pub(crate) updates: Count,
    pub(crate) clears: Count,
    pub(crate) fills: Count,
    pub(crate) loads_ok: Count,
    pub(crate) loads_failed: Count,
    pub(crate) loads_panicked: Count,
    pub(crate) loads_timed_out: Count,
    pub(crate) loads_abandoned: Count,
    pub(crate) refreshes: Count,
    pub(crate) refreshes_skipped: Count,
    pub(crate) extra_keys: Count,
    pub(crate) load_waits: Count,
    pub(crate) stale_served: Count,
    pub(crate) fills_refused: Count,
    pub(crate) late_tags: Count,
    pub(crate) tags_invalidated: Count,
    load_duration: Histogram,
    cache: SharedString,
    errors: AtomicU64,
}

impl Counters {
    /// Looks up every handle, so the recorder must be installed before the cache is built.
    pub(crate) fn new(namespace: &Namespace) -> Self {
        describe();
        let cache = SharedString::from(namespace.as_str().to_owned());
        let request = |outcome| {
            Count::new(
                counter!("larder_requests_total", "cache" => cache.clone(), "outcome" => outcome),
            )
        };
        let write = |operation: Operation| {
            let operation = operation.as_str();
            Count::new(
                counter!("larder_writes_total", "cache" => cache.clone(), "operation" => operation),
            )
        };
        let load = |outcome| {
            Count::new(
                counter!("larder_loads_total", "cache" => cache.clone(), "outcome" => outcome),
            )
        };
        let refresh = |outcome| {
            Count::new(
                counter!("larder_refreshes_total", "cache" => cache.clone(), "outcome" => outcome),
            )
        };
        Self {
            hits: request("hit"),
            misses: request("miss"),
            stale: request("stale"),
            outdated: request("outdated"),
            unreadable: request("unreadable"),
            absent: request("absent"),
            bypassed: request("bypassed"),
            converted: Count::new(counter!("larder_conversions_total", "cache" => cache.clone())),
            encode_failures: Count::new(
                counter!("larder_encode_failures_total", "cache" => cache.clone()),
            ),
            sets: write(Operation::Set),
            deletes: write(Operation::Delete),
            invalidations: write(Operation::Invalidate),
            expires: write(Operation::Expire),
            updates: write(Operation::Update),
            clears: write(Operation::Bump),
            fills: write(Operation::Fill),
            loads_ok: load("ok"),
            loads_failed: load("error"),
            loads_panicked: load("panicked"),
            loads_timed_out: load("timeout"),
            loads_abandoned: load("abandoned"),
            refreshes: refresh("started"),
            refreshes_skipped: refresh("skipped"),
            extra_keys: Count::new(counter!("larder_extra_keys_total", "cache" => cache.clone())),
            load_waits: Count::new(counter!("larder_load_waits_total", "cache" => cache.clone())),
            stale_served: Count::new(
                counter!("larder_stale_served_total", "cache" => cache.clone()),
            ),
            fills_refused: Count::new(
                counter!("larder_fills_refused_total", "cache" => cache.clone()),
            ),
            late_tags: Count::new(counter!("larder_late_tags_total", "cache" => cache.clone())),
            tags_invalidated: Count::new(
                counter!("larder_tag_invalidations_total", "cache" => cache.clone()),
            ),
            load_duration: histogram!("larder_load_duration_seconds", "cache" => cache.clone()),
            cache,
            errors: AtomicU64::new(0),
        }
    }

    pub(crate) fn loaded(&self, took: Duration) {
        self.load_duration.record(took.as_secs_f64());
    }

    /// Counts an error that the caller is spared. Rare, so its handle is looked up when it happens.
    pub(crate) fn error(&self, operation: Operation, kind: ErrorKind) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        counter!(
            "larder_errors_total",
            "cache" => self.cache.clone(),
            "operation" => operation.as_str(),
            "kind" => kind.as_str()
        )
        .increment(1);
    }

    pub(crate) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }
}

fn describe() {
    use metrics::{Unit, describe_counter, describe_histogram};
    describe_counter!("larder_requests_total", Unit::Count, "Look-ups by outcome.");
    describe_counter!(
        "larder_conversions_total",
        Unit::Count,
        "Hits read as another type than was stored."
    );
    describe_counter!(
        "larder_encode_failures_total",
        Unit::Count,
        "Values that could not be encoded."
    );
    describe_counter!("larder_writes_total", Unit::Count, "Writes by operation.");
    describe_counter!(
        "larder_loads_total",
        Unit::Count,
        "Runs of loaders by outcome."
    );
    describe_counter!(
        "larder_load_waits_total",
        Unit::Count,
        "Callers that joined a load in progress."
    );
    describe_counter!(
        "larder_stale_served_total",
        Unit::Count,
        "Stale values served because a load failed or was not awaited."
    );
    describe_counter!(
        "larder_refreshes_total",
        Unit::Count,
        "Refreshes behind callers by outcome."
    );
    describe_counter!(
        "larder_extra_keys_total",
        Unit::Count,
        "Keys that loaders returned and nobody had asked for."
    );
    describe_counter!(
        "larder_fills_refused_total",
        Unit::Count,
        "Loaded values not stored: invalidated meanwhile."
    );
    describe_counter!(
        "larder_late_tags_total",
        Unit::Count,
        "Loaded values not stored: a tag that only the loader named was not followed before."
    );
    describe_counter!(
        "larder_tag_invalidations_total",
        Unit::Count,
        "Tags invalidated or made to expire."
    );
    describe_counter!(
        "larder_errors_total",
        Unit::Count,
        "Errors of the cache that callers were spared."
    );
    describe_histogram!(
        "larder_load_duration_seconds",
        Unit::Seconds,
        "How long loaders took."
    );
}
