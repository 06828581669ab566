//! C1, on one node: what was loaded before an invalidation is never seen after it.

use larder::{Cache, Space};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::stacks::{Stack, all, secs};

type Load = JoinHandle<larder::Result<std::sync::Arc<u32>>>;

/// Starts a load of version 0 and stops it inside its loader.
async fn load_and_stop(space: &Space<u32>) -> (Load, oneshot::Sender<()>) {
    let (started, entered) = oneshot::channel();
    let (leave, left) = oneshot::channel();
    let space = space.clone();
    let load = tokio::spawn(async move {
        let loader = || async {
            started.send(()).unwrap();
            left.await.unwrap();
            Ok::<_, std::io::Error>(0u32)
        };
        space.get_or_load("k", loader).await
    });
    entered.await.unwrap();
    (load, leave)
}

async fn load_one(space: &Space<u32>) -> u32 {
    *space
        .get_or_load("k", || async { Ok::<_, std::io::Error>(1u32) })
        .await
        .unwrap()
}

/// Invalidates during a load; `expected` is what may be found afterwards.
async fn invalidated(
    stack: &Stack,
    case: &str,
    expected: Option<u32>,
    invalidate: impl AsyncFn(&Cache, &Space<u32>),
) {
    let space = stack.cache.space::<u32>("n");
    let (load, leave) = load_and_stop(&space).await;
    invalidate(&stack.cache, &space).await;
    // A caller that comes after the invalidation must not be given the old load's value (R6).
    let later = load_one(&space).await;
    assert_eq!(
        later,
        expected.unwrap_or(1),
        "{}, {case}: a later caller joined the older load",
        stack.name
    );
    space.invalidate("k").await.unwrap();
    leave.send(()).unwrap();
    assert_eq!(
        *load.await.unwrap().unwrap(),
        0,
        "{}, {case}: who waited gets the value",
        stack.name
    );
    assert_eq!(
        space.get("k").await.unwrap(),
        None,
        "{}, {case}: the late fill was stored",
        stack.name
    );
    assert_eq!(stack.cache.loads_in_progress(), 0, "{}, {case}", stack.name);

    // The same without a second load in between.
    let (load, leave) = load_and_stop(&space).await;
    invalidate(&stack.cache, &space).await;
    leave.send(()).unwrap();
    load.await.unwrap().unwrap();
    let found = space.get("k").await.unwrap();
    assert_eq!(
        found.as_deref(),
        expected.as_ref(),
        "{}, {case}: the late fill was stored",
        stack.name
    );
    assert_ne!(
        stack.cache.stats().fills_refused,
        0,
        "{}, {case}: refused fills are counted",
        stack.name
    );
    space.delete("k").await.unwrap();
}

#[tokio::test]
async fn c1_no_invalidation_is_survived_by_a_load_that_began_before_it() {
    for stack in all().await {
        invalidated(&stack, "delete", None, async |_, space| {
            space.delete("k").await.unwrap();
        })
        .await;
        invalidated(&stack, "invalidate", None, async |_, space| {
            space.invalidate("k").await.unwrap();
        })
        .await;
        invalidated(&stack, "set", Some(7), async |_, space| {
            space.set("k", 7u32).await.unwrap();
        })
        .await;
        invalidated(&stack, "set_many", Some(7), async |_, space| {
            space.set_many([("k", 7u32)]).await.unwrap();
        })
        .await;
        invalidated(&stack, "delete_many", None, async |_, space| {
            space.delete_many(&["k"]).await.unwrap();
        })
        .await;
        invalidated(&stack, "pipeline", None, async |cache, _| {
            let mut pipeline = cache.pipeline();
            pipeline.delete("n:k");
            pipeline.execute().await.unwrap();
        })
        .await;
        invalidated(&stack, "clear", None, async |cache, _| {
            cache.clear().await.unwrap();
        })
        .await;
        invalidated(&stack, "set, then expired", None, async |_, space| {
            space.set("k", 7u32).ttl(secs(1)).await.unwrap();
            stack.clock.advance(secs(1));
        })
        .await;
    }
}

#[tokio::test]
async fn c1_an_invalidation_by_pattern_reaches_a_load_that_has_no_entry_yet() {
    for stack in all().await {
        let space = stack.cache.space::<u32>("n");
        let (load, leave) = load_and_stop(&space).await;
        assert_eq!(space.invalidate_matching("*").await.unwrap(), 0);
        assert_eq!(
            load_one(&space).await,
            1,
            "{}: a later caller joined the older load",
            stack.name
        );
        leave.send(()).unwrap();
        load.await.unwrap().unwrap();
        assert_eq!(
            space.get("k").await.unwrap().as_deref(),
            Some(&1),
            "{}",
            stack.name
        );
    }
}

#[tokio::test]
async fn c1_a_forced_refresh_does_not_survive_an_invalidation_either() {
    for stack in all().await {
        let space = stack.cache.space::<u32>("n");
        space.set("k", 5u32).await.unwrap();
        let (started, entered) = oneshot::channel();
        let (leave, left) = oneshot::channel::<()>();
        let refreshing = space.clone();
        let refresh = tokio::spawn(async move {
            let loader = || async {
                started.send(()).unwrap();
                left.await.unwrap();
                Ok::<_, std::io::Error>(0u32)
            };
            refreshing.get_or_load("k", loader).refresh().await
        });
        entered.await.unwrap();
        let meanwhile = space.get("k").await.unwrap();
        assert_eq!(
            meanwhile.as_deref(),
            Some(&5),
            "{}: others are served meanwhile",
            stack.name
        );
        space.delete("k").await.unwrap();
        leave.send(()).unwrap();
        assert_eq!(*refresh.await.unwrap().unwrap(), 0);
        assert_eq!(space.get("k").await.unwrap(), None, "{}", stack.name);
    }
}

#[tokio::test]
async fn c1_an_invalidation_by_pattern_reaches_loads_that_are_detached_or_another_caches() {
    for stack in all().await {
        let space = stack.cache.space::<u32>("n");
        let (load, leave) = load_and_stop(&space).await;
        // Detaches the flight and changes nothing, so that its lease stands.
        assert!(!space.expire("k", secs(1)).await.unwrap());
        space.invalidate_matching("*").await.unwrap();
        leave.send(()).unwrap();
        load.await.unwrap().unwrap();
        assert_eq!(space.get("k").await.unwrap(), None, "{}", stack.name);

        let other =
            Cache::builder(stack.cache.namespace().as_str()).tier(stack.cache.store().clone());
        let other = other.clock(stack.clock.shared()).build().await.unwrap();
        let (load, leave) = load_and_stop(&space).await;
        other
            .space::<u32>("n")
            .invalidate_matching("*")
            .await
            .unwrap();
        leave.send(()).unwrap();
        load.await.unwrap().unwrap();
        assert_eq!(
            space.get("k").await.unwrap(),
            None,
            "{}: from another cache",
            stack.name
        );
    }
}

#[tokio::test]
async fn c1_a_store_without_leases_that_tells_of_nothing_keeps_no_late_fill_either() {
    let clock = larder_testkit::ManualClock::new();
    let reference = larder_testkit::ReferenceBackend::new(clock.shared());
    let store = larder::Store::new(crate::bad_input::Minimal(reference));
    let builder = Cache::builder("test").tier(store).clock(clock.shared());
    let space = builder.build().await.unwrap().space::<u32>("n");
    for set in [false, true] {
        let (load, leave) = load_and_stop(&space).await;
        if set {
            space.set("k", 7u32).await.unwrap();
        } else {
            space.delete("k").await.unwrap();
            assert_eq!(
                load_one(&space).await,
                1,
                "a later caller joined the older load"
            );
            space.delete("k").await.unwrap();
        }
        leave.send(()).unwrap();
        assert_eq!(*load.await.unwrap().unwrap(), 0);
        let expected = set.then_some(7);
        assert_eq!(space.get("k").await.unwrap().as_deref().copied(), expected);
        space.delete("k").await.unwrap();
    }
}
