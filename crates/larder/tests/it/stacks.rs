//! The stacks that the promises are tried on.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use larder::{Cache, CacheBuilder, Memory, Namespace, Store};
use larder_core::TierContext;
use larder_redis::{Redis, RedisBuilder};
use larder_testkit::{
    ChaosLayer, ManualClock, PassThrough, RedisServer, ReferenceBackend, Subject,
};
use larder_tiered::Tiered;

/// A cache with the clock it lives by.
pub(crate) struct Stack {
    pub(crate) name: &'static str,
    pub(crate) cache: Cache,
    pub(crate) clock: ManualClock,
    /// Runs for as long as one of its stacks is there.
    pub(crate) server: Option<Arc<RedisServer>>,
}

impl Stack {
    /// Whether values stay as they were set, so that a read as another type must convert them.
    pub(crate) fn keeps_values(&self) -> bool {
        self.name != "redis"
    }
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Memory alone.
pub(crate) async fn memory() -> Stack {
    memory_with(|builder| builder).await
}

/// Memory alone, with settings.
pub(crate) async fn memory_with(settings: impl FnOnce(CacheBuilder) -> CacheBuilder) -> Stack {
    let clock = ManualClock::new();
    let builder = Cache::builder("test")
        .tier(Memory::builder())
        .clock(clock.shared());
    let cache = settings(builder).build().await.expect("sound settings");
    Stack {
        name: "memory",
        cache,
        clock,
        server: None,
    }
}

/// Memory behind a layer that can be broken at will. Look-ups go through `get`, so that they can fail.
pub(crate) async fn chaos() -> (Stack, ChaosLayer) {
    let chaos = ChaosLayer::new().without_peek();
    let layer = chaos.clone();
    let stack = memory_with(|builder| builder.layer(layer)).await;
    (
        Stack {
            name: "memory behind chaos",
            ..stack
        },
        chaos,
    )
}

/// Every stack: what `peek` answers at once and what only `get` can tell, with layers and without.
pub(crate) async fn all() -> Vec<Stack> {
    let layered = memory_with(|builder| builder.layer(PassThrough)).await;
    let (chaos, _) = chaos().await;
    let clock = ManualClock::new();
    let reference = Store::new(ReferenceBackend::new(clock.shared()));
    let cache = Cache::builder("test")
        .tier(reference)
        .clock(clock.shared())
        .build()
        .await;
    let reference = Stack {
        name: "reference",
        cache: cache.expect("sound settings"),
        clock,
        server: None,
    };
    vec![
        memory().await,
        Stack {
            name: "memory behind a layer",
            ..layered
        },
        chaos,
        reference,
        redis().await,
        tiered().await,
    ]
}

/// One server for all the tests that run at the same time; it stops with the last of them.
fn server() -> Arc<RedisServer> {
    static SERVER: Mutex<Weak<RedisServer>> = Mutex::new(Weak::new());
    let mut shared = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(RedisServer::start());
        *shared = Arc::downgrade(&server);
        server
    })
}

/// Settings for a server that is real and a clock that is not: the entries' own times are judged by the clock, and
/// no heartbeat finds that the server's has not moved along.
fn settings(server: &RedisServer) -> RedisBuilder {
    Redis::builder(server.url())
        .heartbeat(secs(3_600))
        .dial_timeout(secs(30))
        .read_timeout(secs(30))
        .write_timeout(secs(30))
}

/// A real server alone.
pub(crate) async fn redis() -> Stack {
    let (server, clock) = (server(), ManualClock::new());
    let cache = Cache::builder(Subject::new_namespace().as_str())
        .tier(settings(&server))
        .clock(clock.shared())
        .build()
        .await;
    Stack {
        name: "redis",
        cache: cache.expect("sound settings and a server"),
        clock,
        server: Some(server),
    }
}

/// Memory in front of a real server.
pub(crate) async fn tiered() -> Stack {
    let (server, clock) = (server(), ManualClock::new());
    let namespace = Subject::new_namespace();
    let store = tiers(&namespace, &clock, &server).await;
    let cache = Cache::builder(namespace.as_str())
        .tier(store)
        .clock(clock.shared())
        .build()
        .await;
    Stack {
        name: "memory before redis",
        cache: cache.expect("sound settings and a server"),
        clock,
        server: Some(server),
    }
}

async fn tiers(namespace: &Namespace, clock: &ManualClock, server: &RedisServer) -> Store {
    let context = TierContext::new(namespace.clone(), clock.shared());
    let redis = settings(server).connect(&context).await;
    let memory = Memory::builder().clock(clock.shared()).build();
    Tiered::builder(namespace, clock.shared())
        .tier(Store::new(memory.expect("default settings")))
        .tier(Store::new(redis.expect("a server that was just started")))
        .build()
        .expect("memory before redis")
}
