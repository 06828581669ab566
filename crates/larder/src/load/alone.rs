//! Loads past the cache: for one caller alone, and nothing is stored.

use std::pin::pin;
use std::sync::Arc;

use larder_core::Result;
use tracing::Instrument;

use crate::load::{Loaded, Outcome, Policy, Source, What, guarded, nothing_to_modify};
use crate::scope::Scope;

/// Runs a loader of so many keys; it may panic, and it may hang.
pub(crate) async fn alone<R>(
    scope: Scope<'_>,
    policy: &Policy,
    keys: usize,
    loading: impl Future<Output = Result<R>>,
) -> Result<R> {
    let (clock, counters) = (&scope.shared.clock, &scope.shared.counters);
    let started = clock.now();
    let deadline = || clock.sleep_until(started.saturating_add(policy.timeout));
    let span = tracing::debug_span!("larder.load", cache = scope.shared.namespace.as_str());
    let ended = guarded(pin!(loading.instrument(span)), deadline).await;
    counters.loaded(clock.now().saturating_since(started));
    ended.result(counters, policy.timeout, keys)
}

/// What such a load came to for one key, of which the loader was told this.
pub(crate) fn outcome_alone<T>(
    scope: Scope<'_>,
    loaded: Loaded<T>,
    stale: Option<Arc<T>>,
) -> Result<Outcome<T>> {
    let counters = &scope.shared.counters;
    let value = match loaded.what {
        What::Value(value) => Ok(Some(value)),
        What::Absent => Ok(None),
        What::NotModified => stale.map(Some).ok_or_else(nothing_to_modify),
        What::Failed(error) => Err(error),
    };
    match &value {
        Ok(_) => counters.loads_ok.increment(),
        Err(_) => counters.loads_failed.increment(),
    }
    value.map(|value| Outcome::new(value, Source::Loader))
}
