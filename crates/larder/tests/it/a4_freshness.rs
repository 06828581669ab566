//! A4: a value is refreshed before anybody has to wait, once, and within the limits.

use std::collections::BTreeSet;

use larder::{LoadPolicy, Loaded, RefreshLimits, Remaining, Space};

use crate::origin::{Origin, a_while, quiet, soon, until, value};
use crate::stacks::{Stack, all, memory_with, secs};

/// A space whose entries are fresh for 100 seconds and stale for an hour.
fn space_of(stack: &Stack) -> Space<u32> {
    let space = stack.cache.space::<u32>("n");
    space.default_ttl(secs(100)).stale_for(secs(3_600))
}

#[tokio::test]
async fn a4_stale_while_revalidate_answers_at_once_and_loads_once_behind() {
    for stack in all().await {
        let (space, origin) = (space_of(&stack), Origin::held());
        let policy = LoadPolicy::new().stale_while_revalidate();
        space.set("k", 50u32).await.unwrap();
        stack.clock.advance(secs(100));
        for call in 0..5 {
            let load = origin.load(&space, "k", policy.clone());
            let outcome = soon("a stale answer", load).await.unwrap();
            assert!(outcome.stale, "{}: call {call}", stack.name);
            assert_eq!(outcome.value.as_deref(), Some(&50), "{}", stack.name);
        }
        until("one load began", || origin.calls() == 1).await;
        assert_eq!(stack.cache.loads_in_progress(), 1, "{}", stack.name);
        origin.let_one_go();
        quiet(&stack).await;
        let next = origin.load(&space, "k", policy).await.unwrap();
        assert!(!next.stale, "{}", stack.name);
        assert_eq!((next.value.as_deref(), origin.calls()), (Some(&1), 1));
        let stats = stack.cache.stats();
        assert_eq!(
            (stats.refreshes, stats.refreshes_skipped, stats.stale_served),
            (1, 0, 5),
            "{}",
            stack.name
        );
    }
}

#[tokio::test]
async fn a4_stale_while_revalidate_waits_where_nothing_is_stale() {
    for stack in all().await {
        let (space, origin) = (space_of(&stack), Origin::held());
        let policy = LoadPolicy::new().stale_while_revalidate();
        let load = origin.start(&space, "k", policy);
        until("it loads", || origin.calls() == 1).await;
        a_while().await;
        assert!(!load.is_finished(), "{}", stack.name);
        origin.let_one_go();
        assert_eq!(value(load.await.unwrap()), 1, "{}", stack.name);
        quiet(&stack).await;
        assert_eq!(stack.cache.stats().refreshes, 0, "{}", stack.name);
    }
}

#[tokio::test]
async fn a4_an_eager_refresh_begins_at_its_fraction_once_behind_its_caller() {
    for stack in all().await {
        let (space, origin) = (space_of(&stack), Origin::held());
        let policy = LoadPolicy::new().eager_refresh(0.8);
        space.set("k", 50u32).await.unwrap();
        stack.clock.advance(secs(79));
        assert_eq!(value(origin.load(&space, "k", policy.clone()).await), 50);
        a_while().await;
        assert_eq!(origin.calls(), 0, "{}: before its time", stack.name);
        stack.clock.advance(secs(1));
        for _ in 0..10 {
            let load = origin.load(&space, "k", policy.clone());
            let outcome = soon("the old value", load).await.unwrap();
            assert_eq!(outcome.value.as_deref(), Some(&50), "{}", stack.name);
            assert!(!outcome.stale, "{}", stack.name);
        }
        until("one refresh began", || origin.calls() == 1).await;
        origin.let_all_go();
        quiet(&stack).await;
        assert_eq!(value(origin.load(&space, "k", policy.clone()).await), 1);
        a_while().await;
        assert_eq!(origin.calls(), 1, "{}: one per key", stack.name);
        assert_eq!(stack.cache.stats().refreshes, 1, "{}", stack.name);
        let left = space.ttl("k").await.unwrap();
        assert_eq!(left, Remaining::For(secs(100)), "{}", stack.name);
    }
}

#[tokio::test]
async fn a4_a_refresh_that_failed_is_not_tried_again_within_the_throttle() {
    for stack in all().await {
        let (space, origin) = (space_of(&stack), Origin::down());
        let policy = LoadPolicy::new().eager_refresh(0.5).throttle(secs(20));
        space.set("k", 50u32).await.unwrap();
        stack.clock.advance(secs(50));
        for second in 0..40u32 {
            assert_eq!(
                value(origin.load(&space, "k", policy.clone()).await),
                50,
                "{}: a failing refresh is nobody's error",
                stack.name
            );
            quiet(&stack).await;
            assert_eq!(origin.calls(), second / 20 + 1, "{}: {second}", stack.name);
            stack.clock.advance(secs(1));
        }
    }
}

#[tokio::test]
async fn a4_an_early_expiration_is_the_same_with_the_same_seed() {
    let mut ends = BTreeSet::new();
    for seed in 0..20 {
        let first = first_refresh(seed).await;
        assert_eq!(first, first_refresh(seed).await, "seed {seed}");
        ends.insert(first);
    }
    assert!(
        ends.len() > 1,
        "at random, but always after {ends:?} seconds"
    );
    assert!(ends.iter().all(|end| (1..100).contains(end)), "{ends:?}");
}

/// After how many seconds an entry of a load that took 10 of 100 is refreshed.
async fn first_refresh(seed: u64) -> u64 {
    let stack = memory_with(|builder| builder.random_seed(seed)).await;
    let (space, origin) = (space_of(&stack), Origin::held());
    let load = origin.start(&space, "k", LoadPolicy::new());
    until("it loads", || origin.calls() == 1).await;
    stack.clock.advance(secs(10));
    origin.let_one_go();
    load.await.unwrap().unwrap();
    let policy = LoadPolicy::new().early_expiration(1.0);
    for second in 0..100 {
        assert_eq!(value(origin.load(&space, "k", policy.clone()).await), 1);
        if stack.cache.loads_in_progress() > 0 {
            until("it is counted", || stack.cache.stats().refreshes > 0).await;
            origin.let_one_go();
            quiet(&stack).await;
            return second;
        }
        stack.clock.advance(secs(1));
    }
    100
}

#[tokio::test]
async fn a4_no_more_refreshes_run_at_once_than_the_limit_says() {
    let limits = RefreshLimits::default().with_concurrency(1);
    let stack = memory_with(|builder| builder.refresh_limits(limits)).await;
    let (space, origin) = (space_of(&stack), Origin::held());
    for policy in [
        LoadPolicy::new().stale_while_revalidate(),
        LoadPolicy::new().eager_refresh(0.5),
    ] {
        let before = stack.cache.stats();
        let calls = origin.calls();
        for key in ["a", "b"] {
            space.set(key, 50u32).await.unwrap();
        }
        // Due for the one, stale for the other.
        let passed = if format!("{policy:?}").contains("eager: Some") {
            50
        } else {
            100
        };
        stack.clock.advance(secs(passed));
        for key in ["a", "b"] {
            let load = origin.load(&space, key, policy.clone());
            assert_eq!(value(soon("what is there", load).await), 50);
        }
        until("one refresh began", || origin.calls() == calls + 1).await;
        let stats = stack.cache.stats();
        assert_eq!(stats.refreshes - before.refreshes, 1);
        assert_eq!(stats.refreshes_skipped - before.refreshes_skipped, 1);
        origin.let_one_go();
        quiet(&stack).await;
        assert_eq!(value(origin.load(&space, "b", policy).await), 50);
        until("a later caller tries again", || origin.calls() == calls + 2).await;
        origin.let_one_go();
        quiet(&stack).await;
        assert_eq!(stack.cache.stats().refreshes - before.refreshes, 2);
        stack.cache.clear().await.unwrap();
    }
}

#[tokio::test]
async fn a4_no_more_refreshes_begin_in_a_second_than_the_limit_says() {
    let limits = RefreshLimits::default().with_per_second(2);
    let stack = memory_with(|builder| builder.refresh_limits(limits)).await;
    let (space, origin) = (space_of(&stack), Origin::open());
    let policy = LoadPolicy::new().stale_while_revalidate();
    let keys = ["a", "b", "c", "d", "e"];
    for key in keys {
        space.set(key, 50u32).await.unwrap();
    }
    stack.clock.advance(secs(100));
    for (second, refreshed) in [(0, 2), (1, 4), (2, 5)] {
        for key in keys {
            let load = origin.load(&space, key, policy.clone());
            soon("an answer", load).await.unwrap();
            quiet(&stack).await;
        }
        assert_eq!(origin.calls(), refreshed, "after {second} seconds");
        assert_eq!(stack.cache.stats().refreshes, u64::from(refreshed));
        stack.clock.advance(secs(1));
    }
    assert_eq!(stack.cache.stats().refreshes_skipped, 3 + 1);
}

#[tokio::test]
async fn a4_loads_that_are_waited_for_have_no_limit() {
    let limits = RefreshLimits::default()
        .with_concurrency(1)
        .with_per_second(1);
    let stack = memory_with(|builder| builder.refresh_limits(limits)).await;
    let (space, origin) = (space_of(&stack), Origin::held());
    let loads: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .map(|key| origin.start(&space, key, LoadPolicy::new()))
        .collect();
    until("all three load", || origin.calls() == 3).await;
    origin.let_all_go();
    for load in loads {
        load.await.unwrap().unwrap();
    }
    quiet(&stack).await;
}

#[tokio::test]
async fn a4_jitter_holds_for_what_is_loaded_refreshed_and_not_modified() {
    let stack = memory_with(|builder| builder.jitter(0.5).random_seed(7)).await;
    let (space, origin) = (space_of(&stack), Origin::open());
    let mut lives = BTreeSet::new();
    for n in 0..20 {
        let key = format!("k{n}");
        origin.load(&space, &key, LoadPolicy::new()).await.unwrap();
        lives.insert(left(&space, &key).await);
        let own = origin.clone();
        let refresh = space.get_or_load(&key, move || own.loader()).refresh();
        refresh.await.unwrap();
        lives.insert(left(&space, &key).await);
        let same = |_| async { Ok::<_, std::io::Error>(Loaded::not_modified()) };
        space.get_or_load_with(&key, same).refresh().await.unwrap();
        lives.insert(left(&space, &key).await);
    }
    assert!(
        lives
            .iter()
            .all(|life| (secs(50)..=secs(100)).contains(life))
    );
    assert!(lives.len() > 50, "{} times to live of 60", lives.len());
    quiet(&stack).await;
}

async fn left(space: &Space<u32>, key: &str) -> std::time::Duration {
    match space.ttl(key).await.unwrap() {
        Remaining::For(left) => left,
        other => panic!("no time to live: {other:?}"),
    }
}

#[tokio::test]
async fn a4_a_refresh_that_panics_or_hangs_gives_its_place_back() {
    let limits = RefreshLimits::default().with_concurrency(1);
    let stack = memory_with(|builder| builder.refresh_limits(limits)).await;
    let space = space_of(&stack);
    let policy = LoadPolicy::new().eager_refresh(0.5).timeout(secs(5));
    for key in ["a", "b", "c"] {
        space.set(key, 50u32).await.unwrap();
    }
    stack.clock.advance(secs(60));
    let panicking = || async { panic!("a bug") as Result<u32, std::io::Error> };
    let call = space.get_or_load("a", panicking).policy(policy.clone());
    assert_eq!(*call.await.unwrap(), 50);
    until("it panicked", || stack.cache.stats().load_failures == 1).await;
    quiet(&stack).await;

    let hanging = Origin::held();
    assert_eq!(value(hanging.load(&space, "b", policy.clone()).await), 50);
    until("it hangs", || hanging.calls() == 1).await;
    stack.clock.advance(secs(5));
    quiet(&stack).await;
    assert_eq!(hanging.dropped(), 1);

    let origin = Origin::open();
    for key in ["a", "b", "c"] {
        assert_eq!(value(origin.load(&space, key, policy.clone()).await), 50);
        quiet(&stack).await;
    }
    assert_eq!(origin.calls(), 1, "the two that failed rest");
    assert_eq!(stack.cache.stats().refreshes_skipped, 0);
    assert_eq!(space.get("c").await.unwrap().as_deref(), Some(&1));
}
