//! What the layer is put around.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use larder_core::{Clock, Namespace, Store, SystemClock, TierContext};
use larder_memory::Memory;
use larder_redis::Redis;
use larder_tags::Tags;
use larder_testkit::{ManualClock, RedisServer};
use larder_tiered::Tiered;

/// One server for all the tests that run at the same time; it stops with the last of them.
pub(crate) fn server() -> Arc<RedisServer> {
    static SERVER: Mutex<Weak<RedisServer>> = Mutex::new(Weak::new());
    let mut shared = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(RedisServer::start());
        *shared = Arc::downgrade(&server);
        server
    })
}

pub(crate) fn real_clock() -> Arc<dyn Clock> {
    SystemClock::shared(|duration| Box::pin(tokio::time::sleep(duration)))
}

pub(crate) fn tagged(store: &Store) -> Store {
    store.layer(&Tags::new()).expect("tags stand above a store")
}

/// Memory by a clock that the test moves.
pub(crate) fn memory(clock: &ManualClock) -> Store {
    let memory = Memory::builder().clock(clock.shared());
    Store::new(memory.build().expect("the settings are sound"))
}

/// A server's store.
pub(crate) async fn redis(url: &str, namespace: &Namespace, clock: &Arc<dyn Clock>) -> Store {
    let context = TierContext::new(namespace.clone(), Arc::clone(clock));
    let redis = Redis::builder(url).connect(&context).await;
    Store::new(redis.expect("a server that was just started"))
}

/// Memory before a server's store.
pub(crate) async fn tiered(url: &str, namespace: &Namespace, clock: &Arc<dyn Clock>) -> Store {
    let near = Memory::builder().clock(Arc::clone(clock)).build();
    let far = redis(url, namespace, clock).await;
    Tiered::builder(namespace, Arc::clone(clock))
        .tier(Store::new(near.expect("the settings are sound")))
        .tier(far)
        .build()
        .expect("a sound stack")
}
