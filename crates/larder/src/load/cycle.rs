//! Loaders that wait for each other: found before they wait, instead of in their timeouts.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use larder_core::{Error, ErrorKind, KeyBuf, Result};
use tokio::task::futures::TaskLocalFuture;

use crate::load::List;

tokio::task_local! {
    /// The flights whose loader runs in this task.
    static LOADING: List<(u64, KeyBuf)>;
}

/// Who waits for whom: by a flight, its key and the flights that its loader waits for. Only loaders that call the cache
/// are in it.
static WAITS: LazyLock<Mutex<HashMap<u64, Awaited>>> = LazyLock::new(Mutex::default);

struct Awaited {
    key: KeyBuf,
    flights: Vec<u64>,
}

fn waits() -> MutexGuard<'static, HashMap<u64, Awaited>> {
    WAITS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a loader as the one of these flights.
pub(crate) fn within<F: Future>(
    flights: List<(u64, KeyBuf)>,
    loader: F,
) -> TaskLocalFuture<List<(u64, KeyBuf)>, F> {
    LOADING.scope(flights, loader)
}

/// That the loader of `waiting` waits for a flight; until this is dropped.
pub(crate) struct Edge {
    waiting: u64,
    awaited: u64,
}

impl Drop for Edge {
    fn drop(&mut self) {
        let mut waits = waits();
        if let Some(awaited) = waits.get_mut(&self.waiting) {
            let at = awaited.flights.iter().position(|it| *it == self.awaited);
            if let Some(at) = at {
                awaited.flights.swap_remove(at);
            }
            if awaited.flights.is_empty() {
                waits.remove(&self.waiting);
            }
        }
    }
}

/// About to wait for a flight: an error if that one waits, in whatever way, for the loader in which this runs.
pub(crate) fn wait_for(awaited: u64) -> Result<Vec<Edge>> {
    LOADING
        .try_with(|loading| edges(loading, awaited))
        .unwrap_or_else(|_| Ok(Vec::new()))
}

fn edges(loading: &[(u64, KeyBuf)], awaited: u64) -> Result<Vec<Edge>> {
    let mut waits = waits();
    for (flight, key) in loading {
        if let Some(path) = path(&waits, awaited, *flight) {
            let names = std::iter::once(key).chain(&path).chain([key]);
            let names: Vec<&str> = names.map(KeyBuf::text).collect();
            return Err(Error::new(
                ErrorKind::LoadCycle,
                format!("a loader waits for itself: {}", names.join(" -> ")),
            ));
        }
    }
    let mut edges = Vec::with_capacity(loading.len());
    for (waiting, key) in loading {
        let entry = waits.entry(*waiting).or_insert_with(|| Awaited {
            key: key.clone(),
            flights: Vec::new(),
        });
        entry.flights.push(awaited);
        edges.push(Edge {
            waiting: *waiting,
            awaited,
        });
    }
    Ok(edges)
}

/// By way of which keys the loader of `from` waits for `to`; none if they are the same.
fn path(waits: &HashMap<u64, Awaited>, from: u64, to: u64) -> Option<Vec<KeyBuf>> {
    let (mut seen, mut open) = (vec![from], vec![(from, Vec::new())]);
    while let Some((flight, path)) = open.pop() {
        if flight == to {
            return Some(path);
        }
        let Some(awaited) = waits.get(&flight) else {
            continue;
        };
        for next in &awaited.flights {
            if !seen.contains(next) {
                seen.push(*next);
                let mut path = path.clone();
                path.push(awaited.key.clone());
                open.push((*next, path));
            }
        }
    }
    None
}
