//! Memory over Redis: hits in memory, and entries on their way into it.

use std::sync::Arc;

use larder::{Cache, Space, Store};
use larder_core::Backend;

use super::callers::{Callers, Way, share};
use super::stage::{Stage, TTL};
use crate::harness::ready;
use crate::hits::{self, FOUND, Hit, REFERENCE, found};
use crate::report::Table;
use crate::values::Profile;
use crate::work::{KEYS, PREFIX, Work, each};

const ALONE: &str = "Space::get, memory alone";

/// Hits in memory, and what promotion adds to a hit in Redis.
pub(super) fn tables(stage: &Stage, rounds: usize, turns: usize) -> Vec<Table> {
    let mut tables = memory_hits(stage, rounds);
    tables.push(promotions(stage, turns));
    tables
}

/// As in the group `memory`, with Redis behind.
fn memory_hits(stage: &Stage, rounds: usize) -> Vec<Table> {
    let (zipf, hot) = (Work::zipf(), Work::one_hot_key());
    let alone = hits::cache("bench").space::<Profile>(PREFIX).version(1);
    for (name, value) in zipf.names.iter().zip(&zipf.values) {
        let stored = ready(async { alone.set(name, Arc::clone(value)).await });
        stored.expect("memory refuses nothing");
    }
    let (cache, _) = stage.tiered();
    let tiered = cache.space::<Profile>("hits").version(1).default_ttl(TTL);
    stage.runtime.block_on(async {
        for (name, value) in zipf.names.iter().zip(&zipf.values) {
            let stored = tiered.set(name, Arc::clone(value)).await;
            stored.expect("the server takes it");
        }
    });
    assert_eq!(cache.stats().tiers[0].entries, Some(KEYS as u64));
    let caches = Caches {
        raw: hits::raw(&zipf),
        control: hits::raw(&zipf),
        alone,
        tiered,
    };
    let (on_zipf, on_hot) = (ways(&caches, &zipf), ways(&caches, &hot));
    vec![
        hits::times(
            &on_zipf,
            "Hits in memory over Redis, Zipf 0.99, one thread",
            1,
            rounds,
        ),
        hits::times(
            &on_zipf,
            "Hits in memory over Redis, Zipf 0.99, two threads",
            2,
            rounds,
        ),
        hits::times(
            &on_hot,
            "Hits in memory over Redis, one hot key, one thread",
            1,
            rounds,
        ),
        hits::allocations("What a hit in memory over Redis allocates", &on_zipf),
    ]
}

struct Caches {
    raw: hits::Raw,
    control: hits::Raw,
    alone: Space<Profile>,
    tiered: Space<Profile>,
}

fn ways<'a>(caches: &'a Caches, work: &'a Work) -> Vec<Hit<'a>> {
    let Caches {
        raw,
        control,
        alone,
        tiered,
    } = caches;
    let over_redis = || each!(work, name => found!(tiered.get(name).await).touch());
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
            ALONE,
            None,
            each!(work, name => found!(alone.get(name).await).touch()),
        ),
        Hit::new(
            "Space::get, memory over Redis",
            Some(hits::TARGET),
            over_redis(),
        ),
        Hit::new("… the same beside memory alone", None, over_redis()).against(ALONE),
    ]
}

/// Look-ups that miss in memory and hit in Redis.
fn promotions(stage: &Stage, turns: usize) -> Table {
    let (cache, memory): (Cache, Store) = stage.tiered();
    let (space, names) = (&stage.space, &stage.names);
    let tiered = &cache.space::<String>(PREFIX);
    let namespace = names.namespace().clone();
    let callers = Callers {
        runtime: &stage.runtime,
        count: 64,
        operations: 4_480,
    };
    let ways = [
        Way::new(
            "Space::get_raw, Redis alone",
            share!(space, names => |operation| {
                let found = space.get_raw(names.name(operation)).await;
                found.expect("the server answers").expect(FOUND).len()
            }),
        ),
        Way::new(
            "Space::get_raw, memory over Redis, missing in memory",
            share!(tiered, names => |operation| {
                let found = tiered.get_raw(names.name(operation)).await;
                found.expect("the server answers").expect(FOUND).len()
            }),
        )
        .before(move || {
            // Behind the tiers' back, which is as good as an eviction: what memory hasn't is asked for.
            let forgotten = memory.forget_all_now(&namespace);
            forgotten.expect("memory forgets");
        }),
    ];
    let before = cache.stats().tiers[0].hits;
    let table = callers.times(
        "Promotion into memory, callers: 64",
        "µs per look-up",
        &ways,
        turns,
    );
    let hits = cache.stats().tiers[0].hits - before;
    assert_eq!(hits, 0, "every look-up misses in memory");
    table
}
