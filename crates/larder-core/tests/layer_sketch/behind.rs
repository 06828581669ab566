//! Write-behind: accepted into a journal, readable at once, delivered to the system of record by a worker.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use larder_core::wire::{self, ClockShift, Limits};
use larder_core::{
    Backend, BatchOperation, BatchReply, Capability, Changes, CloseReport, Cursor, Deletion, Entry,
    Error, ErrorKind, Expiry, Fill, FillToken, Filled, Head, Journal, Key, KeyBuf, Layer,
    LayerRole, Lease, LeaseOptions, Lifetime, Marker, MarkerRead, Namespace, Peek, ReadOptions,
    Record, RegionLimits, Result, ScanPage, ScanRequest, Sequence, Store, TierCheck, TierStats,
    Timestamp, Update, Updated, Version, WriteOptions, async_trait,
};

use crate::support::{lock, perform};
use crate::wrapper::wrapper;

/// A journal that survives nothing.
#[derive(Debug, Default)]
pub(crate) struct List(Mutex<(u64, BTreeMap<Sequence, Bytes>)>);

#[async_trait]
impl Journal for List {
    async fn append(&self, records: Vec<Bytes>) -> Result<Vec<Sequence>> {
        let (last, kept) = &mut *lock(&self.0);
        let sequences: Vec<_> = (*last + 1..).map(Sequence).take(records.len()).collect();
        *last += records.len() as u64;
        kept.extend(sequences.iter().copied().zip(records));
        Ok(sequences)
    }

    async fn acknowledge(&self, records: &[Sequence]) -> Result<()> {
        lock(&self.0)
            .1
            .retain(|sequence, _| !records.contains(sequence));
        Ok(())
    }

    async fn replay(&self, after: Option<Sequence>, limit: usize) -> Result<Vec<Record>> {
        let from = Sequence(after.map_or(0, |Sequence(place)| place + 1));
        let kept = &lock(&self.0).1;
        let record = |(&sequence, payload): (&Sequence, &Bytes)| Record {
            sequence,
            payload: payload.clone(),
        };
        Ok(kept.range(from..).take(limit).map(record).collect())
    }

    async fn pending(&self) -> Result<u64> {
        Ok(lock(&self.0).1.len() as u64)
    }

    fn is_durable(&self) -> bool {
        false
    }

    async fn close(&self, _: Timestamp) -> Result<()> {
        Ok(())
    }
}

/// The system of record.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) rows: Mutex<HashMap<String, Bytes>>,
    pub(crate) fails: AtomicBool,
}

/// A write that the system of record hasn't seen; `None` is a deletion.
#[derive(Clone, Debug)]
struct Pending {
    sequence: Sequence,
    entry: Option<Entry>,
}

#[derive(Clone, Debug)]
pub(crate) struct WriteBehind(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    namespace: Namespace,
    journal: Arc<dyn Journal>,
    table: Arc<Table>,
    dirty: Mutex<HashMap<KeyBuf, Pending>>,
}

impl WriteBehind {
    pub(crate) fn new(namespace: Namespace, journal: Arc<dyn Journal>, table: Arc<Table>) -> Self {
        Self(Arc::new(Shared {
            namespace,
            journal,
            table,
            dirty: Mutex::default(),
        }))
    }

    /// What the worker does in a loop: delivers records in their order, stops at the first that fails.
    pub(crate) async fn deliver(&self) -> Result<()> {
        while let [record] = self.0.journal.replay(None, 1).await?.as_slice() {
            let (key, bytes) = unpack(&self.0.namespace, &record.payload);
            if self.0.table.fails.load(Ordering::SeqCst) {
                return Err(Error::new(ErrorKind::Unavailable, "the table is locked"));
            }
            let row = if bytes.is_empty() {
                lock(&self.0.table.rows).remove(key.text())
            } else {
                lock(&self.0.table.rows).insert(key.text().to_owned(), bytes)
            };
            drop(row);
            self.0.journal.acknowledge(&[record.sequence]).await?;
            let mut dirty = lock(&self.0.dirty);
            if dirty
                .get(&key)
                .is_some_and(|pending| pending.sequence == record.sequence)
            {
                dirty.remove(&key);
            }
        }
        Ok(())
    }
}

/// A record is the stored name's length, the stored name, and the entry as it would be stored; nothing
/// for a deletion.
fn pack(key: &Key<'_>, entry: Option<&Entry>) -> Result<Bytes> {
    let name = key.stored_name();
    let mut record = u16::try_from(name.len())
        .expect("keys are short")
        .to_be_bytes()
        .to_vec();
    record.extend_from_slice(name.as_bytes());
    if let Some(entry) = entry {
        // The layer below stamps tags; to the system of record they are nothing.
        let untagged = entry.clone().with_tags(Vec::new())?;
        record.extend_from_slice(&wire::encode(key, &untagged, ClockShift::NONE)?);
    }
    Ok(record.into())
}

fn unpack(namespace: &Namespace, record: &Bytes) -> (KeyBuf, Bytes) {
    let end = 2 + usize::from(u16::from_be_bytes([record[0], record[1]]));
    let name = std::str::from_utf8(&record[2..end]).unwrap();
    let key = KeyBuf::from_stored_name(namespace, name).unwrap();
    let stored = record.slice(end..);
    if stored.is_empty() {
        return (key, stored);
    }
    let entry = wire::decode(&key.as_key(), &stored, ClockShift::NONE, Limits::default()).unwrap();
    let row = entry.value().encoded().unwrap().clone();
    (key, row)
}

impl Layer for WriteBehind {
    fn apply(&self, inner: Store) -> Arc<dyn Backend> {
        Arc::new(Behind {
            inner,
            shared: Arc::clone(&self.0),
        })
    }

    fn role(&self) -> LayerRole {
        LayerRole::WriteBehind
    }
}

#[derive(Debug)]
struct Behind {
    inner: Store,
    shared: Arc<Shared>,
}

impl Behind {
    fn pending(&self, key: &Key<'_>) -> Option<Pending> {
        lock(&self.shared.dirty).get(&key.to_buf()).cloned()
    }

    async fn accept(&self, key: &Key<'_>, entry: Option<Entry>) -> Result<()> {
        let record = pack(key, entry.as_ref())?;
        let sequence = self.shared.journal.append(vec![record]).await?[0];
        let mut dirty = lock(&self.shared.dirty);
        let newest = dirty
            .get(&key.to_buf())
            .is_none_or(|pending| pending.sequence < sequence);
        if newest {
            dirty.insert(key.to_buf(), Pending { sequence, entry });
        }
        Ok(())
    }
}

wrapper! { Behind,
    forwards: capability invalidate release markers bump watch reserve now;

    fn peek(&self, key: &Key<'_>, now: Timestamp) -> Peek {
        match self.pending(key) {
            Some(Pending { entry: Some(entry), .. }) => Peek::Hit(entry),
            Some(Pending { entry: None, .. }) => Peek::Miss,
            None => self.inner.peek(key, now),
        }
    }

    async fn get(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Entry>> {
        match self.pending(key) {
            Some(pending) => Ok(pending.entry),
            None => self.inner.get(key, options).await,
        }
    }

    async fn head(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Head>> {
        match self.pending(key) {
            Some(pending) => Ok(pending.entry.map(|entry| entry.head().clone())),
            None => self.inner.head(key, options).await,
        }
    }

    async fn scan(&self, request: &ScanRequest, cursor: Option<Cursor>, options: &ReadOptions) -> Result<ScanPage> {
        // The first page holds what waits here; its cursor wraps that of the store below.
        let Some(cursor) = cursor else {
            let dirty = lock(&self.shared.dirty);
            let live = dirty.iter().filter_map(|(key, pending)| {
                let entry = pending.entry.as_ref().filter(|_| request.pattern.matches(key.text()))?;
                Some((key.clone(), entry.head().clone()))
            });
            return Ok(ScanPage { entries: live.collect(), next: Some(Cursor::new(None::<Cursor>)) });
        };
        let below = cursor.downcast::<Option<Cursor>>().flatten();
        let ScanPage { mut entries, next } = self.inner.scan(request, below, options).await?;
        entries.retain(|(key, _)| self.pending(&key.as_key()).is_none());
        Ok(ScanPage { entries, next: next.map(|next| Cursor::new(Some(next))) })
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, options: &WriteOptions) -> Result<()> {
        self.accept(key, Some(entry.clone())).await?;
        // Accepted is accepted: what the cache thinks of it is not the caller's trouble.
        if self.inner.set(key, entry, options).await.is_err() {
            let _ = self.inner.invalidate(key, options).await;
        }
        Ok(())
    }

    async fn delete(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        let pending = self.pending(key);
        self.accept(key, None).await?;
        let deletion = self.inner.invalidate(key, options).await?;
        Ok(match pending {
            Some(pending) => Deletion::Delivered { existed: pending.entry.is_some() },
            None => deletion,
        })
    }

    async fn expire(&self, key: &Key<'_>, expiry: Expiry, options: &WriteOptions) -> Result<bool> {
        let present = self.inner.expire(key, expiry, options).await?;
        Ok(match lock(&self.shared.dirty).get_mut(&key.to_buf()).map(|pending| &mut pending.entry) {
            Some(Some(entry)) => {
                let life = expiry.apply(entry.head().lifetime());
                *entry = entry.clone().with_lifetime(life);
                true
            }
            Some(None) => false,
            None => present,
        })
    }

    async fn update(&self, key: &Key<'_>, update: Update, options: &WriteOptions) -> Result<Updated> {
        // The store decides, so it must know what waits here.
        match self.pending(key).map(|pending| pending.entry) {
            Some(Some(entry)) => self.inner.set(key, entry, options).await?,
            Some(None) => drop(self.inner.invalidate(key, options).await?),
            None => {}
        }
        let written = match &update {
            Update::SetIfAbsent(entry) | Update::ReplaceIf { entry, .. } => Some(entry.clone()),
            _ => None,
        };
        let updated = self.inner.update(key, update, options).await?;
        match &updated {
            Updated::Stored => self.accept(key, written).await?,
            Updated::Taken(Some(_)) => self.accept(key, None).await?,
            // A counter's value is whatever the store says last.
            Updated::Counter(_) => self.accept(key, self.inner.get(key, &ReadOptions::default()).await?).await?,
            _ => {}
        }
        Ok(updated)
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
        for key in keys {
            leases.push(match self.pending(key).map(|pending| pending.entry) {
                // The system of record is behind: nobody may load from it.
                Some(Some(entry)) => Ok(Lease::Present(entry)),
                Some(None) => {
                    let until = Lifetime {
                        created: Timestamp::EPOCH,
                        fresh_until: options.until,
                        expires_at: options.until,
                    };
                    Ok(Lease::Present(Entry::absent(until)))
                }
                None => self.inner.lease(&[*key], options).await.remove(0),
            });
        }
        leases
    }

    async fn fill(&self, fills: Vec<Fill>, options: &WriteOptions) -> Vec<Result<Filled>> {
        let mut answers = Vec::with_capacity(fills.len());
        for fill in fills {
            answers.push(match self.pending(&fill.token.key()) {
                Some(_) => Ok(Filled::Refused),
                None => self.inner.fill(vec![fill], options).await.remove(0),
            });
        }
        answers
    }

    fn stats(&self) -> Vec<TierStats> {
        self.inner.stats()
    }

    async fn check(&self, options: &ReadOptions) -> Vec<TierCheck> {
        self.inner.check(options).await
    }

    async fn close(&self, deadline: Timestamp) -> Result<CloseReport> {
        let _ = WriteBehind(Arc::clone(&self.shared)).deliver().await;
        let below = self.inner.close(deadline).await?;
        let left = self.shared.journal.pending().await?;
        self.shared.journal.close(deadline).await?;
        Ok(below.with_undelivered(below.undelivered + left))
    }
}
