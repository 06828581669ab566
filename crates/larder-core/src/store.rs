//! The handle to a backend with its layers.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    Backend, BatchOperation, BatchReply, Capability, Changes, CloseReport, Cursor, Deletion, Entry,
    Error, ErrorKind, Expiry, Fill, FillToken, Filled, Head, Key, Layer, LayerRole, Lease,
    LeaseOptions, Marker, MarkerRead, Namespace, Peek, ReadOptions, RegionLimits, Result, ScanPage,
    ScanRequest, TierCheck, TierStats, Timestamp, Update, Updated, Version, WriteOptions,
};

/// A backend with its layers, erased and cheap to clone. It is a [`Backend`] itself.
#[derive(Clone)]
pub struct Store(Arc<dyn Backend>);

impl Store {
    /// Wraps a backend.
    pub fn new(backend: impl Backend) -> Self {
        Self(Arc::new(backend))
    }

    /// Puts a layer around the store. The last one applied is outermost.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConfigInvalid`] if the layer stands in the wrong place, naming the right one, or
    /// if it claims an ability that the store below it hasn't.
    pub fn layer(&self, layer: &dyn Layer) -> Result<Self> {
        let below = self.capability();
        let wrong = match layer.role() {
            LayerRole::Bytes if below.keeps_decoded => Some(
                "a byte layer above a tier that keeps decoded values does nothing for it: put it around the \
                 store that needs bytes, below the memory tier",
            ),
            LayerRole::Guard if below.tiered => Some(
                "a guard above several tiers would fail hits in memory when the remote tier fails: put it \
                 around the remote store alone",
            ),
            LayerRole::Bytes | LayerRole::Tags | LayerRole::Guard if below.sink => Some(
                "a layer above write-behind would never see what the system of record is given: put it below",
            ),
            _ => None,
        };
        if let Some(wrong) = wrong {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                format!("{layer:?} stands in the wrong place: {wrong}"),
            ));
        }
        let layered = Self(layer.apply(self.clone()));
        let above = layered.capability();
        if above.narrowed_by(below) != above {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                format!(
                    "{layer:?} claims abilities that the store below it hasn't; a layer can only narrow them"
                ),
            ));
        }
        Ok(layered)
    }

    /// Looks up many entries in one round trip.
    ///
    /// # Errors
    ///
    /// Each key has its own.
    pub async fn get_many(
        &self,
        keys: &[Key<'_>],
        options: &WriteOptions,
    ) -> Vec<Result<Option<Entry>>> {
        let operations = keys.iter().map(|key| BatchOperation::Get(*key)).collect();
        let replies = self.0.batch(operations, options).await;
        replies
            .into_iter()
            .map(|reply| reply.and_then(BatchReply::into_entry))
            .collect()
    }

    /// Whether both are the same object.
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<B: Backend> From<Arc<B>> for Store {
    fn from(backend: Arc<B>) -> Self {
        Self(backend)
    }
}

impl From<Arc<dyn Backend>> for Store {
    fn from(backend: Arc<dyn Backend>) -> Self {
        Self(backend)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Backend for Store {
    fn capability(&self) -> Capability {
        self.0.capability()
    }

    #[inline]
    fn peek(&self, key: &Key<'_>, now: Timestamp) -> Peek {
        self.0.peek(key, now)
    }

    async fn get(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Entry>> {
        self.0.get(key, options).await
    }

    async fn head(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Head>> {
        self.0.head(key, options).await
    }

    async fn scan(
        &self,
        request: &ScanRequest,
        cursor: Option<Cursor>,
        options: &ReadOptions,
    ) -> Result<ScanPage> {
        self.0.scan(request, cursor, options).await
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, options: &WriteOptions) -> Result<()> {
        self.0.set(key, entry, options).await
    }

    async fn delete(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        self.0.delete(key, options).await
    }

    async fn invalidate(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        self.0.invalidate(key, options).await
    }

    async fn expire(&self, key: &Key<'_>, expiry: Expiry, options: &WriteOptions) -> Result<bool> {
        self.0.expire(key, expiry, options).await
    }

    async fn update(
        &self,
        key: &Key<'_>,
        update: Update,
        options: &WriteOptions,
    ) -> Result<Updated> {
        self.0.update(key, update, options).await
    }

    async fn batch(
        &self,
        operations: Vec<BatchOperation<'_>>,
        options: &WriteOptions,
    ) -> Vec<Result<BatchReply>> {
        self.0.batch(operations, options).await
    }

    async fn lease(&self, keys: &[Key<'_>], options: &LeaseOptions) -> Vec<Result<Lease>> {
        self.0.lease(keys, options).await
    }

    async fn fill(&self, fills: Vec<Fill>, options: &WriteOptions) -> Vec<Result<Filled>> {
        self.0.fill(fills, options).await
    }

    async fn release(&self, tokens: Vec<FillToken>, options: &WriteOptions) -> Result<()> {
        self.0.release(tokens, options).await
    }

    async fn markers(
        &self,
        markers: &[Marker],
        read: MarkerRead,
        options: &ReadOptions,
    ) -> Result<Vec<Option<Version>>> {
        self.0.markers(markers, read, options).await
    }

    async fn bump(&self, markers: &[Marker], options: &WriteOptions) -> Result<Vec<Version>> {
        self.0.bump(markers, options).await
    }

    fn watch(&self) -> Option<&Changes> {
        self.0.watch()
    }

    fn reserve(&self, limits: &RegionLimits) -> Result<()> {
        self.0.reserve(limits)
    }

    fn put_now(&self, key: &Key<'_>, entry: Entry) -> Result<()> {
        self.0.put_now(key, entry)
    }

    fn forget_now(&self, key: &Key<'_>) -> Result<()> {
        self.0.forget_now(key)
    }

    fn forget_all_now(&self, namespace: &Namespace) -> Result<()> {
        self.0.forget_all_now(namespace)
    }

    fn stats(&self) -> Vec<TierStats> {
        self.0.stats()
    }

    async fn check(&self, options: &ReadOptions) -> Vec<TierCheck> {
        self.0.check(options).await
    }

    async fn close(&self, deadline: Timestamp) -> Result<CloseReport> {
        self.0.close(deadline).await
    }
}
