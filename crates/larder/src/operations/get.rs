//! Looking up one value.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use larder_core::{Backend, EntryId, Head, Operation, Result};
use tokio::task::coop::{consume_budget, poll_proceed};

use crate::operations::Boxed;
use crate::scope::{AtHand, Scope};

/// A look-up; see [`Space::get`](crate::Space::get). A hit in memory is ready at the first poll, and
/// nothing is allocated for it.
#[must_use = "futures do nothing unless awaited"]
pub struct Get<'a, T> {
    scope: Scope<'a>,
    name: &'a str,
    slow: Option<Boxed<'a, Result<Option<Arc<T>>>>>,
}

impl<'a, T: Send + Sync + 'static> Get<'a, T> {
    pub(crate) fn new(scope: Scope<'a>, name: &'a str) -> Self {
        Self {
            scope,
            name,
            slow: None,
        }
    }
}

impl<T: Send + Sync + 'static> Future for Get<'_, T> {
    type Output = Result<Option<Arc<T>>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.slow.is_none() {
            // A loop over hits would otherwise never let another task run.
            let turn = ready!(poll_proceed(context));
            let known = match self.scope.peek(self.name) {
                AtHand::Hit(value) => Some(Ok(Some(value))),
                AtHand::Absent | AtHand::Miss(_) => Some(Ok(None)),
                AtHand::Unknown => None,
            };
            if let Some(known) = known {
                turn.made_progress();
                return Poll::Ready(known);
            }
        }
        self.poll_slow(context)
    }
}

impl<T: Send + Sync + 'static> Get<'_, T> {
    #[cold]
    fn poll_slow(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Arc<T>>>> {
        let (scope, name) = (self.scope, self.name);
        self.slow
            .get_or_insert_with(|| Box::pin(look_up(scope, name)))
            .as_mut()
            .poll(context)
    }
}

impl<T> fmt::Debug for Get<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Get")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

async fn look_up<T: Send + Sync + 'static>(scope: Scope<'_>, name: &str) -> Result<Option<Arc<T>>> {
    Ok(with_id(scope, name).await?.map(|(value, _)| value))
}

/// A visible value with the id of its entry.
pub(crate) async fn with_id<T: Send + Sync + 'static>(
    scope: Scope<'_>,
    name: &str,
) -> Result<Option<(Arc<T>, EntryId)>> {
    let found = async {
        let key = scope.key(name)?;
        if scope.shared.is_bypassed() {
            consume_budget().await;
            scope.shared.counters.bypassed.increment();
            return Ok(None);
        }
        let options = scope.reading().await?;
        let found = scope.shared.store.get(&key, &options).await?;
        let value = scope
            .judge_looked_up(&key, found.as_ref(), options.view)
            .value();
        Ok(value.zip(found.map(|entry| entry.id())))
    };
    Scope::explain(found.await, Operation::Get, name)
}

/// The metadata of a visible entry.
pub(crate) async fn head(scope: Scope<'_>, name: &str) -> Result<Option<Head>> {
    let found = async {
        let key = scope.key(name)?;
        if scope.shared.is_bypassed() {
            consume_budget().await;
            return Ok(None);
        }
        let options = scope.reading().await?;
        let head = scope.shared.store.head(&key, &options).await?;
        Ok(head.filter(|head| head.is_visible(options.view, scope.now())))
    };
    Scope::explain(found.await, Operation::Head, name)
}
