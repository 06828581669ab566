//! Hits in memory, each way that larder has, beside a raw engine with the same keys and values.

use std::sync::Arc;
use std::time::Duration;

use larder::{Cache, Memory, Space};

use crate::alloc::count;
use crate::harness::{Race, Run, nanos_per_operation, ready};
use crate::report::Table;
use crate::values::Profile;
use crate::work::{CAPACITY, KEYS, PREFIX, Work, each};

/// Lookups per sample: some 10 to 50 ms.
const BATCH: usize = 100_000;

/// What a hit may cost, by the raw engine's.
pub(crate) const TARGET: f64 = 1.15;
/// What a hit through `get_or_load` may cost, by `get`'s.
const THROUGH: f64 = 1.1;

const NAMESPACE: &str = "bench";
const LONG_NAMESPACE: &str = "reference-data.production.europe-west-1";
/// With a name of 13 bytes, texts of 77.
const LONG_PREFIX: &str = "airports:departures:gates:by-terminal-and-region:with-opening-hr";

pub(crate) const REFERENCE: &str = "raw moka get";
const GET: &str = "Space::get";

pub(crate) type Raw = moka::sync::Cache<String, Arc<Profile>>;

/// The caches, filled. Each holds every key, so that every lookup hits. Rows that stand beside each other
/// have caches of their own: the second would find its entries warm.
pub(crate) struct Caches {
    raw: Raw,
    control: Raw,
    whole: Cache,
    local: Cache,
    space: Space<Profile>,
    expiring: Space<Profile>,
    long: Space<Profile>,
    bytes: Space<Profile>,
}

impl Caches {
    /// Fills them all with the values of `work`.
    pub(crate) fn filled(work: &Work) -> Self {
        let space = |namespace, prefix| cache(namespace).space::<Profile>(prefix).version(1);
        let caches = Self {
            raw: raw(work),
            control: raw(work),
            whole: cache(NAMESPACE),
            local: cache(NAMESPACE),
            space: space(NAMESPACE, PREFIX),
            expiring: space(NAMESPACE, PREFIX).default_ttl(Duration::from_secs(3_600)),
            long: space(LONG_NAMESPACE, LONG_PREFIX),
            bytes: space(NAMESPACE, PREFIX),
        };
        let whole = caches.whole.space::<Profile>(PREFIX);
        let local = caches.local.space::<Profile>(PREFIX);
        let spaces = [
            &whole,
            &local,
            &caches.space,
            &caches.expiring,
            &caches.long,
            &caches.bytes,
        ];
        // One after the other, as the raw ones: filled in turns, each would lie in six times the pages.
        for space in spaces {
            for (name, value) in work.names.iter().zip(&work.values) {
                let stored = ready(async { space.set(name, Arc::clone(value)).await });
                stored.expect("memory refuses nothing");
            }
        }
        for name in &work.names {
            // Encoded by the first who asks, and kept.
            let encoded = ready(async { caches.bytes.get_raw(name).await });
            encoded.expect("a profile becomes bytes");
        }
        assert_eq!(caches.whole.stats().tiers[0].entries, Some(KEYS as u64));
        caches
    }
}

/// A cache on memory alone.
pub(crate) fn cache(namespace: &str) -> Cache {
    let tier = Memory::builder().max_entries(CAPACITY);
    ready(Cache::builder(namespace).tier(tier).build()).expect("the settings are sound")
}

/// The engine itself, with every value.
pub(crate) fn raw(work: &Work) -> Raw {
    let raw = Raw::new(CAPACITY);
    for (key, value) in work.keys.iter().zip(&work.values) {
        raw.insert(key.clone(), Arc::clone(value));
    }
    raw.run_pending_tasks();
    raw
}

/// One way of looking up.
pub(crate) struct Hit<'a> {
    pub(crate) name: &'static str,
    pub(crate) run: Run<'a>,
    against: Option<&'static str>,
    target: Option<f64>,
}

impl<'a> Hit<'a> {
    /// A row with the highest ratio to the reference that is good enough.
    pub(crate) fn new(name: &'static str, target: Option<f64>, run: Run<'a>) -> Self {
        Self {
            name,
            run,
            against: None,
            target,
        }
    }

    /// Compares with another row above than the first.
    pub(crate) fn against(self, against: &'static str) -> Self {
        Self {
            against: Some(against),
            ..self
        }
    }
}

/// Nothing misses in this work.
pub(crate) const FOUND: &str = "every key is there";

/// Unwraps what a lookup found.
macro_rules! found {
    ($result:expr) => {
        $result.expect("memory has no trouble").expect(FOUND)
    };
}

pub(crate) use found;

/// Every way, the reference first.
pub(crate) fn ways<'a>(caches: &'a Caches, work: &'a Work) -> Vec<Hit<'a>> {
    let Caches {
        raw,
        control,
        whole,
        local,
        space,
        expiring,
        long,
        bytes,
    } = caches;
    vec![
        Hit::new(
            REFERENCE,
            None,
            each!(work, key => raw.get(key).expect(FOUND).touch()),
        ),
        Hit::new(
            "raw moka get, once more",
            None,
            each!(work, key => control.get(key).expect(FOUND).touch()),
        ),
        Hit::new(
            "Cache::get",
            Some(TARGET),
            each!(work, key => found!(whole.get::<Profile>(key).await).touch()),
        ),
        Hit::new(
            "Cache::get_local",
            Some(TARGET),
            each!(work, key => local.get_local::<Profile>(key).expect(FOUND).touch()),
        ),
        Hit::new(
            GET,
            Some(TARGET),
            each!(work, name => found!(space.get(name).await).touch()),
        ),
        Hit::new(
            "Space::get, time to live",
            Some(TARGET),
            each!(work, name => found!(expiring.get(name).await).touch()),
        ),
        Hit::new(
            "Space::get, long prefix",
            Some(TARGET),
            each!(work, name => found!(long.get(name).await).touch()),
        ),
        Hit::new(
            "Space::get_or_load",
            Some(THROUGH),
            each!(work, name => space
                .get_or_load(name, || async { Err::<Profile, _>("nothing misses") })
                .await
                .expect(FOUND)
                .touch()),
        )
        .against(GET),
        Hit::new(
            "Space::get_raw",
            None,
            each!(work, name => found!(bytes.get_raw(name).await).len() as u64),
        ),
    ]
}

/// Times of every way on some threads.
pub(crate) fn times(ways: &[Hit<'_>], title: &str, threads: usize, rounds: usize) -> Table {
    let mut race = Race::new(title, "ns per hit");
    for way in ways {
        let mut from = 0;
        race.add(way.name, way.against, move || {
            from += threads * BATCH;
            nanos_per_operation(threads, from, BATCH, &way.run)
        })
        .at_most(way.target);
    }
    race.run(rounds)
}

/// What every way allocates.
pub(crate) fn allocations(title: &str, ways: &[Hit<'_>]) -> Table {
    /// The engine buffers reads, and what it allocates to work them off comes in lumps.
    const LUMPS: f64 = 0.005;
    let mut table = Table::new(
        title,
        &[
            "row",
            "allocations per hit",
            "bytes per hit",
            "target",
            "verdict",
        ],
    );
    let mut limit = None;
    for way in ways {
        (way.run)(0..BATCH);
        let counted = count(|| (way.run)(0..BATCH * 10));
        let (calls, bytes) = counted.per(BATCH * 10);
        let target = limit.filter(|_| way.target.is_some());
        table.judged_row(
            [
                way.name.to_owned(),
                format!("{calls:.4}"),
                format!("{bytes:.1}"),
                target.map_or_else(|| "–".to_owned(), |target| format!("≤ {target:.4}")),
            ],
            target.map(|target| calls <= target),
        );
        limit = limit.or(Some(calls + LUMPS));
    }
    table
}

/// Looks up `count` times one way, for a profiler that collects inside this function alone.
#[inline(never)]
pub(crate) fn profiled(way: &Hit<'_>, count: usize) {
    (way.run)(0..count);
}
