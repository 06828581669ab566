//! Read-through: a look-up that loads what isn't there, once for all who ask.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use larder_core::{
    Backend, Entry, Error, ErrorKind, Key, Operation, ReadOptions, Result, Tiers, View,
};
use tokio::sync::Notify;
use tokio::task::coop::{consume_budget, poll_proceed};
use tracing::Instrument;

use crate::generation::Known;
use crate::load::{
    Boarding, Caller, Flight, LoadContext, LoadOne, LoadPolicy, Loaded, One, Outcome, Policy,
    Purpose, Seat, Source, What, guarded, is_due, turned_away, wait,
};
use crate::operations::{Boxed, entry_options};
use crate::scope::{AtHand, EntryOptions, Judged, Scope};

/// A look-up that loads what isn't there; see [`Space::get_or_load`](crate::Space::get_or_load).
///
/// `A` is what it answers: the value, [an option](GetOrLoad::optional), or [how it was come by](GetOrLoad::detailed).
#[must_use = "futures do nothing unless awaited"]
pub struct GetOrLoad<'a, T, L, A = Plain> {
    scope: Scope<'a>,
    name: &'a str,
    loader: L,
    options: EntryOptions,
    policy: Option<Box<LoadPolicy>>,
    default: Option<Arc<T>>,
    how: How,
    answer: PhantomData<fn() -> A>,
}

/// What a call wants of the cache.
#[derive(Clone, Copy, Debug, Default)]
struct How {
    refresh: bool,
    no_store: bool,
    memory_only: bool,
}

/// What a load call answers.
pub trait Answer<T>: Send + 'static {
    /// The type of it.
    type Output;

    /// The answer to an outcome.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Absent`] where there is no value and the answer needs one.
    fn of(outcome: Outcome<T>) -> Result<Self::Output>;
}

/// Answers the value; an absence is an error.
#[derive(Debug)]
pub struct Plain;

/// Answers the value or `None`.
#[derive(Debug)]
pub struct Optional;

/// Answers the [`Outcome`].
#[derive(Debug)]
pub struct Detailed;

impl<T> Answer<T> for Plain {
    type Output = Arc<T>;

    #[inline]
    fn of(outcome: Outcome<T>) -> Result<Arc<T>> {
        outcome
            .value
            .ok_or_else(|| Error::new(ErrorKind::Absent, "the origin has no such value"))
    }
}

impl<T> Answer<T> for Optional {
    type Output = Option<Arc<T>>;

    #[inline]
    fn of(outcome: Outcome<T>) -> Result<Option<Arc<T>>> {
        Ok(outcome.value)
    }
}

impl<T> Answer<T> for Detailed {
    type Output = Outcome<T>;

    #[inline]
    fn of(outcome: Outcome<T>) -> Result<Outcome<T>> {
        Ok(outcome)
    }
}

impl<'a, T, L> GetOrLoad<'a, T, L> {
    pub(crate) fn new(scope: Scope<'a>, name: &'a str, loader: L) -> Self {
        Self {
            scope,
            name,
            loader,
            options: EntryOptions::default(),
            policy: None,
            default: None,
            how: How::default(),
            answer: PhantomData,
        }
    }

    /// Answers `None` where the origin has nothing, instead of [`ErrorKind::Absent`].
    pub fn optional(self) -> GetOrLoad<'a, T, L, Optional> {
        self.answering()
    }

    /// Answers where the value came from as well, and whether it is stale.
    pub fn detailed(self) -> GetOrLoad<'a, T, L, Detailed> {
        self.answering()
    }

    fn answering<A>(self) -> GetOrLoad<'a, T, L, A> {
        let Self {
            scope,
            name,
            loader,
            options,
            policy,
            default,
            how,
            ..
        } = self;
        GetOrLoad {
            scope,
            name,
            loader,
            options,
            policy,
            default,
            how,
            answer: PhantomData,
        }
    }
}

impl<T, L, A> GetOrLoad<'_, T, L, A> {
    entry_options!();

    /// How this load behaves. What it doesn't say is as the space or the cache says. A call that joins a load in
    /// progress has its own patience, and the other's loader.
    pub fn policy(mut self, policy: LoadPolicy) -> Self {
        self.policy = Some(Box::new(match self.policy {
            Some(former) => policy.over(*former),
            None => policy,
        }));
        self
    }

    /// Loads even if a fresh value is there, and replaces it. Callers who ask meanwhile are still
    /// answered from the cache. Fails as the loader does, unless what is there is stale. Default: off.
    pub fn refresh(mut self) -> Self {
        self.how.refresh = true;
        self
    }

    /// Looks up as ever; but what has to be loaded is loaded for this caller alone, and not stored. Default: off.
    pub fn no_store(mut self) -> Self {
        self.how.no_store = true;
        self
    }

    /// Touches the nearest tier alone: look-up, and what is loaded. Other nodes are neither asked nor waited for.
    /// Default: off.
    pub fn memory_only(mut self) -> Self {
        self.how.memory_only = true;
        self
    }

    /// What is answered if the load fails and no stale value is at hand. It is not stored. Default: the error.
    pub fn default_value(mut self, value: impl Into<Arc<T>>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// Whether hits may be due for a refresh.
    #[inline]
    fn is_early(&self) -> bool {
        self.policy.is_some()
            || self.scope.spec.policy.is_some()
            || self.scope.shared.defaults.policy.is_early()
    }

    /// Whether this entry is to be refreshed behind its caller.
    #[cold]
    fn is_due(&self, key: &Key<'_>, entry: &Entry) -> bool {
        let shared = self.scope.shared;
        let now = shared.clock.now();
        self.scope
            .policy(self.policy.as_deref())
            .is_ok_and(|policy| is_due(entry.head(), now, &policy, &shared.random))
            && !shared.cooling.is_resting(key, now)
    }
}

impl<'a, T, L, A> IntoFuture for GetOrLoad<'a, T, L, A>
where
    T: Send + Sync + 'static,
    L: LoadOne<T>,
    A: Answer<T>,
{
    type Output = Result<A::Output>;
    type IntoFuture = Loading<'a, T, L, A>;

    #[inline]
    fn into_future(self) -> Self::IntoFuture {
        Loading {
            call: Some(self),
            slow: None,
            start: start::<T, L, A>,
            refresh: refresh_behind::<T, L, A>,
        }
    }
}

type Start<'a, T, L, A> =
    fn(GetOrLoad<'a, T, L, A>, Option<Entry>) -> Boxed<'a, Result<<A as Answer<T>>::Output>>;

/// The future of [`GetOrLoad`]. A hit in memory is ready at the first poll, and nothing is allocated
/// for it.
#[must_use = "futures do nothing unless awaited"]
pub struct Loading<'a, T, L, A: Answer<T>> {
    call: Option<GetOrLoad<'a, T, L, A>>,
    slow: Option<Boxed<'a, Result<A::Output>>>,
    start: Start<'a, T, L, A>,
    refresh: fn(GetOrLoad<'a, T, L, A>, Entry),
}

impl<T, L, A: Answer<T>> Unpin for Loading<'_, T, L, A> {}

impl<T: Send + Sync + 'static, L, A: Answer<T>> Future for Loading<'_, T, L, A> {
    type Output = Result<A::Output>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut there = None;
        if let Some(call) = &self.call
            && !call.how.refresh
        {
            // A loop over hits would otherwise never let another task run.
            let turn = ready!(poll_proceed(context));
            let mut due = None;
            let at_hand = call.scope.peek_with(call.name, |key, entry, _| {
                if call.is_early() && call.is_due(key, entry) {
                    due = Some(entry.clone());
                }
            });
            match at_hand {
                AtHand::Hit(value) => {
                    turn.made_progress();
                    if let Some(entry) = due {
                        self.refresh_behind(entry);
                    }
                    return Poll::Ready(A::of(Outcome::new(Some(value), Source::Memory)));
                }
                AtHand::Absent => {
                    turn.made_progress();
                    return Poll::Ready(self.absent());
                }
                AtHand::Miss(entry) => there = entry,
                AtHand::Unknown => {}
            }
        }
        self.poll_slow(context, there)
    }
}

impl<T: Send + Sync + 'static, L, A: Answer<T>> Loading<'_, T, L, A> {
    #[cold]
    fn poll_slow(
        &mut self,
        context: &mut Context<'_>,
        there: Option<Entry>,
    ) -> Poll<Result<A::Output>> {
        if let Some(call) = self.call.take() {
            self.slow = Some((self.start)(call, there));
        }
        let slow = self.slow.as_mut().expect("started above");
        slow.as_mut().poll(context)
    }

    #[cold]
    fn refresh_behind(&mut self, entry: Entry) {
        if let Some(call) = self.call.take() {
            (self.refresh)(call, entry);
        }
    }

    #[cold]
    fn absent(&self) -> Result<A::Output> {
        let name = self.call.as_ref().map_or("", |call| call.name);
        let absent = A::of(Outcome::new(None, Source::Memory));
        Scope::explain(absent, Operation::Load, name)
    }
}

fn start<T, L, A>(
    call: GetOrLoad<'_, T, L, A>,
    there: Option<Entry>,
) -> Boxed<'_, Result<A::Output>>
where
    T: Send + Sync + 'static,
    L: LoadOne<T>,
    A: Answer<T>,
{
    Box::pin(async move {
        let name = call.name;
        let default = call.default.clone();
        let loaded = match load(call, there).await {
            // The caller's own mistakes are not the origin's trouble.
            Err(error) if default.is_some() && is_trouble(error.kind()) => {
                Ok(Outcome::new(default, Source::Default))
            }
            loaded => loaded,
        };
        Scope::explain(loaded.and_then(A::of), Operation::Load, name)
    })
}

/// Whether it is the origin's trouble, or the cache's on the way to it.
fn is_trouble(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Load
            | ErrorKind::LoadPanicked
            | ErrorKind::LoadCancelled
            | ErrorKind::Timeout
            | ErrorKind::Rejected
            | ErrorKind::Unavailable
    )
}

/// Looks up; joins the key's load or leads one in a task of its own; waits. A caller that goes away ends nothing.
async fn load<T, L, A>(call: GetOrLoad<'_, T, L, A>, there: Option<Entry>) -> Result<Outcome<T>>
where
    T: Send + Sync + 'static,
    L: LoadOne<T>,
    A: Answer<T>,
{
    let (scope, name, how) = (call.scope, call.name, call.how);
    let (shared, key) = (scope.shared, scope.key(name)?);
    scope.check_options(&call.options)?;
    let policy = scope.policy(call.policy.as_deref())?;
    if shared.is_bypassed() {
        consume_budget().await;
        shared.counters.bypassed.increment();
        let context = LoadContext::default();
        return load_alone(scope, call.loader, context, &policy).await;
    }
    let mut found = Found::default();
    if !how.refresh {
        found = look_up::<T>(scope, &key, there, how.memory_only).await;
        if let Some((value, entry)) = found.answer {
            if let Some(entry) = entry.filter(|entry| call.is_early() && call.is_due(&key, entry)) {
                refresh_behind(call, entry);
            }
            return Ok(Outcome::new(value, Source::Tier));
        }
    }
    let mut caller = Caller {
        scope,
        name,
        policy: &policy,
        stale: found
            .stale
            .as_ref()
            .and_then(|(entry, view)| Some((scope.stand_in(entry, *view)?, expires_at(entry)))),
        begun: shared.clock.now(),
        waited: false,
    };
    if how.no_store {
        let context = found
            .stale
            .map_or_else(LoadContext::default, |(entry, _)| LoadContext {
                stale: caller.stale.as_ref().map(|(value, _)| Arc::clone(value)),
                etag: entry.head().etag().cloned(),
                created: Some(entry.head().lifetime().created),
            });
        return load_alone(scope, call.loader, context, &policy).await;
    }
    // Behind the caller, who gets the stale value at once.
    let behind = caller.stale.is_some() && policy.soft_timeout.is_some_and(|soft| soft.is_zero());
    let mut permit = None;
    if behind {
        permit = shared.refreshes.permit(shared.clock.now());
        if permit.is_none() {
            shared.counters.refreshes_skipped.increment();
            return caller.stand_in().ok_or_else(gone);
        }
    }
    let schema = scope.spec.schema.unwrap_or_default();
    let (waiting, loader) =
        match shared
            .flights()
            .board(&key, schema, &policy, Arc::<Notify>::default)
        {
            Boarding::Full => return turned_away(&caller),
            Boarding::Joined(waiting) => {
                shared.counters.load_waits.increment();
                caller.waited = true;
                (waiting, Some(call.loader))
            }
            Boarding::Leading(leader, waiting) => {
                let purpose = if how.refresh {
                    Purpose::Refresh
                } else {
                    Purpose::Demand
                };
                let seats = vec![Seat {
                    place: 0,
                    leader,
                    there: None,
                }];
                let origin = Arc::new(One::new(call.loader));
                let flight = Flight {
                    options: Arc::new(call.options),
                    memory_only: how.memory_only,
                    permit: permit.map(Arc::new),
                    ..Flight::new(scope, origin, seats, policy.clone(), purpose)
                };
                if behind {
                    shared.counters.refreshes.increment();
                }
                shared.tasks.begin(flight.boxed(), !behind)?;
                (waiting, None)
            }
        };
    match wait(&caller, waiting).await? {
        Some(outcome) => Ok(outcome),
        None => match loader {
            Some(loader) => load_alone(scope, loader, LoadContext::default(), &policy).await,
            None => Err(gone()),
        },
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Timeout, "the stale value's time is over as well")
}

fn expires_at(entry: &Entry) -> larder_core::Timestamp {
    entry.head().lifetime().expires_at
}

/// Refreshes an entry that its caller has got already, if the limits allow it and nobody is at it.
fn refresh_behind<T, L, A>(call: GetOrLoad<'_, T, L, A>, entry: Entry)
where
    T: Send + Sync + 'static,
    L: LoadOne<T>,
    A: Answer<T>,
{
    let (scope, how) = (call.scope, call.how);
    let shared = scope.shared;
    let Ok(key) = scope.key(call.name) else {
        return;
    };
    if how.no_store || scope.check_options(&call.options).is_err() {
        return;
    }
    let Ok(policy) = scope.policy(call.policy.as_deref()) else {
        return;
    };
    let Some(permit) = shared.refreshes.permit(shared.clock.now()) else {
        shared.counters.refreshes_skipped.increment();
        return;
    };
    let schema = scope.spec.schema.unwrap_or_default();
    // Nobody waits for it, so nobody can leave it.
    let keeps_on = Policy {
        cancel: false,
        ..policy.clone()
    };
    let boarding = shared
        .flights()
        .board(&key, schema, &keeps_on, Arc::<Notify>::default);
    let Boarding::Leading(leader, _) = boarding else {
        return;
    };
    shared.counters.refreshes.increment();
    let seats = vec![Seat {
        place: 0,
        leader,
        there: Some(entry),
    }];
    let origin = Arc::new(One::new(call.loader));
    let flight = Flight {
        options: Arc::new(call.options),
        memory_only: how.memory_only,
        permit: Some(Arc::new(permit)),
        ..Flight::new(scope, origin, seats, keeps_on, Purpose::Early)
    };
    // Without a runtime there is no refresh; the caller has its value.
    let _ = shared.tasks.begin(flight.boxed(), false);
}

/// A load past the cache: for this caller alone, and nothing is stored.
async fn load_alone<T: Send + Sync + 'static, L: LoadOne<T>>(
    scope: Scope<'_>,
    loader: L,
    context: LoadContext<T>,
    policy: &Policy,
) -> Result<Outcome<T>> {
    let (clock, counters) = (&scope.shared.clock, &scope.shared.counters);
    let started = clock.now();
    let stale = context.stale.clone();
    let deadline = clock.sleep_until(started.saturating_add(policy.timeout));
    let span = tracing::debug_span!("larder.load", cache = scope.shared.namespace.as_str());
    let ended = guarded(loader.load_one(context).instrument(span), deadline).await;
    counters.loaded(clock.now().saturating_since(started));
    let returned = matches!(ended, crate::load::Ended::Returned(_));
    let result: Result<Loaded<T>> = ended.result(counters, policy.timeout);
    let value = match result {
        Ok(Loaded { what, .. }) => match what {
            What::Value(value) => Some(value),
            What::Absent => None,
            What::NotModified if stale.is_some() => stale,
            What::NotModified => {
                counters.loads_failed.increment();
                let message = "the loader says that nothing was modified, but nothing was there";
                return Err(Error::new(ErrorKind::Load, message));
            }
            What::Failed(error) => {
                counters.loads_failed.increment();
                return Err(error);
            }
        },
        Err(error) => {
            if returned {
                counters.loads_failed.increment();
            }
            return Err(error);
        }
    };
    counters.loads_ok.increment();
    Ok(Outcome::new(value, Source::Loader))
}

/// What the look-up before a load has found.
struct Found<T> {
    /// A value, or the record that there is none; with its entry.
    answer: Option<(Option<Arc<T>>, Option<Entry>)>,
    /// What is there all the same, and what it is judged by.
    stale: Option<(Entry, View)>,
}

impl<T> Default for Found<T> {
    fn default() -> Self {
        Self {
            answer: None,
            stale: None,
        }
    }
}

/// The asynchronous look-up before a load: trouble is a miss (A1).
async fn look_up<T: Send + Sync + 'static>(
    scope: Scope<'_>,
    key: &Key<'_>,
    there: Option<Entry>,
    memory_only: bool,
) -> Found<T> {
    let shared = scope.shared;
    if shared.capability.immediate {
        // The peek has told, and counted, unless the generation has just changed.
        let view = |generation| {
            View::default()
                .with_generation(generation)
                .with_schema(scope.spec.schema)
        };
        let stale = match shared.known_generation() {
            Known::Changed => None,
            Known::None => Some(view(None)),
            Known::Is(generation) => Some(view(Some(generation))),
        };
        if let Some(view) = stale {
            return Found {
                answer: None,
                stale: there.map(|entry| (entry, view)),
            };
        }
    }
    let found = async {
        let tiers = if memory_only {
            Tiers::Nearest
        } else {
            Tiers::All
        };
        let options: ReadOptions = scope.reading().await?.with_tiers(tiers);
        Ok((shared.store.get(key, &options).await?, options.view))
    };
    match found.await {
        Ok((found, view)) => match scope.judge_looked_up(key, found.as_ref(), view) {
            Judged::Hit(value) => Found {
                answer: Some((Some(value), found)),
                stale: None,
            },
            Judged::Absent => Found {
                answer: Some((None, None)),
                stale: None,
            },
            Judged::Miss => Found {
                answer: None,
                stale: found.map(|entry| (entry, view)),
            },
        },
        Err(error) => {
            let error: Error = error;
            shared.counters.error(Operation::Get, error.kind());
            shared.counters.misses.increment();
            Found::default()
        }
    }
}

impl<T, L, A> fmt::Debug for GetOrLoad<'_, T, L, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetOrLoad")
            .field("name", &self.name)
            .field("options", &self.options)
            .field("policy", &self.policy)
            .field("how", &self.how)
            .finish_non_exhaustive()
    }
}

impl<T, L, A: Answer<T>> fmt::Debug for Loading<'_, T, L, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loading")
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}
