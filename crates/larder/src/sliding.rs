//! Sliding expiry: what is asked for lives on.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use larder_core::{
    Backend, Entry, Expiry, Key, KeyHashBuilder, Lifetime, Operation, Timestamp, WriteOptions,
};

use crate::generation::Known;
use crate::scope::Scope;

/// A hit is worth a write once this part of the time to live is over: the price of sliding is at most ten writes per
/// key in that time, and an entry may end that much earlier than after its last hit.
const PART: u32 = 10;

/// The keys whose times are being written, by their hashes, so that it is done once however many hit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touching(Arc<Mutex<HashSet<u64, KeyHashBuilder>>>);

impl Touching {
    fn lock(&self) -> MutexGuard<'_, HashSet<u64, KeyHashBuilder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a touch, however it ends.
struct Touched(Touching, u64);

impl Drop for Touched {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
    }
}

/// An entry of a sliding space was hit: if enough of its time is over, it is given the whole time anew, in every tier
/// and behind the caller.
#[cold]
pub(crate) fn hit(scope: Scope<'_>, key: &Key<'_>, entry: &Entry, now: Timestamp) {
    let shared = scope.shared;
    let ttl = scope.spec.ttl.or(shared.defaults.ttl);
    let Some(duration) = ttl.duration() else {
        return;
    };
    let left = entry.head().lifetime().fresh_until.saturating_since(now);
    if left > duration.saturating_sub(duration / PART) || !shared.capability.expire {
        return;
    }
    // A stand-in for an origin in trouble is not to live on.
    if shared.cooling.is_resting(key, now) {
        return;
    }
    let generation = match shared.known_generation() {
        Known::None => None,
        Known::Is(generation) => Some(generation),
        Known::Changed => return,
    };
    if !shared.touching.lock().insert(key.hash64()) {
        return;
    }
    let touched = Touched(shared.touching.clone(), key.hash64());
    let stale_for = scope.spec.stale_for.unwrap_or(shared.defaults.stale_for);
    let life = Lifetime::new(shared.clock.now(), ttl, stale_for);
    let view = larder_core::View::default()
        .with_generation(generation)
        .with_schema(scope.spec.schema);
    let (store, key) = (shared.store.clone(), key.to_buf());
    let counters = Arc::clone(&shared.counters);
    // Without a runtime nothing slides; the caller has its value.
    let _ = shared.tasks.spawn(async move {
        let options = WriteOptions::default().with_view(view);
        let expired = store
            .expire(&key.as_key(), Expiry::new(life), &options)
            .await;
        if let Err(error) = expired {
            counters.error(Operation::Expire, error.kind());
        }
        drop(touched);
    });
}
