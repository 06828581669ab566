//! What becomes of a load's result: stored, re-armed, returned alone, refused.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use larder_core::{
    Backend, Entry, Error, ErrorKind, Fill, FillToken, Filled, Lifetime, Operation, ReadOptions,
    Result, Tag, Tiers, Ttl, View, WriteOptions,
};

use crate::load::claim::Right;
use crate::load::flight::Flight;
use crate::load::guarded::caught;
use crate::load::lease_end::LeaseEnd;
use crate::load::{Landed, Leader, List, Loaded, Origin, Purpose, Say, Seat, Source, What};
use crate::scope::{EntryOptions, Scope};
use crate::shared::Shared;
use crate::stamps::Stamps;

/// A key whose load may begin.
pub(crate) struct Granted {
    pub(crate) seat: Seat,
    pub(crate) right: Right,
    /// What is there all the same.
    pub(crate) seen: Option<Entry>,
    /// The versions of its tags from before the load, where there is no lease that keeps them.
    pub(crate) stamps: Option<Arc<Stamps>>,
    pub(crate) lease: LeaseEnd,
}

/// What is to become of one result.
pub(crate) enum Verdict {
    /// Stored if nothing has come in between, and handed to everybody who waits.
    Store(Entry),
    /// Just loaded: handed to everybody who waits.
    Return(Entry),
    /// What is stale: handed to everybody who waits, in place of what couldn't be loaded.
    StandIn(Entry),
    /// Handed to everybody who waits, and what is there is forgotten.
    Replace(Entry),
    /// The stale entry for a while longer, because of this error.
    Rearm(Entry, Error),
    Fail(Error),
}

/// Stores what is to be stored, gives back the other leases, and tells everybody who waits.
pub(crate) async fn land<T: Send + Sync + 'static, O: Origin<T>>(
    flight: &Flight<T, O>,
    shared: Arc<Shared>,
    granted: &mut List<Granted>,
    mut verdicts: List<Verdict>,
    view: View,
) {
    let mut outcomes = List::with_capacity(granted.len());
    {
        let scope = flight.scope(&shared);
        let mut fills = Vec::new();
        for (one, verdict) in granted.iter_mut().zip(&mut verdicts) {
            verdict.heed(&shared);
            fills.extend(verdict.entry().and_then(|entry| one.fill(entry)));
        }
        let filled = if fills.is_empty() {
            Vec::new()
        } else {
            shared.store.fill(fills, &WriteOptions::default()).await
        };
        let mut filled = filled.into_iter();
        for (one, verdict) in granted.iter_mut().zip(verdicts) {
            // What is seldom is boxed, so that the future of every load needn't have room for it.
            let (entry, rearmed) = match verdict {
                Verdict::Store(entry) => (entry, None),
                Verdict::Rearm(entry, error) => (entry, Some(error)),
                other => {
                    outcomes.push(Box::pin(unstored(scope, one, other, view)).await);
                    continue;
                }
            };
            let leader = &one.seat.leader;
            let stored = match one.right {
                Right::Lease(_) | Right::Filled => {
                    let filled = filled.next().unwrap_or(Ok(Filled::Refused));
                    if filled.is_ok() {
                        one.lease.ended();
                    }
                    filled
                }
                Right::Unleased => Box::pin(unleased(scope, one, &entry, Tiers::All)).await,
                // Nothing but the nearest of several tiers is memory and nothing else.
                Right::MemoryOnly if shared.capability.tiered || shared.capability.immediate => {
                    Box::pin(unleased(scope, one, &entry, Tiers::Nearest)).await
                }
                Right::MemoryOnly => Ok(Filled::Refused),
            };
            if matches!(stored, Ok(Filled::Refused))
                && rearmed.is_none()
                && one.is_beside_newer(scope, &entry)
            {
                // It stays where it is; this node keeps its own version in memory, so that it doesn't load at every
                // look-up until all nodes are up to date.
                let _ = Box::pin(unleased(scope, one, &entry, Tiers::Nearest)).await;
            }
            outcomes.push(match settled(scope, leader, entry, rearmed, &stored) {
                Ok(landed) => Ok(landed),
                Err(error) => Box::pin(there_now(scope, leader, view)).await.ok_or(error),
            });
        }
    }
    // Lets go of the cache before the waiters are told, so that the last of them may close it.
    drop(shared);
    let leaders: List<Leader> = granted.drain(..).map(|one| one.seat.leader).collect();
    for (leader, outcome) in leaders.into_iter().zip(outcomes) {
        leader.land(outcome);
    }
}

impl Verdict {
    /// While the cache is bypassed nothing is stored.
    fn heed(&mut self, shared: &Shared) {
        if let Self::Store(entry) = self
            && shared.is_bypassed()
        {
            *self = Self::Return(entry.clone());
        }
    }

    /// What is to be stored.
    fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Store(entry) | Self::Rearm(entry, _) => Some(entry),
            Self::Return(_) | Self::StandIn(_) | Self::Replace(_) | Self::Fail(_) => None,
        }
    }
}

impl Granted {
    /// Its lease once more, to be given back while its loader runs.
    pub(crate) fn lease_again(&self) -> Option<FillToken> {
        let Right::Lease(token) = &self.right else {
            return None;
        };
        Some(FillToken::granted(&token.key(), token.seen()))
    }

    /// Fills the lease, if there is one.
    fn fill(&mut self, entry: &Entry) -> Option<Fill> {
        match std::mem::replace(&mut self.right, Right::Filled) {
            Right::Lease(token) => {
                self.seat.leader.stores(entry.id());
                let entry = entry.clone();
                Some(Fill { token, entry })
            }
            other => {
                self.right = other;
                None
            }
        }
    }

    /// Whether a newer schema's entry is there.
    fn is_beside_newer(&self, scope: Scope<'_>, entry: &Entry) -> bool {
        let (entry, tiered) = (entry.head(), scope.shared.capability.tiered);
        let is_newer = |seen: &Entry| {
            seen.head().schema() > entry.schema() && seen.head().generation() == entry.generation()
        };
        tiered && self.seen.as_ref().is_some_and(is_newer)
    }
}

/// What everybody gets who waits, by what became of the entry. A failed write still returns the value (A1). An error if
/// what stood in for what couldn't be loaded doesn't any more.
fn settled(
    scope: Scope<'_>,
    leader: &Leader,
    entry: Entry,
    rearmed: Option<Error>,
    stored: &Result<Filled>,
) -> Result<Landed> {
    let counters = &scope.shared.counters;
    let stands = match stored {
        Ok(stored) => *stored == Filled::Stored,
        Err(_) => !leader.is_overtaken(),
    };
    match stored {
        Ok(Filled::Stored) => counters.fills.increment(),
        Ok(Filled::Refused) => counters.fills_refused.increment(),
        Ok(Filled::LateTag) => counters.late_tags.increment(),
        Err(error) => counters.error(Operation::Fill, error.kind()),
    }
    match rearmed {
        None => Ok(landed(entry, false)),
        Some(_) if stands => Ok(landed(entry, true)),
        Some(error) => Err(error),
    }
}

fn landed(entry: Entry, stale: bool) -> Landed {
    Landed {
        entry,
        source: if stale { Source::Tier } else { Source::Loader },
        stale,
    }
}

/// Decides what is to become of one result.
pub(crate) fn judge<T: Send + Sync + 'static, O: Origin<T>>(
    flight: &Flight<T, O>,
    scope: Scope<'_>,
    one: &Granted,
    loaded: Result<Loaded<T>>,
    took: Duration,
    view: View,
) -> Verdict {
    let counters = &scope.shared.counters;
    let failed = match loaded {
        Ok(Loaded {
            what: What::Failed(error),
            ..
        }) => {
            counters.loads_failed.increment();
            error
        }
        Ok(loaded) => {
            let made = caught(|| made(flight, scope, one.seen.as_ref(), loaded, took, view));
            match made {
                Ok(Ok(verdict)) => {
                    counters.loads_ok.increment();
                    return verdict;
                }
                Ok(Err(error)) => {
                    counters.loads_failed.increment();
                    error
                }
                Err(message) => {
                    counters.loads_panicked.increment();
                    let message = format!("the loaded value's own code panicked: {message}");
                    Error::new(ErrorKind::LoadPanicked, message)
                }
            }
        }
        Err(error) => error,
    };
    // The origin is not to blame for a load that was given up.
    if failed.kind() == ErrorKind::LoadCancelled {
        return Verdict::Fail(failed);
    }
    let now = scope.shared.clock.now();
    let until = now.saturating_add(flight.policy.throttle);
    // Whoever has a stale value leaves the origin alone for a while, whether or not that can be stored.
    let cooling = &scope.shared.cooling;
    cooling.rest(&one.seat.leader.key(), now, until);
    if flight.purpose == Purpose::Early {
        return Verdict::Fail(failed);
    }
    let stale = one.seen.as_ref().filter(|seen| {
        let life = seen.head().lifetime();
        !life.is_fresh(now)
            && !one.seat.leader.is_overtaken()
            && scope.stand_in::<T>(seen, view).is_some()
    });
    match stale {
        None => Verdict::Fail(failed),
        Some(seen) if flight.policy.throttle.is_zero() || scope.shared.is_bypassed() => {
            Verdict::StandIn(seen.clone())
        }
        Some(seen) => {
            let life = seen.head().lifetime();
            let life = Lifetime {
                fresh_until: until.min(life.expires_at),
                ..life
            };
            match again(seen, life) {
                Ok(entry) => Verdict::Rearm(entry, failed),
                Err(_) => Verdict::StandIn(seen.clone()),
            }
        }
    }
}

/// The answer to a loader that is mistaken about what was there.
pub(crate) fn nothing_to_modify() -> Error {
    Error::new(
        ErrorKind::Load,
        "the loader says that nothing was modified, but nothing was there",
    )
}

/// The same value under a new id: ids are given per write, and never twice (H11).
fn again(seen: &Entry, life: Lifetime) -> Result<Entry> {
    let head = seen.head();
    let mut entry = Entry::new(seen.value().clone(), life)
        .with_generation(head.generation())
        .with_schema(head.schema());
    if !head.tags().is_empty() {
        entry = entry.with_tags(head.tags().to_vec())?;
    }
    if let Some(etag) = head.etag() {
        entry = entry.with_etag(etag.clone())?;
    }
    Ok(match head.load_time() {
        Some(load_time) => entry.with_load_time(load_time),
        None => entry,
    })
}

/// The entry of what was loaded.
fn made<T: Send + Sync + 'static, O: Origin<T>>(
    flight: &Flight<T, O>,
    scope: Scope<'_>,
    seen: Option<&Entry>,
    loaded: Loaded<T>,
    took: Duration,
    view: View,
) -> Result<Verdict> {
    let Loaded { what, say } = loaded;
    let mut options = Cow::Borrowed(&flight.options);
    // What can't be kept is still an answer (A1): it is returned and not stored.
    let mut trouble = None;
    match say.ttl() {
        Ok(Some(ttl)) => options.to_mut().ttl = ttl,
        Ok(None) => {}
        Err(error) => trouble = Some(error),
    }
    if let Some(stale_for) = say.stale_for {
        options.to_mut().stale_for = Some(stale_for);
    }
    match &say.tags {
        Some(Ok(tags)) => options.to_mut().tags = tags.iter().cloned().map(Tag::from).collect(),
        Some(Err(error)) => trouble = Some(error.clone()),
        None => {}
    }
    let entry = match what {
        What::Value(value) => {
            let value = scope.value(value);
            scope.entry(value.clone(), &options, view).map_err(|error| {
                trouble.get_or_insert(error);
                Entry::new(value, scope.lifetime(&options))
            })
        }
        What::NotModified => {
            let there = seen.filter(|seen| scope.stand_in::<T>(seen, view).is_some());
            let Some(seen) = there else {
                return Err(nothing_to_modify());
            };
            let again = again(seen, scope.lifetime(&options)).and_then(|entry| {
                scope.check_options(&options)?;
                // The origin has just confirmed it: its tags' versions are those from before this load.
                let tags: Vec<Tag> = if let Some(Ok(tags)) = &say.tags {
                    tags.iter().cloned().map(Tag::from).collect()
                } else {
                    let tags = entry.head().tags().iter();
                    tags.map(|tag| Tag::from(tag.name.clone())).collect()
                };
                entry.with_tags(tags)
            });
            again.map_err(|error| {
                trouble.get_or_insert(error);
                seen.clone()
            })
        }
        What::Absent => absent(flight, scope, &options, &say, view).map_err(|error| {
            trouble.get_or_insert(error);
            Entry::absent(scope.lifetime(&options))
        }),
        What::Failed(error) => return Err(error),
    };
    let absent =
        matches!(&entry, Ok(entry) if entry.head().kind() == larder_core::EntryKind::Absent);
    let uncached = say.is_uncached()
        || (absent && !say.forever && say.ttl.is_none() && flight.policy.negative_ttl.is_zero());
    let entry = entry.and_then(|entry| match say.etag {
        Some(etag) => entry.clone().with_etag(etag).map_err(|error| {
            trouble.get_or_insert(error);
            entry
        }),
        None => Ok(entry),
    });
    Ok(match (entry, trouble) {
        (Ok(entry), None) if !uncached => Verdict::Store(entry.with_load_time(took)),
        (Ok(entry) | Err(entry), trouble) => {
            if let Some(error) = trouble {
                scope.shared.counters.error(Operation::Fill, error.kind());
            }
            if seen.is_some() {
                Verdict::Replace(entry)
            } else {
                Verdict::Return(entry)
            }
        }
    })
}

/// The record that the origin has nothing.
fn absent<T, O>(
    flight: &Flight<T, O>,
    scope: Scope<'_>,
    options: &EntryOptions,
    say: &Say,
    view: View,
) -> Result<Entry> {
    scope.check_options(options)?;
    let now = scope.shared.clock.now();
    let mut life = scope.lifetime(options);
    if !say.forever && say.ttl.is_none_or(|ttl| ttl.is_zero()) {
        let negative = flight.policy.negative_ttl.max(Duration::from_millis(1));
        let negative = Lifetime::new(now, Ttl::after(negative)?, Duration::ZERO);
        life.fresh_until = life.fresh_until.min(negative.fresh_until);
    }
    // Nothing to stand in with.
    life.expires_at = life.fresh_until;
    let tags = options.tags.clone();
    Entry::absent(life)
        .with_generation(view.generation)
        .with_schema(scope.spec.schema.unwrap_or_default())
        .with_tags(tags)
}

/// Stores where there is no lease, unless the key was invalidated meanwhile: looked at before the write and, because
/// an invalidation may come in between, again behind it.
async fn unleased(scope: Scope<'_>, one: &Granted, entry: &Entry, tiers: Tiers) -> Result<Filled> {
    let leader = &one.seat.leader;
    let (store, key) = (&scope.shared.store, leader.key());
    let stamped = match &one.stamps {
        Some(stamps) => stamps.on(entry),
        None => Some(entry.clone()).filter(|entry| entry.head().tags().is_empty()),
    };
    // A tag that was named too late, or whose version could not be had before the load.
    let Some(entry) = stamped else {
        return Ok(Filled::LateTag);
    };
    let writing = WriteOptions::default().with_tiers(tiers);
    if leader.is_detached() {
        return Ok(Filled::Refused);
    }
    leader.stores(entry.id());
    let set = store.set(&key, entry, &writing).await;
    // Also where the set has failed: it may have been done.
    if leader.is_detached() {
        store.invalidate(&key, &writing).await?;
        return Ok(Filled::Refused);
    }
    set.map(|()| Filled::Stored)
}

/// What everybody gets who waits, where nothing is stored.
async fn unstored(
    scope: Scope<'_>,
    one: &mut Granted,
    verdict: Verdict,
    view: View,
) -> Result<Landed> {
    let (shared, leader) = (scope.shared, &one.seat.leader);
    let right = std::mem::replace(&mut one.right, Right::Filled);
    let tiers = match right {
        Right::MemoryOnly => Tiers::Nearest,
        Right::Lease(_) | Right::Filled | Right::Unleased => Tiers::All,
    };
    // Asked before the lease is given back, which is news of the key as well.
    let is_detached = leader.is_detached();
    if release(scope, right).await {
        one.lease.ended();
    }
    match verdict {
        Verdict::Store(entry) | Verdict::Return(entry) => Ok(landed(entry, false)),
        Verdict::StandIn(entry) | Verdict::Rearm(entry, _) => Ok(landed(entry, true)),
        // What somebody has written meanwhile stays.
        Verdict::Replace(entry) if is_detached => Ok(landed(entry, false)),
        Verdict::Replace(entry) => {
            // What the origin no longer says must not be served in its place.
            let writing = WriteOptions::default().with_tiers(tiers);
            let gone = shared.store.invalidate(&leader.key(), &writing).await;
            if let Err(error) = gone {
                let counters = &shared.counters;
                counters.error(Operation::Invalidate, error.kind());
            }
            Ok(landed(entry, false))
        }
        // Unless somebody has written the key meanwhile.
        Verdict::Fail(error) if is_detached && !shared.is_bypassed() => {
            there_now(scope, leader, view).await.ok_or(error)
        }
        Verdict::Fail(error) => Err(error),
    }
}

/// What somebody else has written meanwhile.
async fn there_now(scope: Scope<'_>, leader: &Leader, view: View) -> Option<Landed> {
    // Somebody has changed the key: what they wrote is right, and nothing else is.
    let options = ReadOptions::default().with_view(view);
    let now = scope.shared.clock.now();
    match scope.shared.store.get(&leader.key(), &options).await {
        Ok(Some(entry)) if entry.head().is_current(view, now) => Some(Landed {
            entry,
            source: Source::Tier,
            stale: false,
        }),
        _ => None,
    }
}

/// Gives the lease back; answers whether it has ended.
pub(crate) async fn release(scope: Scope<'_>, right: Right) -> bool {
    let Right::Lease(token) = right else {
        return true;
    };
    let writing = WriteOptions::default();
    let released = scope.shared.store.release(vec![token], &writing).await;
    if let Err(error) = &released {
        let counters = &scope.shared.counters;
        counters.error(Operation::Release, error.kind());
    }
    released.is_ok()
}
