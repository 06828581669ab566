//! A store as it is seen over a connection: what it tells of is up to the test.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use larder_core::{
    Backend, BatchOperation, BatchReply, Capability, Change, Changes, CloseReport, Cursor,
    Deletion, Entry, Error, Expiry, Fill, FillToken, Filled, Head, Key, Lease, LeaseOptions,
    Marker, MarkerRead, Namespace, Observer, Operation, Peek, ReadOptions, RegionLimits, Result,
    ScanPage, ScanRequest, Store, TierCheck, TierStats, Timestamp, Update, Updated, Version,
    WriteOptions, async_trait,
};

/// What a connection tells of the changes that were made over it. Others' are always told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Echo {
    /// With the ids of their entries.
    Signed,
    /// Without ids.
    Unsigned,
    /// Nothing.
    Withheld,
}

/// A connection to a server, a store that others use as well.
#[derive(Debug)]
pub(crate) struct Remote {
    server: Store,
    echo: Echo,
    /// Whether a call of ours is being done: the server tells of it before it returns.
    ours: AtomicBool,
    changes: Changes,
    capability: Capability,
}

impl Remote {
    pub(crate) fn connect(server: &Store, echo: Echo) -> Arc<Self> {
        Self::with(server, echo, |capability| capability)
    }

    /// The same store with other abilities.
    pub(crate) fn with(
        server: &Store,
        echo: Echo,
        change: fn(Capability) -> Capability,
    ) -> Arc<Self> {
        let mut capability = server.capability();
        // As what is far.
        capability.immediate = false;
        capability.regions = false;
        capability.keeps_decoded = false;
        let remote = Arc::new(Self {
            server: server.clone(),
            echo,
            ours: AtomicBool::new(false),
            changes: Changes::new(),
            capability: change(capability),
        });
        if let Some(changes) = server.watch() {
            let observer: Weak<Self> = Arc::downgrade(&remote);
            changes.subscribe(observer);
        }
        remote
    }

    /// Tells of something.
    pub(crate) fn tell(&self, change: &Change<'_>) {
        self.changes.publish(change);
    }

    async fn ours<T>(&self, call: impl Future<Output = T> + Send) -> T {
        let _ours = Ours::begin(&self.ours);
        call.await
    }
}

/// Over when the call is, or when its caller goes away.
struct Ours<'a>(&'a AtomicBool);

impl<'a> Ours<'a> {
    fn begin(ours: &'a AtomicBool) -> Self {
        ours.store(true, Ordering::SeqCst);
        Self(ours)
    }
}

impl Drop for Ours<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Observer for Remote {
    fn changed(&self, change: &Change<'_>) {
        let ours = self.ours.load(Ordering::SeqCst);
        match (change, self.echo) {
            (Change::Key(..), Echo::Withheld) if ours => {}
            (Change::Key(key, _), Echo::Unsigned) if ours => self.tell(&Change::Key(*key, None)),
            _ => self.tell(change),
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Backend for Remote {
    fn capability(&self) -> Capability {
        self.capability
    }

    fn peek(&self, _: &Key<'_>, _: Timestamp) -> Peek {
        Peek::Pending
    }

    async fn get(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Entry>> {
        self.server.get(key, options).await
    }

    async fn head(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Head>> {
        self.server.head(key, options).await
    }

    async fn scan(
        &self,
        request: &ScanRequest,
        cursor: Option<Cursor>,
        options: &ReadOptions,
    ) -> Result<ScanPage> {
        self.server.scan(request, cursor, options).await
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, options: &WriteOptions) -> Result<()> {
        self.ours(self.server.set(key, entry, options)).await
    }

    async fn delete(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        self.ours(self.server.delete(key, options)).await
    }

    async fn invalidate(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        self.ours(self.server.invalidate(key, options)).await
    }

    async fn expire(&self, key: &Key<'_>, expiry: Expiry, options: &WriteOptions) -> Result<bool> {
        self.ours(self.server.expire(key, expiry, options)).await
    }

    async fn update(
        &self,
        key: &Key<'_>,
        update: Update,
        options: &WriteOptions,
    ) -> Result<Updated> {
        self.ours(self.server.update(key, update, options)).await
    }

    async fn batch(
        &self,
        operations: Vec<BatchOperation<'_>>,
        options: &WriteOptions,
    ) -> Vec<Result<BatchReply>> {
        self.ours(self.server.batch(operations, options)).await
    }

    async fn lease(&self, keys: &[Key<'_>], options: &LeaseOptions) -> Vec<Result<Lease>> {
        self.ours(self.server.lease(keys, options)).await
    }

    async fn fill(&self, fills: Vec<Fill>, options: &WriteOptions) -> Vec<Result<Filled>> {
        self.ours(self.server.fill(fills, options)).await
    }

    async fn release(&self, tokens: Vec<FillToken>, options: &WriteOptions) -> Result<()> {
        self.ours(self.server.release(tokens, options)).await
    }

    async fn markers(
        &self,
        markers: &[Marker],
        read: MarkerRead,
        options: &ReadOptions,
    ) -> Result<Vec<Option<Version>>> {
        self.server.markers(markers, read, options).await
    }

    async fn bump(&self, markers: &[Marker], options: &WriteOptions) -> Result<Vec<Version>> {
        self.server.bump(markers, options).await
    }

    fn watch(&self) -> Option<&Changes> {
        self.capability.watch.then_some(&self.changes)
    }

    fn reserve(&self, _: &RegionLimits) -> Result<()> {
        Err(Error::unsupported(Operation::Reserve))
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
        self.server.stats()
    }

    async fn check(&self, options: &ReadOptions) -> Vec<TierCheck> {
        self.server.check(options).await
    }

    async fn close(&self, deadline: Timestamp) -> Result<CloseReport> {
        self.server.close(deadline).await
    }
}
