//! The simplest backend that keeps the whole contract.

mod contents;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use larder_core::{
    Backend, BatchOperation, BatchReply, Capability, Change, Changes, Clock, CloseReport, Cursor,
    Deletion, Entry, Expiry, Fill, FillToken, Filled, Head, Key, KeyBuf, Lease, LeaseOptions,
    Marker, MarkerRead, Namespace, Peek, ReadOptions, RegionLimits, Result, ScanPage, ScanRequest,
    TierCheck, TierStats, Timestamp, Update, Updated, Version, WriteOptions, async_trait,
};

use self::contents::Contents;

/// A map behind one lock, with every ability that a single backend can have: what the conformance suite
/// compares others with, and the shortest answer to "what exactly does this operation do?"
///
/// Not for production: every operation takes the lock, expired entries leave only when they are
/// replaced, and nothing but regions has a limit.
///
/// ```
/// use larder_core::{Backend, Entry, Key, Lifetime, Namespace, Value};
/// use larder_testkit::{ManualClock, ReferenceBackend};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let clock = ManualClock::new();
/// let backend = ReferenceBackend::new(clock.shared());
/// let namespace = Namespace::new("shop")?;
/// let key = Key::new(&namespace, "airport", "LHR")?;
/// let entry = Entry::new(Value::raw("Heathrow".into()), Lifetime::forever(larder_core::Clock::now(&clock)));
/// backend.set(&key, entry, &Default::default()).await?;
/// assert!(backend.get(&key, &Default::default()).await?.is_some());
/// # Ok::<_, larder_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct ReferenceBackend {
    contents: Mutex<Contents>,
    clock: Arc<dyn Clock>,
    changes: Changes,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl ReferenceBackend {
    /// Without entries, on this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            contents: Mutex::default(),
            clock,
            changes: Changes::new(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_up(&self, key: &Key<'_>, now: Timestamp) -> Option<Entry> {
        let entry = self.contents().get(key, now).cloned();
        let counter = if entry.is_some() {
            &self.hits
        } else {
            &self.misses
        };
        counter.fetch_add(1, Ordering::Relaxed);
        entry
    }

    /// Writes under the lock and tells the observers after it is released, before the call returns.
    fn write<T>(&self, key: &Key<'_>, write: impl FnOnce(&mut Contents, Timestamp) -> T) -> T {
        let now = self.clock.now();
        let (answer, id) = {
            let mut contents = self.contents();
            let answer = write(&mut contents, now);
            (answer, contents.get(key, now).map(Entry::id))
        };
        self.changes.publish(&Change::Key(*key, id));
        answer
    }

    fn remove(&self, key: &Key<'_>) -> Deletion {
        let existed = self.write(key, |contents, now| contents.remove(key, now));
        Deletion::Delivered { existed }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Backend for ReferenceBackend {
    fn capability(&self) -> Capability {
        Capability::default()
            .with_immediate()
            .with_scan()
            .with_expire()
            .with_counters()
            .with_conditional()
            .with_batch()
            .with_lease()
            .with_markers()
            .with_watch()
            .with_regions()
            .with_keeps_decoded()
    }

    fn peek(&self, key: &Key<'_>, now: Timestamp) -> Peek {
        self.look_up(key, now).map_or(Peek::Miss, Peek::Hit)
    }

    async fn get(&self, key: &Key<'_>, _: &ReadOptions) -> Result<Option<Entry>> {
        Ok(self.look_up(key, self.clock.now()))
    }

    async fn head(&self, key: &Key<'_>, _: &ReadOptions) -> Result<Option<Head>> {
        let entry = self.look_up(key, self.clock.now());
        Ok(entry.map(|entry| entry.head().clone()))
    }

    /// The cursor is the last key listed; pages are in the order of the keys.
    async fn scan(
        &self,
        request: &ScanRequest,
        cursor: Option<Cursor>,
        _: &ReadOptions,
    ) -> Result<ScanPage> {
        let after: Option<KeyBuf> = cursor.and_then(Cursor::downcast);
        let contents = self.contents();
        let mut entries: Vec<_> = contents
            .entries(self.clock.now())
            .filter(|(key, _)| *key.namespace() == request.namespace)
            .filter(|(key, _)| request.pattern.matches(key.text()))
            .filter(|(key, _)| after.as_ref().is_none_or(|after| key.text() > after.text()))
            .map(|(key, entry)| (key.clone(), entry.head().clone()))
            .collect();
        entries.sort_by(|(a, _), (b, _)| a.text().cmp(b.text()));
        let more = entries.len() > request.page_size;
        entries.truncate(request.page_size);
        let last = entries.last().filter(|_| more);
        let next = last.map(|(key, _)| Cursor::new(key.clone()));
        if request.placeholders && after.is_none() {
            let leased = contents.placeholders(self.clock.now());
            entries.extend(leased.into_iter().filter(|(key, _)| request.lists(key)));
        }
        Ok(ScanPage { entries, next })
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, _: &WriteOptions) -> Result<()> {
        self.write(key, |contents, _| contents.set(key, entry));
        Ok(())
    }

    async fn delete(&self, key: &Key<'_>, _: &WriteOptions) -> Result<Deletion> {
        Ok(self.remove(key))
    }

    async fn invalidate(&self, key: &Key<'_>, _: &WriteOptions) -> Result<Deletion> {
        Ok(self.remove(key))
    }

    async fn expire(&self, key: &Key<'_>, expiry: Expiry, options: &WriteOptions) -> Result<bool> {
        Ok(self.write(key, |contents, now| {
            contents.expire(key, expiry, options.view, now)
        }))
    }

    async fn update(
        &self,
        key: &Key<'_>,
        update: Update,
        options: &WriteOptions,
    ) -> Result<Updated> {
        self.write(key, |contents, now| {
            contents.update(key, update, options.view, now)
        })
    }

    async fn batch(
        &self,
        operations: Vec<BatchOperation<'_>>,
        options: &WriteOptions,
    ) -> Vec<Result<BatchReply>> {
        let mut replies = Vec::with_capacity(operations.len());
        for operation in operations {
            replies.push(operation.perform_on(self, options).await);
        }
        replies
    }

    async fn lease(&self, keys: &[Key<'_>], options: &LeaseOptions) -> Vec<Result<Lease>> {
        let now = self.clock.now();
        let mut contents = self.contents();
        keys.iter()
            .map(|key| Ok(contents.lease(key, options, now)))
            .collect()
    }

    async fn fill(&self, fills: Vec<Fill>, _: &WriteOptions) -> Vec<Result<Filled>> {
        let fill = |fill: Fill| {
            let key = KeyBuf::from(&fill.token.key());
            Ok(self.write(&key.as_key(), |contents, now| contents.fill(fill, now)))
        };
        fills.into_iter().map(fill).collect()
    }

    async fn release(&self, tokens: Vec<FillToken>, _: &WriteOptions) -> Result<()> {
        let now = self.clock.now();
        for token in &tokens {
            let released = self.contents().release(token, now);
            // Told, so that whoever waits for the lease asks again.
            if released {
                self.changes.publish(&Change::Key(token.key(), None));
            }
        }
        Ok(())
    }

    async fn markers(
        &self,
        markers: &[Marker],
        read: MarkerRead,
        _: &ReadOptions,
    ) -> Result<Vec<Option<Version>>> {
        let mut contents = self.contents();
        Ok(markers
            .iter()
            .map(|marker| contents.marker(marker, read))
            .collect())
    }

    async fn bump(&self, markers: &[Marker], options: &WriteOptions) -> Result<Vec<Version>> {
        let bump = |marker| {
            let version = self.contents().bump(marker, options.bump);
            self.changes.publish(&Change::Marker(marker));
            version
        };
        Ok(markers.iter().map(bump).collect())
    }

    fn watch(&self) -> Option<&Changes> {
        Some(&self.changes)
    }

    fn reserve(&self, limits: &RegionLimits) -> Result<()> {
        self.contents().reserve(limits);
        Ok(())
    }

    fn put_now(&self, key: &Key<'_>, entry: Entry) -> Result<()> {
        self.write(key, |contents, _| contents.set(key, entry));
        Ok(())
    }

    fn forget_now(&self, key: &Key<'_>) -> Result<()> {
        self.remove(key);
        Ok(())
    }

    fn forget_all_now(&self, namespace: &Namespace) -> Result<()> {
        self.contents().forget(namespace);
        self.changes.publish(&Change::Everything);
        Ok(())
    }

    fn stats(&self) -> Vec<TierStats> {
        let contents = self.contents();
        let mut stats = TierStats::new("reference");
        stats.hits = self.hits.load(Ordering::Relaxed);
        stats.misses = self.misses.load(Ordering::Relaxed);
        stats.entries = Some(contents.entries(self.clock.now()).count() as u64);
        stats.evicted = contents.evicted;
        vec![stats]
    }

    async fn check(&self, _: &ReadOptions) -> Vec<TierCheck> {
        vec![TierCheck::new("reference", Duration::ZERO)]
    }

    async fn close(&self, _: Timestamp) -> Result<CloseReport> {
        Ok(CloseReport::default())
    }
}
