//! Storing one value.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use larder_core::{Backend, Error, ErrorKind, Operation, Result, Tiers, Value};

use crate::operations::{Boxed, entry_options};
use crate::scope::{EntryOptions, Scope};
use crate::stamps::Stamps;

/// A write; see [`Space::set`](crate::Space::set). Nothing happens until it is awaited.
#[must_use = "futures do nothing unless awaited"]
pub struct Set<'a> {
    scope: Scope<'a>,
    name: &'a str,
    value: Value,
    options: EntryOptions,
    verified: bool,
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
            verified: false,
        }
    }

    pub(crate) fn of(scope: Scope<'a>, name: &'a str, value: Value) -> Self {
        Self {
            scope,
            name,
            value,
            options: EntryOptions::default(),
            verified: false,
        }
    }

    entry_options!();

    /// Tags the entry with versions that were taken before its value was read from an origin
    /// ([`Cache::stamps`](crate::Cache::stamps)): a tag that was invalidated since then wins. Replaces
    /// [`tags`](Self::tags). Default: the versions at the beginning of the call.
    pub fn stamps(mut self, stamps: Stamps) -> Self {
        self.options.tags = stamps.into_tags();
        self
    }

    /// Looks behind the write whether it stands: without it, a write whose tag another node has just invalidated, and of
    /// which this one has not heard, succeeds and isn't found. One more round trip if the entry has tags. Default: off.
    ///
    /// The call then fails with [`ErrorKind::Overtaken`](crate::ErrorKind::Overtaken).
    pub fn verified(mut self) -> Self {
        self.verified = true;
        self
    }
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
                verified,
            } = self;
            let stored = async {
                set(scope, name, value, &options).await?;
                if verified && !options.tags.is_empty() {
                    verify(scope, name).await?;
                }
                Ok(())
            };
            Scope::explain(stored.await, Operation::Set, name)
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

/// Whether what was written is found: by whoever asks the store itself.
async fn verify(scope: Scope<'_>, name: &str) -> Result<()> {
    let key = scope.key(name)?;
    let looking = scope.reading().await?.with_tiers(Tiers::Authoritative);
    match scope.shared.store.head(&key, &looking).await? {
        Some(head) if head.is_current(looking.view, scope.now()) => Ok(()),
        _ => Err(Error::new(
            ErrorKind::Overtaken,
            "a tag was invalidated, or the key removed, while the value was being stored",
        )),
    }
}

impl fmt::Debug for Set<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Set")
            .field("name", &self.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
