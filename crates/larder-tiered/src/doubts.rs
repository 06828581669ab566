//! What a middle tier may be wrong about: keys whose change it has not been told yet, and everything
//! that came there while changes may have been missed.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use larder_core::{
    Backend, BatchOperation, Change, Changes, Clock, Key, KeyBuf, KeyHashBuilder, Lifetime,
    Observer, Store, Timestamp, WriteOptions,
};
use tokio::sync::Notify;

/// How long a read may take from its lease on the middle tier to its fill: until then a copy may be as
/// old as its lease. Also what clocks of machines that share a store may differ by.
pub(crate) const LEASE: Duration = Duration::from_secs(5);

/// How many keys are remembered one by one; beyond that everything is doubted.
const MAX_KEYS: usize = 4_096;

/// How many keys a middle tier is told of in one call.
const TOLD_AT_ONCE: usize = 128;

/// The doubts about one middle tier. It hears of the changes behind it, and passes them on when reads
/// heed them.
pub(crate) struct Doubts {
    clock: Arc<dyn Clock>,
    max_ttl: Duration,
    state: Mutex<State>,
    /// There is a key to tell the tier of.
    wake: Notify,
    pub(crate) changes: Changes,
}

struct State {
    keys: HashMap<KeyBuf, Doubt, KeyHashBuilder>,
    marks: u64,
    /// Copies of what was read before this time are not believed.
    since: Timestamp,
    linked: bool,
}

/// A key whose copy may be outdated, or become so.
struct Doubt {
    /// Grows with every change, so that news which comes while the tier is being told is told too.
    mark: u64,
    /// Own writes that have begun and will tell the tier themselves.
    writers: u32,
}

impl Doubts {
    pub(crate) fn new(clock: Arc<dyn Clock>, max_ttl: Duration) -> Self {
        // A tier may hold copies from an earlier life, whose changes nobody has heard.
        let since = clock.now();
        Self {
            clock,
            max_ttl,
            state: Mutex::new(State {
                keys: HashMap::default(),
                marks: 0,
                since,
                linked: true,
            }),
            wake: Notify::new(),
            changes: Changes::new(),
        }
    }

    /// Hears of the far tier's changes from now on, if it tells any.
    pub(crate) fn follow(self: &Arc<Self>, far: &Store) {
        let Some(changes) = far.watch() else { return };
        let doubts: std::sync::Weak<Self> = Arc::downgrade(self);
        changes.subscribe(doubts);
        // Under the lock: a link that is lost meanwhile is heard of afterwards and not overwritten.
        let mut state = self.state();
        state.linked = changes.is_linked();
        if !state.linked {
            self.changes.publish(&Change::LinkDown);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the tier may be asked for a key, or be given a copy. If not, it is told again.
    pub(crate) fn allow(&self, key: &Key<'_>) -> bool {
        let state = self.state();
        if state.keys.is_empty() {
            return state.linked;
        }
        let doubt = state.keys.get(&key.to_buf());
        if doubt.is_some_and(|doubt| doubt.writers == 0) {
            self.wake.notify_one();
        }
        doubt.is_none() && state.linked
    }

    /// Whether a copy was read after everything was doubted last. It says so itself: it was made since, or
    /// it lives longer than a copy from before could, which is cut to `max_ttl` when it is made.
    pub(crate) fn vouch(&self, copy: Lifetime) -> bool {
        let since = self.state().since.saturating_add(LEASE);
        copy.created > since || copy.expires_at > since.saturating_add(self.max_ttl)
    }

    /// Begins an own write, whose tellings end the doubt.
    pub(crate) fn begin(&self, key: &Key<'_>) -> Telling<'_> {
        let key = key.to_buf();
        let mut state = self.state();
        let marked = state.mark(&key, |doubt| doubt.writers += 1);
        Telling {
            doubts: self,
            key,
            marked,
            sent: 0,
            told: false,
        }
    }

    /// A key has changed behind the tier.
    fn heard(&self, key: &Key<'_>) {
        let mut state = self.state();
        // Where somebody is writing it, the tier is told after that write, which is after this.
        let mut waits = true;
        if !state.mark(&key.to_buf(), |doubt| waits = doubt.writers == 0) {
            state.doubt_all(self.clock.now());
        } else if waits {
            self.wake.notify_one();
        }
    }

    /// Tells the tier of what it has not been told, as long as that works. Each call may wait until `deadline`.
    pub(crate) async fn tell(&self, middle: &Store, deadline: Timestamp) {
        loop {
            let waiting = self.waiting();
            if waiting.is_empty() {
                return;
            }
            let invalidations = waiting
                .iter()
                .map(|(key, _)| BatchOperation::Invalidate(key.as_key()));
            let options = WriteOptions::default().with_deadline(deadline);
            let replies = middle.batch(invalidations.collect(), &options).await;
            let mut state = self.state();
            let mut all = replies.len() == waiting.len();
            for ((key, sent), reply) in waiting.iter().zip(&replies) {
                all &= reply.is_ok();
                if reply.is_ok() {
                    state.settle(key, *sent);
                }
            }
            if !all {
                // Again when one of the keys is next asked for.
                return;
            }
        }
    }

    /// Tells the tier whenever there is something to tell.
    pub(crate) async fn keep_telling(self: Arc<Self>, middle: Store) {
        loop {
            self.wake.notified().await;
            let deadline = self.clock.now().saturating_add(LEASE);
            self.tell(&middle, deadline).await;
        }
    }

    fn waiting(&self) -> Vec<(KeyBuf, u64)> {
        let state = self.state();
        let waiting = state.keys.iter().filter(|(_, doubt)| doubt.writers == 0);
        waiting
            .map(|(key, doubt)| (key.clone(), doubt.mark))
            .take(TOLD_AT_ONCE)
            .collect()
    }

    /// How many keys the tier has not been told of.
    pub(crate) fn count(&self) -> u64 {
        self.state().keys.len() as u64
    }
}

impl State {
    /// Marks a key anew; answers whether there was room.
    fn mark(&mut self, key: &KeyBuf, change: impl FnOnce(&mut Doubt)) -> bool {
        self.marks += 1;
        let mark = self.marks;
        if let Some(doubt) = self.keys.get_mut(key) {
            doubt.mark = mark;
            change(doubt);
            return true;
        }
        if self.keys.len() >= MAX_KEYS {
            return false;
        }
        let mut doubt = Doubt { mark, writers: 0 };
        change(&mut doubt);
        self.keys.insert(key.clone(), doubt);
        true
    }

    /// The tier was told after a key had this mark.
    fn settle(&mut self, key: &KeyBuf, sent: u64) {
        let settled = |doubt: &Doubt| doubt.writers == 0 && doubt.mark == sent;
        if self.keys.get(key).is_some_and(settled) {
            self.keys.remove(key);
        }
    }

    /// Believes nothing from before. What single keys were doubted for is in that, but for writes that
    /// may not have been done yet.
    fn doubt_all(&mut self, now: Timestamp) {
        self.since = now;
        self.keys.retain(|_, doubt| doubt.writers > 0);
    }
}

impl Observer for Doubts {
    fn changed(&self, change: &Change<'_>) {
        match change {
            // What came before a grant may have been told to nobody (P2).
            Change::Key(key, _) | Change::Leased(key) => self.heard(key),
            // Entries carry the versions they were made under, and are judged above.
            Change::Marker(_) => {}
            Change::LinkDown => self.state().linked = false,
            Change::LinkUp => {
                let mut state = self.state();
                state.doubt_all(self.clock.now());
                state.linked = true;
            }
            _ => self.state().doubt_all(self.clock.now()),
        }
        self.changes.publish(change);
    }
}

impl fmt::Debug for Doubts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Doubts")
            .field("keys", &state.keys.len())
            .field("since", &state.since)
            .field("linked", &state.linked)
            .finish_non_exhaustive()
    }
}

/// An own write of which the tier is told when it is done. Dropped before, with its caller or because the
/// tier could not be told, it leaves the doubt.
pub(crate) struct Telling<'a> {
    doubts: &'a Doubts,
    key: KeyBuf,
    /// Whether there was room to remember the key.
    marked: bool,
    sent: u64,
    told: bool,
}

impl Telling<'_> {
    pub(crate) fn key(&self) -> Key<'_> {
        self.key.as_key()
    }

    /// The write has been done, or has failed, and the tier is about to be told.
    pub(crate) fn send(&mut self) {
        let state = self.doubts.state();
        self.sent = state.keys.get(&self.key).map_or(0, |doubt| doubt.mark);
    }

    /// The tier has been told.
    pub(crate) fn told(mut self) {
        self.told = true;
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        let mut state = self.doubts.state();
        if self.marked {
            if let Some(doubt) = state.keys.get_mut(&self.key) {
                doubt.writers -= 1;
            }
        } else if !self.told {
            state.doubt_all(self.doubts.clock.now());
        }
        if self.told {
            state.settle(&self.key, self.sent);
        }
        // Something is left if this was not told, or if another change came while it was.
        if !state.keys.is_empty() {
            self.doubts.wake.notify_one();
        }
    }
}
