//! What a node's writers do: they change the origin, then make the cache follow.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use larder::{Deletion, Error, ErrorKind, Result};

use crate::history::{Outcome, What};
use crate::keys::{KeyIndex, indexes, spec};
use crate::moment::{Moment, millis, now, until};
use crate::node::Node;
use crate::reading::several;

/// Writes until the node is over.
pub(crate) async fn work(node: Arc<Node>, worker: u8) {
    let mut random = node.random(worker);
    let rhythm = node.orders.rhythm;
    while !node.is_over.load(Ordering::Relaxed) {
        if rhythm.is_quiet(now()) || !rhythm.is_storm(now()) && random.u8(..5) > 0 {
            tokio::time::sleep(until(rhythm.next_period(now()))).await;
            continue;
        }
        let key = rhythm.key(now(), &mut random);
        let manner = Manner::of(&mut random);
        write(&node, worker, key, manner, &mut random).await;
        let pause = Duration::from_millis(random.u64(..40));
        tokio::time::sleep(pause).await;
    }
}

async fn write(node: &Node, worker: u8, key: KeyIndex, manner: Manner, random: &mut fastrand::Rng) {
    let name = spec(key).name;
    // Who only wants to forget hasn't changed anything.
    let changes = random.u8(..8) > 0;
    if changes || spec(key).is_set {
        let Ok(version) = node.origin.write(key).await else {
            return;
        };
        if spec(key).is_set && random.u8(..10) < 7 {
            let stamp = node.stamp(key, version);
            let number = node.invoked_with(worker, What::Set, &[key], Some(stamp), None);
            let set = node.space(key).set(name, stamp.to_string());
            let done = manner.wait(set.into_future()).await;
            ended(node, number, done.map(|()| Outcome::Done));
            return;
        }
    }
    match random.u8(..100) {
        0..60 => {
            let number = node.invoked(worker, What::Delete, &[key]);
            let done = manner.wait(node.space(key).delete(name)).await;
            ended(node, number, done.map(delivered));
        }
        60..72 => {
            let number = node.invoked(worker, What::Invalidate, &[key]);
            let done = manner.wait(node.space(key).invalidate(name)).await;
            ended(node, number, done.map(delivered));
        }
        72..86 => delete_many(node, worker, &several(key, random)).await,
        86..97 => {
            let ttl = millis(random.u64(1..200));
            expire(node, worker, key, ttl).await;
        }
        _ => {
            let keys: Vec<_> = indexes().collect();
            let number = node.invoked(worker, What::Clear, &keys);
            let done = manner.wait(node.cache.clear()).await;
            ended(node, number, done.map(|()| Outcome::Done));
        }
    }
}

/// Several keys at once. Those beside the first may not have been changed: they are forgotten all the same.
async fn delete_many(node: &Node, worker: u8, keys: &[KeyIndex]) {
    for key in &keys[1..] {
        if node.origin.write(*key).await.is_err() {
            return;
        }
    }
    let names: Vec<&str> = keys.iter().map(|key| spec(*key).name).collect();
    let number = node.invoked(worker, What::DeleteMany, keys);
    let done = node.space(keys[0]).delete_many(&names).await;
    ended(node, number, done.map(|_| Outcome::Done));
}

async fn expire(node: &Node, worker: u8, key: KeyIndex, ttl: Moment) {
    let number = node.invoked_with(worker, What::Expire, &[key], None, Some(ttl));
    let lives = Duration::from_nanos(ttl);
    let done = node.space(key).expire(spec(key).name, lives).await;
    let outcome = |was_there| {
        if was_there {
            Outcome::Done
        } else {
            Outcome::Absent
        }
    };
    ended(node, number, done.map(outcome));
}

fn delivered(deletion: Deletion) -> Outcome {
    match deletion {
        Deletion::Delivered { .. } => Outcome::Done,
        _ => Outcome::Queued,
    }
}

fn ended(node: &Node, number: u64, done: Result<Outcome>) {
    let outcome = done.unwrap_or_else(|error| Outcome::Failed(format!("{:?}", error.kind())));
    node.completed(number, outcome, Vec::new());
}

/// How a caller waits for its operation.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Waits,
    /// It leaves before it has an answer.
    Leaves(Duration),
    /// It has other things to do first, so that the answer is there for a while before it is taken.
    Dawdles(Duration),
}

impl Manner {
    fn of(random: &mut fastrand::Rng) -> Self {
        match random.u8(..12) {
            0 => Self::Leaves(Duration::from_micros(random.u64(200..3_000))),
            1..5 => Self::Dawdles(Duration::from_millis(random.u64(5..60))),
            _ => Self::Waits,
        }
    }

    async fn wait<T>(self, operation: impl Future<Output = Result<T>>) -> Result<T> {
        match self {
            Self::Waits => operation.await,
            Self::Leaves(after) => {
                let done = tokio::time::timeout(after, operation).await;
                done.unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, "its caller has left")))
            }
            Self::Dawdles(pause) => {
                let mut operation = pin!(operation);
                let begun = poll_fn(|context| Poll::Ready(operation.as_mut().poll(context)));
                if let Poll::Ready(done) = begun.await {
                    return done;
                }
                tokio::time::sleep(pause).await;
                operation.await
            }
        }
    }
}
