//! A memory tier over a Redis tier over a server, and questions to each.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use larder_core::{
    Backend, Clock, Entry, Key, Lifetime, Namespace, Peek, ReadOptions, Store, SystemClock,
    TierContext, Tiers, Ttl, Value, WriteOptions,
};
use larder_memory::Memory;
use larder_redis::{Redis, RedisBuilder};
use larder_testkit::{RedisServer, Subject};
use larder_tiered::Tiered;

/// How long something that must happen may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn clock() -> Arc<dyn Clock> {
    SystemClock::shared(|duration| Box::pin(tokio::time::sleep(duration)))
}

/// One node: its tiers, and the server that it may share with others.
pub(crate) struct Stack {
    pub(crate) store: Store,
    pub(crate) namespace: Namespace,
    pub(crate) server: Arc<RedisServer>,
}

impl Stack {
    /// A node with a namespace of its own on a server that tests share.
    pub(crate) async fn shared() -> Self {
        static SERVER: Mutex<Weak<RedisServer>> = Mutex::new(Weak::new());
        let server = {
            let mut shared = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
            shared.upgrade().unwrap_or_else(|| {
                let server = Arc::new(RedisServer::start());
                *shared = Arc::downgrade(&server);
                server
            })
        };
        let url = server.url();
        Self::at(server, Redis::builder(url), &Subject::new_namespace()).await
    }

    /// A node that reaches the server by these settings.
    pub(crate) async fn at(
        server: Arc<RedisServer>,
        settings: RedisBuilder,
        namespace: &Namespace,
    ) -> Self {
        let clock = clock();
        let context = TierContext::new(namespace.clone(), Arc::clone(&clock));
        let redis = Store::new(
            settings
                .connect(&context)
                .await
                .expect("the server is there"),
        );
        let memory = Memory::builder().clock(Arc::clone(&clock)).build();
        let memory = Store::new(memory.expect("default settings"));
        let store = Tiered::builder(namespace, clock)
            .tier(memory)
            .tier(redis)
            .build()
            .expect("memory before redis");
        Self {
            store,
            namespace: namespace.clone(),
            server,
        }
    }

    /// Another node on the same server and namespace.
    pub(crate) async fn another(&self) -> Self {
        let settings = Redis::builder(self.server.url());
        Self::at(Arc::clone(&self.server), settings, &self.namespace).await
    }

    pub(crate) fn key<'a>(&'a self, name: &'a str) -> Key<'a> {
        Key::new(&self.namespace, "", name).expect("a name by the rules")
    }

    pub(crate) async fn set(&self, name: &str, text: &str) {
        let options = WriteOptions::default();
        let set = self.store.set(&self.key(name), entry(text), &options).await;
        set.expect("a set");
    }

    pub(crate) async fn get(&self, name: &str) -> Option<String> {
        let options = ReadOptions::default();
        let found = self.store.get(&self.key(name), &options).await;
        found.expect("a get").as_ref().map(text)
    }

    /// What memory alone would serve.
    pub(crate) fn in_memory(&self, name: &str) -> Option<String> {
        match self.store.peek(&self.key(name), clock().now()) {
            Peek::Hit(entry) => Some(text(&entry)),
            _ => None,
        }
    }

    /// What is stored in the server.
    pub(crate) async fn in_redis(&self, name: &str) -> Option<String> {
        let options = ReadOptions::default().with_tiers(Tiers::Authoritative);
        let found = self.store.get(&self.key(name), &options).await;
        found.expect("a get").as_ref().map(text)
    }

    /// The name under which the server keeps a key.
    pub(crate) fn stored(&self, name: &str) -> String {
        self.key(name).stored_name()
    }

    /// The bytes that a larder on another machine would store: what a foreign client may write.
    pub(crate) fn bytes(&self, name: &str, text: &str) -> Vec<u8> {
        let shift = larder_core::wire::ClockShift::NONE;
        let bytes = larder_core::wire::encode(&self.key(name), &entry(text), shift);
        bytes.expect("an entry that can be stored").to_vec()
    }

    /// Writes as a foreign client does.
    pub(crate) fn foreign_set(&self, name: &str, text: &str) {
        let (stored, bytes) = (self.stored(name), self.bytes(name, text));
        self.server
            .command(&[b"SET".as_slice(), stored.as_bytes(), &bytes]);
    }

    /// Once everything that is under way has been heard of, memory holds what the server has, or nothing.
    pub(crate) async fn agrees(&self, name: &str) {
        // A write of ours behind everything else: when it is heard of, so is all before it.
        let until = Instant::now() + PATIENCE;
        loop {
            let (memory, redis) = (self.in_memory(name), self.in_redis(name).await);
            if memory.is_none() || memory == redis {
                return;
            }
            assert!(
                Instant::now() < until,
                "memory keeps {memory:?} of {name}, where the server has {redis:?}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

pub(crate) fn entry(text: &str) -> Entry {
    let ttl = Ttl::after(Duration::from_secs(3_600)).expect("an hour");
    let lifetime = Lifetime::new(clock().now(), ttl, Duration::ZERO);
    Entry::new(Value::raw(text.to_owned().into()), lifetime)
}

pub(crate) fn text(entry: &Entry) -> String {
    let bytes = entry.value().encoded().expect("bytes");
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits until something is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
