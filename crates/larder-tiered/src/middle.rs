//! A middle tier in front of a far one: copies that are made under the tier's own leases, and a far tier
//! that is always written first.
//!
//! The nearest tier is fenced by an epoch, because it is at hand. A middle tier is not, so its own lease
//! takes the epoch's place: a copy is stored only under a lease from before the far tier was asked, and
//! every change invalidates the key, which ends the lease.

use std::sync::Arc;
use std::time::Duration;

use larder_core::{
    Backend, BatchOperation, BatchReply, Capability, Changes, Clock, CloseReport, Cursor, Deletion,
    Entry, Error, ErrorStatus, Expiry, Fill, FillToken, Filled, Head, Key, Lease, LeaseOptions,
    Marker, MarkerRead, Namespace, Operation, Peek, ReadOptions, RegionLimits, Result, ScanPage,
    ScanRequest, Store, TierCheck, TierStats, Tiers, Timestamp, Update, Updated, Version,
    WriteOptions, async_trait,
};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::batch::{reads, unanswered};
use crate::doubts::{Doubts, Telling};
use crate::service;

/// A tier that is neither the nearest nor the authoritative one, and everything behind it.
#[derive(Debug)]
pub(crate) struct Middle {
    pub(crate) store: Store,
    pub(crate) far: Store,
    /// The tier's place in the stack, for errors.
    place: usize,
    pub(crate) max_ttl: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) doubts: Arc<Doubts>,
    /// Tells the tier of changes that others made; ends with this.
    task: AbortHandle,
}

impl Middle {
    pub(crate) fn new(
        middle: Store,
        far: Store,
        place: usize,
        max_ttl: Duration,
        clock: Arc<dyn Clock>,
        runtime: &Handle,
    ) -> Self {
        let doubts = Arc::new(Doubts::new(Arc::clone(&clock), max_ttl));
        doubts.follow(&far);
        let telling = Arc::clone(&doubts).keep_telling(middle.clone());
        Self {
            task: runtime.spawn(telling).abort_handle(),
            store: middle,
            far,
            place,
            max_ttl,
            clock,
            doubts,
        }
    }

    /// Writes the far tier, then tells the middle one, also where the write failed: it may have been done.
    async fn write<T>(
        &self,
        key: &Key<'_>,
        options: &WriteOptions,
        write: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let telling = self.doubts.begin(key);
        let written = write.await;
        let told = self.tell(vec![telling], options).await.pop();
        after_telling(written, told)
    }

    /// Invalidates keys in the middle tier, in one call.
    async fn tell(
        &self,
        mut tellings: Vec<Telling<'_>>,
        options: &WriteOptions,
    ) -> Vec<Result<()>> {
        for telling in &mut tellings {
            telling.send();
        }
        let mut telling = WriteOptions::default();
        telling.deadline = options.deadline;
        let replies = match &tellings[..] {
            [] => Vec::new(),
            [one] => vec![self.store.invalidate(&one.key(), &telling).await.map(drop)],
            several => {
                let keys = several.iter().map(Telling::key);
                let invalidations = keys.map(BatchOperation::Invalidate).collect();
                let replies = self.store.batch(invalidations, &telling).await;
                replies.into_iter().map(|reply| reply.map(drop)).collect()
            }
        };
        let mut replies = replies.into_iter();
        let outcome = |telling: Telling<'_>| {
            let reply = replies.next().unwrap_or_else(|| unanswered().map(drop));
            reply.map_err(|error| self.untold(error, &telling.key()))?;
            telling.told();
            Ok(())
        };
        tellings.into_iter().map(outcome).collect()
    }

    fn untold(&self, error: Error, key: &Key<'_>) -> Error {
        let message = format!(
            "the authoritative tier has done the write, but tier {} could not be told; reads of the key leave that \
             tier out until it has been",
            self.place
        );
        Error::new(error.kind(), message)
            .with_key(&key.text())
            // The write must not be repeated: it has been done.
            .with_status(ErrorStatus::Permanent)
            .with_source(error)
    }
}

/// What a write answers: its own error, or else that of the telling, where there was one.
fn after_telling<T>(reply: Result<T>, told: Option<Result<()>>) -> Result<T> {
    let reply = reply?;
    told.transpose()?;
    Ok(reply)
}

impl Drop for Middle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Backend for Middle {
    fn capability(&self) -> Capability {
        service::capability(&self.store, &self.far)
    }

    fn peek(&self, _: &Key<'_>, _: Timestamp) -> Peek {
        Peek::Pending
    }

    async fn get(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Entry>> {
        if options.tiers == Tiers::Authoritative || !self.doubts.allow(key) {
            return self.far.get(key, options).await;
        }
        self.read_one(key, options).await
    }

    async fn head(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Head>> {
        self.far.head(key, options).await
    }

    async fn scan(
        &self,
        request: &ScanRequest,
        cursor: Option<Cursor>,
        options: &ReadOptions,
    ) -> Result<ScanPage> {
        self.far.scan(request, cursor, options).await
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, options: &WriteOptions) -> Result<()> {
        self.write(key, options, self.far.set(key, entry, options))
            .await
    }

    async fn delete(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        self.write(key, options, self.far.delete(key, options))
            .await
    }

    async fn invalidate(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        self.write(key, options, self.far.invalidate(key, options))
            .await
    }

    async fn expire(&self, key: &Key<'_>, expiry: Expiry, options: &WriteOptions) -> Result<bool> {
        self.write(key, options, self.far.expire(key, expiry, options))
            .await
    }

    async fn update(
        &self,
        key: &Key<'_>,
        update: Update,
        options: &WriteOptions,
    ) -> Result<Updated> {
        self.write(key, options, self.far.update(key, update, options))
            .await
    }

    async fn batch(
        &self,
        operations: Vec<BatchOperation<'_>>,
        options: &WriteOptions,
    ) -> Vec<Result<BatchReply>> {
        if operations.iter().all(reads) && options.tiers != Tiers::Authoritative {
            return self.read(operations, options).await;
        }
        let written: Vec<_> = operations
            .iter()
            .map(|operation| !reads(operation))
            .collect();
        let tellings = operations
            .iter()
            .filter(|operation| !reads(operation))
            .map(|operation| self.doubts.begin(operation.key()))
            .collect();
        let replies = self.far.batch(operations, options).await;
        let mut told = self.tell(tellings, options).await.into_iter();
        let outcome = |(reply, written)| {
            let told = if written { told.next() } else { None };
            after_telling(reply, told)
        };
        replies.into_iter().zip(written).map(outcome).collect()
    }

    async fn lease(&self, keys: &[Key<'_>], options: &LeaseOptions) -> Vec<Result<Lease>> {
        self.far.lease(keys, options).await
    }

    async fn fill(&self, fills: Vec<Fill>, options: &WriteOptions) -> Vec<Result<Filled>> {
        let tellings = fills
            .iter()
            .map(|fill| self.doubts.begin(&fill.token.key()))
            .collect();
        let replies = self.far.fill(fills, options).await;
        let told = self.tell(tellings, options).await;
        let outcome = |(reply, told)| after_telling(reply, Some(told));
        replies.into_iter().zip(told).map(outcome).collect()
    }

    async fn release(&self, tokens: Vec<FillToken>, options: &WriteOptions) -> Result<()> {
        self.far.release(tokens, options).await
    }

    async fn markers(
        &self,
        markers: &[Marker],
        read: MarkerRead,
        options: &ReadOptions,
    ) -> Result<Vec<Option<Version>>> {
        self.far.markers(markers, read, options).await
    }

    async fn bump(&self, markers: &[Marker], options: &WriteOptions) -> Result<Vec<Version>> {
        self.far.bump(markers, options).await
    }

    fn watch(&self) -> Option<&Changes> {
        self.far.watch().map(|_| &self.doubts.changes)
    }

    fn reserve(&self, limits: &RegionLimits) -> Result<()> {
        service::reserve(&self.store, &self.far, limits)
    }

    fn put_now(&self, _: &Key<'_>, _: Entry) -> Result<()> {
        Err(Error::unsupported(Operation::Set))
    }

    fn forget_now(&self, _: &Key<'_>) -> Result<()> {
        Err(Error::unsupported(Operation::Invalidate))
    }

    fn forget_all_now(&self, _: &Namespace) -> Result<()> {
        Err(Error::unsupported(Operation::Invalidate))
    }

    fn stats(&self) -> Vec<TierStats> {
        let mut stats = self.store.stats();
        stats.extend(self.far.stats());
        stats
    }

    async fn check(&self, options: &ReadOptions) -> Vec<TierCheck> {
        service::check(&self.store, &self.far, options).await
    }

    async fn close(&self, deadline: Timestamp) -> Result<CloseReport> {
        self.doubts.tell(&self.store, deadline).await;
        self.task.abort();
        let closed = service::close(&self.store, &self.far, deadline).await?;
        Ok(closed.with_undelivered(closed.undelivered + self.doubts.count()))
    }
}
