//! What stands before a load: a lease, somebody else's lease, or an entry that makes it needless.

use std::time::Duration;

use larder_core::{
    Backend, Entry, FillToken, Key, Lease, LeaseMode, LeaseOptions, Lifetime, Operation, Tag,
    Timestamp, Value, View,
};

use crate::load::{List, Policy};
use crate::scope::Scope;

/// How much longer a lease lasts than a load may take.
const SLACK: Duration = Duration::from_secs(5);

/// What a claim came to.
pub(crate) enum Claim {
    /// Load.
    Load(Right, Option<Entry>),
    /// Somebody else has loaded it.
    Present(Entry),
    /// Somebody else is loading it, for no longer than this.
    Held(Duration),
}

/// The right to store what is loaded.
#[derive(Debug)]
pub(crate) enum Right {
    /// A lease: whatever invalidates the key ends it.
    Lease(FillToken),
    /// The store has no leases; the flight's own mark has to do.
    Unleased,
    /// A lease that is being filled, or given back.
    Filled,
    /// No lease was to be had, or none is wanted: in memory alone.
    MemoryOnly,
}

/// Claims keys, in one round trip. Trouble with the cache never fails a load (A1): it goes on without a lease.
pub(crate) async fn claim(
    scope: Scope<'_>,
    keys: &[Key<'_>],
    mode: LeaseMode,
    memory_only: bool,
    policy: &Policy,
    tags: &[Tag],
) -> (View, List<Claim>) {
    let shared = scope.shared;
    let without = || keys.iter().map(|_| Claim::Load(Right::MemoryOnly, None));
    let view = match scope.view().await {
        Ok(view) => view,
        Err(error) => {
            shared.counters.error(Operation::Markers, error.kind());
            let view = View::default().with_schema(scope.spec.schema);
            return (view, without().collect());
        }
    };
    // Where memory is all there is, its own leases are as good.
    if memory_only && (shared.capability.tiered || !shared.capability.immediate) {
        return (view, without().collect());
    }
    if !shared.capability.lease {
        let mut claims = List::with_capacity(keys.len());
        for key in keys {
            claims.push(unleased(scope, key, mode, view).await);
        }
        return (view, claims);
    }
    let now = shared.clock.now();
    // Longer than the load may take, so that a lease ends early only if its holder died.
    let until = now.saturating_add(policy.timeout.saturating_add(SLACK));
    let mut options = LeaseOptions::until(until).with_mode(mode).with_view(view);
    options.template = template(tags, now);
    let mut leases = shared.store.lease(keys, &options).await.into_iter();
    let claims = keys.iter().map(|_| match leases.next() {
        Some(Ok(Lease::Granted { token, seen })) => Claim::Load(Right::Lease(token), seen),
        Some(Ok(Lease::Present(entry))) => Claim::Present(entry),
        Some(Ok(Lease::Held { until })) => {
            Claim::Held(until.saturating_since(now).max(Duration::from_millis(1)))
        }
        Some(Err(error)) => {
            shared.counters.error(Operation::Lease, error.kind());
            Claim::Load(Right::MemoryOnly, None)
        }
        _ => Claim::Load(Right::MemoryOnly, None),
    });
    (view, claims.collect())
}

/// What tells a tag layer which tags to stamp.
fn template(tags: &[Tag], now: Timestamp) -> Option<Entry> {
    if tags.is_empty() {
        return None;
    }
    let entry = Entry::new(Value::empty(), Lifetime::forever(now));
    entry.with_tags(tags.to_vec()).ok()
}

/// Looks what is there, where there are no leases.
async fn unleased(scope: Scope<'_>, key: &Key<'_>, mode: LeaseMode, view: View) -> Claim {
    let shared = scope.shared;
    let options = larder_core::ReadOptions::default().with_view(view);
    match shared.store.get(key, &options).await {
        Ok(Some(entry))
            if mode == LeaseMode::Load && entry.head().is_current(view, shared.clock.now()) =>
        {
            Claim::Present(entry)
        }
        Ok(seen) => Claim::Load(Right::Unleased, seen),
        Err(error) => {
            shared.counters.error(Operation::Get, error.kind());
            Claim::Load(Right::Unleased, None)
        }
    }
}
