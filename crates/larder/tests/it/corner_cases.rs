//! Where policies of the load engine meet one another, or something goes wrong at the wrong moment.

use larder::{Cache, Error, ErrorKind, LoadPolicy, Loaded, RefreshLimits, Space};
use larder_testkit::Fault;

use crate::a3_cycles::cycle;
use crate::origin::{Origin, a_while, quiet, soon, until, value};
use crate::stacks::{Stack, all, chaos, memory, memory_with, secs};

const HOUR: u64 = 3_600;

fn space_of(cache: &Cache) -> Space<u32> {
    let space = cache.space::<u32>("n");
    space.default_ttl(secs(100)).stale_for(secs(2 * HOUR))
}

async fn stale(stack: &Stack) -> Space<u32> {
    let space = space_of(&stack.cache);
    space.set("k", 50u32).await.unwrap();
    stack.clock.advance(secs(100));
    space
}

#[tokio::test]
async fn a4_an_eager_refresh_keeps_to_the_throttle_of_a_stand_in() {
    for stack in all().await {
        let (space, origin) = (stale(&stack).await, Origin::down());
        let policy = LoadPolicy::new().eager_refresh(0.8).throttle(secs(60));
        for _ in 0..HOUR / 5 {
            let load = origin.load(&space, "k", policy.clone()).await;
            assert_eq!(value(load), 50, "{}", stack.name);
            quiet(&stack).await;
            stack.clock.advance(secs(5));
        }
        let calls = origin.calls();
        assert!(
            calls.abs_diff(60) <= 1,
            "{}: {calls} calls in an hour",
            stack.name
        );
    }
}

#[tokio::test]
async fn a4_a_load_keeps_to_the_throttle_of_a_failed_refresh() {
    let stack = memory().await;
    let (space, origin) = (space_of(&stack.cache), Origin::down());
    let policy = LoadPolicy::new().eager_refresh(0.9).throttle(secs(60));
    space.set("k", 50u32).await.unwrap();
    stack.clock.advance(secs(95));
    origin.load(&space, "k", policy.clone()).await.unwrap();
    until("it refreshes", || origin.calls() == 1).await;
    quiet(&stack).await;
    stack.clock.advance(secs(10));
    assert_eq!(value(origin.load(&space, "k", policy).await), 50);
    quiet(&stack).await;
    assert_eq!(
        origin.calls(),
        1,
        "called again ten seconds after it failed"
    );
}

#[tokio::test]
async fn a4_a_load_in_memory_alone_keeps_to_the_throttle() {
    for stack in all().await {
        let (space, origin) = (stale(&stack).await, Origin::down());
        for _ in 0..10 {
            let own = origin.clone();
            let call = space.get_or_load("k", move || own.loader()).memory_only();
            assert_eq!(*call.await.unwrap(), 50, "{}", stack.name);
        }
        quiet(&stack).await;
        assert_eq!(origin.calls(), 1, "{}", stack.name);
    }
}

#[tokio::test]
async fn a4_a_load_in_memory_alone_is_told_what_there_is() {
    let stack = memory().await;
    let space = stale(&stack).await;
    let same = |context: larder::LoadContext<u32>| async move {
        Ok::<_, std::io::Error>(match context.stale() {
            Some(_) => Loaded::not_modified(),
            None => Loaded::new(1u32),
        })
    };
    let call = space.get_or_load_with("k", same).memory_only();
    assert_eq!(*call.await.unwrap(), 50, "the stale value is at hand");
}

#[tokio::test]
async fn a4_without_a_lease_a_failing_origin_is_throttled_too() {
    let (stack, chaos) = chaos().await;
    let (space, origin) = (stale(&stack).await, Origin::down());
    chaos.rule(|call| {
        let lease = call.operation == larder::Operation::Lease;
        lease.then_some(Fault::Fail(ErrorKind::Timeout))
    });
    for _ in 0..10 {
        let load = origin.load(&space, "k", LoadPolicy::new()).await;
        assert_eq!(value(load), 50);
    }
    assert_eq!(origin.calls(), 1);
}

#[tokio::test]
async fn a4_no_store_takes_what_is_stale_as_well() {
    let stack = memory().await;
    let (space, origin) = (stale(&stack).await, Origin::down());
    let call = space.get_or_load("k", move || origin.loader()).no_store();
    let loaded = call.await;
    assert!(
        loaded.is_ok(),
        "a stale value is at hand: {:?}",
        loaded.unwrap_err()
    );
}

#[tokio::test]
async fn a4_an_abandoned_load_is_no_failure_of_the_origin() {
    for stack in all().await {
        let (space, origin) = (stale(&stack).await, Origin::held());
        let policy = LoadPolicy::new().cancel_when_abandoned();
        let load = origin.start(&space, "k", policy.clone());
        until("it loads", || origin.calls() == 1).await;
        load.abort();
        until("it is dropped", || origin.dropped() == 1).await;
        quiet(&stack).await;
        for _ in 0..5 {
            space.exists("another").await.unwrap();
            a_while().await;
        }
        origin.let_all_go();
        let outcome = origin.load(&space, "k", policy).await.unwrap();
        assert_eq!(
            outcome.value.as_deref(),
            Some(&2),
            "{}: throttled",
            stack.name
        );
    }
}

#[tokio::test]
async fn a4_a_load_behind_its_caller_is_not_abandoned() {
    for policy in [
        LoadPolicy::new().stale_while_revalidate(),
        LoadPolicy::new().soft_timeout(secs(2)),
    ] {
        let stack = memory().await;
        let (space, origin) = (stale(&stack).await, Origin::held());
        let load = origin.start(&space, "k", policy.clone().cancel_when_abandoned());
        until("it loads", || origin.calls() == 1).await;
        stack.clock.advance(secs(2));
        assert_eq!(value(soon("a stale value", load).await.unwrap()), 50);
        a_while().await;
        assert_eq!(
            origin.dropped(),
            0,
            "{policy:?}: the load goes on behind it"
        );
    }
}

#[tokio::test]
async fn a3_a_refresh_behind_a_loader_is_not_waited_for_and_no_cycle() {
    for policy in [
        LoadPolicy::new().stale_while_revalidate(),
        LoadPolicy::new().eager_refresh(0.5),
    ] {
        let stack = memory().await;
        let space = space_of(&stack.cache);
        space.set("b", 50u32).await.unwrap();
        let eager = format!("{policy:?}").contains("eager: Some");
        stack.clock.advance(secs(if eager { 60 } else { 100 }));
        let origin = Origin::held();
        let (inner, own) = (space.clone(), origin.clone());
        let a = space.clone();
        let a = tokio::spawn(async move {
            let loader = move || async move {
                let deeper = inner.clone();
                let b = move || async move {
                    let load = || async { Ok::<_, Error>(0) };
                    Ok::<_, Error>(*deeper.get_or_load("a", load).await? + 1)
                };
                let b = *inner.get_or_load("b", b).policy(policy).await?;
                own.loader().await.unwrap();
                Ok::<_, Error>(b)
            };
            a.get_or_load("a", loader).await
        });
        until("a loads", || origin.calls() == 1).await;
        let stats = || stack.cache.stats();
        until("b's refresh waits for a, or fails", || {
            stats().load_waits == 1 || stats().load_failures > 0
        })
        .await;
        a_while().await;
        let failures = stats().load_failures;
        origin.let_one_go();
        assert_eq!(*soon("a", a).await.unwrap().unwrap(), 50);
        assert_eq!(failures, 0, "a waits for nobody, so there is no cycle");
        quiet(&stack).await;
        assert_eq!(space.get("b").await.unwrap().as_deref(), Some(&51));
    }
}

#[tokio::test]
async fn a3_a_cycle_is_named_whole_whoever_began_its_loads() {
    let stack = memory().await;
    let space = stack.cache.space::<u32>("n");
    let gates: Vec<_> = (0..3)
        .map(|_| std::sync::Arc::new(tokio::sync::Semaphore::new(0)))
        .collect();
    let keys = ["a", "b", "c"];
    let mut loads = Vec::new();
    for (at, key) in keys.into_iter().enumerate() {
        let (space, inner) = (space.clone(), space.clone());
        let (gate, next) = (std::sync::Arc::clone(&gates[at]), keys[(at + 1) % 3]);
        loads.push(tokio::spawn(async move {
            let loader = move || async move {
                gate.acquire().await.unwrap().forget();
                let load = || async { Ok::<_, Error>(0u32) };
                inner.get_or_load(next, load).await
            };
            space.get_or_load(key, loader).await
        }));
        until("they load", || stack.cache.loads_in_progress() == at + 1).await;
    }
    for (at, gate) in gates.iter().enumerate() {
        gate.add_permits(1);
        let waits = u64::try_from(at + 1).unwrap();
        until("it waits", || stack.cache.stats().load_waits >= waits).await;
        a_while().await;
    }
    for load in loads {
        let error = soon("a cycle", load).await.unwrap().unwrap_err();
        let message = cycle(&error, "memory");
        for key in keys {
            assert!(
                message.contains(&format!("n:{key}")),
                "{key} is not named: {message}"
            );
        }
    }
}

#[tokio::test]
async fn a4_hits_during_a_refresh_use_up_no_limit() {
    let limits = RefreshLimits::default().with_per_second(2);
    let stack = memory_with(|builder| builder.refresh_limits(limits)).await;
    for policy in [
        LoadPolicy::new().eager_refresh(0.5),
        LoadPolicy::new().stale_while_revalidate(),
    ] {
        let (space, origin) = (space_of(&stack.cache), Origin::held());
        for key in ["a", "b"] {
            space.set(key, 50u32).await.unwrap();
        }
        let eager = format!("{policy:?}").contains("eager: Some");
        stack.clock.advance(secs(if eager { 60 } else { 100 }));
        let before = stack.cache.stats();
        for key in ["a", "a", "a", "a", "b"] {
            origin.load(&space, key, policy.clone()).await.unwrap();
        }
        origin.let_all_go();
        quiet(&stack).await;
        let stats = stack.cache.stats();
        let begun = stats.refreshes - before.refreshes;
        let skipped = stats.refreshes_skipped - before.refreshes_skipped;
        assert_eq!(
            (begun, skipped),
            (2, 0),
            "eager: {eager}: one of each key, of two a second"
        );
    }
}

#[tokio::test]
async fn a1_an_absence_may_be_for_ever() {
    let stack = memory().await;
    let space = space_of(&stack.cache);
    let absent = || async { Ok::<_, std::io::Error>(Loaded::<u32>::absent().forever()) };
    assert_eq!(
        space.get_or_load("k", absent).optional().await.unwrap(),
        None
    );
    stack.clock.advance(secs(HOUR));
    let load = || async { Ok::<_, std::io::Error>(1u32) };
    let found = space.get_or_load("k", load).optional().await.unwrap();
    assert_eq!(found, None, "it is kept until it is deleted or evicted");
}

#[tokio::test]
async fn a1_what_is_not_modified_cannot_have_too_many_tags_either() {
    let stack = memory().await;
    let space = stale(&stack).await;
    let same = |_| async {
        let tags = (0..33).map(|at| format!("t{at}"));
        Ok::<_, std::io::Error>(Loaded::<u32>::not_modified().tags(tags))
    };
    assert_eq!(*space.get_or_load_with("k", same).await.unwrap(), 50);
    assert_eq!(
        stack.cache.stats().errors,
        1,
        "the tags were not kept, and nobody is told"
    );
}

#[tokio::test]
async fn a4_a_sliding_stand_in_keeps_to_the_throttle_and_to_its_end() {
    let stack = memory().await;
    let space = stack.cache.space::<u32>("n").default_ttl(secs(100));
    let space = space.stale_for(secs(300)).sliding();
    space.set("k", 50u32).await.unwrap();
    stack.clock.advance(secs(100));
    let origin = Origin::down();
    let policy = LoadPolicy::new().throttle(secs(10));
    for _ in 0..200 {
        let _ = origin.load(&space, "k", policy.clone()).await;
        a_while().await;
        stack.clock.advance(secs(5));
    }
    let calls = origin.calls();
    assert!(
        calls > 20,
        "a stale value passed for fresh: {calls} calls in 1000 seconds"
    );
}

#[tokio::test]
async fn a4_what_was_set_meanwhile_answers_for_a_load_that_failed() {
    for stack in all().await {
        let (space, origin) = (stale(&stack).await, Origin::held());
        let load = origin.start(&space, "k", LoadPolicy::new());
        until("it loads", || origin.calls() == 1).await;
        space.set("k", 7u32).await.unwrap();
        origin.set_down(true);
        origin.let_one_go();
        let answer = soon("the load", load).await.unwrap();
        let found = answer.ok().and_then(|outcome| outcome.value);
        assert_eq!(
            found.as_deref(),
            Some(&7),
            "{}: a fresh value is there",
            stack.name
        );
    }
}

#[tokio::test]
async fn a4_what_the_origin_no_longer_has_is_not_served_stale_for_ever() {
    let stack = memory().await;
    for loaded in [
        || Loaded::absent().ttl(std::time::Duration::ZERO),
        || Loaded::uncached(1u32),
    ] {
        let space = stale(&stack).await;
        let mut last = None;
        for _ in 0..3 {
            let load = move || async move { Ok::<_, std::io::Error>(loaded()) };
            let policy = LoadPolicy::new().stale_while_revalidate();
            last = space
                .get_or_load("k", load)
                .policy(policy)
                .optional()
                .await
                .unwrap();
            quiet(&stack).await;
        }
        assert_ne!(
            last.as_deref(),
            Some(&50),
            "the origin has said otherwise twice"
        );
    }
}

#[tokio::test]
async fn a4_a_refresh_that_another_node_runs_is_not_counted_here() {
    let stack = memory().await;
    let other = Cache::builder(stack.cache.namespace().as_str())
        .tier(stack.cache.store().clone())
        .clock(stack.clock.shared());
    let other = other.build().await.unwrap();
    let (ours, theirs) = (space_of(&stack.cache), space_of(&other));
    let policy = LoadPolicy::new().eager_refresh(0.5);
    ours.set("k", 50u32).await.unwrap();
    stack.clock.advance(secs(60));
    let origin = Origin::held();
    origin.load(&ours, "k", policy.clone()).await.unwrap();
    until("one node refreshes", || origin.calls() == 1).await;
    for _ in 0..10 {
        origin.load(&theirs, "k", policy.clone()).await.unwrap();
        until("the other asks", || other.loads_in_progress() == 0).await;
    }
    let refreshes = other.stats().refreshes;
    origin.let_all_go();
    quiet(&stack).await;
    assert_eq!(refreshes, 0, "no refresh ran on this node");
}

#[tokio::test]
async fn c1_another_caches_pattern_reaches_a_load_in_memory_alone() {
    let stack = memory().await;
    let other = Cache::builder(stack.cache.namespace().as_str())
        .tier(stack.cache.store().clone())
        .clock(stack.clock.shared());
    let other = other.build().await.unwrap();
    let (space, origin) = (space_of(&stack.cache), Origin::held());
    let (own, loading) = (origin.clone(), space.clone());
    let load = tokio::spawn(async move {
        let call = loading.get_or_load("k", move || own.loader());
        call.memory_only().await
    });
    until("it loads", || origin.calls() == 1).await;
    space_of(&other).invalidate_matching("*").await.unwrap();
    origin.let_one_go();
    load.await.unwrap().unwrap();
    assert_eq!(space.get("k").await.unwrap(), None, "a late fill");
}
