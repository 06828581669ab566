//! The nearest tier behind its fences: what may enter it, and what makes it forget.
//!
//! The rules that comments name (R1, U9, 1.3.4) are those of the protocol on the crate's front page.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, Weak};
use std::time::Duration;

use larder_core::{
    Backend, Change, Changes, Clock, Entry, EntryId, EntryKind, Key, KeyBuf, Lifetime, Marker,
    Namespace, Observer, Peek, Result, Store, Tally, Timestamp,
};

use crate::fence::{Fences, Sample, Stripe};

/// The nearest tier. It holds nothing that the far tier doesn't, as far as it has been told.
pub(crate) struct Near {
    pub(crate) store: Store,
    namespace: Namespace,
    generation: Marker,
    clock: Arc<dyn Clock>,
    max_ttl: Option<Duration>,
    fences: Fences,
    /// Whether every change is heard of. Read without a lock; given with all stripes locked, and taken away with any.
    trusted: AtomicBool,
    changes: Changes,
    /// Look-ups that had to go further, each once: the store counts a facade's peek and the look-up that
    /// follows it.
    pub(crate) misses: Tally,
}

impl Near {
    pub(crate) fn new(
        store: Store,
        namespace: &Namespace,
        clock: Arc<dyn Clock>,
        max_ttl: Option<Duration>,
    ) -> Self {
        Self {
            store,
            generation: Marker::generation(namespace),
            namespace: namespace.clone(),
            clock,
            max_ttl,
            fences: Fences::new(),
            trusted: AtomicBool::new(false),
            changes: Changes::new(),
            misses: Tally::new(),
        }
    }

    /// Hears of the far tier's changes from now on, if it tells any, and begins to trust: empty, because
    /// nobody knows what has become of what is here from before.
    pub(crate) fn follow(self: &Arc<Self>, far: &Store) {
        let changes = far.watch();
        if let Some(changes) = changes {
            let near: Weak<Self> = Arc::downgrade(self);
            changes.subscribe(near);
        }
        let _all = self.fences.lock_all();
        // Asked for after subscribing and under all locks, so that a link that is lost meanwhile is heard of
        // afterwards and not overwritten. Where nothing is told there is no link to lose.
        let linked = changes.is_none_or(Changes::is_linked);
        let emptied = self.store.forget_all_now(&self.namespace).is_ok();
        self.trusted.store(linked && emptied, Ordering::Release);
        if !linked {
            self.changes.publish(&Change::LinkDown);
        }
    }

    /// Where to subscribe to what has been applied here.
    pub(crate) fn changes(&self) -> &Changes {
        &self.changes
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.recent()
    }

    #[inline]
    pub(crate) fn is_trusted(&self) -> bool {
        self.trusted.load(Ordering::Acquire)
    }

    /// Another namespace's entries are never kept: they would outlive [`Change::LinkUp`].
    #[inline]
    fn is_ours(&self, key: &Key<'_>) -> bool {
        *key.namespace() == self.namespace
    }

    /// Whether look-ups may be answered from here (1.1.1).
    #[inline]
    pub(crate) fn serves(&self, key: &Key<'_>) -> bool {
        self.is_trusted() && self.is_ours(key)
    }

    /// The entry under a key, if it may be served. A stale one may not: it must not hide what has
    /// replaced it further on.
    #[inline]
    pub(crate) fn fresh(&self, key: &Key<'_>, now: Timestamp) -> Option<Entry> {
        if !self.serves(key) {
            return None;
        }
        match self.store.peek(key, now) {
            Peek::Hit(entry) if entry.head().lifetime().is_fresh(now) => Some(entry),
            Peek::Hit(_) | Peek::Miss | Peek::Pending => None,
        }
    }

    /// The fence's epoch, to be sampled before the far tier is asked (U1).
    pub(crate) fn sample(&self, key: &Key<'_>) -> Sample {
        self.fences.lock(key).sample()
    }

    /// Inserts what the far tier answered, if the fence has stood since the sample. Answers the very
    /// object that is kept, so that whoever decodes it decodes it for all.
    pub(crate) fn promote(&self, key: &Key<'_>, sample: Sample, entry: Entry) -> Entry {
        // Compare and insert are one step under the stripe's lock (R2, U2, U3).
        let stripe = self.fences.lock(key);
        if !stripe.stood_since(sample) {
            return entry;
        }
        match self.kept(key, &entry) {
            Some(kept) => {
                self.put(&stripe, key, kept.clone());
                kept
            }
            None => entry,
        }
    }

    /// Begins a write: moves the fence, so that samples from before it are void, and samples it
    /// (1.3.1, 1.4.1). `id` is that of the entry which is being written, if it may be kept.
    pub(crate) fn begin(&self, key: &Key<'_>, id: Option<EntryId>) -> Writing<'_> {
        let mut stripe = self.fences.lock(key);
        stripe.move_on();
        self.writing(&mut stripe, key, id)
    }

    /// Begins a fill, whose fence is sampled before it is sent and not moved (1.2.7).
    pub(crate) fn begin_fill(&self, key: &Key<'_>, id: EntryId) -> Writing<'_> {
        let mut stripe = self.fences.lock(key);
        self.writing(&mut stripe, key, Some(id))
    }

    fn writing(&self, stripe: &mut Stripe, key: &Key<'_>, id: Option<EntryId>) -> Writing<'_> {
        if let Some(id) = id {
            stripe.expect(key, id);
        }
        Writing {
            near: self,
            key: key.to_buf(),
            id,
            sample: stripe.sample(),
            settled: false,
        }
    }

    /// Moves the fence first and forgets second, under the key's lock (R2, U5).
    pub(crate) fn forget(&self, key: &Key<'_>) {
        let mut stripe = self.fences.lock(key);
        stripe.move_on();
        self.remove(&stripe, key);
    }

    /// Keeps an entry here alone, whatever is further on.
    pub(crate) fn keep(&self, key: &Key<'_>, entry: &Entry) {
        let mut stripe = self.fences.lock(key);
        stripe.move_on();
        match self.kept(key, entry) {
            Some(kept) => self.put(&stripe, key, kept),
            None => self.remove(&stripe, key),
        }
    }

    /// The entry as it is kept here, if it is: fresh, not a lease's placeholder, of this namespace, while
    /// changes are heard of (1.1.5, 1.7.2), and for no longer than this tier's limit (C5). It keeps its age.
    fn kept(&self, key: &Key<'_>, entry: &Entry) -> Option<Entry> {
        let (head, now) = (entry.head(), self.now());
        let lifetime = head.lifetime();
        if !self.serves(key) || !lifetime.is_fresh(now) || head.kind() == EntryKind::Placeholder {
            return None;
        }
        let cut = cut(lifetime, now, self.max_ttl);
        Some(if cut == lifetime {
            entry.clone()
        } else {
            entry.clone().with_lifetime(cut)
        })
    }

    /// The guard shows that the key's stripe is locked.
    fn put(&self, stripe: &MutexGuard<'_, Stripe>, key: &Key<'_>, entry: Entry) {
        if self.store.put_now(key, entry).is_err() {
            self.remove(stripe, key);
        }
    }

    fn remove(&self, _: &MutexGuard<'_, Stripe>, key: &Key<'_>) {
        if self.store.forget_now(key).is_err() {
            // What can't be forgotten must not be served.
            self.trusted.store(false, Ordering::Release);
        }
    }

    /// Handles the news of a changed key (1.6).
    fn told(&self, key: &Key<'_>, id: Option<EntryId>) {
        let mut stripe = self.fences.lock(key);
        // The news of an own write under way doesn't void that write's sample: the handler of its reply
        // decides what is kept (1.3.4). Anybody else's moves the fence first (R2, U5, U12).
        if !id.is_some_and(|id| stripe.take_pending(key, id)) {
            stripe.move_on();
        }
        self.remove(&stripe, key);
    }

    /// Moves all fences and forgets everything, in one step; `trust` is what holds from then on.
    fn empty(&self, trust: impl FnOnce(bool) -> bool) {
        let mut all = self.fences.lock_all();
        move_all(&mut all);
        let emptied = self.store.forget_all_now(&self.namespace).is_ok();
        let trusted = emptied && trust(self.is_trusted());
        self.trusted.store(trusted, Ordering::Release);
    }

    /// Nothing is served, and nothing is inserted, from this step on (1.7.2).
    fn distrust(&self) {
        let mut all = self.fences.lock_all();
        self.trusted.store(false, Ordering::Release);
        // What was asked for before must not enter when the link is back (U47).
        move_all(&mut all);
    }
}

fn move_all(all: &mut [MutexGuard<'_, Stripe>]) {
    for stripe in all {
        stripe.move_on();
    }
}

/// A lifetime that ends at most `max_ttl` from now.
pub(crate) fn cut(lifetime: Lifetime, now: Timestamp, max_ttl: Option<Duration>) -> Lifetime {
    let Some(max_ttl) = max_ttl else {
        return lifetime;
    };
    let end = now.saturating_add(max_ttl);
    Lifetime {
        created: lifetime.created,
        fresh_until: lifetime.fresh_until.min(end),
        expires_at: lifetime.expires_at.min(end),
    }
}

impl Observer for Near {
    fn changed(&self, change: &Change<'_>) {
        match change {
            Change::Key(key, id) => self.told(key, *id),
            // A grant is an own plain write: the store may have told nobody what came before it (P2, H1).
            Change::Leased(key) => self.forget(key),
            // Whatever is here carries the version from before, and what is on its way perhaps too.
            Change::Marker(marker) if **marker == self.generation => self.empty(|trusted| trusted),
            // Tags are judged above.
            Change::Marker(_) => {}
            Change::LinkDown => self.distrust(),
            // Fences, entries and trust in one step (1.7.3, U47, U48).
            Change::LinkUp => self.empty(|_| true),
            // Also what this version of the crate doesn't know.
            _ => self.empty(|trusted| trusted),
        }
        // Passed on when it has been applied, so that whoever hears of it here reads nothing older.
        self.changes.publish(change);
    }
}

impl fmt::Debug for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Near")
            .field("store", &self.store)
            .field("namespace", &self.namespace)
            .field("max_ttl", &self.max_ttl)
            .field("trusted", &self.is_trusted())
            .finish_non_exhaustive()
    }
}

/// An own write under way. Dropped with its caller, or because the write failed, it makes the nearest tier
/// forget: whatever became of the write, nothing older stays.
#[derive(Debug)]
#[must_use = "dropped, it forgets"]
pub(crate) struct Writing<'a> {
    near: &'a Near,
    key: KeyBuf,
    id: Option<EntryId>,
    sample: Sample,
    settled: bool,
}

impl Writing<'_> {
    /// Ends a write that the far tier has done: `written` is kept if the fence has stood, or else nothing
    /// is (1.3.4, U9, U10). Answers a new sample if it has not.
    pub(crate) fn settle(mut self, written: Option<&Entry>) -> std::result::Result<(), Sample> {
        self.end(written)
    }

    /// What the reply's handler does, in one step under the key's lock.
    fn end(&mut self, written: Option<&Entry>) -> std::result::Result<(), Sample> {
        self.settled = true;
        let (near, key) = (self.near, self.key.as_key());
        let mut stripe = near.fences.lock(&key);
        if let Some(id) = self.id {
            stripe.take_pending(&key, id);
        }
        let stood = stripe.stood_since(self.sample);
        // After the reply: what others have read while the write was under way is void (U7, U8).
        stripe.move_on();
        match written
            .filter(|_| stood)
            .and_then(|entry| near.kept(&key, entry))
        {
            Some(kept) => near.put(&stripe, &key, kept),
            None => near.remove(&stripe, &key),
        }
        if stood { Ok(()) } else { Err(stripe.sample()) }
    }

    pub(crate) fn key(&self) -> &KeyBuf {
        &self.key
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if !self.settled {
            // R5, U28: only what the far tier has acknowledged stays.
            let _ = self.end(None);
        }
    }
}

/// What a look-up in the nearest tier alone answers: stale entries too.
pub(crate) async fn nearest<T>(
    near: &Near,
    key: &Key<'_>,
    look_up: impl Future<Output = Result<Option<T>>>,
) -> Result<Option<T>> {
    if near.serves(key) {
        look_up.await
    } else {
        Ok(None)
    }
}
