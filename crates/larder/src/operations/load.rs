//! Read-through: a look-up that loads what isn't there, once for all who ask.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use larder_core::{Backend, Error, ErrorKind, Key, LeaseMode, Operation, Result};
use tokio::task::coop::{consume_budget, poll_proceed};
use tracing::Instrument;

use crate::flight::{Boarding, Flight, guarded};
use crate::generation::Known;
use crate::operations::{Boxed, entry_options};
use crate::race::race;
use crate::scope::{AtHand, EntryOptions, Scope};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A look-up that loads what isn't there; see [`Space::get_or_load`](crate::Space::get_or_load).
#[must_use = "futures do nothing unless awaited"]
pub struct GetOrLoad<'a, T, F> {
    scope: Scope<'a>,
    name: &'a str,
    loader: F,
    options: EntryOptions,
    mode: LeaseMode,
    value: std::marker::PhantomData<fn() -> T>,
}

impl<'a, T, F> GetOrLoad<'a, T, F> {
    pub(crate) fn new(scope: Scope<'a>, name: &'a str, loader: F) -> Self {
        Self {
            scope,
            name,
            loader,
            options: EntryOptions::default(),
            mode: LeaseMode::Load,
            value: std::marker::PhantomData,
        }
    }

    entry_options!();

    /// Loads even if a fresh value is there, and replaces it. Callers who ask meanwhile are still
    /// answered from the cache. Default: off.
    pub fn refresh(self) -> Self {
        Self {
            mode: LeaseMode::Refresh,
            ..self
        }
    }
}

impl<'a, T, F, Fut, V, E> IntoFuture for GetOrLoad<'a, T, F>
where
    T: Send + Sync + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<V, E>> + Send + 'static,
    V: Into<Arc<T>> + 'static,
    E: Into<BoxError> + 'static,
{
    type Output = Result<Arc<T>>;
    type IntoFuture = Loading<'a, T, F>;

    #[inline]
    fn into_future(self) -> Self::IntoFuture {
        Loading {
            call: Some(self),
            slow: None,
            start: start::<T, F, Fut, V, E>,
        }
    }
}

type Start<'a, T, F> = fn(GetOrLoad<'a, T, F>) -> Boxed<'a, Result<Arc<T>>>;

/// The future of [`GetOrLoad`]. A hit in memory is ready at the first poll, and nothing is allocated
/// for it.
#[must_use = "futures do nothing unless awaited"]
pub struct Loading<'a, T, F> {
    call: Option<GetOrLoad<'a, T, F>>,
    slow: Option<Boxed<'a, Result<Arc<T>>>>,
    start: Start<'a, T, F>,
}

impl<T, F> Unpin for Loading<'_, T, F> {}

impl<T: Send + Sync + 'static, F> Future for Loading<'_, T, F> {
    type Output = Result<Arc<T>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(call) = &self.call
            && call.mode == LeaseMode::Load
        {
            // A loop over hits would otherwise never let another task run.
            let turn = ready!(poll_proceed(context));
            if let AtHand::Hit(value) = call.scope.peek(call.name) {
                turn.made_progress();
                return Poll::Ready(Ok(value));
            }
        }
        self.poll_slow(context)
    }
}

impl<T, F> Loading<'_, T, F> {
    #[cold]
    fn poll_slow(&mut self, context: &mut Context<'_>) -> Poll<Result<Arc<T>>> {
        if let Some(call) = self.call.take() {
            self.slow = Some((self.start)(call));
        }
        self.slow
            .as_mut()
            .expect("started above")
            .as_mut()
            .poll(context)
    }
}

fn start<T, F, Fut, V, E>(call: GetOrLoad<'_, T, F>) -> Boxed<'_, Result<Arc<T>>>
where
    T: Send + Sync + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<V, E>> + Send + 'static,
    V: Into<Arc<T>> + 'static,
    E: Into<BoxError> + 'static,
{
    Box::pin(async move {
        let GetOrLoad {
            scope,
            name,
            loader,
            options,
            mode,
            ..
        } = call;
        let loaded = join_or_lead(scope, name, options, mode, async move {
            loader().await.map(Into::into).map_err(|error| {
                Error::new(ErrorKind::Load, "the loader failed").with_source(error)
            })
        });
        Scope::explain(loaded.await, Operation::Load, name)
    })
}

/// Joins the key's load or leads one in a task of its own; a caller that goes away ends nothing.
async fn join_or_lead<T: Send + Sync + 'static>(
    scope: Scope<'_>,
    name: &str,
    options: EntryOptions,
    mode: LeaseMode,
    loader: impl Future<Output = Result<Arc<T>>> + Send + 'static,
) -> Result<Arc<T>> {
    let (shared, key) = (scope.shared, scope.key(name)?);
    scope.check_options(&options)?;
    if shared.is_bypassed() {
        consume_budget().await;
        shared.counters.bypassed.increment();
        return load_alone(scope, loader).await;
    }
    if mode == LeaseMode::Load
        && let Some(value) = look_up(scope, &key).await
    {
        return Ok(value);
    }
    let waiting = match shared
        .flights()
        .board(&key, scope.spec.schema.unwrap_or_default())
    {
        Boarding::Joined(waiting) => {
            shared.counters.load_waits.increment();
            waiting
        }
        Boarding::Leading(landing, waiting) => {
            let flight = Flight::new(scope, &key, options, mode);
            let span = tracing::debug_span!("larder.load", cache = shared.namespace.as_str());
            shared
                .tasks
                .spawn(flight.run(landing, loader).instrument(span))?;
            waiting
        }
    };
    // The task keeps to the load timeout; this is for a task whose runtime nobody drives any more.
    let patience = shared
        .defaults
        .load_timeout
        .saturating_mul(2)
        .saturating_add(PATIENCE);
    let deadline = shared.clock.now().saturating_add(patience);
    let Some(entry) = race(waiting.wait(), shared.clock.sleep_until(deadline)).await else {
        return Err(Error::new(
            ErrorKind::Timeout,
            "the load in progress has not ended in time",
        ));
    };
    let entry = entry?;
    // The flight's entry is the caller's whether or not it was stored.
    match entry.value().read::<T>(scope.value_type).ok() {
        Some(value) => Ok(value),
        None => Err(Error::new(
            ErrorKind::Load,
            format!(
                "another caller is loading this key as a type that can't be read as {:?}",
                scope.value_type
            ),
        )),
    }
}

/// What a caller waits longer than a load that waits for another one may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A load past the cache: for this caller alone, and nothing is stored.
async fn load_alone<T>(
    scope: Scope<'_>,
    loader: impl Future<Output = Result<Arc<T>>>,
) -> Result<Arc<T>> {
    let (clock, counters) = (&scope.shared.clock, &scope.shared.counters);
    let started = clock.now();
    let timeout = scope.shared.defaults.load_timeout;
    let ended = guarded(loader, clock.sleep_until(started.saturating_add(timeout))).await;
    counters.loaded(clock.now().saturating_since(started));
    ended
        .result(counters, timeout)
        .inspect(|_| counters.loads_ok.increment())
}

/// The asynchronous look-up before a load: trouble is a miss (A1).
async fn look_up<T: Send + Sync + 'static>(scope: Scope<'_>, key: &Key<'_>) -> Option<Arc<T>> {
    if scope.shared.capability.immediate {
        // The peek has told, and counted, unless the generation has just changed.
        if !matches!(scope.shared.known_generation(), Known::Changed) {
            return None;
        }
    }
    let found = async {
        let options = scope.reading().await?;
        Ok((scope.shared.store.get(key, &options).await?, options.view))
    };
    match found.await {
        Ok((found, view)) => scope.judge_found(found.as_ref(), view),
        Err(error) => {
            let error: Error = error;
            scope.shared.counters.error(Operation::Get, error.kind());
            scope.shared.counters.misses.increment();
            None
        }
    }
}

impl<T, F> fmt::Debug for GetOrLoad<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetOrLoad")
            .field("name", &self.name)
            .field("options", &self.options)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl<T, F> fmt::Debug for Loading<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loading")
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}
