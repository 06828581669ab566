//! Changing how long an entry lives.

use larder_core::{Backend, Expiry, Lifetime, Operation, Result, Ttl};

use crate::remaining::Remaining;
use crate::scope::Scope;

/// Gives a visible entry a new time to live from now; answers whether there was one.
pub(crate) async fn expire(scope: Scope<'_>, name: &str, ttl: Result<Ttl>) -> Result<bool> {
    let changed = async {
        let (shared, key) = (scope.shared, scope.key(name)?);
        let writing = scope.writing().await?;
        // Exactly what the caller says: no jitter.
        let stale_for = scope.spec.stale_for.unwrap_or(shared.defaults.stale_for);
        let lifetime = Lifetime::new(scope.shared.clock.now(), ttl?, stale_for);
        shared.detach(&key);
        let changed = shared
            .store
            .expire(&key, Expiry::new(lifetime), &writing)
            .await;
        shared.detach(&key);
        shared.counters.expires.increment();
        changed
    };
    Scope::explain(changed.await, Operation::Expire, name)
}

/// How long a visible entry stays fresh.
pub(crate) async fn ttl(scope: Scope<'_>, name: &str) -> Result<Remaining> {
    let head = super::get::head(scope, name).await?;
    Ok(head.map_or(Remaining::Absent, |head| {
        match head.lifetime().fresh_until {
            until if until.is_forever() => Remaining::Forever,
            until => Remaining::For(until.saturating_since(scope.shared.clock.now())),
        }
    }))
}
