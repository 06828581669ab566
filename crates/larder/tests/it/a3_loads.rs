//! A3: a loader that panics, hangs or is dropped wedges nothing.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use larder::{ErrorKind, Operation};
use tokio::sync::Semaphore;

use crate::stacks::{Stack, all, memory, secs};

/// A loader that counts its runs and ends when it is let.
#[derive(Clone)]
struct Origin {
    calls: Arc<AtomicU32>,
    gate: Arc<Semaphore>,
}

impl Origin {
    fn new() -> Self {
        Self {
            calls: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
        }
    }

    fn loader(&self) -> impl Future<Output = Result<u32, std::io::Error>> + Send + use<> {
        let Self { calls, gate } = self.clone();
        async move {
            let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
            let _pass = gate.acquire().await.unwrap();
            Ok(call)
        }
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }
}

fn panicking() -> Result<u32, std::io::Error> {
    panic!("the origin's client has a bug")
}

async fn until(mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(secs(20), wait)
        .await
        .expect("it never came about");
}

async fn until_waiting(stack: &Stack, waits: u64) {
    until(|| stack.cache.stats().load_waits == waits).await;
}

#[tokio::test]
async fn a3_a_thousand_callers_of_a_cold_key_make_one_load() {
    for stack in all().await {
        let (space, origin) = (stack.cache.space::<u32>("n"), Origin::new());
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..1_000 {
            let (space, origin) = (space.clone(), origin.clone());
            callers.spawn(async move {
                *space
                    .get_or_load("k", move || origin.loader())
                    .await
                    .unwrap()
            });
        }
        until_waiting(&stack, 999).await;
        assert_eq!(stack.cache.loads_in_progress(), 1, "{}", stack.name);
        origin.gate.add_permits(1);
        assert!(
            callers.join_all().await.into_iter().all(|value| value == 1),
            "{}",
            stack.name
        );
        assert_eq!(
            (origin.calls(), stack.cache.loads_in_progress()),
            (1, 0),
            "{}",
            stack.name
        );
    }
}

#[tokio::test]
async fn a3_a_panic_is_an_error_for_everybody_who_waits_and_the_next_load_works() {
    for stack in all().await {
        let (space, gate) = (stack.cache.space::<u32>("n"), Arc::new(Semaphore::new(0)));
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let (space, gate) = (space.clone(), Arc::clone(&gate));
            callers.spawn(async move {
                let loader = move || async move {
                    let _pass = gate.acquire().await.unwrap();
                    panicking()
                };
                space.get_or_load("k", loader).await.unwrap_err()
            });
        }
        until_waiting(&stack, 9).await;
        gate.add_permits(1);
        for error in callers.join_all().await {
            assert_eq!(error.kind(), ErrorKind::LoadPanicked, "{}", stack.name);
            assert!(
                error.message().contains("has a bug"),
                "{}: {error}",
                stack.name
            );
        }
        assert_eq!(stack.cache.loads_in_progress(), 0, "{}", stack.name);
        let next = space
            .get_or_load("k", || async { Ok::<_, std::io::Error>(2u32) })
            .await;
        assert_eq!(
            *next.unwrap(),
            2,
            "{}: the lease was given back",
            stack.name
        );
    }
}

#[tokio::test]
async fn a3_an_error_is_shared_with_its_source() {
    for stack in all().await {
        let space = stack.cache.space::<u32>("n");
        let fail = || async { Err::<u32, _>(std::io::Error::other("no route to the database")) };
        let error = space.get_or_load("k", fail).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.operation()),
            (ErrorKind::Load, Some(Operation::Load))
        );
        assert_eq!(error.key(), Some("k"));
        let source: &std::io::Error = error.source().unwrap().downcast_ref().unwrap();
        assert_eq!(source.to_string(), "no route to the database");
        assert_eq!(
            (
                stack.cache.loads_in_progress(),
                stack.cache.stats().load_failures
            ),
            (0, 1)
        );
    }
}

#[tokio::test]
async fn a3_a_loader_that_hangs_is_dropped_after_the_load_timeout() {
    for stack in all().await {
        let space = stack.cache.space::<u32>("n");
        let hanging = space.clone();
        let call = tokio::spawn(async move {
            hanging
                .get_or_load("k", std::future::pending::<Result<u32, std::io::Error>>)
                .await
        });
        // The caller, and the load itself.
        stack.clock.wait_for_sleepers(2).await;
        stack.clock.advance(secs(29));
        tokio::task::yield_now().await;
        assert!(!call.is_finished(), "{}", stack.name);
        stack.clock.advance(secs(1));
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{}", stack.name);
        assert_eq!(stack.cache.loads_in_progress(), 0, "{}", stack.name);
        let next = space
            .get_or_load("k", || async { Ok::<_, std::io::Error>(2u32) })
            .await;
        assert_eq!(*next.unwrap(), 2, "{}", stack.name);
    }
}

#[tokio::test]
async fn a3_a_caller_that_goes_away_kills_nothing() {
    for stack in all().await {
        let (space, origin) = (stack.cache.space::<u32>("n"), Origin::new());
        let leading = {
            let (space, origin) = (space.clone(), origin.clone());
            tokio::spawn(async move {
                space
                    .get_or_load("k", move || origin.loader())
                    .await
                    .map(|v| *v)
            })
        };
        until(|| origin.calls() == 1).await;
        let waiting = {
            let space = space.clone();
            tokio::spawn(async move {
                space
                    .get_or_load("k", || async { Ok::<_, std::io::Error>(99u32) })
                    .await
                    .map(|v| *v)
            })
        };
        until_waiting(&stack, 1).await;
        leading.abort();
        assert!(leading.await.unwrap_err().is_cancelled());
        origin.gate.add_permits(1);
        assert_eq!(
            waiting.await.unwrap().unwrap(),
            1,
            "{}: the load went on",
            stack.name
        );
        assert_eq!(
            space.get("k").await.unwrap().as_deref(),
            Some(&1),
            "{}: and was stored",
            stack.name
        );
        assert_eq!(stack.cache.loads_in_progress(), 0, "{}", stack.name);
    }
}

#[tokio::test]
async fn a3_when_every_caller_has_gone_the_load_completes_and_is_stored() {
    for stack in all().await {
        let (space, origin) = (stack.cache.space::<u32>("n"), Origin::new());
        let leading = {
            let (space, origin) = (space.clone(), origin.clone());
            tokio::spawn(async move {
                space
                    .get_or_load("k", move || origin.loader())
                    .await
                    .map(|v| *v)
            })
        };
        until(|| origin.calls() == 1).await;
        leading.abort();
        let _ = leading.await;
        origin.gate.add_permits(1);
        until(|| stack.cache.loads_in_progress() == 0).await;
        assert_eq!(
            space.get("k").await.unwrap().as_deref(),
            Some(&1),
            "{}",
            stack.name
        );
    }
}

#[tokio::test]
async fn a3_loads_of_different_keys_do_not_wait_for_each_other() {
    let stack = memory().await;
    let (space, origin) = (stack.cache.space::<u32>("n"), Origin::new());
    let slow = {
        let (space, origin) = (space.clone(), origin.clone());
        tokio::spawn(async move {
            space
                .get_or_load("slow", move || origin.loader())
                .await
                .map(|v| *v)
        })
    };
    until(|| origin.calls() == 1).await;
    for n in 0..100u32 {
        let name = n.to_string();
        let loaded = space
            .get_or_load(&name, move || async move { Ok::<_, std::io::Error>(n) })
            .await;
        assert_eq!(*loaded.unwrap(), n);
    }
    origin.gate.add_permits(1);
    assert_eq!(slow.await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn a3_two_caches_on_one_store_load_once() {
    use larder::{Cache, Memory, Store};
    let store = Store::new(Memory::builder().build().unwrap());
    let a = Cache::builder("shared")
        .tier(store.clone())
        .build()
        .await
        .unwrap();
    let b = Cache::builder("shared").tier(store).build().await.unwrap();
    let origin = Origin::new();
    let loads: Vec<_> = [&a, &b]
        .into_iter()
        .map(|cache| {
            let (space, origin) = (cache.space::<u32>("n"), origin.clone());
            tokio::spawn(async move {
                space
                    .get_or_load("k", move || origin.loader())
                    .await
                    .map(|v| *v)
            })
        })
        .collect();
    until(|| origin.calls() == 1 && a.loads_in_progress() + b.loads_in_progress() == 2).await;
    origin.gate.add_permits(2);
    for load in loads {
        assert_eq!(load.await.unwrap().unwrap(), 1);
    }
    assert_eq!(
        origin.calls(),
        1,
        "the second cache waits for the first one's lease"
    );
}

#[tokio::test]
async fn a3_a_pipeline_that_reads_a_key_leaves_its_load_alone() {
    for stack in all().await {
        let (space, origin) = (stack.cache.space::<u32>("n"), Origin::new());
        let loading = {
            let (space, origin) = (space.clone(), origin.clone());
            tokio::spawn(async move { space.get_or_load("k", move || origin.loader()).await })
        };
        until(|| origin.calls() == 1).await;
        let mut pipeline = stack.cache.pipeline();
        pipeline.within(&space).get("k");
        pipeline.within(&space).exists("k");
        pipeline.execute().await.unwrap();
        assert_eq!(stack.cache.loads_in_progress(), 1, "{}", stack.name);
        origin.gate.add_permits(1);
        loading.await.unwrap().unwrap();
    }
}
