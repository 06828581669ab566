//! A1: where a value came from, and what a call wants of the cache.

use larder::{LoadPolicy, Loaded, Outcome, Source, Space};
use larder_testkit::{ManualClock, RedisServer, Subject};

use crate::nodes::{commands, node};
use crate::origin::{Origin, a_while, quiet, soon, until};
use crate::stacks::{Stack, all, memory, secs, tiered};

fn space_of(stack: &Stack) -> Space<u32> {
    let space = stack.cache.space::<u32>("n");
    space.default_ttl(secs(100)).stale_for(secs(1_000))
}

/// Source, stale, waited.
fn how(outcome: &Outcome<u32>) -> (Source, bool, bool) {
    (outcome.source, outcome.stale, outcome.waited)
}

/// Where a hit of this stack comes from.
fn nearest(stack: &Stack) -> Source {
    match stack.name {
        "redis" | "memory behind chaos" => Source::Tier,
        _ => Source::Memory,
    }
}

#[tokio::test]
async fn a1_an_outcome_says_where_its_value_came_from() {
    for stack in all().await {
        let (space, origin, name) = (space_of(&stack), Origin::held(), stack.name);
        let first = origin.start(&space, "k", LoadPolicy::new());
        until("it loads", || origin.calls() == 1).await;
        let second = origin.start(&space, "k", LoadPolicy::new());
        until("another waits", || stack.cache.stats().load_waits == 1).await;
        origin.let_one_go();
        let outcome = soon("the load", first).await.unwrap().unwrap();
        assert_eq!(how(&outcome), (Source::Loader, false, false), "{name}");
        let outcome = soon("the load", second).await.unwrap().unwrap();
        assert_eq!(how(&outcome), (Source::Loader, false, true), "{name}");

        let hit = origin.load(&space, "k", LoadPolicy::new()).await.unwrap();
        assert_eq!(how(&hit), (nearest(&stack), false, false), "{name}");

        stack.clock.advance(secs(100));
        let down = Origin::down();
        let stale = down.load(&space, "k", LoadPolicy::new()).await.unwrap();
        assert_eq!(how(&stale), (Source::Tier, true, false), "{name}");
        assert_eq!(stale.value.as_deref(), Some(&1), "{name}");

        space.delete("k").await.unwrap();
        let call = space.get_or_load("k", move || down.loader());
        let default = call.default_value(9u32).detailed().await.unwrap();
        assert_eq!(how(&default), (Source::Default, false, false), "{name}");

        let absent = || async { Ok::<_, std::io::Error>(Loaded::absent()) };
        let nothing = space.get_or_load("k", absent).detailed().await.unwrap();
        assert_eq!(how(&nothing), (Source::Loader, false, false), "{name}");
        assert!(nothing.value.is_none(), "{name}");
        let nothing = space.get_or_load("k", absent).detailed().await.unwrap();
        assert_eq!(how(&nothing), (nearest(&stack), false, false), "{name}");
        assert!(nothing.value.is_none(), "{name}");
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn a1_an_outcome_tells_memory_from_the_server_behind_it() {
    let stack = tiered().await;
    let (server, space) = (stack.server.as_ref().unwrap(), space_of(&stack));
    let other = node(server, stack.cache.namespace(), &stack.clock).await;
    other.space::<u32>("n").set("k", 50u32).await.unwrap();
    let origin = Origin::open();
    for expected in [Source::Tier, Source::Memory] {
        let hit = origin.load(&space, "k", LoadPolicy::new()).await.unwrap();
        assert_eq!(how(&hit), (expected, false, false));
        assert_eq!(hit.value.as_deref(), Some(&50));
    }
    assert_eq!(origin.calls(), 0);
    quiet(&stack).await;
}

#[tokio::test]
async fn a1_no_store_looks_up_and_loads_for_itself_alone() {
    for stack in all().await {
        let (space, origin, name) = (space_of(&stack), Origin::open(), stack.name);
        for call in 1..=2 {
            let own = origin.clone();
            let load = space.get_or_load("k", move || own.loader()).no_store();
            assert_eq!(*load.await.unwrap(), call, "{name}: it is not stored");
        }
        assert_eq!(space.get("k").await.unwrap(), None, "{name}");
        space.set("k", 50u32).await.unwrap();
        let own = origin.clone();
        let load = space.get_or_load("k", move || own.loader()).no_store();
        assert_eq!(*load.await.unwrap(), 50, "{name}: it looks up");

        stack.clock.advance(secs(100));
        let same = |context: larder::LoadContext<u32>| async move {
            assert!(context.loaded_at().is_some(), "it is told what there is");
            Ok::<_, std::io::Error>(Loaded::not_modified())
        };
        let load = space.get_or_load_with("k", same).no_store();
        assert_eq!(*load.await.unwrap(), 50, "{name}");
        assert_eq!(
            space.get("k").await.unwrap(),
            None,
            "{name}: it is stale still"
        );

        // It is nobody's load to wait for, and waits for nobody's.
        let held = Origin::held();
        let leading = held.start(&space, "k", LoadPolicy::new());
        until("it loads", || held.calls() == 1).await;
        let own = origin.clone();
        let load = space.get_or_load("k", move || own.loader()).no_store();
        assert_eq!(
            *soon("its own load", async { load.await }).await.unwrap(),
            3
        );
        held.let_one_go();
        leading.await.unwrap().unwrap();
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn a1_a_refresh_loads_though_a_value_is_fresh_and_others_are_served_meanwhile() {
    for stack in all().await {
        let (space, origin, name) = (space_of(&stack), Origin::held(), stack.name);
        space.set("k", 50u32).await.unwrap();
        let (own, refreshing) = (origin.clone(), space.clone());
        let refresh = tokio::spawn(async move {
            let call = refreshing.get_or_load("k", move || own.loader());
            call.refresh().detailed().await
        });
        until("it refreshes", || origin.calls() == 1).await;
        let other = Origin::open();
        let hit = soon("a hit", other.load(&space, "k", LoadPolicy::new())).await;
        assert_eq!(hit.unwrap().value.as_deref(), Some(&50), "{name}");
        assert_eq!(
            space.get("k").await.unwrap().as_deref(),
            Some(&50),
            "{name}"
        );
        origin.let_one_go();
        let outcome = soon("the refresh", refresh).await.unwrap().unwrap();
        assert_eq!(how(&outcome), (Source::Loader, false, false), "{name}");
        assert_eq!(space.get("k").await.unwrap().as_deref(), Some(&1), "{name}");
        assert_eq!(other.calls(), 0, "{name}");

        let down = Origin::down();
        let own = down.clone();
        let failed = space.get_or_load("k", move || own.loader()).refresh();
        assert!(failed.await.is_err(), "{name}: it fails as the loader does");
        assert_eq!(space.get("k").await.unwrap().as_deref(), Some(&1), "{name}");
        stack.clock.advance(secs(100));
        let own = down.clone();
        let stale = space.get_or_load("k", move || own.loader()).refresh();
        let stale = stale.detailed().await.unwrap();
        assert_eq!(
            (stale.value.as_deref(), stale.stale),
            (Some(&1), true),
            "{name}"
        );
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn a1_a_load_in_memory_alone_neither_asks_nor_writes_the_server() {
    let server = RedisServer::start();
    let (clock, namespace) = (ManualClock::new(), Subject::new_namespace());
    let cache = node(&server, &namespace, &clock).await;
    let space = cache.space::<u32>("n").default_ttl(secs(100));
    // So that whatever the first operation needs of the server is there.
    space.get("other").await.unwrap();
    space.set("shared", 60u32).await.unwrap();
    let other = node(&server, &namespace, &clock).await;
    other.space::<u32>("n").set("theirs", 70u32).await.unwrap();
    a_while().await;

    let (origin, keys) = (Origin::open(), || server.command(&["DBSIZE"]).integer());
    let (before_keys, before) = (keys(), commands(&server));
    for key in ["k", "k", "theirs", "shared"] {
        let own = origin.clone();
        let call = space.get_or_load(key, move || own.loader());
        let loaded = call.memory_only().await.unwrap();
        assert_eq!(
            *loaded,
            if key == "theirs" {
                2
            } else if key == "k" {
                1
            } else {
                60
            }
        );
    }
    // The one that asks for the count.
    assert_eq!(commands(&server) - before, 1, "the server was asked");
    assert_eq!(keys(), before_keys, "the server was written");
    assert_eq!(origin.calls(), 2);
    assert_eq!(cache.loads_in_progress(), 0);

    clock.advance(secs(100));
    let down = Origin::down();
    let own = down.clone();
    let failed = space.get_or_load("k", move || own.loader()).memory_only();
    assert!(failed.await.is_err(), "no stale value is at hand");
    assert_eq!(cache.loads_in_progress(), 0);
}

#[tokio::test]
async fn a1_a_load_in_memory_alone_is_an_ordinary_one_where_there_is_only_memory() {
    let stack = memory().await;
    let (space, origin) = (space_of(&stack), Origin::open());
    for _ in 0..2 {
        let own = origin.clone();
        let load = space.get_or_load("k", move || own.loader()).memory_only();
        assert_eq!(*load.await.unwrap(), 1);
    }
    assert_eq!(space.get("k").await.unwrap().as_deref(), Some(&1));
    quiet(&stack).await;
}

#[tokio::test]
async fn a1_without_a_lease_to_be_had_only_memory_keeps_what_was_loaded() {
    let clock = larder_testkit::ManualClock::new();
    let far = larder::Store::new(larder_testkit::ReferenceBackend::new(clock.shared()));
    let chaos = larder_testkit::ChaosLayer::new();
    chaos.rule(|call| {
        let lease = call.operation == larder::Operation::Lease;
        lease.then_some(larder_testkit::Fault::Fail(larder::ErrorKind::Rejected))
    });
    let builder = larder::Cache::builder("test")
        .tier(larder::Memory::builder())
        .tier(far.layer(&chaos).unwrap())
        .clock(clock.shared());
    let cache = builder.build().await.unwrap();
    let space = cache.space::<u32>("n");
    let load = || async { Ok::<_, std::io::Error>(7u32) };
    assert_eq!(*space.get_or_load("k", load).await.unwrap(), 7);
    assert_eq!(space.get_local("k").as_deref(), Some(&7), "in memory");
    let key = larder::Key::new(cache.namespace(), "n", "k").unwrap();
    let options = larder_core::ReadOptions::default();
    let behind = larder::Backend::get(&far, &key, &options).await.unwrap();
    assert!(behind.is_none(), "not in what others share");
    // Whoever writes is heard of: nothing older stays in memory.
    let load = || async { Ok::<_, std::io::Error>(8u32) };
    space.invalidate("k").await.unwrap();
    assert_eq!(*space.get_or_load("k", load).await.unwrap(), 8);
    assert!(cache.stats().errors >= 2, "the refusals are counted");
}

#[tokio::test]
async fn what_is_loaded_for_memory_alone_and_not_kept_forgets_nothing_that_others_share() {
    let stack = crate::stacks::tiered().await;
    let space = stack.cache.space::<u32>("n").stale_for(secs(100));
    space.set("k", 1u32).ttl(secs(10)).await.unwrap();
    stack.clock.advance(secs(10));
    let load = || async { Ok::<_, std::io::Error>(larder::Loaded::uncached(2u32)) };
    let loaded = space.get_or_load("k", load).memory_only().await;
    assert_eq!(*loaded.unwrap(), 2);
    let key = larder::Key::new(stack.cache.namespace(), "n", "k").unwrap();
    let name = key.stored_name();
    let there = stack.server.as_ref().unwrap().command(&["STRLEN", &name]);
    assert!(
        there.integer() > 0,
        "the stale entry is still there for others"
    );
}
