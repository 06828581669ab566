//! Filling a cache before anybody asks.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use larder_core::{
    Backend, Fill, Filled, Key, Lease, LeaseOptions, Operation, Result, Value, WriteOptions,
};

use crate::operations::{Boxed, entry_options};
use crate::scope::{EntryOptions, Scope};

/// A warm-up; see [`Space::warm`](crate::Space::warm). Nothing happens until it is awaited.
#[must_use = "futures do nothing unless awaited"]
pub struct Warm<'a> {
    scope: Scope<'a>,
    values: Values<'a>,
    options: EntryOptions,
}

type Values<'a> = Box<dyn Iterator<Item = (String, Value)> + Send + 'a>;

/// What a warm-up did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WarmReport {
    /// Values stored.
    pub stored: u64,
    /// Values skipped because a fresh one was there, or was being loaded.
    pub skipped: u64,
    /// Values not stored because the key was invalidated meanwhile, or because of an error.
    pub refused: u64,
}

/// Values are stored in batches of this many.
const CHUNK: usize = 1_000;

/// How long a batch may take until its leases end.
const LEASE: std::time::Duration = std::time::Duration::from_secs(10);

impl<'a> Warm<'a> {
    pub(crate) fn new<T, K, V, I>(scope: Scope<'a>, values: I) -> Self
    where
        T: Send + Sync + 'static,
        K: Into<String>,
        V: Into<Arc<T>>,
        I: IntoIterator<Item = (K, V)>,
        I::IntoIter: Send + 'a,
    {
        let values = values
            .into_iter()
            .map(move |(name, value)| (name.into(), scope.value(value.into())));
        Self {
            scope,
            values: Box::new(values),
            options: EntryOptions::default(),
        }
    }

    entry_options!();
}

impl<'a> IntoFuture for Warm<'a> {
    type Output = Result<WarmReport>;
    type IntoFuture = Boxed<'a, Result<WarmReport>>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut report = WarmReport::default();
            let size = CHUNK.min(self.scope.shared.limits.max_batch.max(1));
            loop {
                let chunk: Vec<_> = self.values.by_ref().take(size).collect();
                if chunk.is_empty() {
                    return Ok(report);
                }
                store(self.scope, &chunk, &self.options, &mut report).await?;
            }
        })
    }
}

/// Stores by lease and fill where the store has them, so that nothing fresh is replaced and no system
/// of record is written; else only where nothing is there.
async fn store(
    scope: Scope<'_>,
    chunk: &[(String, Value)],
    options: &EntryOptions,
    report: &mut WarmReport,
) -> Result<()> {
    let shared = scope.shared;
    let writing = scope.writing().await?;
    let mut keys: Vec<Key<'_>> = Vec::with_capacity(chunk.len());
    let mut entries = Vec::with_capacity(chunk.len());
    for (name, value) in chunk {
        keys.push(Scope::explain(scope.key(name), Operation::Fill, name)?);
        entries.push(Scope::explain(
            scope.entry(value.clone(), options, writing.view),
            Operation::Fill,
            name,
        )?);
    }
    if shared.is_bypassed() {
        report.refused += chunk.len() as u64;
        return Ok(());
    }
    if !shared.capability.lease {
        for (key, entry) in keys.iter().zip(entries) {
            let found = shared.store.head(key, &scope.reading().await?).await?;
            if found.is_some_and(|head| head.is_visible(writing.view, scope.now())) {
                report.skipped += 1;
            } else {
                shared.store.set(key, entry, &writing).await?;
                report.stored += 1;
            }
        }
        return Ok(());
    }
    let leasing = LeaseOptions::until(scope.now().saturating_add(LEASE)).with_view(writing.view);
    let mut fills = Vec::with_capacity(keys.len());
    for (lease, entry) in shared
        .store
        .lease(&keys, &leasing)
        .await
        .into_iter()
        .zip(entries)
    {
        match lease {
            Ok(Lease::Granted { token, .. }) => fills.push(Fill { token, entry }),
            Ok(_) => report.skipped += 1,
            Err(error) => {
                shared.counters.error(Operation::Lease, error.kind());
                report.refused += 1;
            }
        }
    }
    for filled in shared.store.fill(fills, &WriteOptions::default()).await {
        match filled {
            Ok(Filled::Stored) => {
                shared.counters.fills.increment();
                report.stored += 1;
            }
            Ok(Filled::Refused) => {
                shared.counters.fills_refused.increment();
                report.refused += 1;
            }
            Err(error) => {
                shared.counters.error(Operation::Fill, error.kind());
                report.refused += 1;
            }
        }
    }
    Ok(())
}

impl fmt::Debug for Warm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warm")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
