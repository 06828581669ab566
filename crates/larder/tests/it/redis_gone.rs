//! The server goes away under a cache that is being used: loads go on, nobody waits beyond the deadline, and when
//! it is back so is the cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use larder::{Cache, Memory, Namespace, Store};
use larder_core::{SystemClock, TierContext};
use larder_redis::{Redis, RedisBuilder};
use larder_testkit::{FaultProxy, RedisServer, Subject};
use larder_tiered::Tiered;

/// What an operation of the server may take.
const TIMEOUT: Duration = Duration::from_millis(500);
/// A load asks the server at most this often: for the generation, the entry, a lease, a fill, a release. On machines
/// where everybody tests at once, a little more.
const LOAD: Duration = Duration::from_secs(8);
const PATIENCE: Duration = Duration::from_secs(30);

fn settings(url: String) -> RedisBuilder {
    Redis::builder(url)
        .read_timeout(TIMEOUT)
        .write_timeout(TIMEOUT)
        .heartbeat(TIMEOUT)
}

async fn cache(tiers: usize, url: String) -> Cache {
    let namespace = Subject::new_namespace();
    let store = store(tiers, &namespace, settings(url)).await;
    let cache = Cache::builder(namespace.as_str()).tier(store).build().await;
    cache.expect("sound settings and a server")
}

async fn store(tiers: usize, namespace: &Namespace, settings: RedisBuilder) -> Store {
    let clock = SystemClock::shared(|duration| Box::pin(tokio::time::sleep(duration)));
    let context = TierContext::new(namespace.clone(), Arc::clone(&clock));
    let redis = settings.connect(&context).await;
    let redis = Store::new(redis.expect("a server that was just started"));
    if tiers == 1 {
        return redis;
    }
    let memory = Memory::builder().clock(Arc::clone(&clock)).build();
    Tiered::builder(namespace, clock)
        .tier(Store::new(memory.expect("default settings")))
        .tier(redis)
        .build()
        .expect("memory before redis")
}

/// Loads keys until told to stop; each load must succeed, within its time.
fn load(cache: &Cache, stop: &Arc<AtomicBool>) -> tokio::task::JoinHandle<u32> {
    let (space, stop) = (cache.space::<u32>("n"), Arc::clone(stop));
    tokio::spawn(async move {
        let mut done = 0;
        while !stop.load(Ordering::Relaxed) {
            for key in 0..20u32 {
                let began = Instant::now();
                let loaded = space
                    .get_or_load(&key.to_string(), move || async move {
                        Ok::<_, std::io::Error>(key)
                    })
                    .await;
                assert_eq!(*loaded.expect("trouble with the cache fails no load"), key);
                assert!(began.elapsed() < LOAD, "a load took {:?}", began.elapsed());
                done += 1;
            }
            tokio::task::yield_now().await;
        }
        done
    })
}

/// Waits until a value goes in and comes out again, without a new cache.
async fn recovers(cache: &Cache, name: &str) {
    let until = Instant::now() + PATIENCE;
    let tries = AtomicU32::new(0);
    loop {
        let value = tries.fetch_add(1, Ordering::Relaxed);
        let set = cache.set("probe", value).await;
        if set.is_ok() && cache.get::<u32>("probe").await.is_ok_and(|it| it.is_some()) {
            return;
        }
        assert!(
            Instant::now() < until,
            "{name}: not back within {PATIENCE:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Uses a cache while the server has trouble and after it, on Redis alone and behind memory.
async fn survives(name: &str, trouble: impl AsyncFn(&RedisServer, &FaultProxy)) {
    for tiers in [1, 2] {
        let server = RedisServer::start();
        let proxy = FaultProxy::start(server.address());
        let cache = cache(tiers, server.url_at(proxy.address())).await;
        let stop = Arc::<AtomicBool>::default();
        let loads = [load(&cache, &stop), load(&cache, &stop)];
        recovers(&cache, name).await;
        trouble(&server, &proxy).await;
        recovers(&cache, name).await;
        stop.store(true, Ordering::Relaxed);
        for load in loads {
            assert!(load.await.expect("no load failed") > 0);
        }
        assert_eq!(cache.loads_in_progress(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a1_loads_go_on_while_redis_is_killed_and_restarted() {
    survives("killed", async |server, _| {
        server.kill();
        tokio::time::sleep(TIMEOUT).await;
        server.restart();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a1_loads_go_on_while_redis_stands_still() {
    survives("stopped", async |server, _| {
        server.pause();
        tokio::time::sleep(3 * TIMEOUT).await;
        server.resume();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a1_loads_go_on_while_the_network_swallows_everything() {
    survives("black-holed", async |_, proxy| {
        proxy.black_hole();
        tokio::time::sleep(3 * TIMEOUT).await;
        proxy.heal();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a1_loads_go_on_while_connections_are_reset() {
    survives("reset", async |_, proxy| {
        for _ in 0..20 {
            proxy.reset_all();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a6_a_load_that_is_stopped_by_closing_gives_its_lease_back() {
    for dropped in [false, true] {
        let server = RedisServer::start();
        let namespace = Subject::new_namespace();
        let at = |store| Cache::builder(namespace.as_str()).tier(store).build();
        let leaving = at(store(1, &namespace, settings(server.url())).await).await;
        let staying = at(store(1, &namespace, settings(server.url())).await).await;
        let (leaving, staying) = (leaving.expect("a server"), staying.expect("a server"));
        let space = leaving.space::<u32>("n");
        let (started, began) = tokio::sync::oneshot::channel();
        let load = tokio::spawn(async move {
            let loader = || async move {
                let _ = started.send(());
                std::future::pending::<Result<u32, std::io::Error>>().await
            };
            space.get_or_load("k", loader).await
        });
        began.await.expect("the load begins");
        if dropped {
            load.abort();
            drop((load.await, leaving));
        } else {
            let closed = leaving.close(Duration::from_secs(5)).await;
            assert_eq!(closed.expect("no trouble").loads_stopped, 1);
        }
        let began = Instant::now();
        let space = staying.space::<u32>("n");
        let loaded = space.get_or_load("k", || async { Ok::<_, std::io::Error>(7u32) });
        assert_eq!(*loaded.await.expect("a load"), 7);
        assert!(
            began.elapsed() < LOAD,
            "another node waited {:?} (dropped: {dropped})",
            began.elapsed()
        );
    }
}
