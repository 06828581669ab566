//! What a load call does when memory has no answer: looks further, joins a load or leads one, waits.

use std::sync::Arc;

use larder_core::{
    Backend, Entry, Error, ErrorKind, Key, Operation, ReadOptions, Result, Tiers, View,
};
use tokio::sync::Notify;
use tokio::task::coop::consume_budget;

use crate::generation::Known;
use crate::load::{
    Boarding, Caller, Flight, LoadContext, LoadOne, One, Outcome, Policy, Purpose, Seat, Source,
    alone, outcome_alone, turned_away, wait,
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
        if let Some((value, entry)) = found.answer.take() {
            if let Some(entry) =
                entry.filter(|entry| call.is_early() && call.is_due(&key, entry, scope.now()))
            {
                refresh_behind(call, entry);
            }
            return Ok(Outcome::new(value, Source::Tier));
        }
    }
    let mut caller = Caller {
        scope,
        policy: &policy,
        stale: found
            .stale
            .as_ref()
            .and_then(|(entry, view)| Some((scope.stand_in(entry, *view)?, expires_at(entry)))),
        begun: shared.clock.now(),
        waited: false,
    };
    if how.no_store {
        let context = found.context(scope);
        let loaded = load_alone(scope, call.loader, context, &policy).await;
        return loaded.or_else(|error| caller.stand_in().ok_or(error));
    }
    // The origin has just failed: whoever has a stale value leaves it alone for a while.
    if !how.refresh
        && shared.cooling.is_resting(&key, shared.clock.now())
        && let Some(outcome) = caller.stand_in()
    {
        return Ok(outcome);
    }
    // Behind the caller, who gets the stale value at once.
    let behind = caller.stale.is_some() && policy.soft_timeout.is_some_and(|soft| soft.is_zero());
    let schema = scope.spec.schema.unwrap_or_default();
    let mut permit = None;
    if behind && !shared.flights().is_flying(&key, schema) {
        permit = shared.refreshes.permit(shared.clock.now());
        if permit.is_none() {
            shared.counters.refreshes_skipped.increment();
            return caller.stand_in().ok_or_else(gone);
        }
    }
    // Nobody waits for a load behind its callers, so nobody can leave it.
    let loads_by = Policy {
        cancel: policy.cancel && !behind,
        ..policy.clone()
    };
    let boarding = shared
        .flights()
        .board(&key, schema, &loads_by, Arc::<Notify>::default);
    let (waiting, loader) = match boarding {
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
                stale: found.stale.map(|(entry, _)| entry),
            }];
            let origin = Arc::new(One::new(call.loader));
            let flight = Flight {
                options: Arc::new(call.options),
                memory_only: how.memory_only,
                permit: permit.map(Arc::new),
                ..Flight::new(scope, origin, seats, loads_by, purpose)
            };
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
    let boarding = shared
        .flights()
        .board(&key, schema, &keeps_on, Arc::<Notify>::default);
    let Boarding::Leading(leader, _) = boarding else {
        return;
    };
    let seats = vec![Seat {
        place: 0,
        leader,
        there: Some(entry),
        stale: None,
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
