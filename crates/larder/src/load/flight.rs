//! Loads, from their claim to their landing, in a task of their own. One key's load is a call for many keys that has
//! one.

use std::collections::HashMap;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use larder_core::{Entry, Key, LeaseMode, Result, ValueType, View};
use tracing::Instrument;

use crate::load::budget::Permit;
use crate::load::claim::{Claim, Right, claim};
use crate::load::cycle;
use crate::load::landing::{Granted, land, release};
use crate::load::lease_end::LeaseEnd;
use crate::load::{
    Ended, Landed, LoadContext, Loaded, Origin, Places, Policy, Seat, Source, Wanted, guarded,
};
use crate::race::race;
use crate::scope::{EntryOptions, Scope};
use crate::shared::Shared;
use crate::spec::Spec;

/// What a load is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Purpose {
    /// Somebody waits for a value that isn't there.
    Demand,
    /// Somebody wants another value than the one that is there.
    Refresh,
    /// Nobody waits: the entry is about to end.
    Early,
}

/// Loads in their task. It holds the cache only while it works on it, so that dropping the last handle
/// ends it.
pub(crate) struct Flight<T, O> {
    pub(crate) shared: Weak<Shared>,
    pub(crate) spec: Arc<Spec>,
    pub(crate) value_type: &'static ValueType,
    pub(crate) seats: Vec<Seat>,
    pub(crate) origin: Arc<O>,
    pub(crate) options: Arc<EntryOptions>,
    pub(crate) policy: Policy,
    pub(crate) purpose: Purpose,
    /// Whether only memory is to keep what is loaded.
    pub(crate) memory_only: bool,
    pub(crate) permit: Option<Arc<Permit>>,
    pub(crate) of: PhantomData<fn() -> T>,
}

/// How often a load that somebody else has claimed is asked for again, first and at most: where the store tells of
/// changes that is a safety net, and where it doesn't it is all there is.
const POLL: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));
const SAFETY_NET: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(500));

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The flights of other keys, while some of them load.
struct Claimed {
    granted: Vec<Granted>,
    held: Vec<Seat>,
    view: View,
    /// When the last of the other leases ends at the latest.
    longest: Duration,
}

impl<T: Send + Sync + 'static, O: Origin<T>> Flight<T, O> {
    /// A flight of these seats, by the defaults.
    pub(crate) fn new(
        scope: Scope<'_>,
        origin: Arc<O>,
        seats: Vec<Seat>,
        policy: Policy,
        purpose: Purpose,
    ) -> Self {
        Self {
            shared: Arc::downgrade(scope.shared),
            spec: Arc::clone(scope.spec),
            value_type: scope.value_type,
            seats,
            origin,
            options: Arc::default(),
            policy,
            purpose,
            memory_only: false,
            permit: None,
            of: PhantomData,
        }
    }

    pub(crate) fn boxed(self) -> Boxed {
        Box::pin(self.run())
    }

    async fn run(mut self) {
        let mut pause = None;
        loop {
            let Some(shared) = self.shared.upgrade() else {
                return;
            };
            let Claimed {
                granted,
                held,
                view,
                longest,
            } = self.claim(&shared).await;
            self.seats = held;
            if !granted.is_empty() {
                if !self.seats.is_empty() {
                    // They go on by themselves, so that nobody waits for two loads.
                    let rest = self.rest().boxed();
                    let _ = shared.tasks.spawn(rest);
                }
                drop(shared);
                return self.load(granted, view).await;
            }
            let Some(seat) = self.seats.first() else {
                return;
            };
            let clock = Arc::clone(&shared.clock);
            let (first, most) = if shared.capability.watch {
                SAFETY_NET
            } else {
                POLL
            };
            drop(shared);
            let news = Arc::clone(seat.leader.news());
            if self.seats.iter().all(|seat| seat.leader.is_abandoned()) {
                return;
            }
            let wait = pause.unwrap_or(first);
            pause = Some((wait * 2).min(most));
            // Somebody else's news may have been missed before this one waited; those are kept for it.
            let jittered = wait.mul_f64(0.5 + fastrand::f64() / 2.0).min(longest);
            let until = clock.now().saturating_add(jittered);
            race(news.notified(), || clock.sleep_until(until)).await;
        }
    }

    /// The flights that wait for others, as a flight of their own.
    fn rest(&mut self) -> Self {
        Self {
            shared: Weak::clone(&self.shared),
            spec: Arc::clone(&self.spec),
            value_type: self.value_type,
            seats: std::mem::take(&mut self.seats),
            origin: Arc::clone(&self.origin),
            options: Arc::clone(&self.options),
            policy: self.policy.clone(),
            purpose: self.purpose,
            memory_only: self.memory_only,
            permit: self.permit.clone(),
            of: PhantomData,
        }
    }

    fn scope<'a>(&'a self, shared: &'a Arc<Shared>) -> Scope<'a> {
        Scope {
            shared,
            spec: &self.spec,
            value_type: self.value_type,
        }
    }

    /// Claims all keys that have not been claimed, and lands those whose entries are there.
    async fn claim(&mut self, shared: &Arc<Shared>) -> Claimed {
        let seats = std::mem::take(&mut self.seats);
        let mode = match self.purpose {
            Purpose::Demand => LeaseMode::Load,
            Purpose::Refresh | Purpose::Early => LeaseMode::Refresh,
        };
        let (view, claims) = {
            let keys: Vec<Key<'_>> = seats.iter().map(|seat| seat.leader.key()).collect();
            let scope = self.scope(shared);
            claim(scope, &keys, mode, self.memory_only, &self.policy).await
        };
        let mut claimed = Claimed {
            granted: Vec::new(),
            held: Vec::new(),
            view,
            longest: Duration::ZERO,
        };
        let found = |entry| {
            Ok(Landed {
                entry,
                source: Source::Tier,
                stale: false,
            })
        };
        for (seat, claim) in seats.into_iter().zip(claims) {
            match claim {
                Claim::Present(entry) => seat.leader.land(found(entry)),
                Claim::Held(longest) => {
                    if let Some(entry) = seat.there.clone() {
                        // Another node is at it, and tells when it has done.
                        let now = shared.clock.now();
                        let until = now.saturating_add(SAFETY_NET.1);
                        shared.cooling.rest(&seat.leader.key(), now, until);
                        seat.leader.land(found(entry));
                    } else {
                        claimed.longest = claimed.longest.max(longest);
                        claimed.held.push(seat);
                    }
                }
                Claim::Load(right, seen) => {
                    let (lease, seen) = match &right {
                        Right::Lease(token) => (Some(token), seen),
                        Right::Unleased => (None, seen),
                        // Nothing was looked up with it: what the caller has found has to do.
                        Right::MemoryOnly => (None, seen.or_else(|| seat.stale.clone())),
                    };
                    claimed.granted.push(Granted {
                        lease: LeaseEnd::new(&shared.store, lease),
                        seat,
                        right,
                        seen,
                    });
                }
            }
        }
        claimed
    }

    /// Runs the loader, and lands.
    async fn load(self, mut granted: Vec<Granted>, view: View) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        if self.purpose == Purpose::Early {
            granted = still_due(self.scope(&shared), granted, view).await;
            if granted.is_empty() {
                return;
            }
        }
        let (clock, namespace) = (Arc::clone(&shared.clock), shared.namespace.clone());
        let mut wanted = Vec::with_capacity(granted.len());
        let mut flights = Vec::with_capacity(granted.len());
        for one in &granted {
            one.seat.leader.loads();
            let context = LoadContext::of(self.scope(&shared), one.seen.as_ref(), view);
            wanted.push(Wanted {
                place: one.seat.place,
                context,
            });
            flights.push((one.seat.leader.flight(), one.seat.leader.name().clone()));
        }
        if self.permit.is_some() {
            shared.counters.refreshes.increment();
        }
        drop(shared);
        let started = clock.now();
        let ended = {
            let origin = &self.origin;
            let span = tracing::debug_span!("larder.load", cache = namespace.as_str());
            let loading = async { origin.load(wanted).await }.instrument(span);
            let loading = cycle::within(flights, loading);
            let timeout = self.policy.timeout;
            let deadline = || clock.sleep_until(started.saturating_add(timeout));
            let guarded = guarded(loading, deadline);
            if self.policy.cancel {
                race_abandoned(guarded, &granted).await
            } else {
                guarded.await
            }
        };
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let took = shared.clock.now().saturating_since(started);
        shared.counters.loaded(took);
        let loaded = self.sorted(&shared, ended, &granted);
        land(&self, shared, granted, loaded, took, view).await;
    }

    /// What the loader returned, in the order of the keys that were asked for.
    fn sorted(
        &self,
        shared: &Shared,
        ended: Ended<Result<Places<T>>>,
        granted: &[Granted],
    ) -> Vec<Result<Loaded<T>>> {
        let counters = &shared.counters;
        let found = match ended.result(counters, self.policy.timeout, granted.len()) {
            Ok(found) => found,
            Err(error) => return granted.iter().map(|_| Err(error.clone())).collect(),
        };
        let places = granted.iter().map(|one| one.seat.place).enumerate();
        let places: HashMap<usize, usize> = places.map(|(at, place)| (place, at)).collect();
        let mut loaded: Vec<_> = granted.iter().map(|_| None).collect();
        for (place, value) in found {
            match places.get(&place) {
                Some(at) => loaded[*at] = Some(value),
                None => counters.extra_keys.increment(),
            }
        }
        let loaded = loaded.into_iter();
        // What the loader has left out isn't there.
        loaded
            .map(|value| Ok(value.unwrap_or_else(Loaded::absent)))
            .collect()
    }
}

/// Without those early refreshes that somebody else has made needless meanwhile, which end here.
async fn still_due(scope: Scope<'_>, granted: Vec<Granted>, view: View) -> Vec<Granted> {
    let now = scope.shared.clock.now();
    let mut due = Vec::with_capacity(granted.len());
    for one in granted {
        let there = one.seat.there.as_ref().map(Entry::id);
        let newer = one
            .seen
            .as_ref()
            .filter(|seen| Some(seen.id()) != there && seen.head().is_current(view, now));
        let Some(entry) = newer.cloned() else {
            due.push(one);
            continue;
        };
        let Granted {
            seat,
            right,
            mut lease,
            ..
        } = one;
        if release(scope, right).await {
            lease.ended();
        }
        seat.leader.land(Ok(Landed {
            entry,
            source: Source::Tier,
            stale: false,
        }));
    }
    due
}

/// The loader's end, or that of the last who waited for it.
async fn race_abandoned<R>(
    loading: impl Future<Output = Ended<R>>,
    granted: &[Granted],
) -> Ended<R> {
    let Some(first) = granted.first() else {
        return loading.await;
    };
    let news = Arc::clone(first.seat.leader.news());
    let mut loading = pin!(loading);
    let mut abandoned = pin!(async {
        while !granted.iter().all(|one| one.seat.leader.is_abandoned()) {
            news.notified().await;
        }
    });
    poll_fn(|context| {
        if let Poll::Ready(ended) = loading.as_mut().poll(context) {
            return Poll::Ready(ended);
        }
        abandoned.as_mut().poll(context).map(|()| Ended::Abandoned)
    })
    .await
}
