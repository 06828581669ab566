//! A3: loaders that wait for each other are found at once, and the error names them.

use std::error::Error as _;
use std::sync::Arc;

use larder::{Error, ErrorKind, Space};
use tokio::sync::{Notify, Semaphore};

use crate::origin::{quiet, soon, until};
use crate::stacks::all;

/// The error of the cycle, wherever among the sources it is.
pub(crate) fn cycle(error: &Error, name: &str) -> String {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<Error>()
            && error.kind() == ErrorKind::LoadCycle
        {
            return error.message().to_owned();
        }
        next = error.source();
    }
    panic!("{name}: no cycle was found: {error}: {:?}", error.source());
}

async fn zero() -> Result<u32, std::io::Error> {
    Ok(0)
}

#[tokio::test]
async fn a3_a_loader_that_asks_for_its_own_key_gets_an_error_that_names_it() {
    for stack in all().await {
        let space = stack.cache.space::<u32>("n");
        let own = space.clone();
        let load = space.get_or_load("a", move || async move { own.get_or_load("a", zero).await });
        let error = soon("a cycle of one", async { load.await })
            .await
            .unwrap_err();
        let message = cycle(&error, stack.name);
        assert!(message.contains("n:a -> n:a"), "{message}");
        quiet(&stack).await;
        let next = soon("the next load", async {
            space.get_or_load("a", zero).await
        })
        .await;
        assert_eq!(*next.unwrap(), 0, "{}", stack.name);
    }
}

#[tokio::test]
async fn a3_two_loaders_that_ask_for_each_other_get_an_error_that_names_both() {
    for stack in all().await {
        for other in ["n", "m"] {
            let (a, b) = (
                stack.cache.space::<u32>("n"),
                stack.cache.space::<u32>(other),
            );
            let (inner_a, inner_b) = (a.clone(), b.clone());
            let load = a.get_or_load("a", move || async move {
                let back = move || async move { inner_a.get_or_load("a", zero).await };
                inner_b.get_or_load("b", back).await
            });
            let error = soon("a cycle of two", async { load.await })
                .await
                .unwrap_err();
            let message = cycle(&error, stack.name);
            // Whichever of the two is the one that closes it.
            for part in [format!("n:a -> {other}:b"), format!("{other}:b -> n:a")] {
                assert!(message.contains(&part), "{}: {message}", stack.name);
            }
            quiet(&stack).await;
        }
    }
}

/// Loads `own`; once it is let, the loader asks for `other`.
fn asks_for(
    space: &Space<u32>,
    own: &'static str,
    other: &'static str,
    begun: &Arc<Semaphore>,
    go: &Arc<Notify>,
) -> tokio::task::JoinHandle<larder::Result<Arc<u32>>> {
    let (space, begun, go) = (space.clone(), Arc::clone(begun), Arc::clone(go));
    tokio::spawn(async move {
        let inner = space.clone();
        let loader = move || async move {
            begun.add_permits(1);
            go.notified().await;
            inner.get_or_load(other, zero).await
        };
        space.get_or_load(own, loader).await
    })
}

#[tokio::test]
async fn a3_a_cycle_through_another_callers_load_is_found_at_once() {
    for stack in all().await {
        let space = stack.cache.space::<u32>("n");
        let begun = Arc::new(Semaphore::new(0));
        let (first, second) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let a = asks_for(&space, "a", "b", &begun, &first);
        let b = asks_for(&space, "b", "a", &begun, &second);
        let _both = soon("both load", begun.acquire_many(2)).await.unwrap();
        first.notify_one();
        until("a waits for b", || stack.cache.stats().load_waits == 1).await;
        second.notify_one();
        // Nobody moves the clock, so no timeout ends them.
        for load in [a, b] {
            let error = soon("a cycle of two callers", load)
                .await
                .unwrap()
                .unwrap_err();
            let message = cycle(&error, stack.name);
            assert!(
                message.contains("n:b") && message.contains('a'),
                "{message}"
            );
        }
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn a3_a_loader_that_asks_for_other_keys_is_no_cycle() {
    for stack in all().await {
        let space = stack.cache.space::<u32>("n");
        let inner = space.clone();
        let load = space.get_or_load("a", move || async move {
            let deeper = inner.clone();
            let b = inner.get_or_load(
                "b",
                move || async move { deeper.get_or_load("c", zero).await },
            );
            let b = *b.await?;
            let c = *inner.get_or_load("c", zero).await?;
            Ok::<_, Error>(b + c + 1)
        });
        let loaded = soon("three loads", async { load.await }).await;
        assert_eq!(*loaded.unwrap(), 1, "{}", stack.name);
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn a3_two_loaders_that_wait_for_a_third_are_no_cycle() {
    for stack in all().await {
        let space = stack.cache.space::<u32>("n");
        let begun = Arc::new(Semaphore::new(0));
        let go = Arc::new(Notify::new());
        let c = asks_for(&space, "c", "d", &begun, &go);
        let _begun = soon("c loads", begun.acquire()).await.unwrap();
        let loads = ["a", "b"].map(|own| {
            let at_once = Arc::new(Notify::new());
            at_once.notify_one();
            asks_for(&space, own, "c", &begun, &at_once)
        });
        until("both wait for c", || stack.cache.stats().load_waits == 2).await;
        go.notify_one();
        for load in loads.into_iter().chain([c]) {
            let loaded = soon("all three", load).await.unwrap();
            assert_eq!(*loaded.unwrap(), 0, "{}", stack.name);
        }
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn a3_a_cycle_through_another_cache_is_found_too() {
    for (stack, other) in all().await.into_iter().zip(all().await) {
        let (a, b) = (stack.cache.space::<u32>("n"), other.cache.space::<u32>("n"));
        let inner_a = a.clone();
        let load = a.get_or_load("k", move || async move {
            let back = move || async move { inner_a.get_or_load("k", zero).await };
            b.get_or_load("k", back).await
        });
        let error = soon("a cycle of two caches", async { load.await })
            .await
            .unwrap_err();
        cycle(&error, stack.name);
        quiet(&stack).await;
        quiet(&other).await;
    }
}

#[tokio::test]
async fn a3_a_loader_may_load_its_own_key_past_the_cache() {
    for stack in all().await {
        let space = stack.cache.space::<u32>("n");
        let own = space.clone();
        let load = space.get_or_load("a", move || async move {
            own.get_or_load("a", zero).no_store().await
        });
        let loaded = soon("a load past the cache", async { load.await }).await;
        assert_eq!(*loaded.unwrap(), 0, "{}", stack.name);
        quiet(&stack).await;
    }
}
