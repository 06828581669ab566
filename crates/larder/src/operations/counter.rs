//! Counters.

use std::fmt;
use std::future::IntoFuture;

use larder_core::{Error, ErrorKind, Operation, Result, Update, Updated, Value};

use crate::operations::Boxed;
use crate::scope::{EntryOptions, Scope};

/// An increment; see [`Cache::increment`](crate::Cache::increment). Nothing happens until it is awaited.
#[must_use = "futures do nothing unless awaited"]
pub struct Increment<'a> {
    scope: Scope<'a>,
    name: &'a str,
    by: i64,
    options: EntryOptions,
}

impl<'a> Increment<'a> {
    pub(crate) fn new(scope: Scope<'a>, name: &'a str, by: i64) -> Self {
        Self {
            scope,
            name,
            by,
            options: EntryOptions::default(),
        }
    }

    /// How long the counter lives from its creation; a counter that is there keeps its time. Default:
    /// the space's, else the cache's.
    pub fn ttl(mut self, ttl: std::time::Duration) -> Self {
        self.options.set_ttl(larder_core::Ttl::after(ttl));
        self
    }

    /// Keeps the counter, once created, until it is deleted or evicted.
    pub fn forever(mut self) -> Self {
        self.options.set_ttl(Ok(larder_core::Ttl::Forever));
        self
    }
}

impl<'a> IntoFuture for Increment<'a> {
    type Output = Result<i64>;
    type IntoFuture = Boxed<'a, Result<i64>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self {
                scope,
                name,
                by,
                options,
            } = self;
            let counted = async {
                let writing = scope.writing().await?;
                let template = scope.entry(Value::counter(0), &options, writing.view)?;
                into_counter(
                    super::update::update(scope, name, Update::Increment { by, template }).await?,
                )
            };
            Scope::explain(counted.await, Operation::Update, name)
        })
    }
}

pub(crate) fn into_counter(updated: Updated) -> Result<i64> {
    match updated {
        Updated::Counter(value) => Ok(value),
        other => Err(Error::new(
            ErrorKind::Unexpected,
            format!("an increment answered {other:?}"),
        )),
    }
}

/// The opposite of `by`.
pub(crate) fn negate(by: i64) -> Result<i64> {
    by.checked_neg()
        .ok_or_else(|| Error::new(ErrorKind::CounterOverflow, "i64::MIN can't be subtracted"))
}

impl fmt::Debug for Increment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Increment")
            .field("name", &self.name)
            .field("by", &self.by)
            .finish_non_exhaustive()
    }
}
