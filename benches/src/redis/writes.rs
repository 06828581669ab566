//! Writes, counters and loads in Redis.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use fred::clients::Client;
use fred::interfaces::KeysInterface;
use fred::types::Expiration;
use larder_core::{Backend, Entry, Lifetime, Timestamp, Ttl, Value, WriteOptions};

use super::callers::{Callers, Share, Way, share};
use super::reads::{BATCH, key, numbers};
use super::stage::{Stage, TTL, VALUE};
use crate::harness::Target;
use crate::report::Table;

/// What a write may take by the raw client's `SET`.
const WRITE_TIME: f64 = 1.15;

const TAKEN: &str = "the server takes it";

/// Times of writes, batches of them, counters and cold loads.
pub(super) fn tables(stage: &Stage, turns: usize) -> Vec<Table> {
    let callers = |count, operations| Callers {
        runtime: &stage.runtime,
        count,
        operations,
    };
    let ways = sets(stage);
    let mut tables: Vec<Table> = [(1, 400), (16, 3_200), (64, 4_480)]
        .into_iter()
        .map(|(count, operations)| {
            let title =
                format!("Redis writes of {VALUE} bytes with a time to live, callers: {count}");
            callers(count, operations).times(&title, "µs per write", &ways, turns)
        })
        .collect();
    tables.extend(callers(64, 4_480).costs("What a Redis write costs the client", &ways, turns));
    let title = format!("Batches of {BATCH} writes in Redis, one caller");
    tables.push(callers(1, 40).times(&title, "µs per batch", &batches(stage), turns));
    let increments = increments(stage);
    for (count, operations) in [(1, 400), (64, 4_480)] {
        let title = format!("Counters in Redis, callers: {count}");
        tables.push(callers(count, operations).times(&title, "µs per write", &increments, turns));
    }
    let loads = loads(stage);
    for (count, operations) in [(1, 200), (64, 1_280)] {
        let title = format!("Cold loads, Redis alone, origin ready at once, callers: {count}");
        // Each leaves an entry behind.
        let turns = turns.min(40);
        tables.push(callers(count, operations).times(&title, "µs per load", &loads, turns));
    }
    tables
}

/// Every way of writing one key, the reference first.
pub(super) fn sets(stage: &Stage) -> Vec<Way> {
    let set = |client: &Client| {
        let names = &stage.names;
        share!(client, names => |operation| {
            let (name, entry) = (names.plain(operation), names.entry(operation));
            let () = client.set(name, entry, Some(expiry()), None, false).await.expect(TAKEN);
            1
        })
    };
    let (space, store, names) = (&stage.space, stage.space.store(), &stage.names);
    vec![
        Way::new("raw fred SET", set(&stage.raw)),
        Way::new("raw fred SET, once more", set(&stage.control)),
        Way::new(
            "Store::set",
            share!(store, names => |operation| {
                let options = WriteOptions::default();
                let entry = entry(names.bytes(operation));
                store.set(&key(&names, operation), entry, &options).await.expect(TAKEN);
                1
            }),
        ),
        Way::new(
            "Space::set_raw",
            share!(space, names => |operation| {
                let bytes = names.bytes(operation);
                space.set_raw(names.name(operation), bytes).ttl(TTL).await.expect(TAKEN);
                1
            }),
        )
        .judged_by(Target::AtMost(WRITE_TIME)),
    ]
}

fn batches(stage: &Stage) -> Vec<Way> {
    let (raw, names) = (&stage.raw, &stage.names);
    let space = &stage.cache.space::<String>("typed");
    let values: &Arc<[Arc<String>]> = &(0..crate::work::KEYS)
        .map(|at| Arc::new(names.text(at).clone()))
        .collect();
    vec![
        Way::new(
            "raw fred, a pipeline of SET",
            share!(raw, names => |operation| {
                let pipeline = raw.pipeline();
                for at in numbers(operation) {
                    let (name, entry) = (names.plain(at), names.entry(at));
                    let queued = pipeline.set(name, entry, Some(expiry()), None, false).await;
                    let () = queued.expect("queued");
                }
                let stored: Vec<String> = pipeline.all().await.expect(TAKEN);
                stored.len()
            }),
        ),
        Way::new(
            "Space::set_many, strings",
            share!(space, names, values => |operation| {
                let values = numbers(operation).map(|at| {
                    let value = &values[at % values.len()];
                    (names.name(at), Arc::clone(value))
                });
                space.set_many(values).ttl(TTL).await.expect(TAKEN);
                1
            }),
        ),
    ]
}

fn increments(stage: &Stage) -> Vec<Way> {
    let (raw, cache, names) = (&stage.raw, &stage.cache, &stage.names);
    let counters: &Arc<[String]> = &(0..crate::work::KEYS)
        .map(|at| format!("count:{}", names.name(at)))
        .collect();
    vec![
        Way::new(
            "raw fred INCRBY",
            share!(raw, counters => |operation| {
                let name = counters[operation % counters.len()].as_str();
                let sum: i64 = raw.incr_by(name, 1).await.expect("the server counts");
                usize::from(sum > 0)
            }),
        ),
        Way::new(
            "Cache::increment",
            share!(cache, counters => |operation| {
                let name = counters[operation % counters.len()].as_str();
                let sum = cache.increment(name, 1).await.expect("the server counts");
                usize::from(sum > 0)
            }),
        ),
    ]
}

/// Of keys that nobody has asked for yet.
fn loads(stage: &Stage) -> Vec<Way> {
    let (raw, names) = (&stage.raw, &stage.names);
    vec![
        Way::new(
            "raw fred GET and SET",
            share!(raw, names => |operation| {
                let name = format!("plain:cold:{operation:010}");
                let found: Option<Bytes> = raw.get(&name).await.expect("the server answers");
                assert!(found.is_none(), "{name} is cold");
                let entry = names.entry(operation);
                let () = raw.set(name, entry, Some(expiry()), None, false).await.expect(TAKEN);
                1
            }),
        ),
        Way::new("Space::get_or_load", load(stage)),
    ]
}

fn load(stage: &Stage) -> Share {
    let names = &stage.names;
    let space = &stage.cache.space::<String>("cold").default_ttl(TTL);
    share!(space, names => |operation| {
        let name = format!("{operation:010}");
        let text = names.text(operation).clone();
        let loaded = space.get_or_load(&name, || async { Ok::<_, Infallible>(text) }).await;
        loaded.expect("the origin never fails").len()
    })
}

fn expiry() -> Expiration {
    let millis = i64::try_from(TTL.as_millis());
    Expiration::PX(millis.expect("an hour"))
}

/// An entry as the facade would make it.
fn entry(bytes: Bytes) -> Entry {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed();
    let now = u64::try_from(now.expect("after 1970").as_millis()).expect("not that late");
    let ttl = Ttl::after(TTL).expect("an hour");
    let lifetime = Lifetime::new(Timestamp::from_millis(now), ttl, std::time::Duration::ZERO);
    Entry::new(Value::raw(bytes), lifetime)
}
