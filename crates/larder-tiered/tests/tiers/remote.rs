//! A store as it is seen over a connection: what it tells of is up to the test.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use larder_core::{
    Backend, BatchOperation, BatchReply, Capability, Change, Changes, CloseReport, Cursor,
    Deletion, Entry, Expiry, Fill, FillToken, Filled, Head, Key, Lease, LeaseOptions, Marker,
    MarkerRead, Namespace, Observer, Peek, ReadOptions, RegionLimits, Result, ScanPage,
    ScanRequest, Store, TierCheck, TierStats, Timestamp, Update, Updated, Version, WriteOptions,
    async_trait,
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
    narrow: fn(Capability) -> Capability,
}

impl Remote {
    pub(crate) fn connect(server: &Store, echo: Echo) -> Arc<Self> {
        Self::with(server, echo, |capability| {
            // Not immediate and without regions, as what is far is.
            let mut far = capability;
            (far.immediate, far.regions, far.keeps_decoded) = (false, false, false);
            far
        })
    }

    /// The same store with fewer abilities.
    pub(crate) fn with(
        server: &Store,
        echo: Echo,
        narrow: fn(Capability) -> Capability,
    ) -> Arc<Self> {
        let remote = Arc::new(Self {
            server: server.clone(),
            echo,
            ours: AtomicBool::new(false),
            changes: Changes::new(),
            narrow,
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
        (self.narrow)(self.server.capability())
    }

    fn peek(&self, key: &Key<'_>, now: Timestamp) -> Peek {
        if self.capability().immediate {
            self.server.peek(key, now)
        } else {
            Peek::Pending
        }
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
        self.capability().watch.then_some(&self.changes)
    }

    fn reserve(&self, limits: &RegionLimits) -> Result<()> {
        if self.capability().regions {
            return self.server.reserve(limits);
        }
        Err(larder_core::Error::unsupported(
            larder_core::Operation::Reserve,
        ))
    }

    fn put_now(&self, key: &Key<'_>, entry: Entry) -> Result<()> {
        self.server.put_now(key, entry)
    }

    fn forget_now(&self, key: &Key<'_>) -> Result<()> {
        self.server.forget_now(key)
    }

    fn forget_all_now(&self, namespace: &Namespace) -> Result<()> {
        self.server.forget_all_now(namespace)
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

/// A change as a test remembers it.
#[derive(Debug, Default)]
pub(crate) struct Ear(Mutex<Vec<String>>);

impl Ear {
    pub(crate) fn on(store: &Store) -> Arc<Self> {
        let ear = Arc::new(Self::default());
        let observer: Weak<Self> = Arc::downgrade(&ear);
        store.watch().expect("changes are told").subscribe(observer);
        ear
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("nobody panics with it"))
    }
}

impl Observer for Ear {
    fn changed(&self, change: &Change<'_>) {
        let heard = match change {
            Change::Key(key, _) => format!("key {}", key.text()),
            Change::Leased(key) => format!("leased {}", key.text()),
            other => format!("{other:?}"),
        };
        self.0.lock().expect("nobody panics with it").push(heard);
    }
}
