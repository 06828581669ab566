//! Whether larder keeps what its engine would keep.

use larder::{Cache, MIB, Memory, MemoryBuilder};
use larder_memory::Policy;
use moka::policy::EvictionPolicy;

use crate::harness::ready;
use crate::report::Table;
use crate::zipf;

const KEYS: usize = 1_000_000;
const CAPACITY: u64 = 10_000;
const ACCESSES: usize = 2_000_000;
/// Not counted: the cache fills.
const WARM_UP: usize = 400_000;
/// How far, in percentage points, the same policy may be from the raw engine's. The engine works in
/// the background, so that two runs of it differ by a tenth or so.
const TOLERANCE: f64 = 0.5;

/// Hit ratios of both policies, on the same trace.
pub(crate) fn table() -> Table {
    let trace = zipf::trace(KEYS, 0.99, ACCESSES, 11);
    let mut table = Table::new(
        "Hit ratio, Zipf 0.99 over 1,000,000 keys, room for 10,000",
        &["row", "hits", "target", "verdict"],
    );
    for (policy, raw_policy, name) in [
        (Policy::TinyLfu, EvictionPolicy::tiny_lfu(), "TinyLFU"),
        (Policy::Lru, EvictionPolicy::lru(), "LRU"),
    ] {
        let raw = raw(&trace, raw_policy);
        table.judged_row(
            [
                format!("raw moka, {name}"),
                format!("{raw:.2} %"),
                "–".to_owned(),
            ],
            None,
        );
        let by_entries = Memory::builder().max_entries(CAPACITY).policy(policy);
        // Both limits: an entry then weighs its share of the bytes.
        let by_bytes = by_entries.clone().max_bytes(64 * MIB);
        for (limit, tier) in [("entries", by_entries), ("bytes", by_bytes)] {
            let ours = larder(&trace, tier);
            table.judged_row(
                [
                    format!("larder, {name}, limited by {limit}"),
                    format!("{ours:.2} %"),
                    format!("{raw:.2} ± {TOLERANCE} %"),
                ],
                Some((ours - raw).abs() <= TOLERANCE),
            );
        }
    }
    table
}

fn raw(trace: &[u32], policy: EvictionPolicy) -> f64 {
    let cache = moka::sync::Cache::builder()
        .max_capacity(CAPACITY)
        .eviction_policy(policy)
        .build();
    hits(trace, |key| {
        let hit = cache.get(key).is_some();
        if !hit {
            cache.insert(key.to_owned(), 0_u32);
        }
        hit
    })
}

fn larder(trace: &[u32], tier: MemoryBuilder) -> f64 {
    let cache = ready(Cache::builder("bench").tier(tier).build()).expect("the settings are sound");
    hits(trace, |key| {
        let hit = cache.get_local::<u32>(key).is_some();
        if !hit {
            let stored = ready(async { cache.set(key, 0_u32).await });
            stored.expect("memory refuses nothing");
        }
        hit
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn hits(trace: &[u32], look_up: impl Fn(&str) -> bool) -> f64 {
    let mut hits = 0_usize;
    for (at, key) in trace.iter().enumerate() {
        let hit = look_up(&key.to_string());
        hits += usize::from(hit && at >= WARM_UP);
    }
    hits as f64 * 100.0 / (trace.len() - WARM_UP) as f64
}
