//! Read-through for many keys: one look-up, one lease round trip, one call of the loader with exactly what is missing.

use std::collections::HashMap;
use std::fmt;
use std::future::IntoFuture;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;

use larder_core::{
    Backend, BatchOperation, BatchReply, Entry, Error, ErrorKind, Key, Operation, Result, View,
};
use tokio::sync::Notify;
use tokio::task::coop::consume_budget;

use crate::load::{
    Boarding, Caller, Flight, List, LoadContext, LoadPolicy, Loaded, Many, Origin, Outcome, Permit,
    Places, Policy, Purpose, Seat, Source, Tagging, Waiting, Wanted, alone, is_due, outcome_alone,
    turned_away, wait,
};
use crate::operations::{Boxed, entry_options};
use crate::scope::{AtHand, EntryOptions, Judged, Scope};

/// A look-up of many values that loads what isn't there; see
/// [`Space::get_many_or_load`](crate::Space::get_many_or_load). Nothing happens until it is awaited.
#[must_use = "futures do nothing unless awaited"]
pub struct GetManyOrLoad<'a, T, K, F> {
    scope: Scope<'a>,
    ids: Vec<K>,
    loader: F,
    options: EntryOptions,
    policy: Option<Box<LoadPolicy>>,
    of: PhantomData<fn() -> T>,
}

impl<'a, T, K, F> GetManyOrLoad<'a, T, K, F> {
    pub(crate) fn new(scope: Scope<'a>, ids: Vec<K>, loader: F) -> Self {
        Self {
            scope,
            ids,
            loader,
            options: EntryOptions::default(),
            policy: None,
            of: PhantomData,
        }
    }

    entry_options!();

    /// How these loads behave. What it doesn't say is as the space or the cache says.
    pub fn policy(mut self, policy: LoadPolicy) -> Self {
        self.policy = Some(Box::new(match self.policy {
            Some(former) => policy.over(*former),
            None => policy,
        }));
        self
    }

    /// Answers each key's own outcome, so that one that fails doesn't hide the others. The outer error is for what
    /// keeps all of them from being asked.
    pub fn each(self) -> Each<'a, T, K, F> {
        Each(self)
    }
}

/// A look-up of many values that answers each one's outcome; see [`GetManyOrLoad::each`].
#[must_use = "futures do nothing unless awaited"]
pub struct Each<'a, T, K, F>(GetManyOrLoad<'a, T, K, F>);

/// What can be an id: it is shown as the key's name, and handed to the loader as it is.
pub trait Id: fmt::Display + Clone + Eq + Hash + Send + Sync + 'static {}

impl<K: fmt::Display + Clone + Eq + Hash + Send + Sync + 'static> Id for K {}

impl<'a, T, K, F> IntoFuture for GetManyOrLoad<'a, T, K, F>
where
    T: Send + Sync + 'static,
    K: Id,
    F: Send + Sync + 'static,
    Many<K, F>: Origin<T>,
{
    type Output = Result<Vec<Option<Arc<T>>>>;
    type IntoFuture = Boxed<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let outcomes = load_many(self).await?;
            let values = outcomes.into_iter().map(|outcome| Ok(outcome?.value));
            values.collect()
        })
    }
}

impl<'a, T, K, F> IntoFuture for Each<'a, T, K, F>
where
    T: Send + Sync + 'static,
    K: Id,
    F: Send + Sync + 'static,
    Many<K, F>: Origin<T>,
{
    type Output = Result<Vec<Result<Outcome<T>>>>;
    type IntoFuture = Boxed<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(load_many(self.0))
    }
}

/// A key that has no answer yet.
struct Missing {
    place: usize,
    stale: Option<(Entry, View)>,
}

async fn load_many<T, K, F>(call: GetManyOrLoad<'_, T, K, F>) -> Result<Vec<Result<Outcome<T>>>>
where
    T: Send + Sync + 'static,
    K: Id,
    F: Send + Sync + 'static,
    Many<K, F>: Origin<T>,
{
    let scope = call.scope;
    let shared = scope.shared;
    consume_budget().await;
    shared.limits.check_batch(call.ids.len())?;
    scope.check_options(&call.options)?;
    let policy = scope.policy(call.policy.as_deref())?;
    let (ids, slots) = distinct(call.ids);
    let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let mut keys = Vec::with_capacity(names.len());
    for name in &names {
        keys.push(Scope::explain(scope.key(name), Operation::Load, name)?);
    }
    let origin = Arc::new(Many {
        ids: Arc::new(ids),
        loader: Arc::new(call.loader),
    });
    if shared.is_bypassed() {
        shared.counters.bypassed.add(keys.len() as u64);
        let places = (0..keys.len()).collect();
        let answers = load_alone(scope, &*origin, places, &policy).await;
        let answers = answers.into_iter().zip(&names);
        let answers = answers.map(|(answer, name)| Scope::explain(answer, Operation::Load, name));
        return Ok(spread(&slots, answers.collect()));
    }
    let (mut answers, missing, due) = look_up(scope, &names, &keys, &policy).await;
    let many = Batch {
        scope,
        names: &names,
        keys: &keys,
        policy: &policy,
        origin,
        options: call.options,
        news: Arc::default(),
    };
    let permit = many.permit(&missing, &due);
    let waits = many.load(missing, permit.clone(), &mut answers)?;
    if permit.is_some() {
        many.refresh(due, permit);
    }
    many.wait(waits, &mut answers).await;
    let answers = answers.into_iter();
    let answers = answers.map(|answer| answer.unwrap_or_else(|| Err(lost())));
    Ok(spread(&slots, answers.collect()))
}

/// Each id once, and where each of those that were asked for stands among them.
fn distinct<K: Id>(asked: Vec<K>) -> (Vec<K>, Vec<usize>) {
    let (mut ids, mut slots) = (Vec::with_capacity(asked.len()), Vec::new());
    let mut known: HashMap<K, usize> = HashMap::with_capacity(asked.len());
    for id in asked {
        let slot = *known.entry(id.clone()).or_insert(ids.len());
        if slot == ids.len() {
            ids.push(id);
        }
        slots.push(slot);
    }
    (ids, slots)
}

/// The answers in the order of what was asked for. Who asks twice has waited for the first the second time.
fn spread<T>(slots: &[usize], answers: Vec<Result<Outcome<T>>>) -> Vec<Result<Outcome<T>>> {
    if slots.len() == answers.len() {
        return answers;
    }
    let mut told = vec![false; answers.len()];
    let answer = |slot: &usize| {
        let mut answer = answers[*slot].clone();
        if let Ok(outcome) = &mut answer {
            outcome.waited |= std::mem::replace(&mut told[*slot], true);
        }
        answer
    };
    slots.iter().map(answer).collect()
}

/// A call for many keys.
struct Batch<'a, K, F> {
    scope: Scope<'a>,
    names: &'a [String],
    keys: &'a [Key<'a>],
    policy: &'a Policy,
    origin: Arc<Many<K, F>>,
    options: EntryOptions,
    /// Wakes the task that loads its keys.
    news: Arc<Notify>,
}

type Answers<T> = Vec<Option<Result<Outcome<T>>>>;

impl<'a, K, F> Batch<'a, K, F> {
    /// Whether stale values are answered at once, and refreshed behind their callers.
    fn is_behind(&self) -> bool {
        self.policy.soft_timeout.is_some_and(|soft| soft.is_zero())
    }

    /// Room for the refreshes behind this call, if there are any and there is room.
    fn permit(&self, missing: &[Missing], due: &[(usize, Entry)]) -> Option<Arc<Permit>> {
        let shared = self.scope.shared;
        let schema = self.scope.spec.schema.unwrap_or_default();
        let flies = |place: usize| shared.flights().is_flying(&self.keys[place], schema);
        let revalidates = self.is_behind()
            && missing
                .iter()
                .any(|one| one.stale.is_some() && !flies(one.place));
        if due.iter().all(|(place, _)| flies(*place)) && !revalidates {
            return None;
        }
        let permit = shared.refreshes.permit(shared.clock.now()).map(Arc::new);
        if permit.is_none() {
            shared.counters.refreshes_skipped.increment();
        }
        permit
    }

    fn board<T: Send + Sync + 'static>(&self, place: usize) -> Boarding
    where
        Many<K, F>: Origin<T>,
    {
        // A caller of many keys leaves all of them or none.
        let policy = Policy {
            cancel: false,
            ..self.policy.clone()
        };
        let schema = self.scope.spec.schema.unwrap_or_default();
        let flights = self.scope.shared.flights();
        let names = Origin::<T>::names_tags(&*self.origin);
        let tagging = || Tagging::of(&self.options, names);
        flights.board(
            &self.keys[place],
            schema,
            &policy,
            Some(&self.news),
            tagging,
        )
    }

    fn begin<T: Send + Sync + 'static>(
        &self,
        seats: List<Seat>,
        purpose: Purpose,
        permit: Option<Arc<Permit>>,
        at_once: bool,
    ) -> Result<()>
    where
        Many<K, F>: Origin<T>,
    {
        let origin = Arc::clone(&self.origin);
        let flight = Flight::<T, _> {
            options: self.options.clone(),
            permit,
            ..Flight::new(self.scope, origin, seats, self.policy.clone(), purpose)
        };
        let tasks = &self.scope.shared.tasks;
        tasks.begin(flight.boxed(), at_once)
    }

    /// Joins the loads of what is missing, or leads them.
    fn load<T: Send + Sync + 'static>(
        &self,
        missing: Vec<Missing>,
        permit: Option<Arc<Permit>>,
        answers: &mut Answers<T>,
    ) -> Result<Vec<(usize, Waiting, Caller<'a, T>)>>
    where
        Many<K, F>: Origin<T>,
    {
        let shared = self.scope.shared;
        let (mut waits, mut seats) = (Vec::new(), List::new());
        for Missing { place, stale } in missing {
            let mut caller = Caller::of(self.scope, stale.as_ref());
            // Over the limits, or the origin has just failed: the stale value, and no load behind it.
            let rests = shared.cooling.is_resting(&self.keys[place], caller.begun);
            if (rests || self.is_behind() && permit.is_none())
                && let Some(outcome) = caller.stand_in()
            {
                answers[place] = Some(Ok(outcome));
                continue;
            }
            match self.board::<T>(place) {
                Boarding::Full => {
                    let away = turned_away(&caller, self.policy);
                    let name = &self.names[place];
                    answers[place] = Some(Scope::explain(away, Operation::Load, name));
                }
                Boarding::Joined(waiting) => {
                    shared.counters.load_waits.increment();
                    caller.waited = true;
                    waits.push((place, waiting, caller));
                }
                Boarding::Leading(leader, waiting) => {
                    seats.push(Seat {
                        place,
                        leader,
                        there: None,
                        stale: stale.map(|(entry, _)| entry),
                    });
                    waits.push((place, waiting, caller));
                }
            }
        }
        if !seats.is_empty() {
            let permit = permit.filter(|_| self.is_behind());
            self.begin::<T>(seats, Purpose::Demand, permit, !self.is_behind())?;
        }
        Ok(waits)
    }

    /// Refreshes entries that the caller has got already.
    fn refresh<T: Send + Sync + 'static>(
        &self,
        due: Vec<(usize, Entry)>,
        permit: Option<Arc<Permit>>,
    ) where
        Many<K, F>: Origin<T>,
    {
        let mut seats = List::new();
        for (place, entry) in due {
            if let Boarding::Leading(leader, _) = self.board::<T>(place) {
                seats.push(Seat {
                    place,
                    leader,
                    there: Some(entry),
                    stale: None,
                });
            }
        }
        if !seats.is_empty() {
            // Without a runtime there is no refresh; the caller has its values.
            let _ = self.begin::<T>(seats, Purpose::Early, permit, false);
        }
    }

    async fn wait<T: Send + Sync + 'static>(
        &self,
        waits: Vec<(usize, Waiting, Caller<'a, T>)>,
        answers: &mut Answers<T>,
    ) where
        Many<K, F>: Origin<T>,
    {
        let mut own = Vec::new();
        for (place, waiting, caller) in waits {
            let outcome = match wait(&caller, self.policy, waiting).await {
                Ok(Some(outcome)) => Ok(outcome),
                Ok(None) => {
                    own.push(place);
                    continue;
                }
                Err(error) => Err(error),
            };
            answers[place] = Some(Scope::explain(outcome, Operation::Load, &self.names[place]));
        }
        if own.is_empty() {
            return;
        }
        // Who has waited in vain calls its own loader, once.
        let loaded = load_alone(self.scope, &*self.origin, own.clone(), self.policy).await;
        for (place, outcome) in own.into_iter().zip(loaded) {
            answers[place] = Some(Scope::explain(outcome, Operation::Load, &self.names[place]));
        }
    }
}

fn lost() -> Error {
    Error::new(ErrorKind::Unexpected, "a load has lost one of its keys")
}

type Looked<T> = (Answers<T>, Vec<Missing>, Vec<(usize, Entry)>);

/// Looks up all keys: in memory first, and in one batch what memory doesn't know. Trouble is a miss (A1).
async fn look_up<T: Send + Sync + 'static>(
    scope: Scope<'_>,
    names: &[String],
    keys: &[Key<'_>],
    policy: &Policy,
) -> Looked<T> {
    let shared = scope.shared;
    let mut answers: Answers<T> = Vec::with_capacity(keys.len());
    let (mut unknown, mut missing, mut due) = (Vec::new(), Vec::new(), Vec::new());
    let found = |value, source| Some(Ok(Outcome::new(value, source)));
    let mut is_due = |place: usize, entry: &Entry| {
        let now = scope.now();
        if is_due(entry.head(), now, policy.early, &shared.random)
            && !shared.cooling.is_resting(&keys[place], now)
        {
            due.push((place, entry.clone()));
        }
    };
    let view = scope.view().await;
    for (place, name) in names.iter().enumerate() {
        let at_hand = scope.peek_with(name, |_, entry, _| is_due(place, entry));
        answers.push(match at_hand {
            AtHand::Hit(value) => found(Some(value), Source::Memory),
            AtHand::Absent => found(None, Source::Memory),
            AtHand::Miss(entry) => {
                let stale = entry.zip(view.as_ref().ok().copied());
                missing.push(Missing { place, stale });
                None
            }
            AtHand::Unknown => {
                unknown.push(place);
                None
            }
        });
    }
    if unknown.is_empty() {
        return (answers, missing, due);
    }
    let view = match view {
        Ok(view) => view,
        Err(error) => {
            shared.counters.error(Operation::Markers, error.kind());
            let count = unknown.len() as u64;
            shared.counters.misses.add(count);
            let misses = unknown
                .into_iter()
                .map(|place| Missing { place, stale: None });
            missing.extend(misses);
            return (answers, missing, due);
        }
    };
    let options = larder_core::WriteOptions::default().with_view(view);
    let gets = unknown
        .iter()
        .map(|place| BatchOperation::Get(keys[*place]));
    let replies = shared.store.batch(gets.collect(), &options).await;
    for (place, reply) in unknown.into_iter().zip(replies) {
        let entry = match reply.and_then(BatchReply::into_entry) {
            Ok(entry) => entry,
            Err(error) => {
                shared.counters.error(Operation::Get, error.kind());
                shared.counters.misses.increment();
                missing.push(Missing { place, stale: None });
                continue;
            }
        };
        match scope.judge_looked_up::<T>(&keys[place], entry.as_ref(), view) {
            Judged::Hit(value) => {
                if let Some(entry) = &entry {
                    is_due(place, entry);
                }
                answers[place] = found(Some(value), Source::Tier);
            }
            Judged::Absent => answers[place] = found(None, Source::Tier),
            Judged::Miss => missing.push(Missing {
                place,
                stale: entry.map(|entry| (entry, view)),
            }),
        }
    }
    (answers, missing, due)
}

/// Loads past the cache: for this caller alone, and nothing is stored.
async fn load_alone<T: Send + Sync + 'static>(
    scope: Scope<'_>,
    origin: &impl Origin<T>,
    places: Vec<usize>,
    policy: &Policy,
) -> Vec<Result<Outcome<T>>> {
    let wanted = places.iter().map(|place| Wanted {
        place: *place,
        context: LoadContext::default(),
    });
    let wanted: List<_> = wanted.collect();
    let loading = async { origin.load(wanted).await };
    let found: Places<T> = match alone(scope, policy, places.len(), loading).await {
        Ok(found) => found,
        Err(error) => return places.iter().map(|_| Err(error.clone())).collect(),
    };
    let mut by_place: HashMap<usize, Loaded<T>> = HashMap::with_capacity(found.len());
    for (place, loaded) in found {
        if place == usize::MAX {
            scope.shared.counters.extra_keys.increment();
        } else {
            by_place.insert(place, loaded);
        }
    }
    let places = places.iter().map(|place| by_place.remove(place));
    // What the loader has left out isn't there.
    let loaded = places.map(|loaded| loaded.unwrap_or_else(Loaded::absent));
    loaded
        .map(|loaded| outcome_alone(scope, loaded, None))
        .collect()
}

impl<T, K, F> fmt::Debug for GetManyOrLoad<'_, T, K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetManyOrLoad")
            .field("ids", &self.ids.len())
            .field("options", &self.options)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl<T, K, F> fmt::Debug for Each<'_, T, K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
