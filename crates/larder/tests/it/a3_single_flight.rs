//! A3, one key: one load however many ask, whoever of them leaves, and nobody waits for ever.

use larder::{Cache, ErrorKind, LoadPolicy, Source};

use crate::origin::{Origin, a_while, quiet, soon, until, value};
use crate::stacks::{all, secs};

#[tokio::test]
async fn a3_whoever_leaves_the_load_ends_and_is_stored() {
    let groups: [&[usize]; 4] = [&[0], &[1, 2], &[0, 1], &[0, 1, 2]];
    for stack in all().await {
        let space = stack.cache.space::<u32>("n");
        for (case, leaving) in groups.into_iter().enumerate() {
            let (origin, key) = (Origin::held(), format!("k{case}"));
            let waits = stack.cache.stats().load_waits;
            let mut callers = vec![origin.start(&space, &key, LoadPolicy::new())];
            until("the first caller loads", || origin.calls() == 1).await;
            for _ in 0..2 {
                callers.push(origin.start(&space, &key, LoadPolicy::new()));
            }
            let stats = || stack.cache.stats().load_waits;
            until("the others wait", || stats() == waits + 2).await;
            for caller in leaving {
                callers[*caller].abort();
            }
            a_while().await;
            assert_eq!(origin.dropped(), 0, "{}: {leaving:?} leave", stack.name);
            origin.let_one_go();
            for (caller, load) in callers.into_iter().enumerate() {
                let ended = soon("a caller's answer", load).await;
                if leaving.contains(&caller) {
                    assert!(ended.unwrap_err().is_cancelled());
                } else {
                    assert_eq!(value(ended.unwrap()), 1, "{}: {leaving:?}", stack.name);
                }
            }
            quiet(&stack).await;
            let found = space.get(&key).await.unwrap();
            assert_eq!(found.as_deref(), Some(&1), "{}: {leaving:?}", stack.name);
            assert_eq!(origin.calls(), 1, "{}: {leaving:?}", stack.name);
        }
    }
}

#[tokio::test]
async fn a3_an_abandoned_load_is_dropped_with_its_last_caller_where_that_is_asked_for() {
    for stack in all().await {
        let (space, origin) = (stack.cache.space::<u32>("n"), Origin::held());
        let policy = LoadPolicy::new().cancel_when_abandoned();
        let first = origin.start(&space, "k", policy.clone());
        until("the first caller loads", || origin.calls() == 1).await;
        let second = origin.start(&space, "k", policy.clone());
        let stats = || stack.cache.stats();
        until("the second one waits", || stats().load_waits == 1).await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        a_while().await;
        assert_eq!(origin.dropped(), 0, "{}: one is left", stack.name);
        assert_eq!(stack.cache.loads_in_progress(), 1, "{}", stack.name);

        second.abort();
        until("the loader is dropped", || origin.dropped() == 1).await;
        quiet(&stack).await;
        assert_eq!(space.get("k").await.unwrap(), None, "{}", stack.name);
        // Nobody moves the clock, so it is not the end of the lease that lets this one load.
        let next = origin.start(&space, "k", policy);
        until("the lease was given back", || origin.calls() == 2).await;
        origin.let_one_go();
        assert_eq!(value(soon("the next load", next).await.unwrap()), 2);
        quiet(&stack).await;
        assert_eq!(space.get("k").await.unwrap().as_deref(), Some(&2));
    }
}

#[tokio::test]
async fn a3_one_who_stays_keeps_the_load_that_the_others_abandon() {
    for stack in all().await {
        let (space, origin) = (stack.cache.space::<u32>("n"), Origin::held());
        let policy = LoadPolicy::new().cancel_when_abandoned();
        let first = origin.start(&space, "k", policy);
        until("the first caller loads", || origin.calls() == 1).await;
        // What becomes of an abandoned load is decided by the call that leads.
        let second = origin.start(&space, "k", LoadPolicy::new());
        until("the second waits", || stack.cache.stats().load_waits == 1).await;
        first.abort();
        a_while().await;
        origin.let_one_go();
        assert_eq!(value(soon("the second's", second).await.unwrap()), 1);
        quiet(&stack).await;
        assert_eq!(origin.dropped(), 0, "{}", stack.name);
        assert_eq!(space.get("k").await.unwrap().as_deref(), Some(&1));
    }
}

#[tokio::test]
async fn a3_more_than_may_wait_are_turned_away_or_take_what_is_stale() {
    for stack in all().await {
        let space = stack.cache.space::<u32>("n");
        let policy = LoadPolicy::new().max_waiters(2);
        for stale in [false, true] {
            let (origin, key) = (Origin::held(), format!("k{stale}"));
            if stale {
                let set = space.set(&key, 50u32).ttl(secs(10)).stale_for(secs(1_000));
                set.await.unwrap();
                stack.clock.advance(secs(10));
            }
            let waits = stack.cache.stats().load_waits;
            let first = origin.start(&space, &key, policy.clone());
            until("the first caller loads", || origin.calls() == 1).await;
            let second = origin.start(&space, &key, policy.clone());
            let stats = || stack.cache.stats().load_waits;
            until("the second one waits", || stats() == waits + 1).await;
            let third = soon("the third's", origin.load(&space, &key, policy.clone())).await;
            if stale {
                let outcome = third.unwrap();
                assert!(outcome.stale, "{}", stack.name);
                assert_eq!(outcome.value.as_deref(), Some(&50), "{}", stack.name);
            } else {
                let error = third.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Rejected, "{}", stack.name);
            }
            origin.let_one_go();
            for load in [first, second] {
                assert_eq!(value(soon("who waits", load).await.unwrap()), 1);
            }
            quiet(&stack).await;
            assert_eq!(origin.calls(), 1, "{}", stack.name);
        }
    }
}

#[tokio::test]
async fn a3_who_has_waited_long_enough_gets_an_error_or_loads_for_itself() {
    for stack in all().await {
        let (space, origin) = (stack.cache.space::<u32>("n"), Origin::held());
        let leading = origin.start(&space, "k", LoadPolicy::new());
        until("the first caller loads", || origin.calls() == 1).await;
        let impatient = LoadPolicy::new().max_wait(secs(5));
        let own = Origin::open();
        let waiting = own.start(&space, "k", impatient.clone());
        let for_itself = own.start(&space, "k", impatient.load_after_wait());
        let stats = || stack.cache.stats().load_waits;
        until("two wait", || stats() == 2).await;
        stack.clock.advance(secs(4));
        a_while().await;
        assert!(!waiting.is_finished() && !for_itself.is_finished());
        stack.clock.advance(secs(1));
        let error = soon("the one who gives up", waiting).await.unwrap();
        assert_eq!(
            error.unwrap_err().kind(),
            ErrorKind::Timeout,
            "{}",
            stack.name
        );
        let outcome = soon("the one who loads", for_itself)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(outcome.source, Source::Loader, "{}", stack.name);
        assert_eq!((outcome.value.as_deref(), own.calls()), (Some(&1), 1));
        assert_eq!(
            space.get("k").await.unwrap(),
            None,
            "{}: what it loaded is its own",
            stack.name
        );
        assert_eq!(stack.cache.loads_in_progress(), 1, "{}", stack.name);
        origin.let_one_go();
        assert_eq!(value(soon("the first", leading).await.unwrap()), 1);
        quiet(&stack).await;
        assert_eq!(space.get("k").await.unwrap().as_deref(), Some(&1));
    }
}

#[tokio::test]
async fn a3_two_spaces_load_for_themselves() {
    for stack in all().await {
        let spaces = [stack.cache.space::<u32>("a"), stack.cache.space::<u32>("b")];
        let origin = Origin::held();
        let loads = spaces
            .iter()
            .map(|space| origin.start(space, "k", LoadPolicy::new()));
        let loads: Vec<_> = loads.collect();
        until("both load", || origin.calls() == 2).await;
        assert_eq!(stack.cache.loads_in_progress(), 2, "{}", stack.name);
        origin.let_all_go();
        let mut values = Vec::new();
        for load in loads {
            values.push(value(soon("a space's", load).await.unwrap()));
        }
        values.sort_unstable();
        assert_eq!(values, [1, 2], "{}", stack.name);
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn a3_who_waits_for_another_nodes_load_can_leave_it() {
    for stack in all().await {
        let other = Cache::builder(stack.cache.namespace().as_str())
            .tier(stack.cache.store().clone())
            .clock(stack.clock.shared());
        let other = other.build().await.unwrap();
        let (origin, theirs) = (Origin::held(), Origin::open());
        let leading = origin.start(&stack.cache.space("n"), "k", LoadPolicy::new());
        until("it loads", || origin.calls() == 1).await;
        let policy = LoadPolicy::new().cancel_when_abandoned();
        let waiting = theirs.start(&other.space("n"), "k", policy);
        until("the other waits", || other.loads_in_progress() == 1).await;
        a_while().await;
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        until("it left", || other.loads_in_progress() == 0).await;
        origin.let_one_go();
        assert_eq!(value(soon("the load", leading).await.unwrap()), 1);
        quiet(&stack).await;
        let found = other.space::<u32>("n").get("k").await.unwrap();
        assert_eq!(
            (found.as_deref(), theirs.calls()),
            (Some(&1), 0),
            "{}",
            stack.name
        );
    }
}

/// The server counts real time, whatever clock the cache was given.
#[tokio::test]
async fn a3_a_load_that_takes_longer_than_a_lease_lasts_unheard_of_is_stored() {
    let stack = crate::stacks::redis().await;
    let space = stack.cache.space::<u32>("n");
    let load = || async {
        tokio::time::sleep(std::time::Duration::from_millis(1_800)).await;
        Ok::<_, std::io::Error>(1u32)
    };
    space.get_or_load("k", load).await.unwrap();
    assert_eq!(space.get("k").await.unwrap().as_deref(), Some(&1));
}

#[tokio::test]
async fn a3_patience_is_for_the_loads_of_others() {
    for stack in all().await {
        let (space, origin) = (stack.cache.space::<u32>("n"), Origin::held());
        for policy in [
            LoadPolicy::new().max_wait(secs(5)),
            LoadPolicy::new().max_wait(secs(0)).load_after_wait(),
            LoadPolicy::new().max_wait(secs(5)).cancel_when_abandoned(),
        ] {
            let before = origin.calls();
            let load = origin.start(&space, "k", policy);
            until("it loads", || origin.calls() == before + 1).await;
            stack.clock.advance(secs(10));
            a_while().await;
            origin.let_one_go();
            let loaded = value(soon(stack.name, load).await.unwrap());
            assert_eq!(loaded, before + 1, "{}", stack.name);
            quiet(&stack).await;
            space.delete("k").await.unwrap();
        }
    }
}
