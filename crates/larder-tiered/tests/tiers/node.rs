//! A process with its memory, and the server that several of them share.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use larder_core::codec::MessagePack;
use larder_core::{
    Backend, Clock, Entry, Expiry, Fill, FillToken, Filled, Key, KeyBuf, Lease, LeaseOptions,
    Lifetime, Namespace, Peek, ReadOptions, Store, Tiers, Timestamp, Ttl, Update, Value, ValueType,
    WriteOptions,
};
use larder_memory::Memory;
use larder_testkit::{ChaosLayer, Gate, ManualClock, RecordingLayer, ReferenceBackend};
use larder_tiered::{TierLimits, Tiered};

use crate::remote::{Echo, Remote};

pub(crate) const TEXT: &ValueType = ValueType::of::<String, MessagePack>();
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// What all nodes share.
pub(crate) struct Server {
    pub(crate) clock: ManualClock,
    pub(crate) store: Store,
    pub(crate) namespace: Namespace,
}

impl Server {
    pub(crate) fn start() -> Self {
        let clock = ManualClock::new();
        Self::with(memory(&clock), clock)
    }

    /// One that tells of changes a little after it has done them.
    pub(crate) fn over_the_reference() -> Self {
        let clock = ManualClock::new();
        let reference = ReferenceBackend::new(clock.shared());
        Self::with(Store::new(reference), clock)
    }

    fn with(store: Store, clock: ManualClock) -> Self {
        let namespace = Namespace::new("test").expect("letters");
        Self {
            clock,
            store,
            namespace,
        }
    }

    pub(crate) fn key<'a>(&'a self, name: &'a str) -> Key<'a> {
        Key::new(&self.namespace, "", name).expect("a key of a test keeps the rules")
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// New times: fresh for so long from now, and then gone.
    pub(crate) fn expiry(&self, fresh: Duration) -> Expiry {
        let ttl = Ttl::after(fresh).expect("a time to live");
        Expiry::new(Lifetime::new(self.now(), ttl, Duration::ZERO))
    }

    /// Adds one to a counter that lives for ever.
    pub(crate) fn counter(&self) -> Update {
        let template = Entry::new(Value::counter(0), Lifetime::forever(self.now()));
        Update::Increment { by: 1, template }
    }

    /// Fresh for a minute, stale for another.
    pub(crate) fn entry(&self, text: &str) -> Entry {
        let ttl = Ttl::after(MINUTE).expect("a minute");
        let life = Lifetime::new(self.now(), ttl, MINUTE);
        Entry::new(Value::decoded(Arc::new(text.to_owned()), TEXT), life)
    }

    /// The same as bytes, as it comes from a server.
    pub(crate) fn encoded(&self, text: &str) -> Entry {
        let entry = self.entry(text);
        let bytes: Bytes = entry.value().encoded().expect("a text").clone();
        let value = Value::encoded_as(bytes, entry.value().codec());
        entry.with_value(value)
    }

    /// A write by somebody else.
    pub(crate) async fn set(&self, name: &str, text: &str) -> Entry {
        let entry = self.entry(text);
        let set = self
            .store
            .set(&self.key(name), entry.clone(), &writing())
            .await;
        set.expect("set on the server");
        entry
    }

    /// A deletion by somebody else.
    pub(crate) async fn delete(&self, name: &str) {
        let delete = self.store.delete(&self.key(name), &writing()).await;
        delete.expect("delete on the server");
    }

    /// What the server has.
    pub(crate) async fn text(&self, name: &str) -> Option<String> {
        let found = self.store.get(&self.key(name), &reading()).await;
        found.expect("get on the server").as_ref().map(text)
    }
}

/// A process: memory in front of its connection to the server.
pub(crate) struct Node {
    pub(crate) near: Store,
    pub(crate) remote: Arc<Remote>,
    /// Trouble on the way to the server.
    pub(crate) chaos: ChaosLayer,
    /// What has reached the connection.
    pub(crate) recording: RecordingLayer,
    pub(crate) store: Store,
    clock: ManualClock,
    namespace: Namespace,
}

impl Node {
    pub(crate) fn start(server: &Server) -> Self {
        Self::with(server, Echo::Signed, TierLimits::default())
    }

    pub(crate) fn echoing(server: &Server, echo: Echo) -> Self {
        Self::with(server, echo, TierLimits::default())
    }

    pub(crate) fn with(server: &Server, echo: Echo, limits: TierLimits) -> Self {
        Self::over(server, Remote::connect(&server.store, echo), limits)
    }

    pub(crate) fn over(server: &Server, remote: Arc<Remote>, limits: TierLimits) -> Self {
        let (chaos, recording) = (ChaosLayer::on(server.clock.shared()), RecordingLayer::new());
        let near = memory(&server.clock);
        let store = Tiered::builder(&server.namespace, server.clock.shared())
            .tier_with(near.clone(), limits)
            .tier(far(&remote, &chaos, &recording))
            .build()
            .expect("the right order");
        Self {
            near,
            remote,
            chaos,
            recording,
            store,
            clock: server.clock.clone(),
            namespace: server.namespace.clone(),
        }
    }

    /// The connection with what the test does to it.
    pub(crate) fn far(&self) -> Store {
        far(&self.remote, &self.chaos, &self.recording)
    }

    pub(crate) fn key<'a>(&'a self, name: &'a str) -> Key<'a> {
        Key::new(&self.namespace, "", name).expect("a key of a test keeps the rules")
    }

    pub(crate) fn key_buf(&self, name: &str) -> KeyBuf {
        self.key(name).to_buf()
    }

    /// What memory serves, without asking anybody.
    pub(crate) fn peek(&self, name: &str) -> Option<Entry> {
        match self.store.peek(&self.key(name), self.clock.now()) {
            Peek::Hit(entry) => Some(entry),
            Peek::Pending => None,
            Peek::Miss => panic!("memory alone can't tell that there is nothing"),
        }
    }

    pub(crate) fn peek_text(&self, name: &str) -> Option<String> {
        self.peek(name).as_ref().map(text)
    }

    pub(crate) async fn get(&self, name: &str) -> Option<Entry> {
        let found = self.store.get(&self.key(name), &reading()).await;
        found.expect("get")
    }

    pub(crate) async fn text(&self, name: &str) -> Option<String> {
        self.get(name).await.as_ref().map(text)
    }

    pub(crate) async fn set(&self, name: &str, entry: Entry) {
        let set = self.store.set(&self.key(name), entry, &writing()).await;
        set.expect("set");
    }

    pub(crate) async fn lease(&self, name: &str) -> Lease {
        let until = self.clock.now().saturating_add(MINUTE);
        let keys = [self.key(name)];
        let mut leases = self.store.lease(&keys, &LeaseOptions::until(until)).await;
        leases.remove(0).expect("lease")
    }

    pub(crate) async fn token(&self, name: &str) -> FillToken {
        match self.lease(name).await {
            Lease::Granted { token, .. } => token,
            other => panic!("the lease on {name:?} is not granted: {other:?}"),
        }
    }

    pub(crate) async fn fill(&self, token: FillToken, entry: Entry) -> Filled {
        let fills = vec![Fill { token, entry }];
        let mut filled = self.store.fill(fills, &writing()).await;
        filled.remove(0).expect("fill")
    }

    /// Does something on a task of its own.
    pub(crate) fn spawn<T, F>(
        &self,
        name: &str,
        call: impl FnOnce(Store, KeyBuf) -> F,
    ) -> tokio::task::JoinHandle<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        tokio::spawn(call(self.store.clone(), self.key_buf(name)))
    }

    pub(crate) fn spawn_get(&self, name: &str) -> tokio::task::JoinHandle<Option<String>> {
        self.spawn(name, |store, key| async move {
            let found = store.get(&key.as_key(), &reading()).await.expect("get");
            found.as_ref().map(text)
        })
    }

    pub(crate) fn spawn_set(&self, name: &str, entry: Entry) -> tokio::task::JoinHandle<()> {
        self.spawn(name, |store, key| async move {
            let set = store.set(&key.as_key(), entry, &writing()).await;
            set.expect("set");
        })
    }

    pub(crate) fn spawn_fill(
        &self,
        token: FillToken,
        entry: Entry,
    ) -> tokio::task::JoinHandle<Filled> {
        let store = self.store.clone();
        tokio::spawn(async move {
            let fills = vec![Fill { token, entry }];
            let mut filled = store.fill(fills, &writing()).await;
            filled.remove(0).expect("fill")
        })
    }
}

pub(crate) fn memory(clock: &ManualClock) -> Store {
    let memory = Memory::builder().clock(clock.shared()).build();
    Store::new(memory.expect("sound settings"))
}

pub(crate) fn text(entry: &Entry) -> String {
    String::clone(&read(entry))
}

pub(crate) fn read(entry: &Entry) -> Arc<String> {
    entry.value().read::<String>(TEXT).ok().expect("a text")
}

pub(crate) fn reading() -> ReadOptions {
    ReadOptions::default()
}

pub(crate) fn writing() -> WriteOptions {
    WriteOptions::default()
}

pub(crate) fn reading_from(tiers: Tiers) -> ReadOptions {
    reading().with_tiers(tiers)
}

pub(crate) fn writing_to(tiers: Tiers) -> WriteOptions {
    writing().with_tiers(tiers)
}

fn far(remote: &Arc<Remote>, chaos: &ChaosLayer, recording: &RecordingLayer) -> Store {
    Store::from(Arc::clone(remote))
        .layer(chaos)
        .and_then(|far| far.layer(recording))
        .expect("they may stand anywhere")
}

/// Waits until a call is held at a gate.
pub(crate) async fn held(gate: &Gate) {
    let held = tokio::time::timeout(MINUTE, gate.reached()).await;
    held.expect("the call that the gate is for never came");
}
