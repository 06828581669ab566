//! Several caches on one server, as in several processes: each with a memory of its own.

use larder::{Cache, Memory, Namespace, Store};
use larder_core::TierContext;
use larder_redis::Redis;
use larder_testkit::{ManualClock, RedisServer};
use larder_tiered::Tiered;

use crate::stacks::secs;

/// A cache with memory before a server, in this namespace and by this clock.
pub(crate) async fn node(
    server: &RedisServer,
    namespace: &Namespace,
    clock: &ManualClock,
) -> Cache {
    let context = TierContext::new(namespace.clone(), clock.shared());
    let redis = Redis::builder(server.url())
        .heartbeat(secs(3_600))
        .dial_timeout(secs(30))
        .read_timeout(secs(30))
        .write_timeout(secs(30));
    let redis = redis.connect(&context).await.expect("a server that runs");
    let memory = Memory::builder().clock(clock.shared()).build();
    let store = Tiered::builder(namespace, clock.shared())
        .tier(Store::new(memory.expect("default settings")))
        .tier(Store::new(redis))
        .build()
        .expect("memory before redis");
    let cache = Cache::builder(namespace.as_str())
        .tier(store)
        .clock(clock.shared());
    cache.build().await.expect("sound settings and a server")
}

/// How many commands a server has processed.
pub(crate) fn commands(server: &RedisServer) -> u64 {
    let info = server.command(&["INFO", "stats"]).text();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("total_commands_processed:"));
    line.expect("a server counts").trim().parse().unwrap()
}
