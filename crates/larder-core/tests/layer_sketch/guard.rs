//! Resilience around a remote store: the caller's deadline, and a breaker that opens after failures in a row.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder_core::{
    Backend, BatchOperation, BatchReply, Capability, Changes, Clock, CloseReport, Cursor, Deletion,
    Entry, Error, ErrorKind, Expiry, Fill, FillToken, Filled, Head, Key, Layer, LayerRole, Lease,
    LeaseOptions, Marker, MarkerRead, Peek, ReadOptions, RegionLimits, Result, ScanPage,
    ScanRequest, Store, TierCheck, TierStats, Timestamp, Update, Updated, Version, WriteOptions,
};

use crate::support::TestClock;
use crate::wrapper::wrapper;

const FAILURES: u64 = 3;
const OPEN_FOR: Duration = Duration::from_secs(5);

/// Settings, and the state that all stores it is applied to share.
#[derive(Clone, Debug)]
pub(crate) struct Breaker {
    clock: TestClock,
    failures: Arc<AtomicU64>,
    open_until: Arc<AtomicU64>,
}

impl Breaker {
    pub(crate) fn new(clock: &TestClock) -> Self {
        Self {
            clock: clock.clone(),
            failures: Arc::default(),
            open_until: Arc::default(),
        }
    }

    fn admits(&self) -> Result<()> {
        if self.clock.now().as_nanos() < self.open_until.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Rejected, "the breaker is open"));
        }
        Ok(())
    }

    fn note(&self, failed: bool) {
        if !failed {
            self.failures.store(0, Ordering::SeqCst);
        } else if self.failures.fetch_add(1, Ordering::SeqCst) + 1 >= FAILURES {
            let until = self.clock.now().saturating_add(OPEN_FOR);
            self.open_until.store(until.as_nanos(), Ordering::SeqCst);
        }
    }

    async fn within<T>(
        &self,
        deadline: Option<Timestamp>,
        call: impl Future<Output = T>,
    ) -> Result<T> {
        self.admits()?;
        let Some(deadline) = deadline else {
            return Ok(call.await);
        };
        tokio::select! {
            biased;
            answer = call => Ok(answer),
            () = self.clock.sleep_until(deadline) => {
                self.note(true);
                Err(Error::new(ErrorKind::Timeout, "no answer before the caller's deadline"))
            }
        }
    }

    async fn one<T>(
        &self,
        deadline: Option<Timestamp>,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let answer = self.within(deadline, call).await?;
        self.note(answer.as_ref().is_err_and(Error::is_temporary));
        answer
    }

    async fn many<T>(
        &self,
        count: usize,
        deadline: Option<Timestamp>,
        call: impl Future<Output = Vec<Result<T>>>,
    ) -> Vec<Result<T>> {
        match self.within(deadline, call).await {
            Ok(answers) => {
                self.note(
                    answers
                        .iter()
                        .any(|answer| answer.as_ref().is_err_and(Error::is_temporary)),
                );
                answers
            }
            Err(error) => (0..count).map(|_| Err(error.clone())).collect(),
        }
    }
}

impl Layer for Breaker {
    fn apply(&self, inner: Store) -> Arc<dyn Backend> {
        Arc::new(Guarded {
            inner,
            breaker: self.clone(),
        })
    }

    fn role(&self) -> LayerRole {
        LayerRole::Guard
    }
}

#[derive(Debug)]
struct Guarded {
    inner: Store,
    breaker: Breaker,
}

wrapper! { Guarded,
    forwards: capability peek watch reserve now life;

    async fn get(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Entry>> {
        self.breaker.one(options.deadline, self.inner.get(key, options)).await
    }

    async fn head(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Head>> {
        self.breaker.one(options.deadline, self.inner.head(key, options)).await
    }

    async fn scan(&self, request: &ScanRequest, cursor: Option<Cursor>, options: &ReadOptions) -> Result<ScanPage> {
        self.breaker.one(options.deadline, self.inner.scan(request, cursor, options)).await
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, options: &WriteOptions) -> Result<()> {
        self.breaker.one(options.deadline, self.inner.set(key, entry, options)).await
    }

    async fn delete(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        self.breaker.one(options.deadline, self.inner.delete(key, options)).await
    }

    async fn invalidate(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        self.breaker.one(options.deadline, self.inner.invalidate(key, options)).await
    }

    async fn expire(&self, key: &Key<'_>, expiry: Expiry, options: &WriteOptions) -> Result<bool> {
        self.breaker.one(options.deadline, self.inner.expire(key, expiry, options)).await
    }

    async fn update(&self, key: &Key<'_>, update: Update, options: &WriteOptions) -> Result<Updated> {
        self.breaker.one(options.deadline, self.inner.update(key, update, options)).await
    }

    async fn batch(&self, operations: Vec<BatchOperation<'_>>, options: &WriteOptions) -> Vec<Result<BatchReply>> {
        let count = operations.len();
        self.breaker.many(count, options.deadline, self.inner.batch(operations, options)).await
    }

    async fn lease(&self, keys: &[Key<'_>], options: &LeaseOptions) -> Vec<Result<Lease>> {
        self.breaker.many(keys.len(), options.deadline, self.inner.lease(keys, options)).await
    }

    async fn fill(&self, fills: Vec<Fill>, options: &WriteOptions) -> Vec<Result<Filled>> {
        let count = fills.len();
        self.breaker.many(count, options.deadline, self.inner.fill(fills, options)).await
    }

    async fn release(&self, tokens: Vec<FillToken>, options: &WriteOptions) -> Result<()> {
        self.breaker.one(options.deadline, self.inner.release(tokens, options)).await
    }

    async fn markers(&self, markers: &[Marker], read: MarkerRead, options: &ReadOptions) -> Result<Vec<Option<Version>>> {
        self.breaker.one(options.deadline, self.inner.markers(markers, read, options)).await
    }

    async fn bump(&self, markers: &[Marker], options: &WriteOptions) -> Result<Vec<Version>> {
        self.breaker.one(options.deadline, self.inner.bump(markers, options)).await
    }
}
