//! Read-through: a look-up that loads what isn't there, once for all who ask.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use larder_core::{Entry, Key, Operation, Result, Timestamp};
use tokio::task::coop::poll_proceed;

use crate::load::{Early, LoadOne, LoadPolicy, Outcome, Source, is_due};
use crate::operations::answer::{Answer, Detailed, Optional, Plain};
use crate::operations::load_slowly::{Begun, begin, is_trouble, load, refresh_behind};
use crate::operations::{Boxed, entry_options};
use crate::scope::{AtHand, EntryOptions, Scope};

/// A look-up that loads what isn't there; see [`Space::get_or_load`](crate::Space::get_or_load).
///
/// `A` is what it answers: the value, [an option](GetOrLoad::optional), or [how it was come by](GetOrLoad::detailed).
#[must_use = "futures do nothing unless awaited"]
pub struct GetOrLoad<'a, T, L, A = Plain> {
    pub(super) scope: Scope<'a>,
    pub(super) name: &'a str,
    pub(super) loader: L,
    pub(super) options: EntryOptions,
    pub(super) policy: Option<Box<LoadPolicy>>,
    pub(super) default: Option<Arc<T>>,
    pub(super) how: How,
    answer: PhantomData<fn() -> A>,
}

/// What a call wants of the cache.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct How {
    pub(super) refresh: bool,
    pub(super) no_store: bool,
    pub(super) memory_only: bool,
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

    /// Answers `None` where the origin has nothing, instead of [`ErrorKind::Absent`](crate::ErrorKind::Absent).
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
    /// answered from the cache. Fails as the loader does, unless what is there is stale. Calls the origin each time, also within the
    /// [throttle interval](LoadPolicy::throttle). Default: off.
    pub fn refresh(mut self) -> Self {
        self.how.refresh = true;
        self
    }

    /// Looks up as ever; but what has to be loaded is loaded for this caller alone, and not stored: neither is that it failed, so
    /// the [throttle](LoadPolicy::throttle) isn't for it. Default: off.
    pub fn no_store(mut self) -> Self {
        self.how.no_store = true;
        self
    }

    /// Touches the nearest tier alone: look-up, and what is loaded. Other nodes are neither asked nor waited for, and
    /// their deletes of a key that the shared tier doesn't have are not heard of: give such entries a short time to
    /// live. Default: off.
    pub fn memory_only(mut self) -> Self {
        self.how.memory_only = true;
        self
    }

    /// What is answered if the load fails, panics, takes too long or can't begin, and no stale value is at hand. It is not stored. An absence, a
    /// cycle and a wrong key are none of these. Default: the error.
    pub fn default_value(mut self, value: impl Into<Arc<T>>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// The policies that count, the call's first.
    #[inline]
    fn policies(&self) -> impl Iterator<Item = &LoadPolicy> {
        let (space, cache) = (&self.scope.spec.policy, &self.scope.shared.defaults.policy);
        let call = self.policy.as_deref();
        call.into_iter().chain(space.as_deref()).chain([cache])
    }

    /// Whether hits may be due for a refresh.
    #[inline]
    pub(super) fn is_early(&self) -> bool {
        self.policies().any(LoadPolicy::is_early)
    }

    /// Whether this entry is to be refreshed behind its caller.
    #[cold]
    pub(super) fn is_due(&self, key: &Key<'_>, entry: &Entry, now: Timestamp) -> bool {
        let shared = self.scope.shared;
        is_due(
            entry.head(),
            now,
            Early::by(self.policies()),
            &shared.random,
        ) && !shared.cooling.is_resting(key, now)
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
    fn(GetOrLoad<'a, T, L, A>, Option<Entry>) -> Started<'a, Result<<A as Answer<T>>::Output>>;

/// What has become of a call that was started.
enum Started<'a, R> {
    Ended(R),
    Waits(Boxed<'a, R>),
}

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
            let at_hand = call.scope.peek_with(call.name, |key, entry, now| {
                if call.is_early() && call.is_due(key, entry, now) {
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
                AtHand::Miss(entry) => {
                    // A loop over loads that are ready at once would do the same.
                    turn.made_progress();
                    there = entry;
                }
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
            match (self.start)(call, there) {
                Started::Ended(answer) => return Poll::Ready(answer),
                Started::Waits(slow) => self.slow = Some(slow),
            }
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
    mut call: GetOrLoad<'_, T, L, A>,
    there: Option<Entry>,
) -> Started<'_, Result<A::Output>>
where
    T: Send + Sync + 'static,
    L: LoadOne<T>,
    A: Answer<T>,
{
    let (name, default) = (call.name, call.default.take());
    let answer = move |loaded: Result<Outcome<T>>| {
        let loaded = match loaded {
            // The caller's own mistakes are not the origin's trouble.
            Err(error) if default.is_some() && is_trouble(error.kind()) => {
                Ok(Outcome::new(default, Source::Default))
            }
            loaded => loaded,
        };
        Scope::explain(loaded.and_then(A::of), Operation::Load, name)
    };
    match begin(call, there) {
        Begun::Landed(loaded) => Started::Ended(answer(loaded)),
        Begun::Flies(flying) => {
            Started::Waits(Box::pin(async move { answer(flying.wait().await) }))
        }
        Begun::Slow(call, there) => {
            Started::Waits(Box::pin(async move { answer(load(call, there).await) }))
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
