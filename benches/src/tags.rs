//! The group `tags`: what a tag costs a hit, what an invalidation costs, and how soon it is heard.

use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use larder::{Backend, Cache, Memory, Redis, Space};
use larder_core::{Change, Observer};
use larder_testkit::RedisServer;
use tokio::runtime::{Builder, Runtime};

use crate::alloc::count;
use crate::harness::{Race, median, nanos_per_operation, ready};
use crate::redis::version;
use crate::report::{Measured, Table, number};
use crate::values::Profile;
use crate::work::{CAPACITY, PREFIX, Work};

/// Lookups per sample.
const BATCH: usize = 100_000;
/// What each tag may cost a hit, in nanoseconds.
const PER_TAG: f64 = 20.0;
/// What an invalidation may cost with a million entries, by what it costs with one.
const FLAT: f64 = 1.25;
/// When an invalidation is to have been heard, in 99 of 100 cases.
const HEARD: Duration = Duration::from_millis(5);
/// Writes per second while that is measured.
const WRITES: u32 = 5_000;
const WRITTEN: u32 = 15_000;

/// Every table of the group.
pub(crate) fn measured(rounds: usize) -> Measured {
    let server = RedisServer::start();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime starts");
    let mut tables = hits(rounds);
    tables.push(invalidations(&runtime, &server, rounds));
    tables.push(heard(&server));
    Measured {
        tables,
        crates: &["fred", "moka", "tokio"],
        server: Some(version(&server)),
    }
}

/// A cache in memory whose entries have so many tags.
fn tagged(work: &Work, tags: u8) -> Space<Profile> {
    let tier = Memory::builder().max_entries(CAPACITY);
    let cache = ready(Cache::builder("bench").tier(tier).build()).expect("the settings are sound");
    let space = cache.space::<Profile>(PREFIX).version(1);
    for (at, (name, value)) in work.names.iter().zip(&work.values).enumerate() {
        // A thousand tags, which entries share.
        let tags = (0..tags).map(|tag| format!("tag:{}", (at + usize::from(tag) * 31) % 1_000));
        let set = space.set(name, Arc::clone(value)).tags(tags);
        ready(set.into_future()).expect("memory refuses nothing");
    }
    space
}

fn hits(rounds: usize) -> Vec<Table> {
    let work = Work::zipf();
    let numbers = [0_u8, 1, 4, 32];
    let spaces = numbers.map(|tags| tagged(&work, tags));
    let look_up = |space: &Space<Profile>, range: std::ops::Range<usize>| {
        for operation in range {
            let found = ready(space.get(work.name(operation)).into_future());
            black_box(found.expect("memory never fails").expect("it is there"));
        }
    };
    let mut samples: Vec<Vec<f64>> = numbers.iter().map(|_| Vec::new()).collect();
    let mut from = 0;
    for round in 0..=rounds {
        for (space, samples) in spaces.iter().zip(&mut samples) {
            let sample = nanos_per_operation(1, from, BATCH, &|range| look_up(space, range));
            if round > 0 {
                samples.push(sample);
            }
        }
        from += BATCH;
    }
    let mut times = Table::new(
        "Hits in memory, Zipf 0.99, one thread",
        &["row", "ns per hit", "more per tag", "target", "verdict"],
    );
    let mut allocations = Table::new(
        "What a tagged hit allocates",
        &["row", "allocations per hit", "bytes per hit"],
    );
    for (at, tags) in numbers.into_iter().enumerate() {
        let row = match tags {
            0 => "no tag".to_owned(),
            1 => "1 tag".to_owned(),
            _ => format!("{tags} tags"),
        };
        // Within each round, so that a drift of the machine cancels.
        let more: Vec<f64> = samples[at]
            .iter()
            .zip(&samples[0])
            .map(|(tagged, plain)| (tagged - plain) / f64::from(tags.max(1)))
            .collect();
        let (shown, met) = if tags == 0 {
            ("–".to_owned(), None)
        } else {
            let more = median(&more);
            (format!("{more:.1}"), Some(more <= PER_TAG))
        };
        let target = met.map_or_else(|| "–".to_owned(), |_| format!("≤ {PER_TAG}"));
        let cells = [row.clone(), number(median(&samples[at])), shown, target];
        times.judged_row(cells, met);
        let counted = count(|| look_up(&spaces[at], 0..BATCH));
        let (times_called, bytes) = counted.per(BATCH);
        allocations.row([row, format!("{times_called:.4}"), format!("{bytes:.1}")]);
    }
    vec![times, allocations]
}

/// What an invalidation takes with so many entries that have the tag.
fn invalidations(runtime: &Runtime, server: &RedisServer, rounds: usize) -> Table {
    let mut race = Race::new("Invalidating a tag", "µs");
    for entries in [1_u32, 1_000, 1_000_000] {
        let namespace = format!("tags-{entries}");
        let cache = runtime.block_on(async {
            let tier = Redis::builder(server.url());
            let cache = Cache::builder(&namespace).tier(tier).build().await;
            let cache = cache.expect("the server is there");
            let space = cache.space::<u32>("n");
            let numbers: Vec<u32> = (0..entries).collect();
            for chunk in numbers.chunks(10_000) {
                let pairs = chunk.iter().map(|number| (number.to_string(), *number));
                let stored = space.set_many(pairs).tags(["red"]).await;
                stored.expect("the server takes it");
            }
            cache
        });
        let row = race.add(
            format!("entries that have it: {entries}"),
            None,
            move || {
                let start = Instant::now();
                let turns = 200;
                runtime.block_on(async {
                    for _ in 0..turns {
                        cache.invalidate_tag("red").await.expect("it is there");
                    }
                });
                start.elapsed().as_secs_f64() * 1e6 / f64::from(turns)
            },
        );
        row.at_most((entries > 1).then_some(FLAT));
    }
    race.run(rounds)
}

/// When keys were heard of.
#[derive(Default)]
struct Ear(Mutex<Vec<(String, Instant)>>);

impl Observer for Ear {
    fn changed(&self, change: &Change<'_>) {
        if let Change::Key(key, _) = change {
            let now = Instant::now();
            let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            heard.push((key.text(), now));
        }
    }
}

/// How long after the beginning of a write another node has handled the news of it.
fn heard(server: &RedisServer) -> Table {
    let node = || {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime starts");
        let cache = runtime.block_on(async {
            let memory = Memory::builder();
            let redis = Redis::builder(server.url());
            let cache = Cache::builder("heard").tier(memory).tier(redis);
            cache.build().await.expect("the server is there")
        });
        (runtime, cache)
    };
    let ((writing, writer), (_listening, listener)) = (node(), node());
    let ear = Arc::new(Ear::default());
    let changes = listener.store().watch().expect("redis tells of changes");
    let weak: std::sync::Weak<Ear> = Arc::downgrade(&ear);
    changes.subscribe(weak);
    let begun = writing.block_on(async {
        let mut begun = Vec::with_capacity(WRITTEN as usize);
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        let space = writer.space::<u32>("n");
        let per_tick = WRITES / 1_000;
        for tick in 0..WRITTEN / per_tick {
            ticks.tick().await;
            let mut tasks = Vec::new();
            for at in 0..per_tick {
                let name = (tick * per_tick + at).to_string();
                begun.push((format!("n:{name}"), Instant::now()));
                let space = space.clone();
                tasks.push(tokio::spawn(async move { space.set(&name, 1).await }));
            }
            for task in tasks {
                let written = task.await.expect("a write doesn't panic");
                written.expect("the server takes it");
            }
        }
        begun
    });
    let deadline = Instant::now() + Duration::from_secs(10);
    let count = || ear.0.lock().unwrap_or_else(PoisonError::into_inner).len();
    while count() < begun.len() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    let heard: std::collections::HashMap<String, Instant> = {
        let heard = ear.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().cloned().collect()
    };
    let mut took: Vec<f64> = begun
        .iter()
        .filter_map(|(key, begun)| {
            let heard = heard.get(key)?;
            Some(heard.saturating_duration_since(*begun).as_secs_f64() * 1e3)
        })
        .collect();
    assert_eq!(took.len(), begun.len(), "every write is heard of");
    took.sort_by(f64::total_cmp);
    let at = |part: usize| took[(took.len() - 1) * part / 100];
    let mut table = Table::new(
        "From a write's beginning until another node has handled the news, 5,000 writes a second",
        &["row", "ms", "target", "verdict"],
    );
    let limit = HEARD.as_secs_f64() * 1e3;
    for (row, part) in [("half of them", 50), ("99 of 100", 99), ("the last", 100)] {
        let met = (part == 99).then(|| at(part) <= limit);
        let target = met.map_or_else(|| "–".to_owned(), |_| format!("≤ {limit}"));
        let cells = [row.to_owned(), format!("{:.2}", at(part)), target];
        table.judged_row(cells, met);
    }
    table
}
