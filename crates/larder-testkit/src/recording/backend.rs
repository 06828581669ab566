//! The wrapper: forwards every call and writes it down.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use larder_core::{
    Backend, BatchOperation, BatchReply, Capability, Changes, CloseReport, Cursor, Deletion, Entry,
    Expiry, Fill, FillToken, Filled, Head, Key, Lease, LeaseOptions, Marker, MarkerRead, Namespace,
    Operation, Peek, ReadOptions, RegionLimits, Result, ScanPage, ScanRequest, Store, TierCheck,
    TierStats, Timestamp, Update, Updated, Version, WriteOptions, async_trait,
};

use super::{Log, Outcome};
use crate::keys_of;

#[derive(Debug)]
pub(super) struct RecordingBackend {
    inner: Store,
    log: Arc<Log>,
}

impl RecordingBackend {
    pub(super) fn new(inner: Store, log: Arc<Log>) -> Self {
        Self { inner, log }
    }

    async fn one<T>(
        &self,
        operation: Operation,
        keys: Vec<String>,
        forward: impl Future<Output = Result<T>> + Send,
        done: impl FnOnce(&T) -> Outcome + Send,
    ) -> Result<T> {
        let place = self.log.begin(operation, keys);
        let reply = forward.await;
        self.log.end(place, vec![Outcome::of(&reply, done)]);
        reply
    }

    async fn many<T>(
        &self,
        operation: Operation,
        keys: Vec<String>,
        forward: impl Future<Output = Vec<Result<T>>> + Send,
        done: impl Fn(&T) -> Outcome + Send,
    ) -> Vec<Result<T>> {
        let place = self.log.begin(operation, keys);
        let replies = forward.await;
        let outcomes = replies
            .iter()
            .map(|reply| Outcome::of(reply, &done))
            .collect();
        self.log.end(place, outcomes);
        replies
    }

    fn now(
        &self,
        operation: Operation,
        keys: Vec<String>,
        forward: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let place = self.log.begin(operation, keys);
        let reply = forward();
        self.log
            .end(place, vec![Outcome::of(&reply, |()| Outcome::Done)]);
        reply
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Backend for RecordingBackend {
    fn capability(&self) -> Capability {
        self.inner.capability()
    }

    fn peek(&self, key: &Key<'_>, now: Timestamp) -> Peek {
        let answer = self.inner.peek(key, now);
        if matches!(answer, Peek::Hit(_)) {
            self.log.peeks.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    async fn get(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Entry>> {
        let forward = self.inner.get(key, options);
        let found = |entry: &Option<_>| Outcome::found(entry.is_some());
        self.one(Operation::Get, keys_of::key(key), forward, found)
            .await
    }

    async fn head(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Head>> {
        let forward = self.inner.head(key, options);
        let found = |head: &Option<_>| Outcome::found(head.is_some());
        self.one(Operation::Head, keys_of::key(key), forward, found)
            .await
    }

    async fn scan(
        &self,
        request: &ScanRequest,
        cursor: Option<Cursor>,
        options: &ReadOptions,
    ) -> Result<ScanPage> {
        let forward = self.inner.scan(request, cursor, options);
        let pattern = vec![request.pattern.as_str().to_owned()];
        let listed = |page: &ScanPage| Outcome::Listed(page.entries.len());
        self.one(Operation::Scan, pattern, forward, listed).await
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, options: &WriteOptions) -> Result<()> {
        let forward = self.inner.set(key, entry, options);
        self.one(Operation::Set, keys_of::key(key), forward, |()| {
            Outcome::Done
        })
        .await
    }

    async fn delete(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        let forward = self.inner.delete(key, options);
        let deleted = |deletion: &Deletion| Outcome::of_deletion(*deletion);
        self.one(Operation::Delete, keys_of::key(key), forward, deleted)
            .await
    }

    async fn invalidate(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        let forward = self.inner.invalidate(key, options);
        let deleted = |deletion: &Deletion| Outcome::of_deletion(*deletion);
        self.one(Operation::Invalidate, keys_of::key(key), forward, deleted)
            .await
    }

    async fn expire(&self, key: &Key<'_>, expiry: Expiry, options: &WriteOptions) -> Result<bool> {
        let forward = self.inner.expire(key, expiry, options);
        let done = |done: &bool| Outcome::done(*done);
        self.one(Operation::Expire, keys_of::key(key), forward, done)
            .await
    }

    async fn update(
        &self,
        key: &Key<'_>,
        update: Update,
        options: &WriteOptions,
    ) -> Result<Updated> {
        let forward = self.inner.update(key, update, options);
        self.one(
            Operation::Update,
            keys_of::key(key),
            forward,
            Outcome::of_update,
        )
        .await
    }

    async fn batch(
        &self,
        operations: Vec<BatchOperation<'_>>,
        options: &WriteOptions,
    ) -> Vec<Result<BatchReply>> {
        let keys = keys_of::operations(&operations);
        let forward = self.inner.batch(operations, options);
        self.many(Operation::Batch, keys, forward, Outcome::of_reply)
            .await
    }

    async fn lease(&self, keys: &[Key<'_>], options: &LeaseOptions) -> Vec<Result<Lease>> {
        let forward = self.inner.lease(keys, options);
        self.many(
            Operation::Lease,
            keys_of::keys(keys),
            forward,
            Outcome::of_lease,
        )
        .await
    }

    async fn fill(&self, fills: Vec<Fill>, options: &WriteOptions) -> Vec<Result<Filled>> {
        let keys = keys_of::fills(&fills);
        let forward = self.inner.fill(fills, options);
        let filled = |filled: &Filled| Outcome::of_fill(*filled);
        self.many(Operation::Fill, keys, forward, filled).await
    }

    async fn release(&self, tokens: Vec<FillToken>, options: &WriteOptions) -> Result<()> {
        let keys = keys_of::tokens(&tokens);
        let forward = self.inner.release(tokens, options);
        self.one(Operation::Release, keys, forward, |()| Outcome::Done)
            .await
    }

    async fn markers(
        &self,
        markers: &[Marker],
        read: MarkerRead,
        options: &ReadOptions,
    ) -> Result<Vec<Option<Version>>> {
        let forward = self.inner.markers(markers, read, options);
        self.one(
            Operation::Markers,
            keys_of::markers(markers),
            forward,
            |_| Outcome::Done,
        )
        .await
    }

    async fn bump(&self, markers: &[Marker], options: &WriteOptions) -> Result<Vec<Version>> {
        let forward = self.inner.bump(markers, options);
        self.one(Operation::Bump, keys_of::markers(markers), forward, |_| {
            Outcome::Done
        })
        .await
    }

    fn watch(&self) -> Option<&Changes> {
        self.inner.watch()
    }

    fn reserve(&self, limits: &RegionLimits) -> Result<()> {
        let prefix = vec![limits.prefix.to_string()];
        self.now(Operation::Reserve, prefix, || self.inner.reserve(limits))
    }

    fn put_now(&self, key: &Key<'_>, entry: Entry) -> Result<()> {
        self.now(Operation::Set, keys_of::key(key), || {
            self.inner.put_now(key, entry)
        })
    }

    fn forget_now(&self, key: &Key<'_>) -> Result<()> {
        self.now(Operation::Invalidate, keys_of::key(key), || {
            self.inner.forget_now(key)
        })
    }

    fn forget_all_now(&self, namespace: &Namespace) -> Result<()> {
        self.now(Operation::Invalidate, Vec::new(), || {
            self.inner.forget_all_now(namespace)
        })
    }

    fn stats(&self) -> Vec<TierStats> {
        self.inner.stats()
    }

    async fn check(&self, options: &ReadOptions) -> Vec<TierCheck> {
        let place = self.log.begin(Operation::Check, Vec::new());
        let checks = self.inner.check(options).await;
        self.log.end(place, vec![Outcome::Done]);
        checks
    }

    async fn close(&self, deadline: Timestamp) -> Result<CloseReport> {
        let forward = self.inner.close(deadline);
        self.one(Operation::Close, Vec::new(), forward, |_| Outcome::Done)
            .await
    }
}
