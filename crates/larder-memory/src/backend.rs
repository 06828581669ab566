//! The backend: every write happens under its key's stripe, every read without one.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use larder_core::{
    Backend, Bump, Capability, Change, Changes, Clock, CloseReport, Cursor, Deletion, Entry,
    EntryId, Error, ErrorKind, Expiry, Fill, FillToken, Filled, Head, Key, KeyBuf, Lease,
    LeaseMode, LeaseOptions, Lifetime, Marker, MarkerRead, Namespace, Operation, Peek, ReadOptions,
    RegionLimits, Result, ScanPage, ScanRequest, Tally, TierCheck, TierStats, Timestamp, Update,
    Updated, Version, View, WriteOptions, async_trait,
};

use crate::config::MemoryBuilder;
use crate::leases::{Held, Stripe, Stripes};
use crate::markers::Markers;
use crate::regions::Regions;
use crate::update::{Decided, decide};

/// What one write gives back of others that have ended: more than it adds, so that they can't pile up.
const RECLAIMED_PER_WRITE: usize = 8;

/// Keeps entries in memory. See the [crate's front page](crate).
pub struct Memory {
    regions: Regions,
    stripes: Stripes,
    markers: Markers,
    changes: Changes,
    clock: Arc<dyn Clock>,
    /// The one namespace whose entries are kept here, if that is known.
    dedicated: Option<Namespace>,
    /// Its generation, 0 before it has one: kept beside the markers so that no write takes their lock.
    current: AtomicU64,
    hits: Tally,
    misses: Tally,
}

impl Memory {
    /// Starts with the default settings.
    pub fn builder() -> MemoryBuilder {
        MemoryBuilder::default()
    }

    pub(crate) fn new(settings: &MemoryBuilder, clock: Arc<dyn Clock>) -> Self {
        Self {
            regions: Regions::new(settings, &clock),
            stripes: Stripes::new(),
            markers: Markers::default(),
            changes: Changes::new(),
            clock,
            dedicated: None,
            current: AtomicU64::new(0),
            hits: Tally::new(),
            misses: Tally::new(),
        }
    }

    pub(crate) fn dedicated_to(self, namespace: &Namespace) -> Self {
        Self {
            dedicated: Some(namespace.clone()),
            ..self
        }
    }

    #[inline]
    fn look_up(&self, key: &Key<'_>, now: Timestamp) -> Option<Entry> {
        self.regions.with(key, |region| region.get(key, now))
    }

    /// The entry that counts as present for counters and conditional writes.
    fn present(&self, key: &Key<'_>, view: View, now: Timestamp) -> Option<Entry> {
        self.look_up(key, now)
            .filter(|entry| entry.head().is_visible(view, now))
    }

    /// Stores an entry and ends a lease; the caller holds the stripe.
    fn store(&self, stripe: &mut Stripe, key: &Key<'_>, entry: Entry, now: Timestamp) -> Changed {
        stripe.end(key);
        let (id, expires_at) = (entry.id(), entry.head().lifetime().expires_at);
        self.regions
            .with(key, |region| region.insert(key.to_buf(), entry, now));
        stripe
            .expiries
            .add(key, expires_at, id, |end| self.regions.holds(end));
        self.reclaim(stripe, now, RECLAIMED_PER_WRITE);
        Changed::To(Some(id))
    }

    /// Begins a new generation; no write comes in between. The old one's entries are invalid from here on.
    fn clear(&self, generation: &Marker) -> Version {
        let _all = self.stripes.lock_all();
        let version = self.markers.bump(generation, Bump::Invalidate);
        if self.dedicated.as_ref() == Some(generation.namespace()) {
            self.current.store(version.as_u64(), Ordering::Release);
        }
        version
    }

    /// Drops the entries of older generations, in a store of one namespace; elsewhere they go by and by.
    ///
    /// One by one, each under its stripe, and not by moka's `invalidate_all`: that goes by when an entry was last used, so
    /// a look-up that began before it and ends after it would take along what was written in between.
    async fn drop_older(&self, namespace: &Namespace) {
        if self.dedicated.as_ref() != Some(namespace) {
            return;
        }
        let now = self.clock.recent();
        for (at, key) in self.regions.keys(now).into_iter().enumerate() {
            if at % DROPPED_AT_ONCE == DROPPED_AT_ONCE - 1 {
                let_others_run().await;
            }
            let key = key.as_key();
            let _stripe = self.stripes.lock(&key);
            let current = self.generation(&key);
            let there = self.look_up(&key, now);
            if there.is_some_and(|there| there.head().generation() != current) {
                self.regions.with(&key, |region| region.remove(&key, now));
            }
        }
    }

    /// The generation that is in force for a key, if its namespace has any. The caller holds the stripe.
    fn generation(&self, key: &Key<'_>) -> Option<Version> {
        if self.dedicated.as_ref() == Some(key.namespace()) {
            return Version::from_u64(self.current.load(Ordering::Acquire));
        }
        let marker = [Marker::generation(key.namespace())];
        self.markers.read(&marker, MarkerRead::Existing)[0]
    }

    /// An entry as it is written now: a writer that has not yet heard of a `clear()` comes after it, or
    /// it would hide what others wrote since.
    fn restamp(&self, key: &Key<'_>, entry: Entry) -> Entry {
        match (entry.head().generation(), self.generation(key)) {
            (Some(stamped), Some(current)) if stamped != current => {
                entry.with_generation(Some(current))
            }
            _ => entry,
        }
    }

    /// Gives back the room of entries that have ended, at most so many.
    fn reclaim(&self, stripe: &mut Stripe, now: Timestamp, at_most: usize) {
        for _ in 0..at_most {
            let Some(end) = stripe.expiries.due(now) else {
                return;
            };
            self.regions.reclaim(&end);
        }
    }

    /// Performs a write under the key's stripe, and tells of it if it changed something.
    fn write<R>(
        &self,
        key: &Key<'_>,
        write: impl FnOnce(&mut Stripe, Timestamp) -> Result<(R, Changed)>,
    ) -> Result<R> {
        let (reply, changed) = write(&mut self.stripes.lock(key), self.clock.recent())?;
        if let Changed::To(id) = changed {
            self.changes.publish(&Change::Key(*key, id));
        }
        Ok(reply)
    }

    fn remove(&self, key: &Key<'_>) -> Option<Entry> {
        let removed = self.write(key, |stripe, now| {
            stripe.end(key);
            Ok((
                self.regions.with(key, |region| region.remove(key, now)),
                Changed::To(None),
            ))
        });
        removed.unwrap_or_default()
    }

    fn lease_one(&self, key: &Key<'_>, options: &LeaseOptions) -> Lease {
        let mut stripe = self.stripes.lock(key);
        let now = self.clock.recent();
        let seen = self.look_up(key, now);
        if let Some(entry) = &seen
            && options.mode == LeaseMode::Load
            && entry.head().is_current(options.view, now)
        {
            return Lease::Present(entry.clone());
        }
        let generation = options.view.generation;
        if let Some(held) = stripe
            .held(key, now)
            .filter(|held| held.generation == generation)
        {
            return Lease::Held { until: held.until };
        }
        let token = EntryId::random();
        stripe.hold(
            key,
            Held {
                key: key.to_buf(),
                token,
                until: options.until,
                generation,
            },
            now,
        );
        Lease::Granted {
            token: FillToken::granted(key, token),
            seen,
        }
    }

    fn fill_one(&self, Fill { token, entry }: Fill) -> Result<Filled> {
        let key = token.key();
        self.write(&key, |stripe, now| {
            if stripe
                .held(&key, now)
                .is_none_or(|held| held.token != token.seen())
            {
                return Ok((Filled::Refused, Changed::No));
            }
            let newer = self.look_up(&key, now).is_some_and(|there| {
                there.head().generation() == entry.head().generation()
                    && there.head().schema() > entry.head().schema()
            });
            if newer {
                stripe.end(&key);
                return Ok((Filled::Refused, Changed::No));
            }
            Ok((Filled::Stored, self.store(stripe, &key, entry, now)))
        })
    }
}

/// How many entries a clear drops before it lets others run.
const DROPPED_AT_ONCE: usize = 4_096;

async fn let_others_run() {
    let mut has_waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Whether a write changed something, and what entry is there now.
enum Changed {
    To(Option<EntryId>),
    No,
}

#[async_trait]
impl Backend for Memory {
    fn capability(&self) -> Capability {
        Capability::default()
            .with_immediate()
            .with_scan()
            .with_expire()
            .with_counters()
            .with_conditional()
            .with_lease()
            .with_markers()
            .with_watch()
            .with_regions()
            .with_keeps_decoded()
    }

    #[inline]
    fn peek(&self, key: &Key<'_>, now: Timestamp) -> Peek {
        if let Some(entry) = self.look_up(key, now) {
            self.hits.add(1);
            Peek::Hit(entry)
        } else {
            self.misses.add(1);
            Peek::Miss
        }
    }

    async fn get(&self, key: &Key<'_>, _: &ReadOptions) -> Result<Option<Entry>> {
        Ok(match self.peek(key, self.clock.recent()) {
            Peek::Hit(entry) => Some(entry),
            Peek::Miss | Peek::Pending => None,
        })
    }

    async fn head(&self, key: &Key<'_>, _: &ReadOptions) -> Result<Option<Head>> {
        Ok(self
            .look_up(key, self.clock.recent())
            .map(|entry| entry.head().clone()))
    }

    async fn scan(
        &self,
        request: &ScanRequest,
        cursor: Option<Cursor>,
        _: &ReadOptions,
    ) -> Result<ScanPage> {
        let now = self.clock.recent();
        // Leases first: a load that ends in between is then found as an entry, or as both.
        let mut leased = Vec::new();
        if request.placeholders && cursor.is_none() {
            self.stripes.each(|stripe| {
                let standing = stripe.standing(now).filter(|held| request.lists(&held.key));
                leased.extend(standing.map(|held| {
                    let lifetime = Lifetime {
                        created: now,
                        fresh_until: held.until,
                        expires_at: held.until,
                    };
                    let placeholder = Entry::placeholder(held.token, lifetime);
                    (held.key.clone(), placeholder.head().clone())
                }));
            });
        }
        // The keys are listed once and their entries looked up page by page.
        let mut keys = match cursor {
            Some(cursor) => cursor.downcast::<Vec<Arc<KeyBuf>>>().ok_or_else(|| {
                Error::new(ErrorKind::Unexpected, "a cursor of another backend")
                    .with_operation(Operation::Scan)
            })?,
            None => self
                .regions
                .keys(now)
                .into_iter()
                .filter(|key| request.lists(key))
                .collect(),
        };
        let page = keys.split_off(keys.len().saturating_sub(request.page_size));
        let found = page.into_iter().filter_map(|key| {
            let head = self.look_up(&key.as_key(), now)?.head().clone();
            Some((KeyBuf::clone(&key), head))
        });
        let entries = leased.into_iter().chain(found).collect();
        Ok(ScanPage {
            entries,
            next: (!keys.is_empty()).then(|| Cursor::new(keys)),
        })
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, _: &WriteOptions) -> Result<()> {
        self.put_now(key, entry)
    }

    async fn delete(&self, key: &Key<'_>, _: &WriteOptions) -> Result<Deletion> {
        Ok(Deletion::Delivered {
            existed: self.remove(key).is_some(),
        })
    }

    async fn expire(&self, key: &Key<'_>, expiry: Expiry, options: &WriteOptions) -> Result<bool> {
        self.write(key, |stripe, now| {
            let Some(entry) = self.present(key, options.view, now) else {
                return Ok((false, Changed::No));
            };
            let lifetime = expiry.apply(entry.head().lifetime());
            let changed = self.store(stripe, key, entry.with_lifetime(lifetime), now);
            Ok((true, changed))
        })
    }

    async fn update(
        &self,
        key: &Key<'_>,
        update: Update,
        options: &WriteOptions,
    ) -> Result<Updated> {
        self.write(key, |stripe, now| {
            let mut view = options.view;
            if view.generation.is_some() {
                view.generation = self.generation(key).or(view.generation);
            }
            let present = self.present(key, view, now);
            let decided = decide(update, present).map_err(|error| error.with_key(&key.text()))?;
            Ok(match decided {
                Decided::Store(entry, reply) => {
                    let entry = self.restamp(key, entry);
                    (reply, self.store(stripe, key, entry, now))
                }
                Decided::Take(entry) => {
                    stripe.end(key);
                    self.regions.with(key, |region| region.remove(key, now));
                    (Updated::Taken(Some(entry)), Changed::To(None))
                }
                Decided::Nothing(reply) => (reply, Changed::No),
            })
        })
    }

    async fn lease(&self, keys: &[Key<'_>], options: &LeaseOptions) -> Vec<Result<Lease>> {
        keys.iter()
            .map(|key| Ok(self.lease_one(key, options)))
            .collect()
    }

    async fn fill(&self, fills: Vec<Fill>, _: &WriteOptions) -> Vec<Result<Filled>> {
        fills.into_iter().map(|fill| self.fill_one(fill)).collect()
    }

    async fn release(&self, tokens: Vec<FillToken>, _: &WriteOptions) -> Result<()> {
        for token in tokens {
            let key = token.key();
            // Told, so that whoever waits for the lease asks again.
            self.write(&key, |stripe, now| {
                let held = stripe.held(&key, now);
                let is_it = held.is_some_and(|held| held.token == token.seen());
                if is_it {
                    stripe.end(&key);
                }
                let there = self.look_up(&key, now).map(|entry| entry.id());
                Ok((
                    (),
                    if is_it {
                        Changed::To(there)
                    } else {
                        Changed::No
                    },
                ))
            })?;
        }
        Ok(())
    }

    async fn markers(
        &self,
        markers: &[Marker],
        read: MarkerRead,
        _: &ReadOptions,
    ) -> Result<Vec<Option<Version>>> {
        let versions = self.markers.read(markers, read);
        for (marker, version) in markers.iter().zip(&versions) {
            if marker.tag_name().is_none() && self.dedicated.as_ref() == Some(marker.namespace()) {
                let version = version.map_or(0, Version::as_u64);
                // Only the first: a later one was stored when it began.
                let _ =
                    self.current
                        .compare_exchange(0, version, Ordering::AcqRel, Ordering::Acquire);
            }
        }
        Ok(versions)
    }

    async fn bump(&self, markers: &[Marker], options: &WriteOptions) -> Result<Vec<Version>> {
        let bumped = markers.iter().map(|marker| {
            let version = if marker.tag_name().is_some() {
                self.markers.bump(marker, options.bump)
            } else {
                self.clear(marker)
            };
            self.changes.publish(&Change::Marker(marker));
            version
        });
        let bumped = bumped.collect();
        for marker in markers.iter().filter(|marker| marker.tag_name().is_none()) {
            self.drop_older(marker.namespace()).await;
        }
        Ok(bumped)
    }

    fn watch(&self) -> Option<&Changes> {
        Some(&self.changes)
    }

    fn reserve(&self, limits: &RegionLimits) -> Result<()> {
        // No write may come between the region's beginning and its entries' move.
        let _all = self.stripes.lock_all();
        self.regions.reserve(limits, &self.clock)
    }

    fn put_now(&self, key: &Key<'_>, entry: Entry) -> Result<()> {
        self.write(key, |stripe, now| {
            let entry = self.restamp(key, entry);
            Ok(((), self.store(stripe, key, entry, now)))
        })
    }

    fn forget_now(&self, key: &Key<'_>) -> Result<()> {
        self.remove(key);
        Ok(())
    }

    fn forget_all_now(&self, namespace: &Namespace) -> Result<()> {
        let mut all = self.stripes.lock_all();
        for stripe in &mut all {
            stripe.end_all(namespace);
        }
        if self.dedicated.as_ref() == Some(namespace) {
            self.regions.clear();
        } else {
            let now = self.clock.recent();
            let mut keys = self.regions.keys(now);
            keys.retain(|key| key.namespace() == namespace);
            for key in keys {
                let key = key.as_key();
                self.regions.with(&key, |region| region.remove(&key, now));
            }
        }
        drop(all);
        self.changes.publish(&Change::Everything);
        Ok(())
    }

    fn stats(&self) -> Vec<TierStats> {
        let now = self.clock.recent();
        self.stripes
            .each(|stripe| self.reclaim(stripe, now, usize::MAX));
        self.regions.settle();
        let counts = &self.regions.counts;
        let mut stats = TierStats::new("memory");
        stats.hits = self.hits.total();
        stats.misses = self.misses.total();
        stats.entries = Some(counts.entries.load(Ordering::Relaxed));
        stats.bytes = Some(counts.bytes.load(Ordering::Relaxed));
        stats.max_bytes = self.regions.max_bytes();
        stats.evicted = counts.evicted.load(Ordering::Relaxed);
        stats.expired = counts.expired.load(Ordering::Relaxed);
        vec![stats]
    }

    async fn check(&self, _: &ReadOptions) -> Vec<TierCheck> {
        vec![TierCheck::new("memory", Duration::ZERO)]
    }

    async fn close(&self, _: Timestamp) -> Result<CloseReport> {
        Ok(CloseReport::default())
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("max_bytes", &self.regions.max_bytes())
            .finish_non_exhaustive()
    }
}
