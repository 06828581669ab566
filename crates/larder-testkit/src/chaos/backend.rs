//! The wrapper: each call asks what is to happen to it, and lets it happen.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use larder_core::{
    Backend, BatchOperation, BatchReply, Capability, Changes, CloseReport, Cursor, Deletion, Entry,
    Error, ErrorKind, Expiry, Fill, FillToken, Filled, Head, Key, Lease, LeaseOptions, Marker,
    MarkerRead, Namespace, Operation, Peek, ReadOptions, RegionLimits, Result, ScanPage,
    ScanRequest, Severity, Store, TierCheck, TierStats, Timestamp, Update, Updated, Version,
    WriteOptions, async_trait,
};

use super::{Call, Chaos, Fault, Plan};
use crate::keys_of;

pub(super) struct ChaosBackend {
    inner: Store,
    chaos: Arc<Chaos>,
    hides_peek: bool,
}

impl ChaosBackend {
    pub(super) fn new(inner: Store, chaos: Arc<Chaos>, hides_peek: bool) -> Self {
        Self {
            inner,
            chaos,
            hides_peek,
        }
    }

    /// A call that can wait.
    async fn strike<T>(
        &self,
        operation: Operation,
        keys: Vec<String>,
        failed: impl FnOnce(Error) -> T + Send,
        forward: impl Future<Output = T> + Send,
    ) -> T {
        let Plan {
            before,
            fault,
            after,
        } = self.chaos.plan(&Call {
            operation,
            keys: &keys,
        });
        if let Some(gate) = before {
            gate.hold().await;
        }
        match fault {
            Some(Fault::Fail(kind)) => return failed(error(kind, operation)),
            Some(Fault::Delay(duration)) => {
                let until = self.chaos.clock.now().saturating_add(duration);
                self.chaos.clock.sleep_until(until).await;
            }
            Some(Fault::Lose(_)) | None => {}
        }
        let mut reply = forward.await;
        if let Some(Fault::Lose(kind)) = fault {
            reply = failed(error(kind, operation));
        }
        if let Some(gate) = after {
            gate.hold().await;
        }
        reply
    }

    /// A call that can't.
    fn strike_now(
        &self,
        operation: Operation,
        keys: &[String],
        forward: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        match self.chaos.fault_now(&Call { operation, keys }) {
            Some(Fault::Fail(kind)) => Err(error(kind, operation)),
            Some(Fault::Lose(kind)) => forward().and(Err(error(kind, operation))),
            Some(Fault::Delay(_)) | None => forward(),
        }
    }
}

fn error(kind: ErrorKind, operation: Operation) -> Error {
    Error::new(kind, "a test asked for this failure").with_operation(operation)
}

/// The same failure for each of a list.
fn each<T>(count: usize) -> impl FnOnce(Error) -> Vec<Result<T>> {
    move |error| (0..count).map(|_| Err(error.clone())).collect()
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Backend for ChaosBackend {
    fn capability(&self) -> Capability {
        let mut capability = self.inner.capability();
        capability.immediate &= !self.hides_peek;
        capability
    }

    fn peek(&self, key: &Key<'_>, now: Timestamp) -> Peek {
        if self.hides_peek {
            Peek::Pending
        } else {
            self.inner.peek(key, now)
        }
    }

    async fn get(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Entry>> {
        let forward = self.inner.get(key, options);
        self.strike(Operation::Get, keys_of::key(key), Err, forward)
            .await
    }

    async fn head(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Head>> {
        let forward = self.inner.head(key, options);
        self.strike(Operation::Head, keys_of::key(key), Err, forward)
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
        self.strike(Operation::Scan, pattern, Err, forward).await
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, options: &WriteOptions) -> Result<()> {
        let forward = self.inner.set(key, entry, options);
        self.strike(Operation::Set, keys_of::key(key), Err, forward)
            .await
    }

    async fn delete(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        let forward = self.inner.delete(key, options);
        self.strike(Operation::Delete, keys_of::key(key), Err, forward)
            .await
    }

    async fn invalidate(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        let forward = self.inner.invalidate(key, options);
        self.strike(Operation::Invalidate, keys_of::key(key), Err, forward)
            .await
    }

    async fn expire(&self, key: &Key<'_>, expiry: Expiry, options: &WriteOptions) -> Result<bool> {
        let forward = self.inner.expire(key, expiry, options);
        self.strike(Operation::Expire, keys_of::key(key), Err, forward)
            .await
    }

    async fn update(
        &self,
        key: &Key<'_>,
        update: Update,
        options: &WriteOptions,
    ) -> Result<Updated> {
        let forward = self.inner.update(key, update, options);
        self.strike(Operation::Update, keys_of::key(key), Err, forward)
            .await
    }

    async fn batch(
        &self,
        operations: Vec<BatchOperation<'_>>,
        options: &WriteOptions,
    ) -> Vec<Result<BatchReply>> {
        let (keys, failed) = (keys_of::operations(&operations), each(operations.len()));
        let forward = self.inner.batch(operations, options);
        self.strike(Operation::Batch, keys, failed, forward).await
    }

    async fn lease(&self, keys: &[Key<'_>], options: &LeaseOptions) -> Vec<Result<Lease>> {
        let forward = self.inner.lease(keys, options);
        self.strike(
            Operation::Lease,
            keys_of::keys(keys),
            each(keys.len()),
            forward,
        )
        .await
    }

    async fn fill(&self, fills: Vec<Fill>, options: &WriteOptions) -> Vec<Result<Filled>> {
        let (keys, failed) = (keys_of::fills(&fills), each(fills.len()));
        let forward = self.inner.fill(fills, options);
        self.strike(Operation::Fill, keys, failed, forward).await
    }

    async fn release(&self, tokens: Vec<FillToken>, options: &WriteOptions) -> Result<()> {
        let keys = keys_of::tokens(&tokens);
        let forward = self.inner.release(tokens, options);
        self.strike(Operation::Release, keys, Err, forward).await
    }

    async fn markers(
        &self,
        markers: &[Marker],
        read: MarkerRead,
        options: &ReadOptions,
    ) -> Result<Vec<Option<Version>>> {
        let forward = self.inner.markers(markers, read, options);
        self.strike(Operation::Markers, keys_of::markers(markers), Err, forward)
            .await
    }

    async fn bump(&self, markers: &[Marker], options: &WriteOptions) -> Result<Vec<Version>> {
        let forward = self.inner.bump(markers, options);
        self.strike(Operation::Bump, keys_of::markers(markers), Err, forward)
            .await
    }

    fn watch(&self) -> Option<&Changes> {
        self.inner.watch()
    }

    fn reserve(&self, limits: &RegionLimits) -> Result<()> {
        let prefix = [limits.prefix.to_string()];
        self.strike_now(Operation::Reserve, &prefix, || self.inner.reserve(limits))
    }

    fn put_now(&self, key: &Key<'_>, entry: Entry) -> Result<()> {
        if self.hides_peek {
            return Err(Error::unsupported(Operation::Set));
        }
        self.strike_now(Operation::Set, &keys_of::key(key), || {
            self.inner.put_now(key, entry)
        })
    }

    fn forget_now(&self, key: &Key<'_>) -> Result<()> {
        if self.hides_peek {
            return Err(Error::unsupported(Operation::Invalidate));
        }
        self.strike_now(Operation::Invalidate, &keys_of::key(key), || {
            self.inner.forget_now(key)
        })
    }

    fn forget_all_now(&self, namespace: &Namespace) -> Result<()> {
        if self.hides_peek {
            return Err(Error::unsupported(Operation::Invalidate));
        }
        self.strike_now(Operation::Invalidate, &[], || {
            self.inner.forget_all_now(namespace)
        })
    }

    fn stats(&self) -> Vec<TierStats> {
        self.inner.stats()
    }

    async fn check(&self, options: &ReadOptions) -> Vec<TierCheck> {
        let forward = self.inner.check(options);
        let failed = |error: Error| {
            vec![
                TierCheck::new("chaos", Duration::ZERO)
                    .with_finding(Severity::Error, error.to_string()),
            ]
        };
        self.strike(Operation::Check, Vec::new(), failed, forward)
            .await
    }

    async fn close(&self, deadline: Timestamp) -> Result<CloseReport> {
        let forward = self.inner.close(deadline);
        self.strike(Operation::Close, Vec::new(), Err, forward)
            .await
    }
}

impl fmt::Debug for ChaosBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChaosBackend")
            .field("inner", &self.inner)
            .field("chaos", &self.chaos)
            .finish_non_exhaustive()
    }
}
