//! Loads, from their claim to their landing, in a task of their own. One key's load is a call for many keys that has
//! one.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use larder_core::{
    Backend, Clock, Entry, Key, LeaseMode, Operation, Result, Timestamp, ValueType, View,
    WriteOptions,
};
use tracing::Instrument;

use crate::load::budget::Permit;
use crate::load::claim::{Claim, Right, claim};
use crate::load::cycle;
use crate::load::landing::{Granted, judge, land, release};
use crate::load::lease_end::LeaseEnd;
use crate::load::{
    Ended, Landed, Leader, List, LoadContext, Loaded, Origin, Places, Policy, Seat, Source, Wanted,
    guarded,
};
use crate::race::race;
use crate::scope::{EntryOptions, Scope};
use crate::shared::Shared;
use crate::spec::Spec;
use crate::stamps::Stamps;

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
    pub(crate) seats: List<Seat>,
    pub(crate) origin: Arc<O>,
    pub(crate) options: EntryOptions,
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
    granted: List<Granted>,
    held: List<Seat>,
    view: View,
    /// When the last of the other leases ends at the latest.
    longest: Duration,
}

impl<T: Send + Sync + 'static, O: Origin<T>> Flight<T, O> {
    /// A flight of these seats, by the defaults.
    pub(crate) fn new(
        scope: Scope<'_>,
        origin: Arc<O>,
        seats: List<Seat>,
        policy: Policy,
        purpose: Purpose,
    ) -> Self {
        Self {
            shared: Arc::downgrade(scope.shared),
            spec: Arc::clone(scope.spec),
            value_type: scope.value_type,
            seats,
            origin,
            options: EntryOptions::default(),
            policy,
            purpose,
            memory_only: false,
            permit: None,
            of: PhantomData,
        }
    }

    pub(crate) fn boxed(mut self) -> Boxed {
        Box::pin(async move {
            if let Some((mut granted, view)) = self.admitted().await {
                self.load(&mut granted, view).await;
            }
        })
    }

    /// Waits for the right to load some of its keys.
    async fn admitted(&mut self) -> Option<(List<Granted>, View)> {
        let mut pause = None;
        loop {
            let shared = self.shared.upgrade()?;
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
                return Some((granted, view));
            }
            let seat = self.seats.first()?;
            let clock = Arc::clone(&shared.clock);
            let (first, most) = if shared.capability.watch {
                SAFETY_NET
            } else {
                POLL
            };
            drop(shared);
            let news = seat.leader.news();
            if self.seats.iter().all(|seat| seat.leader.is_abandoned()) {
                return None;
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
            options: self.options.clone(),
            policy: self.policy.clone(),
            purpose: self.purpose,
            memory_only: self.memory_only,
            permit: self.permit.clone(),
            of: PhantomData,
        }
    }

    pub(crate) fn scope<'a>(&'a self, shared: &'a Arc<Shared>) -> Scope<'a> {
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
            let keys: List<Key<'_>> = seats.iter().map(|seat| seat.leader.key()).collect();
            let scope = self.scope(shared);
            let tags = &self.options.tags;
            claim(scope, &keys, mode, self.memory_only, &self.policy, tags).await
        };
        let mut claimed = Claimed {
            granted: List::new(),
            held: List::new(),
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
                        Right::Unleased | Right::Filled => (None, seen),
                        // Nothing was looked up with it: what the caller has found has to do.
                        Right::MemoryOnly => (None, seen.or_else(|| seat.stale.clone())),
                    };
                    claimed.granted.push(Granted {
                        lease: LeaseEnd::new(&shared.store, lease),
                        seat,
                        right,
                        seen,
                        stamps: None,
                    });
                }
            }
        }
        let needs_stamps = |one: &Granted| !matches!(one.right, Right::Lease(_));
        if !self.options.tags.is_empty() && claimed.granted.iter().any(needs_stamps) {
            Box::pin(self.stamp(shared, &mut claimed.granted)).await;
        }
        claimed
    }

    /// Takes the versions of the tags where no lease keeps them: before the load, as ever. Where they can't be had, what is
    /// loaded is returned and not stored.
    async fn stamp(&self, shared: &Shared, granted: &mut [Granted]) {
        let names: Vec<_> = self
            .options
            .tags
            .iter()
            .map(|tag| tag.name.clone())
            .collect();
        match Stamps::take(shared, &names).await {
            Ok(stamps) => {
                let stamps = Arc::new(stamps);
                for one in granted {
                    one.stamps = Some(Arc::clone(&stamps));
                }
            }
            Err(error) => shared.counters.error(Operation::Markers, error.kind()),
        }
    }

    /// Runs the loader, and lands.
    async fn load(&self, granted: &mut List<Granted>, view: View) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        if self.purpose == Purpose::Early {
            Box::pin(still_due(self.scope(&shared), granted, view)).await;
            if granted.is_empty() {
                return;
            }
        }
        if self.permit.is_some() {
            shared.counters.refreshes.increment();
        }
        // By their places, because by these the results are told apart.
        granted.sort_unstable_by_key(|one| one.seat.place);
        let wanted = granted.iter().map(|one| {
            one.seat.leader.loads();
            Wanted {
                place: one.seat.place,
                context: LoadContext::of(self.scope(&shared), one.seen.as_ref(), view),
            }
        });
        let (wanted, clock) = (wanted.collect(), Arc::clone(&shared.clock));
        let span = tracing::debug_span!("larder.load", cache = shared.namespace.as_str());
        // The cache may go while the loader runs.
        drop(shared);
        let started = clock.now();
        let ended = self
            .call(wanted, granted, &*clock, started)
            .instrument(span);
        let ended = ended.await;
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let took = clock.now().saturating_since(started);
        shared.counters.loaded(took);
        let loaded = self.sorted(&shared, ended, granted);
        let scope = self.scope(&shared);
        let judged = granted.iter().zip(loaded);
        let judged = judged.map(|(one, loaded)| judge(self, scope, one, loaded, took, view));
        let verdicts = judged.collect();
        land(self, shared, granted, verdicts, view).await;
    }

    /// Calls the loader; it may panic, and it may hang.
    async fn call(
        &self,
        wanted: List<Wanted<T>>,
        granted: &[Granted],
        clock: &dyn Clock,
        started: Timestamp,
    ) -> Ended<Result<Places<T>>> {
        let leaders = granted.iter().map(|one| &one.seat.leader);
        let flights = leaders.map(|leader| (leader.flight(), leader.name().clone()));
        let loading = async { self.origin.load(wanted).await };
        // Handed on by reference: a future that takes another one by value has room for it twice.
        let loading = pin!(cycle::within(flights.collect(), loading));
        let deadline = || clock.sleep_until(started.saturating_add(self.policy.timeout));
        let guarded = pin!(guarded(loading, deadline));
        self.attended(guarded, granted).await
    }

    /// The loader's end, or that of the last who waited for it. Leases that are good for nothing end meanwhile.
    async fn attended<R>(
        &self,
        mut loading: Pin<&mut impl Future<Output = Ended<R>>>,
        granted: &[Granted],
    ) -> Ended<R> {
        let Some(first) = granted.first() else {
            return loading.await;
        };
        let news = first.seat.leader.news();
        let mut abandoned = pin!(async {
            loop {
                news.notified().await;
                let leaders = || granted.iter().map(|one| &one.seat.leader);
                if self.policy.cancel && leaders().all(Leader::is_abandoned) {
                    return;
                }
                self.end_leases(granted);
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

    /// Ends the leases of loads whose tags were invalidated, so that whoever comes now needn't wait for them.
    fn end_leases(&self, granted: &[Granted]) {
        let vain = granted.iter().filter(|one| one.seat.leader.take_vain());
        let tokens: Vec<_> = vain.filter_map(Granted::lease_again).collect();
        if let Some(shared) = self.shared.upgrade().filter(|_| !tokens.is_empty()) {
            let store = shared.store.clone();
            // Not awaited here: the loader goes on meanwhile. Should it fail, the lease ends by its time.
            let _ = shared.tasks.spawn(async move {
                let _ = store.release(tokens, &WriteOptions::default()).await;
            });
        }
    }

    /// What the loader returned, in the order of the keys that were asked for.
    fn sorted(
        &self,
        shared: &Shared,
        ended: Ended<Result<Places<T>>>,
        granted: &[Granted],
    ) -> List<Result<Loaded<T>>> {
        let counters = &shared.counters;
        let found = match ended.result(counters, self.policy.timeout, granted.len()) {
            Ok(found) => found,
            Err(error) => return granted.iter().map(|_| Err(error.clone())).collect(),
        };
        // What the loader leaves out isn't there.
        let mut loaded: List<_> = granted.iter().map(|_| Ok(Loaded::absent())).collect();
        for (place, value) in found {
            match granted.binary_search_by_key(&place, |one| one.seat.place) {
                Ok(at) => loaded[at] = Ok(value),
                Err(_) => counters.extra_keys.increment(),
            }
        }
        loaded
    }
}

/// Without those early refreshes that somebody else has made needless meanwhile, which end here.
async fn still_due(scope: Scope<'_>, granted: &mut List<Granted>, view: View) {
    let now = scope.shared.clock.now();
    for one in std::mem::take(granted) {
        let there = one.seat.there.as_ref().map(Entry::id);
        let newer = one
            .seen
            .as_ref()
            .filter(|seen| Some(seen.id()) != there && seen.head().is_current(view, now));
        let Some(entry) = newer.cloned() else {
            granted.push(one);
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
}
