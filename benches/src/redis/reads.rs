//! Hits in Redis, one by one and a hundred at once.

use std::sync::Arc;

use bytes::Bytes;
use fred::clients::Client;
use fred::interfaces::KeysInterface;
use larder_core::{Backend, Key, ReadOptions, WriteOptions};

use super::callers::{Callers, Way, share};
use super::stage::{Names, Stage, VALUE};
use crate::harness::Target;
use crate::report::Table;
use crate::work::PREFIX;

/// How much of the raw client's throughput a hit must have.
const THROUGHPUT: f64 = 0.95;
/// What a batch may take by the raw client's `MGET`.
const BATCH_TIME: f64 = 1.2;
/// Keys in a batch.
pub(super) const BATCH: usize = 100;

const FOUND: &str = "every key is there";
const ANSWERED: &str = "the server answers";

/// Throughput of callers beside one another, what a hit costs the client, and batches.
pub(super) fn tables(stage: &Stage, turns: usize) -> Vec<Table> {
    let ways = hits(stage);
    let callers = |count, operations| Callers {
        runtime: &stage.runtime,
        count,
        operations,
    };
    let mut tables: Vec<Table> = [(1, 400), (16, 3_200), (64, 4_480), (256, 5_120)]
        .into_iter()
        .map(|(count, operations)| {
            let title = format!("Redis hits of {VALUE} bytes, callers: {count}");
            callers(count, operations).rates(&title, "thousand/s", &ways, turns)
        })
        .collect();
    tables.extend(callers(64, 4_480).costs("What a Redis hit costs the client", &ways, turns));
    let batches = batches(stage);
    for (count, operations) in [(1, 80), (16, 160)] {
        let title = format!("Batches of {BATCH} hits in Redis, callers: {count}");
        tables.push(callers(count, operations).times(&title, "µs per batch", &batches, turns));
    }
    tables
}

/// Every way of looking up one key, the reference first.
pub(super) fn hits(stage: &Stage) -> Vec<Way> {
    let get = |client: &Client| {
        let names = &stage.names;
        share!(client, names => |operation| {
            let found: Option<Bytes> = client.get(names.stored(operation)).await.expect(ANSWERED);
            found.expect(FOUND).len()
        })
    };
    let (space, store, names) = (&stage.space, stage.space.store(), &stage.names);
    vec![
        Way::new("raw fred GET", get(&stage.raw)),
        Way::new("raw fred GET, once more", get(&stage.control)),
        Way::new(
            "Store::get",
            share!(store, names => |operation| {
                let options = ReadOptions::default();
                let found = store.get(&key(&names, operation), &options).await;
                let found = found.expect(ANSWERED).expect(FOUND);
                found.value().encoded().expect("bytes").len()
            }),
        ),
        Way::new(
            "Space::get_raw",
            share!(space, names => |operation| {
                let found = space.get_raw(names.name(operation)).await;
                found.expect(ANSWERED).expect(FOUND).len()
            }),
        )
        .judged_by(Target::AtLeast(THROUGHPUT)),
    ]
}

/// Every way of looking up a hundred, the reference first.
fn batches(stage: &Stage) -> Vec<Way> {
    let get = |client: &Client| {
        let names = &stage.names;
        share!(client, names => |operation| {
            let keys: Vec<&str> = numbers(operation).map(|at| names.stored(at)).collect();
            let found: Vec<Option<Bytes>> = client.mget(keys).await.expect(ANSWERED);
            found.into_iter().map(|found| found.expect(FOUND).len()).sum::<usize>()
        })
    };
    let (store, names, raw) = (stage.space.store(), &stage.names, &stage.raw);
    vec![
        Way::new("raw fred MGET", get(&stage.raw)),
        Way::new("raw fred MGET, once more", get(&stage.control)),
        Way::new(
            "Store::get_many",
            share!(store, names => |operation| {
                let keys: Vec<Key<'_>> = numbers(operation).map(|at| key(&names, at)).collect();
                let found = store.get_many(&keys, &WriteOptions::default()).await;
                let found = found.into_iter().map(|found| found.expect(ANSWERED).expect(FOUND));
                found.map(|entry| entry.value().encoded().expect("bytes").len()).sum::<usize>()
            }),
        )
        .judged_by(Target::AtMost(BATCH_TIME)),
        Way::new("Space::get_many, strings", typed(stage)),
        Way::new(
            "raw fred, a pipeline of GET",
            share!(raw, names => |operation| {
                let pipeline = raw.pipeline();
                for at in numbers(operation) {
                    let () = pipeline.get(names.stored(at)).await.expect("queued");
                }
                let found: Vec<Option<Bytes>> = pipeline.all().await.expect(ANSWERED);
                found.into_iter().map(|found| found.expect(FOUND).len()).sum::<usize>()
            }),
        ),
    ]
}

/// Look-ups of values, decoded: of strings, which cost next to nothing to decode.
fn typed(stage: &Stage) -> super::callers::Share {
    let space = &stage.cache.space::<String>("typed");
    let values = (0..crate::work::KEYS).map(|at| (stage.names.name(at), stage.names.text(at)));
    let values: Vec<_> = values
        .map(|(name, text)| (name, Arc::new(text.clone())))
        .collect();
    stage.runtime.block_on(async {
        for values in values.chunks(BATCH) {
            let stored = space.set_many(values.iter().cloned()).await;
            stored.expect("the server takes it");
        }
    });
    let names: &Names = &stage.names;
    share!(space, names => |operation| {
        let wanted: Vec<&str> = numbers(operation).map(|at| names.name(at)).collect();
        let found = space.get_many(&wanted).await.expect(ANSWERED);
        found.into_iter().map(|found| found.expect(FOUND).len()).sum::<usize>()
    })
}

/// The keys of a batch.
pub(super) fn numbers(operation: usize) -> std::ops::Range<usize> {
    operation * BATCH..(operation + 1) * BATCH
}

/// A key for the store.
pub(super) fn key(names: &Names, number: usize) -> Key<'_> {
    let key = Key::new(names.namespace(), PREFIX, names.name(number));
    key.expect("a valid key")
}
