//! Tags above the tiers: entries are stamped on their way down and judged on their way up.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use larder_core::{
    Backend, BatchOperation, BatchReply, Capability, Change, Changes, CloseReport, Cursor,
    Deletion, Entry, EntryId, Error, Expiry, Fill, FillToken, Filled, Head, Key, Layer, LayerRole,
    Lease, LeaseMode, LeaseOptions, Marker, MarkerRead, Observer, Operation, Peek, ReadOptions,
    RegionLimits, Result, ScanPage, ScanRequest, Store, Tag, TagName, TierCheck, TierStats,
    Timestamp, Update, Updated, Value, Version, WriteOptions,
};

use crate::support::{lock, perform};
use crate::wrapper::wrapper;

/// What this process knows of a tag's version; 0 for nothing.
type Known = Arc<AtomicU64>;
/// What hangs on an entry: its tags' states, and the versions that it carries.
type Judged = Vec<(Known, u64)>;

#[derive(Clone, Debug, Default)]
pub(crate) struct Tags(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared(Mutex<HashMap<TagName, Known>>);

impl Shared {
    fn known(&self, tag: &TagName) -> Known {
        Arc::clone(lock(&self.0).entry(tag.clone()).or_default())
    }

    fn forget(&self, marker: &Marker) {
        if let Some(tag) = marker.tag_name() {
            self.known(tag).store(0, Ordering::SeqCst);
        }
    }
}

impl Observer for Shared {
    fn changed(&self, change: &Change<'_>) {
        match change {
            Change::Key(..) => {}
            Change::Marker(marker) => self.forget(marker),
            _ => lock(&self.0)
                .values()
                .for_each(|known| known.store(0, Ordering::SeqCst)),
        }
    }
}

impl Layer for Tags {
    fn apply(&self, inner: Store) -> Arc<dyn Backend> {
        if let Some(changes) = inner.watch() {
            changes.subscribe(Arc::downgrade(&self.0) as Weak<dyn Observer>);
        }
        Arc::new(Tagged {
            inner,
            shared: Arc::clone(&self.0),
        })
    }

    fn role(&self) -> LayerRole {
        LayerRole::Tags
    }
}

#[derive(Debug)]
struct Tagged {
    inner: Store,
    shared: Arc<Shared>,
}

impl Tagged {
    /// Whether all tags have the versions that the head carries. What is known may accept; to reject, the
    /// store is asked.
    async fn stands(&self, key: &Key<'_>, head: &Head) -> Result<bool> {
        let carried = |tag: &Tag| tag.version.map_or(0, Version::as_u64);
        let agrees = |tag: &Tag| {
            let known = self.shared.known(&tag.name).load(Ordering::SeqCst);
            known != 0 && known == carried(tag)
        };
        if head.tags().iter().all(agrees) {
            return Ok(true);
        }
        let names = head.tags().iter().map(|tag| tag.name.clone());
        let markers: Vec<_> = names.map(|tag| Marker::tag(key.namespace(), tag)).collect();
        let versions = self
            .inner
            .markers(&markers, MarkerRead::Existing, &ReadOptions::default())
            .await?;
        for (tag, version) in head.tags().iter().zip(&versions) {
            let version = version.map_or(0, Version::as_u64);
            self.shared
                .known(&tag.name)
                .store(version, Ordering::SeqCst);
        }
        Ok(head
            .tags()
            .iter()
            .zip(versions)
            .all(|(tag, version)| version.is_some() && tag.version == version))
    }

    /// The entry if it stands, with its tags' states on it for the next peek.
    async fn judged(&self, key: &Key<'_>, entry: Option<Entry>) -> Result<Option<Entry>> {
        let Some(entry) = entry else { return Ok(None) };
        if !self.stands(key, entry.head()).await? {
            return Ok(None);
        }
        if !entry.head().tags().is_empty() {
            entry.slot().get_or_init(|| {
                let states = entry.head().tags().iter().map(|tag| {
                    (
                        self.shared.known(&tag.name),
                        tag.version.map_or(0, Version::as_u64),
                    )
                });
                Arc::new(states.collect::<Judged>())
            });
        }
        Ok(Some(entry))
    }

    async fn stamps(&self, key: &Key<'_>, tags: &[Tag]) -> Result<Vec<Tag>> {
        let markers: Vec<_> = tags
            .iter()
            .map(|tag| Marker::tag(key.namespace(), tag.name.clone()))
            .collect();
        let versions = match markers.as_slice() {
            [] => Vec::new(),
            markers => {
                self.inner
                    .markers(markers, MarkerRead::OrCreate, &ReadOptions::default())
                    .await?
            }
        };
        let stamp = |(tag, now): (&Tag, _)| Tag {
            name: tag.name.clone(),
            version: tag.version.or(now),
        };
        Ok(tags.iter().zip(versions).map(stamp).collect())
    }

    async fn stamped(&self, key: &Key<'_>, entry: Entry) -> Result<Entry> {
        let stamps = self.stamps(key, entry.head().tags()).await?;
        entry.with_tags(stamps)
    }

    /// Who finds an entry whose tags have fallen may replace it.
    async fn present(&self, key: &Key<'_>, entry: Entry, options: &LeaseOptions) -> Result<Lease> {
        if let Some(entry) = self.judged(key, Some(entry)).await? {
            return Ok(Lease::Present(entry));
        }
        let refresh = options.clone().with_mode(LeaseMode::Refresh);
        self.inner.lease(&[*key], &refresh).await.remove(0)
    }

    /// The stamps are taken after the grant and before the load.
    async fn granted(
        &self,
        key: &Key<'_>,
        token: FillToken,
        seen: Option<Entry>,
        options: &LeaseOptions,
    ) -> Result<Lease> {
        let tags = options
            .template
            .as_ref()
            .map_or(&[][..], |template| template.head().tags());
        match (self.stamps(key, tags).await, self.judged(key, seen).await) {
            (Ok(stamps), Ok(seen)) => Ok(Lease::Granted {
                token: token.with_stamps(stamps),
                seen,
            }),
            (Err(error), _) | (_, Err(error)) => {
                self.inner
                    .release(vec![token], &WriteOptions::default())
                    .await?;
                Err(error)
            }
        }
    }

    /// The id of an entry that the store counts as present and this layer doesn't.
    async fn fallen(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Option<EntryId>> {
        let reading = ReadOptions::default()
            .with_view(options.view)
            .with_tiers(larder_core::Tiers::Authoritative);
        match self.inner.head(key, &reading).await? {
            Some(head) if !self.stands(key, &head).await? => Ok(Some(head.id())),
            _ => Ok(None),
        }
    }

    /// Writes as if the fallen entry weren't there: in its place, if it is still that one.
    async fn in_place_of(
        &self,
        key: &Key<'_>,
        id: EntryId,
        update: Update,
        options: &WriteOptions,
    ) -> Result<Updated> {
        let (entry, done) = match update {
            Update::SetIfAbsent(entry) => (entry, Updated::Stored),
            Update::Increment { by, template } => {
                let begun = Entry::new(Value::counter(by), template.head().lifetime())
                    .with_id(template.id())
                    .with_generation(template.head().generation())
                    .with_schema(template.head().schema())
                    .with_tags(template.head().tags().to_vec())?;
                (begun, Updated::Counter(by))
            }
            Update::Take => return Ok(Updated::Taken(None)),
            _ => return Ok(Updated::Refused),
        };
        match self
            .inner
            .update(key, Update::ReplaceIf { id, entry }, options)
            .await?
        {
            Updated::Stored => Ok(done),
            _ => Ok(Updated::Refused),
        }
    }
}

wrapper! { Tagged,
    forwards: delete invalidate release markers watch reserve never_now life;

    fn capability(&self) -> Capability {
        let mut left = self.inner.capability().with_tags();
        left.immediate = false;
        left
    }

    fn peek(&self, key: &Key<'_>, now: Timestamp) -> Peek {
        let entry = match self.inner.peek(key, now) {
            Peek::Hit(entry) => entry,
            other => return other,
        };
        if entry.head().tags().is_empty() {
            return Peek::Hit(entry);
        }
        let judged = entry.slot().get().and_then(|states| states.downcast_ref::<Judged>());
        let stands = judged.is_some_and(|states| {
            states.iter().all(|(known, carried)| known.load(Ordering::SeqCst) == *carried)
        });
        if stands { Peek::Hit(entry) } else { Peek::Pending }
    }

    async fn get(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Entry>> {
        self.judged(key, self.inner.get(key, options).await?).await
    }

    async fn head(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Head>> {
        let head = self.inner.head(key, options).await?;
        Ok(match head {
            Some(head) if self.stands(key, &head).await? => Some(head),
            _ => None,
        })
    }

    async fn scan(&self, request: &ScanRequest, cursor: Option<Cursor>, options: &ReadOptions) -> Result<ScanPage> {
        let ScanPage { entries, next } = self.inner.scan(request, cursor, options).await?;
        let mut page = ScanPage { entries: Vec::new(), next };
        for (key, head) in entries {
            if self.stands(&key.as_key(), &head).await? {
                page.entries.push((key, head));
            }
        }
        Ok(page)
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, options: &WriteOptions) -> Result<()> {
        self.inner.set(key, self.stamped(key, entry).await?, options).await
    }

    async fn expire(&self, key: &Key<'_>, expiry: Expiry, options: &WriteOptions) -> Result<bool> {
        if self.fallen(key, options).await?.is_some() {
            return Ok(false);
        }
        self.inner.expire(key, expiry, options).await
    }

    async fn update(&self, key: &Key<'_>, update: Update, options: &WriteOptions) -> Result<Updated> {
        let update = match update {
            Update::SetIfAbsent(entry) => Update::SetIfAbsent(self.stamped(key, entry).await?),
            Update::ReplaceIf { id, entry } => Update::ReplaceIf { id, entry: self.stamped(key, entry).await? },
            Update::Increment { by, template } => {
                Update::Increment { by, template: self.stamped(key, template).await? }
            }
            Update::Take => update,
            _ => return Err(Error::unsupported(Operation::Update)),
        };
        match self.fallen(key, options).await? {
            Some(id) => self.in_place_of(key, id, update, options).await,
            None => self.inner.update(key, update, options).await,
        }
    }

    async fn batch(&self, operations: Vec<BatchOperation<'_>>, options: &WriteOptions) -> Vec<Result<BatchReply>> {
        let mut replies = Vec::with_capacity(operations.len());
        for operation in operations {
            replies.push(perform(self, operation, options).await);
        }
        replies
    }

    async fn lease(&self, keys: &[Key<'_>], options: &LeaseOptions) -> Vec<Result<Lease>> {
        let mut leases = Vec::with_capacity(keys.len());
        for (key, lease) in keys.iter().zip(self.inner.lease(keys, options).await) {
            let lease = match lease {
                Ok(Lease::Present(entry)) => self.present(key, entry, options).await,
                other => other,
            };
            leases.push(match lease {
                Ok(Lease::Granted { token, seen }) => self.granted(key, token, seen, options).await,
                other => other,
            });
        }
        leases
    }

    async fn fill(&self, fills: Vec<Fill>, options: &WriteOptions) -> Vec<Result<Filled>> {
        let stamp = |Fill { token, entry }: Fill| {
            let stamp_of = |tag: &Tag| token.stamps().iter().find(|stamp| stamp.name == tag.name).cloned();
            let stamps: Option<Vec<_>> = entry.head().tags().iter().map(stamp_of).collect();
            match stamps.and_then(|stamps| entry.with_tags(stamps).ok()) {
                Some(entry) => Ok(Fill { token, entry }),
                // A tag that only the loader could name: returned to the caller, not cached.
                None => Err(Box::new(token)),
            }
        };
        let mut places = Vec::new();
        let (mut stamped, mut late) = (Vec::new(), Vec::new());
        for fill in fills.into_iter().map(stamp) {
            places.push(fill.is_ok());
            match fill {
                Ok(fill) => stamped.push(fill),
                Err(token) => late.push(*token),
            }
        }
        let mut answers = self.inner.fill(stamped, options).await.into_iter();
        let released = if late.is_empty() { Ok(()) } else { self.inner.release(late, options).await };
        let answer = |is_stamped| {
            if is_stamped {
                answers.next().expect("an answer to each fill")
            } else {
                released.clone().map(|()| Filled::Refused)
            }
        };
        places.into_iter().map(answer).collect()
    }

    async fn bump(&self, markers: &[Marker], options: &WriteOptions) -> Result<Vec<Version>> {
        for marker in markers {
            self.shared.forget(marker);
        }
        let versions = self.inner.bump(markers, options).await;
        for marker in markers {
            self.shared.forget(marker);
        }
        versions
    }
}
