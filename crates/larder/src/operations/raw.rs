//! Values as bytes.

use bytes::Bytes;
use larder_core::{Backend, Operation, Result};
use tokio::task::coop::consume_budget;

use crate::scope::Scope;

/// The bytes of a visible entry: as they were set, or as its codec writes the value.
pub(crate) async fn get_raw(scope: Scope<'_>, name: &str) -> Result<Option<Bytes>> {
    let found = async {
        let key = scope.key(name)?;
        let counters = &scope.shared.counters;
        if scope.shared.is_bypassed() {
            consume_budget().await;
            counters.bypassed.increment();
            return Ok(None);
        }
        let options = scope.reading().await?;
        let found = scope.shared.store.get(&key, &options).await?;
        let now = scope.now();
        let Some(entry) = found else {
            counters.misses.increment();
            return Ok(None);
        };
        if !entry.head().is_visible(options.view, now) {
            let fresh = entry.head().lifetime().is_fresh(now);
            if fresh {
                counters.outdated.increment();
            } else {
                counters.stale.increment();
            }
            return Ok(None);
        }
        let bytes = entry.value().encoded()?.clone();
        counters.hits.increment();
        Ok(Some(bytes))
    };
    Scope::explain(found.await, Operation::Get, name)
}
