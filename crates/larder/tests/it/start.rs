//! Building a cache: with its store away, and of several tiers.

use larder::{Cache, ErrorKind, Operation, Store};
use larder_testkit::{ChaosLayer, Fault, ManualClock, ReferenceBackend};

/// A store that others use too, as a cache sees it whose network can be cut.
fn remote() -> (Store, Store, ChaosLayer, ManualClock) {
    let clock = ManualClock::new();
    let store = Store::new(ReferenceBackend::new(clock.shared()));
    let chaos = ChaosLayer::new().without_peek();
    let seen = store.clone().layer(&chaos).unwrap();
    (store, seen, chaos, clock)
}

#[tokio::test]
async fn a1_a_cache_is_built_and_loads_while_its_store_is_away() {
    for kind in [ErrorKind::Unavailable, ErrorKind::Timeout] {
        let (_, seen, chaos, clock) = remote();
        chaos.break_down(kind);
        let builder = Cache::builder("test").tier(seen).clock(clock.shared());
        let cache = builder.build().await.expect("the store may come later");
        let loaded = cache
            .get_or_load("k", || async { Ok::<_, std::io::Error>(1u32) })
            .await;
        assert_eq!(*loaded.unwrap(), 1);
        let error = cache.set("k", 2u32).await.unwrap_err();
        assert_eq!(error.kind(), kind, "a write says that the store is away");

        chaos.heal();
        assert_eq!(cache.get::<u32>("k").await.unwrap(), None);
        cache.set("k", 3u32).await.unwrap();
        assert_eq!(cache.get::<u32>("k").await.unwrap().as_deref(), Some(&3));
        cache.clear().await.unwrap();
        assert_eq!(cache.get::<u32>("k").await.unwrap(), None);
    }
}

#[tokio::test]
async fn c1_what_was_cleared_before_the_store_came_back_is_not_seen() {
    let (store, seen, chaos, clock) = remote();
    let builder = || Cache::builder("test").clock(clock.shared());
    let other = builder().tier(store).build().await.unwrap();
    other.set("cleared", 1u32).await.unwrap();

    chaos.break_down(ErrorKind::Unavailable);
    let cache = builder().tier(seen).build().await.unwrap();
    other.clear().await.unwrap();
    other.set("kept", 2u32).await.unwrap();
    chaos.heal();

    assert_eq!(cache.get::<u32>("cleared").await.unwrap(), None);
    assert_eq!(cache.get::<u32>("kept").await.unwrap().as_deref(), Some(&2));
    cache.set("mine", 3u32).await.unwrap();
    assert_eq!(other.get::<u32>("mine").await.unwrap().as_deref(), Some(&3));
}

#[tokio::test]
async fn c1_a_clear_while_a_cache_is_built_is_not_missed() {
    let (store, seen, chaos, clock) = remote();
    let builder = || Cache::builder("test").clock(clock.shared());
    let other = builder().tier(store).build().await.unwrap();
    other.set("k", 1u32).await.unwrap();

    // The generation has been read, and its answer is on the way.
    let gate = chaos.block_after(Operation::Markers);
    let building = tokio::spawn(builder().tier(seen).build());
    gate.reached().await;
    other.clear().await.unwrap();
    gate.open();

    let cache = building.await.unwrap().unwrap();
    assert_eq!(cache.get::<u32>("k").await.unwrap(), None);
    cache.set("mine", 2u32).await.unwrap();
    assert_eq!(other.get::<u32>("mine").await.unwrap().as_deref(), Some(&2));
}

#[tokio::test]
async fn what_will_not_pass_keeps_a_cache_from_being_built() {
    for kind in [
        ErrorKind::Unsupported,
        ErrorKind::ConfigInvalid,
        ErrorKind::Closed,
    ] {
        let (_, seen, chaos, clock) = remote();
        chaos.rule(move |call| (call.operation == Operation::Markers).then_some(Fault::Fail(kind)));
        let builder = Cache::builder("test").tier(seen).clock(clock.shared());
        assert_eq!(builder.build().await.unwrap_err().kind(), kind);
    }
}

#[cfg(not(feature = "tiered"))]
#[tokio::test]
async fn several_tiers_need_a_feature_and_the_error_names_it() {
    let (_, seen, _, clock) = remote();
    let builder = Cache::builder("test")
        .tier(larder::Memory::builder())
        .tier(seen);
    let error = builder.clock(clock.shared()).build().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.message().contains("feature `tiered`"), "{error}");
}

#[cfg(feature = "tiered")]
mod tiered {
    //! Several tiers: the nearest first.

    use std::sync::Arc;

    use larder::{Memory, TierLimits};

    use super::*;
    use crate::stacks::secs;

    #[tokio::test]
    async fn memory_stands_in_front_of_what_others_share() {
        let (store, seen, chaos, clock) = remote();
        let cache = Cache::builder("test")
            .tier(Memory::builder())
            .tier(seen)
            .clock(clock.shared())
            .build()
            .await
            .unwrap();
        let other = Cache::builder("test").tier(store).clock(clock.shared());
        let other = other.build().await.unwrap();

        cache.set("k", 1u32).await.unwrap();
        assert_eq!(other.get::<u32>("k").await.unwrap().as_deref(), Some(&1));
        let first = cache.get::<u32>("k").await.unwrap().unwrap();
        let local = cache.get_local::<u32>("k").expect("memory has it");
        assert!(Arc::ptr_eq(&first, &local), "one value, decoded once");
        // What another one writes is heard of.
        other.set("k", 2u32).await.unwrap();
        assert_eq!(cache.get::<u32>("k").await.unwrap().as_deref(), Some(&2));
        // Memory answers while the other tier is away.
        chaos.break_down(ErrorKind::Unavailable);
        assert_eq!(cache.get::<u32>("k").await.unwrap().as_deref(), Some(&2));
    }

    #[tokio::test]
    async fn a_tier_has_limits_of_its_own() {
        let (_, seen, _, clock) = remote();
        let limits = TierLimits::default().with_max_ttl(secs(10));
        let cache = Cache::builder("test")
            .tier_with(Memory::builder(), limits)
            .tier(seen)
            .clock(clock.shared())
            .ttl(secs(100))
            .build()
            .await
            .unwrap();
        cache.set("k", 1u32).await.unwrap();
        assert!(cache.get_local::<u32>("k").is_some());
        clock.advance(secs(11));
        assert!(cache.get_local::<u32>("k").is_none(), "gone from memory");
        assert_eq!(cache.get::<u32>("k").await.unwrap().as_deref(), Some(&1));
    }

    #[tokio::test]
    async fn the_wrong_order_is_refused() {
        let (_, seen, _, clock) = remote();
        let builder = Cache::builder("test").tier(seen).tier(Memory::builder());
        let error = builder.clock(clock.shared()).build().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.message().contains("put memory first"), "{error}");
    }

    #[tokio::test]
    async fn a_single_tier_works_as_it_is() {
        let (_, seen, _, clock) = remote();
        let cache = Cache::builder("test").tier(seen).clock(clock.shared());
        let cache = cache.build().await.unwrap();
        cache.set("k", 1u32).await.unwrap();
        assert_eq!(cache.get::<u32>("k").await.unwrap().as_deref(), Some(&1));
    }
}
