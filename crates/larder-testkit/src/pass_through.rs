//! A layer that does nothing: what is left of a backend's promises when it is wrapped.

use std::sync::Arc;

use larder_core::{
    Backend, BatchOperation, BatchReply, Capability, Changes, CloseReport, Cursor, Deletion, Entry,
    Expiry, Fill, FillToken, Filled, Head, Key, Layer, Lease, LeaseOptions, Marker, MarkerRead,
    Namespace, Peek, ReadOptions, RegionLimits, Result, ScanPage, ScanRequest, Store, TierCheck,
    TierStats, Timestamp, Update, Updated, Version, WriteOptions, async_trait,
};

/// Forwards every call unchanged. Also the place to begin a layer of your own: copy it.
///
/// ```
/// use larder_core::{Backend, Store};
/// use larder_testkit::{ManualClock, PassThrough, ReferenceBackend};
///
/// let store = Store::new(ReferenceBackend::new(ManualClock::new().shared()));
/// let layered = store.layer(&PassThrough)?;
/// assert_eq!(layered.capability(), store.capability());
/// # Ok::<_, larder_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct PassThrough;

impl Layer for PassThrough {
    fn apply(&self, inner: Store) -> Arc<dyn Backend> {
        Arc::new(PassThroughBackend { inner })
    }
}

#[derive(Debug)]
struct PassThroughBackend {
    inner: Store,
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Backend for PassThroughBackend {
    fn capability(&self) -> Capability {
        self.inner.capability()
    }

    fn peek(&self, key: &Key<'_>, now: Timestamp) -> Peek {
        self.inner.peek(key, now)
    }

    async fn get(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Entry>> {
        self.inner.get(key, options).await
    }

    async fn head(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Head>> {
        self.inner.head(key, options).await
    }

    async fn scan(
        &self,
        request: &ScanRequest,
        cursor: Option<Cursor>,
        options: &ReadOptions,
    ) -> Result<ScanPage> {
        self.inner.scan(request, cursor, options).await
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, options: &WriteOptions) -> Result<()> {
        self.inner.set(key, entry, options).await
    }

    async fn delete(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        self.inner.delete(key, options).await
    }

    async fn invalidate(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        self.inner.invalidate(key, options).await
    }

    async fn expire(&self, key: &Key<'_>, expiry: Expiry, options: &WriteOptions) -> Result<bool> {
        self.inner.expire(key, expiry, options).await
    }

    async fn update(
        &self,
        key: &Key<'_>,
        update: Update,
        options: &WriteOptions,
    ) -> Result<Updated> {
        self.inner.update(key, update, options).await
    }

    async fn batch(
        &self,
        operations: Vec<BatchOperation<'_>>,
        options: &WriteOptions,
    ) -> Vec<Result<BatchReply>> {
        self.inner.batch(operations, options).await
    }

    async fn lease(&self, keys: &[Key<'_>], options: &LeaseOptions) -> Vec<Result<Lease>> {
        self.inner.lease(keys, options).await
    }

    async fn fill(&self, fills: Vec<Fill>, options: &WriteOptions) -> Vec<Result<Filled>> {
        self.inner.fill(fills, options).await
    }

    async fn release(&self, tokens: Vec<FillToken>, options: &WriteOptions) -> Result<()> {
        self.inner.release(tokens, options).await
    }

    async fn markers(
        &self,
        markers: &[Marker],
        read: MarkerRead,
        options: &ReadOptions,
    ) -> Result<Vec<Option<Version>>> {
        self.inner.markers(markers, read, options).await
    }

    async fn bump(&self, markers: &[Marker], options: &WriteOptions) -> Result<Vec<Version>> {
        self.inner.bump(markers, options).await
    }

    fn watch(&self) -> Option<&Changes> {
        self.inner.watch()
    }

    fn reserve(&self, limits: &RegionLimits) -> Result<()> {
        self.inner.reserve(limits)
    }

    fn put_now(&self, key: &Key<'_>, entry: Entry) -> Result<()> {
        self.inner.put_now(key, entry)
    }

    fn forget_now(&self, key: &Key<'_>) -> Result<()> {
        self.inner.forget_now(key)
    }

    fn forget_all_now(&self, namespace: &Namespace) -> Result<()> {
        self.inner.forget_all_now(namespace)
    }

    fn stats(&self) -> Vec<TierStats> {
        self.inner.stats()
    }

    async fn check(&self, options: &ReadOptions) -> Vec<TierCheck> {
        self.inner.check(options).await
    }

    async fn close(&self, deadline: Timestamp) -> Result<CloseReport> {
        self.inner.close(deadline).await
    }
}
