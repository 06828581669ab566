//! Writes and counters beside a raw engine's.

use std::sync::Arc;
use std::time::Duration;

use larder::Space;

use crate::alloc::count;
use crate::harness::{Race, Run, nanos_per_operation, ready};
use crate::hits::cache;
use crate::report::Table;
use crate::values::Profile;
use crate::work::{CAPACITY, PREFIX, Work, each};

const BATCH: usize = 30_000;

/// Overwrites of present keys, increments of present counters, and what they allocate.
pub(crate) fn tables(work: &Work, rounds: usize) -> Vec<Table> {
    let raw: moka::sync::Cache<String, Arc<Profile>> = moka::sync::Cache::new(CAPACITY);
    let space = || cache("bench").space::<Profile>(PREFIX).version(1);
    let (plain, expiring, weighed) = (
        space(),
        space().default_ttl(Duration::from_secs(3_600)),
        space().weigh(|_| 500),
    );
    let insert: Run<'_> = Box::new(|range| {
        for operation in range {
            let at = work.at(operation);
            raw.insert(work.keys[at].clone(), Arc::clone(&work.values[at]));
        }
    });
    let sets = [
        ("raw moka insert", insert),
        ("Space::set", set(&plain, work)),
        ("Space::set, time to live", set(&expiring, work)),
        ("Space::set, weight stated", set(&weighed, work)),
    ];

    let raw: moka::sync::Cache<String, i64> = moka::sync::Cache::new(CAPACITY);
    let counters = cache("bench");
    let upsert: Run<'_> = Box::new(|range| {
        for operation in range {
            raw.entry_by_ref(work.key(operation))
                .and_upsert_with(|counter| counter.map_or(1, |counter| counter.into_value() + 1));
        }
    });
    let increment: Run<'_> = each!(work, key => counters
        .increment(key, 1)
        .await
        .expect("memory counts")
        .unsigned_abs());
    let increments = [
        ("raw moka and_upsert_with", upsert),
        ("Cache::increment", increment),
    ];
    vec![
        times("Overwrites, Zipf 0.99, one thread", &sets, rounds),
        times("Increments, Zipf 0.99, one thread", &increments, rounds),
        allocations(sets.iter().chain(&increments)),
    ]
}

fn set<'a>(space: &'a Space<Profile>, work: &'a Work) -> Run<'a> {
    Box::new(|range| {
        ready(async {
            for operation in range {
                let at = work.at(operation);
                let stored = space
                    .set(&work.names[at], Arc::clone(&work.values[at]))
                    .await;
                stored.expect("memory refuses nothing");
            }
        });
    })
}

fn times(title: &str, rows: &[(&'static str, Run<'_>)], rounds: usize) -> Table {
    let mut race = Race::new(title, "ns per write");
    for (name, run) in rows {
        race.add(*name, None, move || nanos_per_operation(1, 0, BATCH, run));
    }
    race.run(rounds)
}

fn allocations<'a>(rows: impl Iterator<Item = &'a (&'static str, Run<'a>)>) -> Table {
    let mut table = Table::new(
        "What a write allocates",
        &["row", "allocations per write", "bytes per write"],
    );
    for (name, run) in rows {
        run(0..BATCH);
        let (calls, bytes) = count(|| run(0..BATCH)).per(BATCH);
        table.row([
            (*name).to_owned(),
            format!("{calls:.2}"),
            format!("{bytes:.0}"),
        ]);
    }
    table
}
