//! A cache's end: nothing is left running, on either kind of runtime, and with the runtime gone first.

use std::future::pending;
use std::time::Duration;

use larder::{Cache, ErrorKind, Memory};
use tokio::runtime::{Builder, Runtime};

use crate::stacks::secs;

type Never = Result<u32, std::io::Error>;

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap()
}

async fn cache() -> Cache {
    Cache::builder("test")
        .tier(Memory::builder())
        .build()
        .await
        .unwrap()
}

/// Tasks alive on the runtime; waits for those that are being stopped.
async fn tasks_left(allowed: usize) -> usize {
    let metrics = tokio::runtime::Handle::current().metrics();
    for _ in 0..2_000 {
        if metrics.num_alive_tasks() <= allowed {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    metrics.num_alive_tasks()
}

#[test]
fn the_last_handle_stops_every_task() {
    for runtime in [current_thread(), multi_thread()] {
        runtime.block_on(async {
            let cache = cache().await;
            let space = cache.space::<u32>("n");
            for name in ["a", "b", "c"] {
                // Polled once, so that the load has begun, and then dropped.
                let load = space.get_or_load(name, pending::<Never>).into_future();
                assert!(
                    tokio::time::timeout(Duration::from_millis(5), load)
                        .await
                        .is_err()
                );
            }
            // A flight that was detached is a task all the same.
            space.delete("a").await.unwrap();
            assert_eq!(tasks_left(3).await, 3, "loads outlive their callers");
            drop(cache);
            assert_eq!(tasks_left(3).await, 3, "a space keeps the cache alive");
            drop(space);
            assert_eq!(
                tasks_left(0).await,
                0,
                "the last handle must stop every task"
            );
        });
    }
}

#[test]
fn an_idle_cache_has_no_tasks() {
    for runtime in [current_thread(), multi_thread()] {
        runtime.block_on(async {
            let cache = cache().await;
            cache.set("k", 1u8).await.unwrap();
            cache
                .get_or_load("l", || async { Ok::<_, std::io::Error>(1u8) })
                .await
                .unwrap();
            assert_eq!(tasks_left(0).await, 0);
        });
    }
}

#[test]
fn a_cache_outlives_its_runtime() {
    for (first, second) in [
        (current_thread(), multi_thread()),
        (multi_thread(), current_thread()),
    ] {
        let cache = first.block_on(cache());
        let space = cache.space::<u32>("n");
        first.block_on(async {
            space.set("k", 1u32).await.unwrap();
            let load = space.get_or_load("hanging", pending::<Never>).into_future();
            assert!(
                tokio::time::timeout(Duration::from_millis(5), load)
                    .await
                    .is_err()
            );
        });
        drop(first);
        assert_eq!(
            cache.loads_in_progress(),
            0,
            "the load went with its runtime"
        );
        second.block_on(async {
            assert_eq!(space.get("k").await.unwrap().as_deref(), Some(&1));
            let loaded = tokio::time::timeout(
                secs(20),
                space
                    .get_or_load("other", || async { Ok::<_, std::io::Error>(2u32) })
                    .into_future(),
            );
            assert_eq!(*loaded.await.expect("hangs").unwrap(), 2);
        });
        drop((cache, space));
    }
}

#[test]
fn a_load_that_waits_for_a_runtime_that_goes_gets_an_error() {
    let (first, second) = (multi_thread(), multi_thread());
    let cache = first.block_on(cache());
    let space = cache.space::<u32>("n");
    first.block_on(async {
        let load = space.get_or_load("k", pending::<Never>).into_future();
        assert!(
            tokio::time::timeout(Duration::from_millis(5), load)
                .await
                .is_err()
        );
    });
    let waiting = {
        let space = space.clone();
        second.spawn(async move { space.get_or_load("k", pending::<Never>).await })
    };
    while cache.stats().load_waits == 0 {
        std::thread::yield_now();
    }
    drop(first);
    let error = second
        .block_on(async { tokio::time::timeout(secs(20), waiting).await })
        .expect("hangs");
    assert_eq!(error.unwrap().unwrap_err().kind(), ErrorKind::LoadCancelled);
}

#[test]
fn without_a_runtime_a_hit_works_and_a_load_is_an_error() {
    let runtime = current_thread();
    let cache = runtime.block_on(cache());
    runtime.block_on(async { cache.set("k", 1u8).await.unwrap() });
    drop(runtime);
    assert_eq!(cache.get_local::<u8>("k").as_deref(), Some(&1));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut load = Box::pin(
        cache
            .get_or_load("l", || async { Ok::<_, std::io::Error>(1u8) })
            .into_future(),
    );
    let std::task::Poll::Ready(loaded) = load.as_mut().poll(&mut context) else {
        panic!("hangs")
    };
    assert_eq!(loaded.unwrap_err().kind(), ErrorKind::RuntimeGone);
    assert_eq!(cache.loads_in_progress(), 0);
}

#[tokio::test]
async fn closing_waits_for_loads_up_to_its_deadline_and_reports_the_rest() {
    let stack = crate::stacks::memory().await;
    let space = stack.cache.space::<u32>("n");
    let load = space.get_or_load("hanging", pending::<Never>).into_future();
    assert!(
        tokio::time::timeout(Duration::from_millis(5), load)
            .await
            .is_err()
    );
    let closing = tokio::spawn({
        let cache = stack.cache.clone();
        async move { cache.close(secs(3)).await }
    });
    // The load's own timeout and the one of closing.
    stack.clock.wait_for_sleepers(2).await;
    stack.clock.advance(secs(3));
    let closed = closing.await.unwrap().unwrap();
    assert_eq!((closed.loads_stopped, closed.undelivered), (1, 0));
    assert!(!stack.cache.is_open());
    assert_eq!(space.get("k").await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(
        space.set("k", 1u32).await.unwrap_err().kind(),
        ErrorKind::Closed
    );
    assert_eq!(
        space.keys("*").collect().await.unwrap_err().kind(),
        ErrorKind::Closed
    );
    let load = space
        .get_or_load("k", || async { Ok::<_, std::io::Error>(1u32) })
        .await;
    assert_eq!(load.unwrap_err().kind(), ErrorKind::Closed);
    let again = stack.cache.close(secs(3)).await.unwrap();
    assert_eq!(again, larder::Closed::default(), "twice is no error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_waits_for_a_loader_on_its_first_steps() {
    for in_time in [true, false] {
        let stack = crate::stacks::memory().await;
        let space = stack.cache.space::<u32>("n");
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (leave, left) = std::sync::mpsc::channel::<()>();
        let loading = tokio::spawn(async move {
            let loader = move || {
                begun.send(()).unwrap();
                // It works where it stands.
                left.recv().unwrap();
                std::future::ready(Ok::<_, std::io::Error>(1u32))
            };
            space.get_or_load("k", loader).await
        });
        has_begun.await.unwrap();
        let cache = stack.cache.clone();
        let closing = tokio::spawn(async move { cache.close(secs(3)).await });
        stack.clock.wait_for_sleepers(1).await;
        assert!(!closing.is_finished());
        if in_time {
            leave.send(()).unwrap();
        } else {
            stack.clock.advance(secs(3));
        }
        let closed = closing.await.unwrap().unwrap();
        assert_eq!(closed.loads_stopped, u64::from(!in_time));
        let _ = leave.send(());
        assert_eq!(*loading.await.unwrap().unwrap(), 1);
    }
}

#[tokio::test]
async fn closing_lets_a_load_end() {
    let stack = crate::stacks::memory().await;
    let space = stack.cache.space::<u32>("n");
    let (leave, left) = tokio::sync::oneshot::channel();
    let loading = tokio::spawn({
        let space = space.clone();
        async move {
            space
                .get_or_load("k", || async {
                    Ok::<u32, std::io::Error>(left.await.unwrap())
                })
                .await
        }
    });
    // The load's own timeout, and its caller's patience.
    stack.clock.wait_for_sleepers(2).await;
    let closing = tokio::spawn({
        let cache = stack.cache.clone();
        async move { cache.close(secs(3)).await }
    });
    stack.clock.wait_for_sleepers(3).await;
    leave.send(5).unwrap();
    assert_eq!(*loading.await.unwrap().unwrap(), 5);
    assert_eq!(closing.await.unwrap().unwrap().loads_stopped, 0);
}

#[tokio::test]
async fn a_loop_over_hits_lets_other_tasks_run() {
    let stack = crate::stacks::memory().await;
    let space = stack.cache.space::<u32>("n");
    space.set("k", 1u32).await.unwrap();
    let looping = async {
        loop {
            space.get("k").await.unwrap();
            let load = || async { Ok::<_, std::io::Error>(1u32) };
            space.get_or_load("k", load).await.unwrap();
        }
    };
    // On one thread: the timer can only fire if the loop lets go.
    let ended = tokio::time::timeout(Duration::from_millis(20), looping).await;
    assert!(ended.is_err());
}

#[test]
fn a_load_that_goes_with_its_runtime_gives_its_lease_back() {
    let (first, second) = (current_thread(), current_thread());
    let cache = first.block_on(cache());
    let space = cache.space::<u32>("n");
    first.block_on(async {
        let load = space.get_or_load("k", pending::<Never>).into_future();
        assert!(
            tokio::time::timeout(Duration::from_millis(5), load)
                .await
                .is_err()
        );
    });
    drop(first);
    let loaded = second.block_on(async {
        let load = space.get_or_load("k", || async { Ok::<_, std::io::Error>(1u32) });
        tokio::time::timeout(secs(4), load.into_future()).await
    });
    assert_eq!(
        *loaded
            .expect("the lease of the dead load stands in the way")
            .unwrap(),
        1
    );
}

#[tokio::test]
async fn closing_can_be_cancelled_and_called_again() {
    let stack = crate::stacks::memory().await;
    let space = stack.cache.space::<u32>("n");
    let load = space.get_or_load("hanging", pending::<Never>).into_future();
    assert!(
        tokio::time::timeout(Duration::from_millis(5), load)
            .await
            .is_err()
    );
    let closing = stack.cache.close(secs(3));
    assert!(
        tokio::time::timeout(Duration::from_millis(5), closing)
            .await
            .is_err()
    );
    let closing = tokio::spawn({
        let cache = stack.cache.clone();
        async move { cache.close(secs(3)).await }
    });
    stack.clock.wait_for_sleepers(2).await;
    stack.clock.advance(secs(3));
    assert_eq!(closing.await.unwrap().unwrap().loads_stopped, 1);
}

#[test]
fn nobody_waits_for_ever_on_a_runtime_that_nobody_drives() {
    let (idle, driven) = (current_thread(), current_thread());
    let timeout = Duration::from_millis(20);
    let builder = Cache::builder("test")
        .tier(Memory::builder())
        .load_timeout(timeout);
    let cache = idle.block_on(builder.build()).unwrap();
    idle.block_on(async {
        let load = cache
            .get_or_load::<u32, _>("k", pending::<Never>)
            .into_future();
        assert!(
            tokio::time::timeout(Duration::from_millis(5), load)
                .await
                .is_err()
        );
    });
    driven.block_on(async {
        let closed = tokio::time::timeout(secs(20), cache.close(Duration::from_millis(50))).await;
        assert_eq!(closed.expect("hangs").unwrap().loads_stopped, 1);
    });
}

#[tokio::test]
async fn loops_over_other_operations_let_other_tasks_run_too() {
    let stack = crate::stacks::memory().await;
    let space = stack.cache.space::<u32>("n");
    let ended = async |name: &str, looping: std::pin::Pin<Box<dyn Future<Output = ()>>>| {
        let ended = tokio::time::timeout(Duration::from_millis(5), looping).await;
        assert!(ended.is_err(), "{name} ended by itself");
    };
    macro_rules! over {
        ($name:literal, |$space:ident| $operation:expr) => {
            let $space = space.clone();
            ended(
                $name,
                Box::pin(async move {
                    loop {
                        let _ = $operation.await;
                    }
                }),
            )
            .await;
        };
    }
    over!("set", |space| space.set("k", 1u32).into_future());
    over!("exists", |space| space.exists("k"));
    over!("get_many", |space| space.get_many(&["k"]));
    over!("increment", |space| space.increment("c", 1).into_future());
    over!("get_raw", |space| space.get_raw("k"));
    over!("keys", |space| space.keys("*").collect());
    let cache = stack.cache.clone();
    over!("pipeline", |space| {
        let mut pipeline = cache.pipeline();
        let _ = &space;
        pipeline.exists("k");
        pipeline.execute()
    });
    stack.cache.bypass(true);
    over!("a bypassed exists", |space| space.exists("k"));
    over!("a bypassed get_raw", |space| space.get_raw("k"));
    over!("a bypassed get", |space| space.get("k"));
}
