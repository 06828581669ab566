//! Loads in progress: one per key and schema, joined by whoever asks meanwhile.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use larder_core::{
    Entry, EntryId, Error, ErrorKind, Key, KeyBuf, KeyHashBuilder, Operation, Pattern, Result,
    TagName,
};
use smallvec::SmallVec;
use tokio::sync::Notify;

use crate::load::{List, Policy, Source};
use crate::scope::EntryOptions;

const SHARDS: usize = 16;

/// What a flight ends with: an entry for everybody who waits, or the same error for all of them.
#[derive(Clone, Debug)]
pub(crate) struct Landed {
    pub(crate) entry: Entry,
    pub(crate) source: Source,
    /// Whether it stands in for what could not be loaded.
    pub(crate) stale: bool,
}

/// The loads in progress.
pub(crate) struct Flights {
    shards: Box<[Mutex<Shard>]>,
}

type Shard = HashMap<u64, List<Arc<Progress>>, KeyHashBuilder>;

/// One key's flight, as everybody sees it who has to do with it.
pub(crate) struct Progress {
    id: u64,
    key: KeyBuf,
    schema: u32,
    tagging: Tagging,
    stage: Mutex<Stage>,
    landed: OnceLock<Result<Landed>>,
    /// Tells the waiters that it has landed.
    ended: Notify,
    news: News,
}

/// The tags of what a flight loads, as far as they are known before.
#[derive(Debug)]
pub(crate) struct Tagging {
    tags: Vec<TagName>,
    /// Whether its loader may name others.
    names: bool,
}

impl Tagging {
    /// Of a load that asks for these, and whose loader may name others.
    pub(crate) fn of(options: &EntryOptions, names: bool) -> Self {
        let tags = options.tags.iter().map(|tag| tag.name.clone());
        Self {
            tags: tags.collect(),
            names,
        }
    }

    fn concerns(&self, tag: &TagName) -> bool {
        self.names || self.tags.contains(tag)
    }
}

/// Tells the task that its key has changed, or that nobody waits any more.
enum News {
    Own(Notify),
    /// Shared by the flights of one call.
    Shared(Arc<Notify>),
}

impl News {
    /// Wakes whoever waits, and keeps the news for one who doesn't yet. Several flights of one call may wait.
    fn tell(&self) {
        let notify = self.notify();
        notify.notify_waiters();
        notify.notify_one();
    }

    fn notify(&self) -> &Notify {
        match self {
            Self::Own(notify) => notify,
            Self::Shared(notify) => notify,
        }
    }
}

/// How far a load is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// Nothing has been read yet that could be older than an invalidation.
    Claiming,
    /// The loader runs, so an invalidation overtakes it.
    Loading,
    /// What is being loaded may be older than an invalidation.
    Overtaken,
    /// It is older than the invalidation of a tag, so that it could never be found: its lease is to end.
    Vain,
}

/// How a flight stands.
#[derive(Debug)]
struct Stage {
    phase: Phase,
    /// Whether the key was invalidated at any time since the flight began.
    invalidated: bool,
    /// What it is about to store itself.
    storing: Option<EntryId>,
    waiters: usize,
    /// Whether it is given up when nobody waits.
    abandonable: bool,
    abandoned: bool,
}

/// Flights have numbers of their own in the whole process: one may wait for another cache's.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// How [`Flights::board`] answers.
pub(crate) enum Boarding {
    /// Somebody else is loading: wait for them.
    Joined(Waiting),
    /// This caller leads: run the load and land.
    Leading(Leader, Waiting),
    /// Too many wait already.
    Full,
}

/// A place among those who wait for a flight. Given up by dropping it.
pub(crate) struct Waiting {
    flights: Arc<Flights>,
    progress: Arc<Progress>,
}

/// The right and the duty to end a flight. Dropped without landing (a panic, a runtime that shuts
/// down), the flight leaves the table and everybody who waits gets an error.
pub(crate) struct Leader {
    flights: Arc<Flights>,
    progress: Arc<Progress>,
}

/// A flight of a call for many keys, with its place in the call.
pub(crate) struct Seat {
    pub(crate) place: usize,
    pub(crate) leader: Leader,
    /// What its callers have got already, if it is refreshed behind them.
    pub(crate) there: Option<Entry>,
    /// What its caller has found all the same, if it is stale.
    pub(crate) stale: Option<Entry>,
}

impl Waiting {
    /// Waits for the flight's end.
    ///
    /// Cancel safe: the flight goes on without this caller.
    pub(crate) async fn landed(&self) -> Result<Landed> {
        loop {
            let ended = self.progress.ended.notified();
            if let Some(landed) = self.now() {
                return landed;
            }
            ended.await;
        }
    }

    /// The flight's end, if it has come.
    pub(crate) fn now(&self) -> Option<Result<Landed>> {
        self.progress.landed.get().cloned()
    }

    /// Whether the key was invalidated since the flight began, before or after its loader.
    pub(crate) fn is_overtaken(&self) -> bool {
        self.progress.stage().invalidated
    }

    /// Leaves a load that is to go on behind this caller.
    pub(crate) fn leave_behind(self) {
        self.progress.stage().abandonable = false;
    }

    pub(crate) fn flight(&self) -> u64 {
        self.progress.id
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let progress = &self.progress;
        let is_last = {
            let mut stage = progress.stage();
            stage.waiters -= 1;
            stage.waiters == 0 && stage.abandonable
        };
        if is_last && progress.landed.get().is_none() {
            self.flights.abandon(progress);
        }
    }
}

impl Leader {
    pub(crate) fn key(&self) -> Key<'_> {
        self.progress.key.as_key()
    }

    pub(crate) fn name(&self) -> &KeyBuf {
        &self.progress.key
    }

    pub(crate) fn flight(&self) -> u64 {
        self.progress.id
    }

    /// From now on an invalidation overtakes the flight. Before that it only makes its claim anew, because nothing has
    /// been read yet that could be older.
    pub(crate) fn loads(&self) {
        let mut stage = self.progress.stage();
        if stage.phase == Phase::Claiming {
            stage.phase = Phase::Loading;
        }
    }

    /// The flight is about to store this entry: the news of it is no invalidation.
    pub(crate) fn stores(&self, id: EntryId) {
        self.progress.stage().storing = Some(id);
    }

    /// Whether the key was invalidated since the flight began, before or after its loader.
    pub(crate) fn is_overtaken(&self) -> bool {
        self.progress.stage().invalidated
    }

    /// Whether the key was invalidated since the loader began.
    pub(crate) fn is_detached(&self) -> bool {
        matches!(self.progress.stage().phase, Phase::Overtaken | Phase::Vain)
    }

    /// Whether its lease is to end before its loader does; once.
    pub(crate) fn take_vain(&self) -> bool {
        let mut stage = self.progress.stage();
        let is_vain = stage.phase == Phase::Vain;
        if is_vain {
            stage.phase = Phase::Overtaken;
        }
        is_vain
    }

    /// Whether nobody waits any more and nobody is to.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.progress.stage().abandoned
    }

    /// What the task waits for beside its work.
    pub(crate) fn news(&self) -> &Notify {
        self.progress.news.notify()
    }

    /// Ends the flight for everybody who waits.
    pub(crate) fn land(self, outcome: Result<Landed>) {
        self.end(outcome);
    }

    fn end(&self, outcome: Result<Landed>) {
        // Leaves the table first, so that whoever comes now sees the stored entry or leads anew.
        self.flights.remove(&self.progress);
        if self.progress.landed.set(outcome).is_ok() {
            self.progress.ended.notify_waiters();
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if self.progress.landed.get().is_none() {
            let error = Error::new(
                ErrorKind::LoadCancelled,
                "the load was dropped before it ended: its cache or its runtime has gone",
            );
            self.end(Err(error.with_operation(Operation::Load)));
        }
    }
}

impl Progress {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is(&self, key: &Key<'_>, schema: u32) -> bool {
        self.schema == schema && self.key.is(key)
    }

    /// The invalidation of a tag, after which what a running loader answers can't be found: nobody is to wait for its
    /// lease. Answers whether it stays in the table.
    fn in_vain(&self) -> bool {
        let stays = self.invalidated(None);
        if !stays {
            self.stage().phase = Phase::Vain;
            self.news.tell();
        }
        stays
    }

    /// An invalidation: overtakes a loader that runs, and has any other flight ask again. Answers whether it stays
    /// in the table.
    fn invalidated(&self, id: Option<EntryId>) -> bool {
        let mut stage = self.stage();
        if id.is_some() && stage.storing == id {
            return true;
        }
        stage.invalidated = true;
        if stage.phase != Phase::Claiming {
            stage.phase = Phase::Overtaken;
            return false;
        }
        drop(stage);
        self.news.tell();
        true
    }
}

impl Default for Flights {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }
}

impl Flights {
    /// Joins the flight of a key, or leads one.
    pub(crate) fn board(
        self: &Arc<Self>,
        key: &Key<'_>,
        schema: u32,
        policy: &Policy,
        news: Option<&Arc<Notify>>,
        tagging: impl FnOnce() -> Tagging,
    ) -> Boarding {
        let mut shard = self.shard(key);
        let flying = shard.entry(key.hash64()).or_default();
        if let Some(progress) = flying.iter().find(|progress| progress.is(key, schema)) {
            let mut stage = progress.stage();
            if stage.waiters >= policy.max_waiters {
                return Boarding::Full;
            }
            stage.waiters += 1;
            drop(stage);
            return Boarding::Joined(Waiting {
                flights: Arc::clone(self),
                progress: Arc::clone(progress),
            });
        }
        let progress = Arc::new(Progress {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            key: key.to_buf(),
            schema,
            tagging: tagging(),
            stage: Mutex::new(Stage {
                phase: Phase::Claiming,
                invalidated: false,
                storing: None,
                waiters: 1,
                abandonable: policy.cancel,
                abandoned: false,
            }),
            landed: OnceLock::new(),
            ended: Notify::new(),
            news: news.map_or_else(
                || News::Own(Notify::new()),
                |shared| News::Shared(Arc::clone(shared)),
            ),
        });
        flying.push(Arc::clone(&progress));
        drop(shard);
        let leader = Leader {
            flights: Arc::clone(self),
            progress: Arc::clone(&progress),
        };
        let waiting = Waiting {
            flights: Arc::clone(self),
            progress,
        };
        Boarding::Leading(leader, waiting)
    }

    /// A key was invalidated: a flight whose loader runs leaves the table, so that whoever waits keeps waiting,
    /// whoever comes leads a new one, and what is being loaded isn't stored without a lease that still stands (R6). One
    /// that has not begun asks again. `id` is that of the entry which is there now, if it is known.
    pub(crate) fn detach(&self, key: &Key<'_>, id: Option<EntryId>) {
        let mut shard = self.shard(key);
        if let Some(flying) = shard.get_mut(&key.hash64()) {
            flying.retain(|progress| !progress.key.is(key) || progress.invalidated(id));
            if flying.is_empty() {
                shard.remove(&key.hash64());
            }
        }
    }

    /// Detaches the flights of the keys that match; answers the keys, so that their leases can be ended.
    pub(crate) fn detach_matching(&self, pattern: &Pattern) -> Vec<KeyBuf> {
        let mut matching = Vec::new();
        for shard in &self.shards {
            let flying = lock(shard);
            let keys = flying.values().flatten().map(|progress| &progress.key);
            matching.extend(keys.filter(|key| pattern.matches(key.text())).cloned());
        }
        for key in &matching {
            self.detach(&key.as_key(), None);
        }
        matching
    }

    /// A tag was invalidated: detaches the flights whose entries have it, or may have it (R6).
    pub(crate) fn detach_tagged(&self, tag: &TagName) {
        for shard in &self.shards {
            lock(shard).retain(|_, flying| {
                flying.retain(|progress| !progress.tagging.concerns(tag) || progress.in_vain());
                !flying.is_empty()
            });
        }
    }

    /// Detaches every flight.
    pub(crate) fn detach_all(&self) {
        for shard in &self.shards {
            lock(shard).retain(|_, flying| {
                flying.retain(|progress| progress.invalidated(None));
                !flying.is_empty()
            });
        }
    }

    /// Whether a key is being loaded.
    pub(crate) fn is_flying(&self, key: &Key<'_>, schema: u32) -> bool {
        let shard = self.shard(key);
        let flying = shard.get(&key.hash64()).into_iter().flatten();
        flying.into_iter().any(|progress| progress.is(key, schema))
    }

    /// Flights in the table.
    pub(crate) fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| lock(shard).values().map(SmallVec::len).sum::<usize>())
            .sum()
    }

    /// Nobody waits: unless somebody has come in the meantime, the flight is given up.
    fn abandon(&self, progress: &Arc<Progress>) {
        let mut shard = self.shard(&progress.key.as_key());
        {
            // Whoever boards holds the shard, so nobody does now.
            let mut stage = progress.stage();
            if stage.waiters > 0 || !stage.abandonable {
                return;
            }
            stage.abandoned = true;
        }
        leave(&mut shard, progress);
        drop(shard);
        progress.news.tell();
    }

    fn remove(&self, progress: &Progress) {
        leave(&mut self.shard(&progress.key.as_key()), progress);
    }

    fn shard(&self, key: &Key<'_>) -> MutexGuard<'_, Shard> {
        lock(&self.shards[(key.hash64() >> 40) as usize % SHARDS])
    }
}

fn leave(shard: &mut Shard, progress: &Progress) {
    let hash = progress.key.hash64();
    if let Some(flying) = shard.get_mut(&hash) {
        flying.retain(|other| other.id != progress.id);
        if flying.is_empty() {
            shard.remove(&hash);
        }
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
