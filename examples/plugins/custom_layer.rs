//! A layer of one's own: it counts the operations that take too long, and says which.
//!
//! A layer is two things. The value that a user configures and hands to `Store::layer` holds settings and
//! shared state, is cheap to clone, and makes nothing in `apply`, so that a clone kept aside sees what
//! every store with the layer does. The wrapper is a backend around a store, and forwards *every* method:
//! a method left out falls back to the trait's default, which doesn't know what the inner store can do. The
//! `deny` on its `impl` makes that a compile error; `capability` is forwarded because this layer takes
//! no ability away. `tests/conformance.rs` runs the whole suite on it.
//!
//! The last layer applied is outermost, so the place decides what is measured:
//!
//! ```text
//! store.layer(&slow)?.layer(&retry)?    each attempt
//! store.layer(&retry)?.layer(&slow)?    what callers wait for
//! ```
//!
//! `cargo run -p larder-plugins --example custom_layer`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder_core::{
    Backend, BatchOperation, BatchReply, Capability, Changes, Clock, CloseReport, Cursor, Deletion,
    Entry, Expiry, Fill, FillToken, Filled, Head, Key, Layer, Lease, LeaseOptions, Marker,
    MarkerRead, Namespace, Operation, Peek, ReadOptions, RegionLimits, Result, ScanPage,
    ScanRequest, Store, TierCheck, TierStats, Timestamp, Update, Updated, Version, WriteOptions,
    async_trait,
};
use larder_testkit::{ChaosLayer, Fault, ManualClock, ReferenceBackend};

/// Counts and reports operations that take longer than a limit.
#[derive(Clone, Debug)]
pub(crate) struct SlowLayer {
    limit: Duration,
    // The clock is injected, so that a test needn't wait for something to be slow.
    clock: Arc<dyn Clock>,
    slow: Arc<AtomicU64>,
}

impl SlowLayer {
    pub(crate) fn new(limit: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            limit,
            clock,
            slow: Arc::default(),
        }
    }

    /// How many operations were slow, in every store that this layer was applied to.
    pub(crate) fn slow(&self) -> u64 {
        self.slow.load(Ordering::Relaxed)
    }
}

impl Layer for SlowLayer {
    fn apply(&self, inner: Store) -> Arc<dyn Backend> {
        Arc::new(SlowBackend {
            inner,
            layer: self.clone(),
        })
    }
}

#[derive(Debug)]
struct SlowBackend {
    inner: Store,
    layer: SlowLayer,
}

impl SlowBackend {
    /// `about` is a closure because only slow operations need its text.
    async fn timed<T>(
        &self,
        operation: Operation,
        about: impl Fn() -> String + Send,
        forward: impl Future<Output = T> + Send,
    ) -> T {
        let started = self.layer.clock.now();
        let reply = forward.await;
        let took = self.layer.clock.now().saturating_since(started);
        if took > self.layer.limit {
            self.layer.slow.fetch_add(1, Ordering::Relaxed);
            println!("slow: {operation} of {} took {took:?}", about());
        }
        reply
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Backend for SlowBackend {
    fn capability(&self) -> Capability {
        self.inner.capability()
    }

    fn peek(&self, key: &Key<'_>, now: Timestamp) -> Peek {
        self.inner.peek(key, now)
    }

    async fn get(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Entry>> {
        let forward = self.inner.get(key, options);
        self.timed(Operation::Get, || key.text(), forward).await
    }

    async fn head(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Head>> {
        let forward = self.inner.head(key, options);
        self.timed(Operation::Head, || key.text(), forward).await
    }

    async fn scan(
        &self,
        request: &ScanRequest,
        cursor: Option<Cursor>,
        options: &ReadOptions,
    ) -> Result<ScanPage> {
        let forward = self.inner.scan(request, cursor, options);
        self.timed(
            Operation::Scan,
            || request.pattern.as_str().to_owned(),
            forward,
        )
        .await
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, options: &WriteOptions) -> Result<()> {
        let forward = self.inner.set(key, entry, options);
        self.timed(Operation::Set, || key.text(), forward).await
    }

    async fn delete(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        let forward = self.inner.delete(key, options);
        self.timed(Operation::Delete, || key.text(), forward).await
    }

    async fn invalidate(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        let forward = self.inner.invalidate(key, options);
        self.timed(Operation::Invalidate, || key.text(), forward)
            .await
    }

    async fn expire(&self, key: &Key<'_>, expiry: Expiry, options: &WriteOptions) -> Result<bool> {
        let forward = self.inner.expire(key, expiry, options);
        self.timed(Operation::Expire, || key.text(), forward).await
    }

    async fn update(
        &self,
        key: &Key<'_>,
        update: Update,
        options: &WriteOptions,
    ) -> Result<Updated> {
        let forward = self.inner.update(key, update, options);
        self.timed(Operation::Update, || key.text(), forward).await
    }

    async fn batch(
        &self,
        operations: Vec<BatchOperation<'_>>,
        options: &WriteOptions,
    ) -> Vec<Result<BatchReply>> {
        let count = operations.len();
        let forward = self.inner.batch(operations, options);
        self.timed(Operation::Batch, || format!("{count} operations"), forward)
            .await
    }

    async fn lease(&self, keys: &[Key<'_>], options: &LeaseOptions) -> Vec<Result<Lease>> {
        let count = keys.len();
        let forward = self.inner.lease(keys, options);
        self.timed(Operation::Lease, || format!("{count} keys"), forward)
            .await
    }

    async fn fill(&self, fills: Vec<Fill>, options: &WriteOptions) -> Vec<Result<Filled>> {
        let count = fills.len();
        let forward = self.inner.fill(fills, options);
        self.timed(Operation::Fill, || format!("{count} entries"), forward)
            .await
    }

    async fn release(&self, tokens: Vec<FillToken>, options: &WriteOptions) -> Result<()> {
        let count = tokens.len();
        let forward = self.inner.release(tokens, options);
        self.timed(Operation::Release, || format!("{count} leases"), forward)
            .await
    }

    async fn markers(
        &self,
        markers: &[Marker],
        read: MarkerRead,
        options: &ReadOptions,
    ) -> Result<Vec<Option<Version>>> {
        let count = markers.len();
        let forward = self.inner.markers(markers, read, options);
        self.timed(Operation::Markers, || format!("{count} markers"), forward)
            .await
    }

    async fn bump(&self, markers: &[Marker], options: &WriteOptions) -> Result<Vec<Version>> {
        let count = markers.len();
        let forward = self.inner.bump(markers, options);
        self.timed(Operation::Bump, || format!("{count} markers"), forward)
            .await
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

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let clock = ManualClock::new();
    let slow = SlowLayer::new(Duration::from_millis(100), clock.shared());
    // Something to be slow: this layer delays what it is told to.
    let chaos = ChaosLayer::on(clock.shared());
    let store = Store::new(ReferenceBackend::new(clock.shared()));
    let store = store.layer(&chaos)?.layer(&slow)?;

    let namespace = Namespace::new("shop")?;
    let key = Key::new(&namespace, "airport", "LHR")?;
    store.get(&key, &ReadOptions::default()).await?;

    chaos.next(Operation::Get, Fault::Delay(Duration::from_millis(250)));
    let options = ReadOptions::default();
    let (answer, ()) = tokio::join!(store.get(&key, &options), async {
        clock.wait_for_sleepers(1).await;
        clock.advance(Duration::from_millis(250));
    });
    answer?;
    println!("{} of 2 operations were slow", slow.slow());
    Ok(())
}
