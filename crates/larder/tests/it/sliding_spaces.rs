//! Sliding expiry: what is asked for lives on, at the price of few writes.

use std::time::Duration;

use larder::{LoadContext, LoadPolicy, Loaded, Operation, Remaining, Space};
use larder_core::Clock as _;
use larder_testkit::RecordingLayer;

use crate::nodes::node;
use crate::origin::{Origin, a_while, quiet};
use crate::stacks::{Stack, all, memory_with, secs, tiered};

fn space_of(stack: &Stack) -> Space<u32> {
    let space = stack.cache.space::<u32>("n");
    space.default_ttl(secs(100)).sliding()
}

/// Waits until the key has so much of its time left.
async fn until_left(stack: &Stack, space: &Space<u32>, expected: Duration) {
    let wait = async {
        while space.ttl("k").await.unwrap() != Remaining::For(expected) {
            tokio::task::yield_now().await;
        }
    };
    if tokio::time::timeout(secs(20), wait).await.is_err() {
        let left = space.ttl("k").await.unwrap();
        panic!("{}: {left:?} left, not {expected:?}", stack.name);
    }
}

#[tokio::test]
async fn sliding_hits_keep_an_entry_alive_and_without_them_it_ends() {
    for stack in all().await {
        let (space, origin, name) = (space_of(&stack), Origin::open(), stack.name);
        let load = origin.load(&space, "k", LoadPolicy::new()).await;
        load.unwrap();
        for round in 0..6 {
            stack.clock.advance(secs(60));
            let found = if round % 2 == 0 {
                space.get("k").await.unwrap()
            } else {
                let load = origin.load(&space, "k", LoadPolicy::new()).await;
                load.unwrap().value
            };
            assert_eq!(found.as_deref(), Some(&1), "{name}: round {round}");
            until_left(&stack, &space, secs(100)).await;
        }
        assert_eq!(
            origin.calls(),
            1,
            "{name}: six minutes on a load for 100 seconds"
        );
        stack.clock.advance(secs(100));
        assert_eq!(
            space.get("k").await.unwrap(),
            None,
            "{name}: nobody asked for it"
        );
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn sliding_costs_one_write_however_many_hit() {
    let recording = RecordingLayer::new();
    let layer = recording.clone();
    let stack = memory_with(|builder| builder.layer(layer)).await;
    let space = space_of(&stack);
    space.set("k", 50u32).await.unwrap();
    // Not worth a write yet.
    stack.clock.advance(secs(9));
    for _ in 0..10 {
        space.get("k").await.unwrap().unwrap();
    }
    a_while().await;
    assert_eq!(
        recording.count(Operation::Expire),
        0,
        "before a tenth of its time"
    );
    stack.clock.advance(secs(41));
    let hits: Vec<_> = (0..100)
        .map(|_| {
            let space = space.clone();
            tokio::spawn(async move { space.get("k").await.unwrap().unwrap() })
        })
        .collect();
    for _ in 0..100 {
        space.get("k").await.unwrap().unwrap();
    }
    for hit in hits {
        hit.await.unwrap();
    }
    until_left(&stack, &space, secs(100)).await;
    a_while().await;
    assert_eq!(recording.count(Operation::Expire), 1);
    for _ in 0..10 {
        space.get("k").await.unwrap().unwrap();
    }
    a_while().await;
    assert_eq!(recording.count(Operation::Expire), 1, "its time is whole");
}

#[tokio::test]
async fn sliding_reaches_memory_and_the_server_behind_it() {
    let stack = tiered().await;
    let (space, server) = (space_of(&stack), stack.server.as_ref().unwrap());
    // Connected before the clock leaves the server's, and each asked once, so that none has it in memory.
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(node(server, stack.cache.namespace(), &stack.clock).await);
    }
    space.set("k", 50u32).await.unwrap();
    for (round, other) in others.into_iter().enumerate() {
        stack.clock.advance(secs(60));
        let hit = space.get_local("k");
        assert_eq!(
            hit.as_deref(),
            Some(&50),
            "round {round}: memory lets it end"
        );
        until_left(&stack, &space, secs(100)).await;
        // Memory forgets what changes behind it, and takes it anew with the next look-up.
        space.get("k").await.unwrap().unwrap();
        let there = other.space::<u32>("n");
        // The server counts in its own time, which passes while this test runs.
        let left = there.ttl("k").await.unwrap().duration().unwrap();
        assert!(
            (secs(80)..=secs(101)).contains(&left),
            "round {round}: {left:?}"
        );
        assert_eq!(there.get("k").await.unwrap().as_deref(), Some(&50));
    }
    quiet(&stack).await;
}

#[tokio::test]
async fn sliding_changes_nothing_about_when_a_value_was_loaded() {
    for stack in all().await {
        let space = stack.cache.space::<u32>("n").default_ttl(secs(100));
        let space = space.stale_for(secs(1_000)).sliding();
        space.set("k", 50u32).await.unwrap();
        let loaded_at = stack.clock.now();
        stack.clock.advance(secs(50));
        space.get("k").await.unwrap().unwrap();
        until_left(&stack, &space, secs(100)).await;
        stack.clock.advance(secs(100));
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let loader = move |context: LoadContext<u32>| async move {
            tell.send(context.loaded_at()).unwrap();
            Ok::<_, std::io::Error>(Loaded::not_modified())
        };
        space.get_or_load_with("k", loader).await.unwrap();
        let told = told.try_recv().unwrap();
        assert_eq!(
            told,
            Some(loaded_at),
            "{}: it was not loaded since",
            stack.name
        );
    }
}
