//! The store: each operation handed to the part that does it.

use std::fmt;
use std::sync::Arc;

use larder_core::{
    Backend, BatchOperation, BatchReply, Capability, Changes, CloseReport, Cursor, Deletion, Entry,
    Error, Expiry, Fill, FillToken, Filled, Head, Key, Lease, LeaseOptions, Marker, MarkerRead,
    Namespace, Operation, Peek, ReadOptions, RegionLimits, Result, ScanPage, ScanRequest,
    TierCheck, TierContext, TierStats, Timestamp, Update, Updated, Version, WriteOptions,
    async_trait,
};
use tokio::task::JoinSet;

use crate::config::{RedisBuilder, Settings, Start};
use crate::finish::{Forget, finish};
use crate::link::{self, Link};
use crate::renew;
use crate::shared::Shared;

/// Keeps entries in Redis. See the [crate's front page](crate).
pub struct Redis {
    shared: Arc<Shared>,
    /// Ends with the store, and the connections with it.
    tasks: std::sync::Mutex<JoinSet<()>>,
    /// Whether this only waits for what is under way.
    leaving: bool,
}

impl Redis {
    /// Starts with a URL: `redis://[user:password@]host[:port][/db]`, `rediss://…` for TLS,
    /// `redis+unix:///path[?db=n]`, or
    /// `redis-sentinel://host[:port][/db]?sentinelServiceName=name[&node=host:port]…`.
    pub fn builder(url: impl Into<String>) -> RedisBuilder {
        RedisBuilder::from_url(url)
    }

    /// Starts with an address, `host:port`.
    pub fn at(address: impl Into<String>) -> RedisBuilder {
        RedisBuilder::from_address(address)
    }

    pub(crate) async fn open(settings: Settings, context: &TierContext) -> Result<Self> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(Error::new(
                larder_core::ErrorKind::RuntimeGone,
                "redis needs a running tokio runtime",
            ));
        }
        let shared = Arc::new(Shared::new(
            settings,
            context.namespace.clone(),
            Arc::clone(&context.clock),
        ));
        let first = match Link::first(&shared).await {
            Ok((link, reader)) => {
                link.up(&shared);
                link::open_readers(&shared, reader).await;
                Some(link)
            }
            Err(error) if error.is_temporary() && shared.settings.start == Start::Degraded => {
                tracing::warn!(cache = shared.namespace.as_str(), %error, "redis: started without it");
                shared.changes.publish(&larder_core::Change::LinkDown);
                shared.troubled(Some(error));
                None
            }
            Err(error) => return Err(error),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(link::keep_primary(Arc::clone(&shared), first));
        tasks.spawn(renew::keep_held(Arc::clone(&shared)));
        for lane in 0..shared.lanes() {
            tasks.spawn(link::keep_reader(Arc::clone(&shared), lane));
        }
        if let Some(every) = shared.settings.credentials.refresh_every() {
            tasks.spawn(link::refresh_credentials(Arc::clone(&shared), every));
        }
        Ok(Self {
            shared,
            tasks: tasks.into(),
            leaving: false,
        })
    }

    fn stop(&self) {
        self.tasks
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .abort_all();
        for connection in self.shared.standing() {
            connection.close();
        }
        self.shared.set_primary(None);
        for lane in 0..self.shared.lanes() {
            self.shared.set_reader(lane, None);
        }
    }
}

/// How long what is under way may take when the last handle is dropped: leases are given back then.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_millis(500);

impl Drop for Redis {
    fn drop(&mut self) {
        let (true, Ok(runtime)) = (
            self.shared.is_busy() && !self.shared.is_closed() && !self.leaving,
            tokio::runtime::Handle::try_current(),
        ) else {
            self.stop();
            return;
        };
        let tasks = self.tasks.get_mut();
        let tasks = std::mem::take(tasks.unwrap_or_else(std::sync::PoisonError::into_inner));
        let ending = Self {
            shared: Arc::clone(&self.shared),
            tasks: tasks.into(),
            // A runtime that is ending drops the task at once, and this with it.
            leaving: true,
        };
        runtime.spawn(async move {
            let deadline = ending.shared.clock.now().saturating_add(LAST_WORDS);
            ending.shared.drain(deadline).await;
        });
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Backend for Redis {
    fn capability(&self) -> Capability {
        Capability::default()
            .with_scan()
            .with_expire()
            .with_counters()
            .with_conditional()
            .with_batch()
            .with_lease()
            .with_markers()
            .with_watch()
            .with_needs_bytes()
    }

    fn peek(&self, _: &Key<'_>, _: Timestamp) -> Peek {
        Peek::Pending
    }

    async fn get(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Entry>> {
        self.shared.get(key, options.deadline).await
    }

    async fn head(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Head>> {
        self.shared.head(key, options.deadline).await
    }

    async fn scan(
        &self,
        request: &ScanRequest,
        cursor: Option<Cursor>,
        options: &ReadOptions,
    ) -> Result<ScanPage> {
        self.shared.scan(request, cursor, options.deadline).await
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, options: &WriteOptions) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let bytes = shared.encode(key, &entry)?;
        let keep = shared.keep(entry.head().lifetime());
        let (key, id) = (key.to_buf(), entry.id());
        let setting = async move { shared.set(key, id, bytes, keep).await };
        finish(setting, self.shared.within(options.deadline), Forget).await
    }

    async fn delete(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        let (shared, key) = (Arc::clone(&self.shared), key.to_buf());
        let deleting = async move { shared.delete(key).await };
        finish(deleting, self.shared.within(options.deadline), Forget).await
    }

    async fn invalidate(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        self.delete(key, options).await
    }

    async fn expire(&self, key: &Key<'_>, expiry: Expiry, options: &WriteOptions) -> Result<bool> {
        let (shared, key, view) = (Arc::clone(&self.shared), key.to_buf(), options.view);
        let expiring = async move { shared.expire(key, expiry, view).await };
        finish(expiring, self.shared.within(options.deadline), Forget).await
    }

    async fn update(
        &self,
        key: &Key<'_>,
        update: Update,
        options: &WriteOptions,
    ) -> Result<Updated> {
        let (shared, key, view) = (Arc::clone(&self.shared), key.to_buf(), options.view);
        let updating = async move { shared.update(key, update, view).await };
        finish(updating, self.shared.within(options.deadline), Forget).await
    }

    async fn batch(
        &self,
        operations: Vec<BatchOperation<'_>>,
        options: &WriteOptions,
    ) -> Vec<Result<BatchReply>> {
        self.shared.batch(operations, options).await
    }

    async fn lease(&self, keys: &[Key<'_>], options: &LeaseOptions) -> Vec<Result<Lease>> {
        self.shared.lease(keys, options).await
    }

    async fn fill(&self, fills: Vec<Fill>, options: &WriteOptions) -> Vec<Result<Filled>> {
        self.shared.fill(fills, options).await
    }

    async fn release(&self, tokens: Vec<FillToken>, options: &WriteOptions) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let releasing = async move { shared.release(&tokens).await };
        finish(releasing, self.shared.within(options.deadline), Forget).await
    }

    async fn markers(
        &self,
        markers: &[Marker],
        read: MarkerRead,
        options: &ReadOptions,
    ) -> Result<Vec<Option<Version>>> {
        self.shared.markers(markers, read, options.deadline).await
    }

    async fn bump(&self, markers: &[Marker], options: &WriteOptions) -> Result<Vec<Version>> {
        if markers.is_empty() {
            return Ok(Vec::new());
        }
        let (shared, markers) = (Arc::clone(&self.shared), markers.to_vec());
        let bump = options.bump;
        let bumping = async move { shared.bump(markers, bump).await };
        finish(bumping, self.shared.within(options.deadline), Forget).await
    }

    fn watch(&self) -> Option<&Changes> {
        Some(&self.shared.changes)
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
        let mut stats = TierStats::new("redis");
        stats.hits = self.shared.hits.total();
        stats.misses = self.shared.misses.total();
        stats.unreadable = self.shared.unreadable.total();
        vec![stats]
    }

    async fn check(&self, options: &ReadOptions) -> Vec<TierCheck> {
        vec![self.shared.check(options).await]
    }

    async fn close(&self, deadline: Timestamp) -> Result<CloseReport> {
        let undelivered = self.shared.drain(deadline).await;
        self.stop();
        Ok(CloseReport::default().with_undelivered(undelivered))
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}
