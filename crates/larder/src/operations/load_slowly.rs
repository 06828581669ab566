//! What a load call does when memory has no answer: looks further, joins a load or leads one, waits.

use std::sync::Arc;

use larder_core::{
    Backend, Entry, Error, ErrorKind, Key, Operation, ReadOptions, Result, Tiers, View,
};
use smallvec::smallvec;
use tokio::task::coop::consume_budget;

use crate::generation::Known;
use crate::load::{
    Boarding, Caller, Flight, LoadContext, LoadOne, One, Outcome, Policy, Purpose, Seat, Source,
    Tagging, Waiting, alone, outcome_alone, turned_away, wait,
};
use crate::operations::answer::Answer;
use crate::operations::load::GetOrLoad;
use crate::scope::{Judged, Scope};

/// Whether it is the origin's trouble, or the cache's on the way to it.
pub(super) fn is_trouble(kind: ErrorKind) -> bool {
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

/// How far a call has come without waiting for anything.
pub(super) enum Begun<'a, T, L, A> {
    /// To its end.
    Landed(Result<Outcome<T>>),
    /// There is a load to wait for.
    Flies(Flying<'a, T, L>),
    /// It has to look further than memory, or is not to store what it loads.
    Slow(GetOrLoad<'a, T, L, A>, Option<Entry>),
}

/// A caller whose key is being loaded.
pub(super) struct Flying<'a, T, L> {
    caller: Caller<'a, T>,
    policy: Policy,
    waiting: Waiting,
    /// Its own, if another one's is at work.
    loader: Option<L>,
}

impl<T: Send + Sync + 'static, L: LoadOne<T>> Flying<'_, T, L> {
    pub(super) async fn wait(self) -> Result<Outcome<T>> {
        match wait(&self.caller, &self.policy, self.waiting).await? {
            Some(outcome) => Ok(outcome),
            None => match self.loader {
                Some(loader) => {
                    let context = LoadContext::default();
                    let scope = self.caller.scope;
                    Box::pin(load_alone(scope, loader, context, &self.policy)).await
                }
                None => Err(gone()),
            },
        }
    }
}

/// What a call asks for, if that can be had.
fn checked<'a, T, L, A>(call: &GetOrLoad<'a, T, L, A>) -> Result<(Key<'a>, Policy)> {
    let key = call.scope.key(call.name)?;
    call.scope.check_options(&call.options)?;
    Ok((key, call.scope.policy(call.policy.as_deref())?))
}

/// Joins the key's load or leads one, where the peek into memory has told all there is to know.
pub(super) fn begin<T, L, A>(
    call: GetOrLoad<'_, T, L, A>,
    there: Option<Entry>,
) -> Begun<'_, T, L, A>
where
    T: Send + Sync + 'static,
    L: LoadOne<T>,
    A: Answer<T>,
{
    let (shared, how) = (call.scope.shared, call.how);
    if shared.is_bypassed() || how.no_store {
        return Begun::Slow(call, there);
    }
    let stale = if how.refresh {
        None
    } else {
        match view_of_peek(call.scope) {
            Some(view) => there.map(|entry| (entry, view)),
            None => return Begun::Slow(call, there),
        }
    };
    match checked(&call) {
        Ok((key, policy)) => embark(call, &key, policy, stale),
        Err(error) => Begun::Landed(Err(error)),
    }
}

/// Looks up; joins the key's load or leads one in a task of its own; waits. A caller that goes away ends nothing.
pub(super) async fn load<T, L, A>(
    call: GetOrLoad<'_, T, L, A>,
    there: Option<Entry>,
) -> Result<Outcome<T>>
where
    T: Send + Sync + 'static,
    L: LoadOne<T>,
    A: Answer<T>,
{
    let (scope, how) = (call.scope, call.how);
    let shared = scope.shared;
    let (key, policy) = checked(&call)?;
    if shared.is_bypassed() {
        consume_budget().await;
        shared.counters.bypassed.increment();
        let context = LoadContext::default();
        return Box::pin(load_alone(scope, call.loader, context, &policy)).await;
    }
    let mut found = Found::default();
    if !how.refresh {
        found = look_up::<T>(scope, &key, there, how.memory_only).await;
        if let Some((value, entry)) = found.answer.take() {
            if let Some(entry) =
                entry.filter(|entry| call.is_early() && call.is_due(&key, entry, scope.now()))
            {
                refresh_behind(call, entry);
            }
            return Ok(Outcome::new(value, Source::Tier));
        }
    }
    if how.no_store {
        let context = found.context(scope);
        let caller = Caller::of(scope, found.stale.as_ref());
        let loaded = Box::pin(load_alone(scope, call.loader, context, &policy)).await;
        return loaded.or_else(|error| caller.stand_in().ok_or(error));
    }
    match embark(call, &key, policy, found.stale) {
        Begun::Landed(outcome) => outcome,
        Begun::Flies(flying) => flying.wait().await,
        Begun::Slow(..) => Err(gone()),
    }
}

/// Joins the key's load or leads one, unless what is stale has to do.
fn embark<'a, T, L, A>(
    call: GetOrLoad<'a, T, L, A>,
    key: &Key<'_>,
    policy: Policy,
    stale: Option<(Entry, View)>,
) -> Begun<'a, T, L, A>
where
    T: Send + Sync + 'static,
    L: LoadOne<T>,
    A: Answer<T>,
{
    let (scope, how) = (call.scope, call.how);
    let shared = scope.shared;
    let mut caller = Caller::of(scope, stale.as_ref());
    // The origin has just failed: whoever has a stale value leaves it alone for a while.
    if !how.refresh
        && shared.cooling.is_resting(key, caller.begun)
        && let Some(outcome) = caller.stand_in()
    {
        return Begun::Landed(Ok(outcome));
    }
    // Behind the caller, who gets the stale value at once.
    let behind = caller.stale.is_some() && policy.soft_timeout.is_some_and(|soft| soft.is_zero());
    let schema = scope.spec.schema.unwrap_or_default();
    let mut permit = None;
    if behind && !shared.flights().is_flying(key, schema) {
        permit = shared.refreshes.permit(caller.begun);
        if permit.is_none() {
            shared.counters.refreshes_skipped.increment();
            return Begun::Landed(caller.stand_in().ok_or_else(gone));
        }
    }
    // Nobody waits for a load behind its callers, so nobody can leave it.
    let loads_by = Policy {
        cancel: policy.cancel && !behind,
        ..policy.clone()
    };
    let tagging = || Tagging::of(&call.options, call.loader.names_tags());
    let boarding = shared
        .flights()
        .board(key, schema, &loads_by, None, tagging);
    let (waiting, loader) = match boarding {
        Boarding::Full => return Begun::Landed(turned_away(&caller, &policy)),
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
            let seats = smallvec![Seat {
                place: 0,
                leader,
                there: None,
                stale: stale.map(|(entry, _)| entry),
            }];
            let origin = Arc::new(One::new(call.loader));
            let flight = Flight {
                options: call.options,
                memory_only: how.memory_only,
                permit: permit.map(Arc::new),
                ..Flight::new(scope, origin, seats, loads_by, purpose)
            };
            if let Err(error) = shared.tasks.begin(flight.boxed(), !behind) {
                return Begun::Landed(Err(error));
            }
            if let Some(outcome) = caller.now(&waiting) {
                return Begun::Landed(outcome);
            }
            (waiting, None)
        }
    };
    Begun::Flies(Flying {
        caller,
        policy,
        waiting,
        loader,
    })
}

fn gone() -> Error {
    Error::new(ErrorKind::Timeout, "the stale value's time is over as well")
}

/// Refreshes an entry that its caller has got already, if the limits allow it and nobody is at it.
pub(super) fn refresh_behind<T, L, A>(call: GetOrLoad<'_, T, L, A>, entry: Entry)
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
    let schema = scope.spec.schema.unwrap_or_default();
    if shared.flights().is_flying(&key, schema) {
        return;
    }
    let Some(permit) = shared.refreshes.permit(shared.clock.now()) else {
        shared.counters.refreshes_skipped.increment();
        return;
    };
    // Nobody waits for it, so nobody can leave it.
    let keeps_on = Policy {
        cancel: false,
        ..policy.clone()
    };
    let boarding = shared.flights().board(&key, schema, &keeps_on, None, || {
        Tagging::of(&call.options, call.loader.names_tags())
    });
    let Boarding::Leading(leader, _) = boarding else {
        return;
    };
    let seats = smallvec![Seat {
        place: 0,
        leader,
        there: Some(entry),
        stale: None,
    }];
    let origin = Arc::new(One::new(call.loader));
    let flight = Flight {
        options: call.options,
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
    let stale = context.stale.clone();
    let found = alone(scope, policy, 1, loader.load_one(context)).await?;
    outcome_alone(scope, found, stale)
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

impl<T: Send + Sync + 'static> Found<T> {
    /// What a loader is told of it.
    fn context(&self, scope: Scope<'_>) -> LoadContext<T> {
        let stale = self.stale.as_ref();
        stale.map_or_else(LoadContext::default, |(entry, view)| {
            LoadContext::of(scope, Some(entry), *view)
        })
    }
}

/// What a peek that has found no fresh value has judged by, where it told all there is to know, and counted it: in memory,
/// unless the generation has just changed.
fn view_of_peek(scope: Scope<'_>) -> Option<View> {
    let shared = scope.shared;
    let generation = match shared.known_generation() {
        _ if !shared.capability.immediate => return None,
        Known::Changed => return None,
        Known::None => None,
        Known::Is(generation) => Some(generation),
    };
    let view = View::default().with_generation(generation);
    Some(view.with_schema(scope.spec.schema))
}

/// The asynchronous look-up before a load: trouble is a miss (A1).
async fn look_up<T: Send + Sync + 'static>(
    scope: Scope<'_>,
    key: &Key<'_>,
    there: Option<Entry>,
    memory_only: bool,
) -> Found<T> {
    let shared = scope.shared;
    if let Some(view) = view_of_peek(scope) {
        return Found {
            answer: None,
            stale: there.map(|entry| (entry, view)),
        };
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
