//! Loaders that wait for each other: found before they wait, instead of in their timeouts.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use larder_core::{Error, ErrorKind, KeyBuf, Result};

tokio::task_local! {
    /// The flights whose loader runs in this task, and those that wait for it.
    static CHAIN: Arc<Chain>;
}

/// A loader that runs, and the one that asked for it.
pub(crate) struct Chain {
    /// The flights of the loader, with their keys.
    flights: Vec<(u64, KeyBuf)>,
    asked_by: Option<Arc<Self>>,
}

/// Who waits for whom: by a flight, the flights that its loader waits for. Only loaders that call the cache are in it.
static WAITS: LazyLock<Mutex<HashMap<u64, Vec<u64>>>> = LazyLock::new(Mutex::default);

fn waits() -> MutexGuard<'static, HashMap<u64, Vec<u64>>> {
    WAITS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The loader in which this runs, if it runs in one.
pub(crate) fn current() -> Option<Arc<Chain>> {
    CHAIN.try_with(Arc::clone).ok()
}

/// Runs a loader as the one of these flights.
pub(crate) async fn within<T>(
    flights: Vec<(u64, KeyBuf)>,
    asked_by: Option<Arc<Chain>>,
    loader: impl Future<Output = T>,
) -> T {
    CHAIN
        .scope(Arc::new(Chain { flights, asked_by }), loader)
        .await
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
            if let Some(at) = awaited.iter().position(|flight| *flight == self.awaited) {
                awaited.swap_remove(at);
            }
            if awaited.is_empty() {
                waits.remove(&self.waiting);
            }
        }
    }
}

/// About to wait for a flight: an error if that one waits, in whatever way, for the loader in which this runs.
pub(crate) fn wait_for(awaited: u64, key: &str) -> Result<Vec<Edge>> {
    let Some(chain) = current() else {
        return Ok(Vec::new());
    };
    let mut waits = waits();
    let mut path = Vec::new();
    let mut link = Some(&chain);
    while let Some(loader) = link {
        for (flight, loading) in &loader.flights {
            path.push(loading.text());
            if reaches(&waits, awaited, *flight) {
                path.reverse();
                return Err(Error::new(
                    ErrorKind::LoadCycle,
                    format!(
                        "a loader waits for itself: loading {} -> {key}",
                        path.join(" -> ")
                    ),
                ));
            }
        }
        link = loader.asked_by.as_ref();
    }
    let edge = |waiting| Edge { waiting, awaited };
    let mut edges = Vec::new();
    for (flight, _) in &chain.flights {
        waits.entry(*flight).or_default().push(awaited);
        edges.push(edge(*flight));
    }
    Ok(edges)
}

/// Whether the loader of `from` waits for `to`.
fn reaches(waits: &HashMap<u64, Vec<u64>>, from: u64, to: u64) -> bool {
    let (mut seen, mut next) = (Vec::new(), vec![from]);
    while let Some(flight) = next.pop() {
        if flight == to {
            return true;
        }
        if !seen.contains(&flight) {
            seen.push(flight);
            next.extend(waits.get(&flight).into_iter().flatten());
        }
    }
    false
}
