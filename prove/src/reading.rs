//! What a node's readers do.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::history::{Event, Outcome, What};
use crate::keys::{KEYS, KeyIndex, spec};
use crate::moment::now;
use crate::node::Node;
use crate::stamp::Stamp;

/// Reads until the node is over.
pub(crate) async fn work(node: Arc<Node>, worker: u8) {
    let mut random = node.random(worker);
    while !node.is_over.load(Ordering::Relaxed) {
        let key = node.orders.rhythm.key(now(), &mut random);
        let kinds = if node.orders.rhythm.is_quiet(now()) {
            45
        } else {
            100
        };
        match random.u8(..kinds) {
            0..30 => get(&node, worker, key).await,
            30..38 => get_local(&node, worker, key),
            38..45 => get_many(&node, worker, &several(key, &mut random)).await,
            45..82 => get_or_load(&node, worker, key, What::GetOrLoad, &mut random).await,
            82..86 => get_or_load(&node, worker, key, What::Refresh, &mut random).await,
            _ => get_many_or_load(&node, worker, several(key, &mut random), &mut random).await,
        }
        let pause = if random.bool() {
            random.u64(..3)
        } else {
            random.u64(3..20)
        };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// Keys of the same space as the first.
pub(crate) fn several(first: KeyIndex, random: &mut fastrand::Rng) -> Vec<KeyIndex> {
    let mut keys = vec![first];
    for _ in 0..random.usize(1..3) {
        let index = random.usize(..KEYS.len());
        let key = KeyIndex::try_from(index).unwrap_or_default();
        if spec(key).space == spec(first).space && !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// What was read, if it is one of ours. Anything else would be another program's bytes, taken for a value.
fn stamp(value: &str) -> Stamp {
    value.parse().unwrap_or(Stamp {
        key: KeyIndex::MAX,
        version: 0,
        node: u8::MAX,
        incarnation: 0,
        sequence: 0,
    })
}

fn failed(error: &larder::Error) -> Outcome {
    Outcome::Failed(format!("{:?}", error.kind()))
}

/// Notes a read of one key.
fn seen(node: &Node, number: u64, found: larder::Result<Option<Arc<String>>>) {
    match found {
        Ok(value) => node.completed(
            number,
            Outcome::Done,
            vec![value.map(|value| stamp(&value))],
        ),
        Err(error) => node.completed(number, failed(&error), Vec::new()),
    }
}

pub(crate) async fn get(node: &Node, worker: u8, key: KeyIndex) {
    let number = node.invoked(worker, What::Get, &[key]);
    let found = node.space(key).get(spec(key).name).await;
    seen(node, number, found);
}

pub(crate) fn get_local(node: &Node, worker: u8, key: KeyIndex) {
    let number = node.invoked(worker, What::GetLocal, &[key]);
    let found = node.space(key).get_local(spec(key).name);
    seen(node, number, Ok(found));
}

async fn get_many(node: &Node, worker: u8, keys: &[KeyIndex]) {
    let names: Vec<&str> = keys.iter().map(|key| spec(*key).name).collect();
    let number = node.invoked(worker, What::GetMany, keys);
    match node.space(keys[0]).get_many(&names).await {
        Ok(values) => {
            let seen = values
                .iter()
                .map(|value| value.as_deref().map(|value| stamp(value)));
            node.completed(number, Outcome::Done, seen.collect());
        }
        Err(error) => node.completed(number, failed(&error), Vec::new()),
    }
}

/// How long a load takes before it reads the origin, and afterwards.
fn pace(random: &mut fastrand::Rng) -> (Duration, Duration) {
    let after = match random.u8(..32) {
        // Longer than anybody may see what was there before; shorter than a node may take to notice that its link
        // is dead, because whoever comes meanwhile joins the load.
        0 => random.u64(300..450),
        1..8 => random.u64(20..180),
        _ => random.u64(..12),
    };
    let before = random.u64(..6);
    (Duration::from_millis(before), Duration::from_millis(after))
}

/// Reads the origin slowly: what is read may be old when the loader returns.
async fn load(node: &Node, key: KeyIndex, pace: (Duration, Duration)) -> io::Result<String> {
    tokio::time::sleep(pace.0).await;
    let from = now();
    let version = node.origin.read(key).await?;
    tokio::time::sleep(pace.1).await;
    let stamp = node.stamp(key, version);
    node.recorder.record(&Event::Loaded {
        from,
        at: now(),
        stamp,
    });
    Ok(stamp.to_string())
}

async fn get_or_load(
    node: &Arc<Node>,
    worker: u8,
    key: KeyIndex,
    what: What,
    random: &mut fastrand::Rng,
) {
    let (pace, loading) = (pace(random), Arc::clone(node));
    let loader = move || async move { load(&loading, key, pace).await };
    let number = node.invoked(worker, what, &[key]);
    let call = node.space(key).get_or_load(spec(key).name, loader);
    let found = if what == What::Refresh {
        call.refresh().await
    } else {
        call.await
    };
    seen(node, number, found.map(Some));
}

async fn get_many_or_load(
    node: &Arc<Node>,
    worker: u8,
    keys: Vec<KeyIndex>,
    random: &mut fastrand::Rng,
) {
    let (pace, loading, space) = (pace(random), Arc::clone(node), spec(keys[0]).space);
    let loader = move |missing: Vec<&'static str>| {
        let node = Arc::clone(&loading);
        async move {
            let mut loaded = Vec::new();
            for name in missing {
                let at = KEYS
                    .iter()
                    .position(|it| it.space == space && it.name == name);
                let key = at.and_then(|at| KeyIndex::try_from(at).ok());
                let key = key.ok_or(io::ErrorKind::InvalidInput)?;
                loaded.push((name, load(&node, key, pace).await?));
            }
            Ok::<_, io::Error>(loaded)
        }
    };
    let names: Vec<&'static str> = keys.iter().map(|key| spec(*key).name).collect();
    let number = node.invoked(worker, What::GetManyOrLoad, &keys);
    match node.space(keys[0]).get_many_or_load(names, loader).await {
        Ok(values) => {
            let seen = values
                .iter()
                .map(|value| value.as_deref().map(|value| stamp(value)));
            node.completed(number, Outcome::Done, seen.collect());
        }
        Err(error) => node.completed(number, failed(&error), Vec::new()),
    }
}
