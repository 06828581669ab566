//! Storing one value.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use larder_core::{Backend, Operation, Result, Value};

use crate::operations::{Boxed, entry_options};
use crate::scope::{EntryOptions, Scope};

/// A write; see [`Space::set`](crate::Space::set). Nothing happens until it is awaited.
#[must_use = "futures do nothing unless awaited"]
pub struct Set<'a> {
    scope: Scope<'a>,
    name: &'a str,
    value: Value,
    options: EntryOptions,
}

impl<'a> Set<'a> {
    pub(crate) fn new<T: Send + Sync + 'static>(
        scope: Scope<'a>,
        name: &'a str,
        value: Arc<T>,
    ) -> Self {
        Self {
            scope,
            name,
            value: scope.value(value),
            options: EntryOptions::default(),
        }
    }

    pub(crate) fn of(scope: Scope<'a>, name: &'a str, value: Value) -> Self {
        Self {
            scope,
            name,
            value,
            options: EntryOptions::default(),
        }
    }

    entry_options!();
}

impl<'a> IntoFuture for Set<'a> {
    type Output = Result<()>;
    type IntoFuture = Boxed<'a, Result<()>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self {
                scope,
                name,
                value,
                options,
            } = self;
            Scope::explain(
                set(scope, name, value, &options).await,
                Operation::Set,
                name,
            )
        })
    }
}

async fn set(scope: Scope<'_>, name: &str, value: Value, options: &EntryOptions) -> Result<()> {
    let (shared, key) = (scope.shared, scope.key(name)?);
    let writing = scope.writing().await?;
    let entry = scope.entry(value, options, writing.view)?;
    // Detached before and after: a load that began before this write must not be joined by whoever
    // comes after it.
    shared.detach(&key);
    let stored = if shared.is_bypassed() {
        // Nothing is stored while the cache is bypassed, and nothing older may be found afterwards.
        shared.store.invalidate(&key, &writing).await.map(|_| ())
    } else {
        shared.store.set(&key, entry, &writing).await
    };
    shared.detach(&key);
    shared.counters.sets.increment();
    stored
}

impl fmt::Debug for Set<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Set")
            .field("name", &self.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
