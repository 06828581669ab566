//! A4: with a stale value at hand a failing or slow origin is not seen, and is called once per throttle interval.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use larder::{Cache, ErrorKind, LoadPolicy, Loaded, Retry, Source, Space};

use crate::origin::{Origin, a_while, quiet, soon, until, value};
use crate::stacks::{Stack, all, memory, secs};

const HOUR: u64 = 3_600;

/// A space whose entries are fresh for a minute and stale for two hours.
fn space_of(cache: &Cache) -> Space<u32> {
    let space = cache.space::<u32>("n");
    space.default_ttl(secs(60)).stale_for(secs(2 * HOUR))
}

/// With a stale 50 as `k`.
async fn stale(stack: &Stack) -> Space<u32> {
    let space = space_of(&stack.cache);
    space.set("k", 50u32).await.unwrap();
    stack.clock.advance(secs(60));
    space
}

#[tokio::test]
async fn a4_an_origin_that_is_down_for_an_hour_is_called_once_per_throttle_and_never_seen() {
    down_for_an_hour(LoadPolicy::new()).await;
}

#[tokio::test]
async fn a4_an_origin_that_is_down_behind_its_callers_is_called_once_per_throttle_too() {
    down_for_an_hour(LoadPolicy::new().stale_while_revalidate()).await;
    down_for_an_hour(LoadPolicy::new().soft_timeout(secs(1))).await;
}

async fn down_for_an_hour(policy: LoadPolicy) {
    for stack in all().await {
        let (space, origin) = (stale(&stack).await, Origin::down());
        let policy = policy.clone().throttle(secs(40));
        for _ in 0..HOUR / 5 {
            let load = origin.load(&space, "k", policy.clone()).await;
            assert_eq!(
                value(load),
                50,
                "{}: the origin's trouble was seen",
                stack.name
            );
            quiet(&stack).await;
            stack.clock.advance(secs(5));
        }
        let expected = u32::try_from(HOUR / 40).unwrap();
        assert!(
            origin.calls().abs_diff(expected) <= 1,
            "{}: {} calls in an hour",
            stack.name,
            origin.calls()
        );
        origin.set_down(false);
        stack.clock.advance(secs(40));
        let calls = origin.calls();
        origin.load(&space, "k", policy.clone()).await.unwrap();
        quiet(&stack).await;
        assert_eq!(value(origin.load(&space, "k", policy).await), calls + 1);
    }
}

#[tokio::test]
async fn a4_nodes_that_share_a_store_share_the_throttle() {
    for stack in all().await {
        let other = Cache::builder(stack.cache.namespace().as_str())
            .tier(stack.cache.store().clone())
            .clock(stack.clock.shared());
        let other = other.build().await.unwrap();
        let (space, origin) = (stale(&stack).await, Origin::down());
        let spaces = [space, space_of(&other)];
        let policy = LoadPolicy::new().throttle(secs(60));
        for step in 0..HOUR / 10 {
            let space = &spaces[usize::try_from(step).unwrap() % 2];
            let load = origin.load(space, "k", policy.clone()).await;
            assert_eq!(value(load), 50, "{}", stack.name);
            stack.clock.advance(secs(10));
        }
        let calls = origin.calls();
        assert!(calls.abs_diff(60) <= 1, "{}: {calls} calls", stack.name);
        quiet(&stack).await;
        assert_eq!(other.loads_in_progress(), 0);
    }
}

#[tokio::test]
async fn a4_an_origin_that_hangs_for_an_hour_is_called_once_per_throttle_and_never_waited_for() {
    for stack in all().await {
        let (space, origin) = (stale(&stack).await, Origin::held());
        let policy = LoadPolicy::new().timeout(secs(10)).throttle(secs(40));
        let policy = policy.stale_while_revalidate();
        for _ in 0..HOUR / 5 {
            let load = origin.load(&space, "k", policy.clone());
            assert_eq!(
                value(soon("a stale value", load).await),
                50,
                "{}",
                stack.name
            );
            a_while().await;
            stack.clock.advance(secs(5));
        }
        let most = u32::try_from(HOUR / 40).unwrap() + 1;
        let calls = origin.calls();
        assert!((2..=most).contains(&calls), "{}: {calls} calls", stack.name);
        origin.let_all_go();
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn a4_without_a_throttle_every_call_tries() {
    for stack in all().await {
        let (space, origin) = (stale(&stack).await, Origin::down());
        let policy = LoadPolicy::new().throttle(Duration::ZERO);
        for call in 1..=10 {
            let outcome = origin.load(&space, "k", policy.clone()).await.unwrap();
            assert_eq!((outcome.value.as_deref(), outcome.stale), (Some(&50), true));
            assert_eq!(origin.calls(), call, "{}", stack.name);
        }
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn a4_no_throttle_goes_beyond_the_end_of_a_stale_value() {
    for stack in all().await {
        let (space, origin) = (stale(&stack).await, Origin::down());
        stack.clock.advance(secs(2 * HOUR - 10));
        let policy = LoadPolicy::new().throttle(secs(60));
        assert_eq!(value(origin.load(&space, "k", policy.clone()).await), 50);
        stack.clock.advance(secs(9));
        assert_eq!(value(origin.load(&space, "k", policy.clone()).await), 50);
        stack.clock.advance(secs(1));
        let error = origin.load(&space, "k", policy).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Load, "{}", stack.name);
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn a4_after_the_soft_timeout_callers_get_what_is_stale_and_the_load_is_stored_behind() {
    for stack in all().await {
        let (space, origin) = (stale(&stack).await, Origin::held());
        let policy = LoadPolicy::new().soft_timeout(secs(2));
        let first = origin.start(&space, "k", policy.clone());
        until("it loads", || origin.calls() == 1).await;
        let second = origin.start(&space, "k", policy.clone());
        until("another waits", || stack.cache.stats().load_waits == 1).await;
        stack.clock.advance(secs(1));
        a_while().await;
        assert!(
            !first.is_finished() && !second.is_finished(),
            "{}",
            stack.name
        );
        stack.clock.advance(secs(1));
        for load in [first, second] {
            let outcome = soon("after the soft timeout", load).await.unwrap().unwrap();
            assert_eq!((outcome.value.as_deref(), outcome.stale), (Some(&50), true));
        }
        assert_eq!(origin.dropped(), 0, "{}: the load goes on", stack.name);
        origin.let_one_go();
        quiet(&stack).await;
        assert_eq!(
            space.get("k").await.unwrap().as_deref(),
            Some(&1),
            "{}",
            stack.name
        );
        assert_eq!(origin.calls(), 1, "{}", stack.name);
    }
}

#[tokio::test]
async fn a4_a_load_in_time_is_preferred_to_what_is_stale() {
    for stack in all().await {
        let (space, origin) = (stale(&stack).await, Origin::held());
        let policy = LoadPolicy::new().soft_timeout(secs(2));
        let load = origin.start(&space, "k", policy);
        until("it loads", || origin.calls() == 1).await;
        stack.clock.advance(secs(1));
        origin.let_one_go();
        let outcome = soon("the load", load).await.unwrap().unwrap();
        assert_eq!((outcome.value.as_deref(), outcome.stale), (Some(&1), false));
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn c1_what_was_invalidated_is_not_served_after_the_soft_timeout() {
    for stack in all().await {
        for case in 0..3 {
            let (space, origin) = (stale(&stack).await, Origin::held());
            let policy = LoadPolicy::new().soft_timeout(secs(2));
            let load = origin.start(&space, "k", policy);
            until("it loads", || origin.calls() == 1).await;
            match case {
                0 => drop(space.delete("k").await.unwrap()),
                1 => stack.cache.clear().await.unwrap(),
                _ => space.set("k", 7u32).await.unwrap(),
            }
            stack.clock.advance(secs(2));
            a_while().await;
            assert!(!load.is_finished(), "{}: case {case}", stack.name);
            origin.let_one_go();
            let loaded = value(soon("the load", load).await.unwrap());
            assert_eq!(loaded, 1, "{}: case {case}", stack.name);
            let left = space.get("k").await.unwrap();
            assert_eq!(left.as_deref(), (case == 2).then_some(&7), "{}", stack.name);
            quiet(&stack).await;
        }
    }
}

#[tokio::test]
async fn a4_after_the_hard_timeout_callers_get_what_is_stale_or_an_error() {
    for stack in all().await {
        for at_hand in [true, false] {
            let (space, origin) = (stale(&stack).await, Origin::held());
            if !at_hand {
                space.delete("k").await.unwrap();
            }
            let policy = LoadPolicy::new().timeout(secs(3));
            let load = origin.start(&space, "k", policy);
            until("it loads", || origin.calls() == 1).await;
            stack.clock.advance(secs(3));
            let ended = soon("after the timeout", load).await.unwrap();
            if at_hand {
                let outcome = ended.unwrap();
                assert_eq!((outcome.value.as_deref(), outcome.stale), (Some(&50), true));
                assert_eq!(
                    space.get("k").await.unwrap().as_deref(),
                    Some(&50),
                    "throttled"
                );
            } else {
                let error = ended.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Timeout, "{}", stack.name);
            }
            assert_eq!(origin.dropped(), 1, "{}", stack.name);
            quiet(&stack).await;
        }
    }
}

#[tokio::test]
async fn a4_a_panic_is_the_origins_trouble_too() {
    for stack in all().await {
        let space = stale(&stack).await;
        let panicking = || async { panic!("a bug") as Result<u32, std::io::Error> };
        let outcome = space.get_or_load("k", panicking).detailed().await.unwrap();
        assert_eq!((outcome.value.as_deref(), outcome.stale), (Some(&50), true));
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn a4_a_default_value_answers_for_a_failed_load_and_is_not_stored() {
    for stack in all().await {
        let space = space_of(&stack.cache);
        let fail = || async { Err::<u32, _>(std::io::Error::other("down")) };
        let call = space.get_or_load("k", fail).default_value(9u32);
        let outcome = call.detailed().await.unwrap();
        assert_eq!(
            (outcome.value.as_deref(), outcome.source),
            (Some(&9), Source::Default)
        );
        assert!(!outcome.stale);
        assert_eq!(space.get("k").await.unwrap(), None, "{}", stack.name);
        let origin = Origin::open();
        let own = origin.clone();
        let call = space.get_or_load("k", move || own.loader());
        assert_eq!(
            *call.default_value(9u32).await.unwrap(),
            1,
            "{}",
            stack.name
        );

        let absent = || async { Ok::<_, std::io::Error>(Loaded::absent()) };
        let call = space.get_or_load("none", absent).default_value(9u32);
        assert_eq!(
            call.await.unwrap_err().kind(),
            ErrorKind::Absent,
            "{}",
            stack.name
        );
        let call = space.get_or_load("none", absent).default_value(9u32);
        assert_eq!(call.optional().await.unwrap(), None, "{}", stack.name);

        let space = stale(&stack).await;
        let call = space.get_or_load("k", fail).default_value(9u32);
        let fails = call.await.unwrap();
        assert_ne!(*fails, 9, "{}: what is stale comes first", stack.name);
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn a4_a_default_value_answers_for_timeouts_panics_and_crowds() {
    for stack in all().await {
        let (space, origin) = (space_of(&stack.cache), Origin::held());
        let with_default = |key: &'static str, policy: LoadPolicy| {
            let (space, own) = (space.clone(), origin.clone());
            tokio::spawn(async move {
                let call = space.get_or_load(key, move || own.loader());
                call.policy(policy).default_value(9u32).await
            })
        };
        let crowd = LoadPolicy::new().max_waiters(1);
        let slow = with_default("k", LoadPolicy::new().timeout(secs(3)));
        until("it loads", || origin.calls() == 1).await;
        let rejected = soon("who is turned away", with_default("k", crowd)).await;
        assert_eq!(*rejected.unwrap().unwrap(), 9, "{}", stack.name);
        stack.clock.advance(secs(3));
        let timed_out = soon("after the timeout", slow).await.unwrap();
        assert_eq!(*timed_out.unwrap(), 9, "{}", stack.name);
        let panicking = || async { panic!("a bug") as Result<u32, std::io::Error> };
        let call = space.get_or_load("k", panicking).default_value(9u32);
        assert_eq!(*call.await.unwrap(), 9, "{}", stack.name);
        assert_eq!(space.get("k").await.unwrap(), None, "{}", stack.name);
        let bad = space.get_or_load("", || async { Ok::<_, std::io::Error>(1u32) });
        assert!(
            bad.default_value(9u32).await.is_err(),
            "the caller's own mistake"
        );
        quiet(&stack).await;
    }
}

/// A loader that fails, and how often it was called.
fn failing(retry: &Retry) -> (impl Future<Output = ()>, Arc<AtomicU32>) {
    let (calls, retry) = (Arc::new(AtomicU32::new(0)), retry.clone());
    let counted = Arc::clone(&calls);
    let run = async move {
        let stack = memory().await;
        let space = stack.cache.space::<u32>("n");
        let fail = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Err::<u32, _>(std::io::Error::other("down")) }
        };
        let load = space.get_or_load("k", retry.around(fail)).await;
        assert_eq!(load.unwrap_err().kind(), ErrorKind::Load);
        quiet(&stack).await;
    };
    (run, calls)
}

#[tokio::test]
async fn a4_a_retry_ends_with_its_tries_and_with_the_budget_of_all_clones() {
    let retry = Retry::new(3)
        .pause(Duration::ZERO, Duration::ZERO)
        .budget(0.0);
    let clone = retry.clone();
    // Ten further tries are there to begin with: five times two.
    for retry in [&retry, &clone, &retry, &clone, &retry] {
        let (run, calls) = failing(retry);
        run.await;
        assert_eq!(calls.load(Ordering::SeqCst), 3);
    }
    for retry in [&clone, &retry] {
        let (run, calls) = failing(retry);
        run.await;
        assert_eq!(calls.load(Ordering::SeqCst), 1, "the budget is spent");
    }
    let own = Retry::new(2).pause(Duration::ZERO, Duration::ZERO);
    let (run, calls) = failing(&own);
    run.await;
    assert_eq!(calls.load(Ordering::SeqCst), 2, "another has its own");
}
