//! Deleting and invalidating.

use larder_core::{Backend, BatchOperation, BatchReply, Deletion, Key, Operation, Result};

use crate::scope::Scope;
use crate::shared::Shared;

/// What kind of removal it is.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Removal {
    /// The value is gone, from the system of record too.
    Delete,
    /// The cached copy is forgotten.
    Invalidate,
}

impl Removal {
    fn operation(self) -> Operation {
        match self {
            Self::Delete => Operation::Delete,
            Self::Invalidate => Operation::Invalidate,
        }
    }

    fn count(self, scope: Scope<'_>, removed: u64) {
        match self {
            Self::Delete => scope.shared.counters.deletes.add(removed),
            Self::Invalidate => scope.shared.counters.invalidations.add(removed),
        }
    }

    fn batched(self, key: Key<'_>) -> BatchOperation<'_> {
        match self {
            Self::Delete => BatchOperation::Delete(key),
            Self::Invalidate => BatchOperation::Invalidate(key),
        }
    }
}

pub(crate) async fn remove(scope: Scope<'_>, name: &str, removal: Removal) -> Result<Deletion> {
    let removed = async {
        let (shared, key) = (scope.shared, scope.key(name)?);
        let writing = scope.writing().await?;
        shared.detach(&key);
        let removed = match removal {
            Removal::Delete => shared.store.delete(&key, &writing).await,
            Removal::Invalidate => shared.store.invalidate(&key, &writing).await,
        };
        shared.detach(&key);
        removal.count(scope, 1);
        removed
    };
    Scope::explain(removed.await, removal.operation(), name)
}

/// Removes keys in one batch; answers how many are known to have been there. All are tried; the first
/// error is answered.
pub(crate) async fn remove_many(scope: Scope<'_>, names: &[&str], removal: Removal) -> Result<u64> {
    scope.shared.limits.check_batch(names.len())?;
    let keys: Vec<_> = names
        .iter()
        .map(|name| Scope::explain(scope.key(name), removal.operation(), name))
        .collect::<Result<_>>()?;
    remove_keys(scope, &keys, removal).await
}

pub(crate) async fn remove_keys(
    scope: Scope<'_>,
    keys: &[Key<'_>],
    removal: Removal,
) -> Result<u64> {
    let shared = scope.shared;
    let writing = scope.writing().await?;
    detach_all(shared, keys);
    let operations = keys.iter().map(|key| removal.batched(*key)).collect();
    let replies = shared.store.batch(operations, &writing).await;
    detach_all(shared, keys);
    removal.count(scope, keys.len() as u64);
    let (mut existed, mut failed) = (0, None);
    for (reply, key) in replies.into_iter().zip(keys) {
        match Scope::explain(
            reply.and_then(BatchReply::into_deletion),
            removal.operation(),
            &key.text(),
        ) {
            Ok(deletion) => existed += u64::from(deletion.existed()),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(existed), Err)
}

/// Detaches the flights of keys.
pub(crate) fn detach_all(shared: &Shared, keys: &[Key<'_>]) {
    for key in keys {
        shared.detach(key);
    }
}
