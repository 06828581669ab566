//! What a stack of tiers says about itself, its limits, and its end.

use larder_core::{Backend, ErrorKind, Operation, RegionLimits, Tiers};
use larder_testkit::{ChaosLayer, RecordingLayer};
use larder_tiered::Tiered;

use crate::node::{Node, Server, memory, reading, reading_from};

#[tokio::test]
async fn s5_a_region_limits_the_tier_that_has_the_ability() {
    let server = Server::start();
    let node = Node::start(&server);
    assert!(node.store.capability().regions, "memory can");
    let limits = RegionLimits::new(&server.namespace, "few").with_max_entries(4);
    node.store.reserve(&limits).expect("reserve");
    let names: Vec<_> = (0..40).map(|n| format!("few:{n}")).collect();
    for name in &names {
        node.set(name, server.entry("x")).await;
    }
    node.store.stats();
    let here = names
        .iter()
        .filter(|name| node.peek(name).is_some())
        .count();
    assert!(here <= 4, "{here} of 4 entries");
    for name in &names {
        assert!(node.get(name).await.is_some(), "the server keeps all");
    }
}

#[tokio::test]
async fn each_tier_is_checked() {
    let server = Server::start();
    let node = Node::start(&server);
    assert_eq!(node.store.check(&reading()).await.len(), 2);
    node.chaos
        .fail_next(Operation::Check, ErrorKind::Unavailable);
    let checks = node.store.check(&reading()).await;
    let healthy: Vec<_> = checks
        .iter()
        .map(larder_core::TierCheck::is_healthy)
        .collect();
    assert_eq!(healthy, [true, false]);
    assert_eq!(
        node.store.check(&reading_from(Tiers::Nearest)).await.len(),
        1
    );
}

#[tokio::test]
async fn each_tier_is_closed_even_if_another_fails() {
    for failing in [0, 1] {
        let server = Server::start();
        let chaos = [ChaosLayer::new(), ChaosLayer::new()];
        let seen = [RecordingLayer::new(), RecordingLayer::new()];
        let tier = |at: usize| {
            memory(&server.clock)
                .layer(&chaos[at])
                .and_then(|tier| tier.layer(&seen[at]))
                .expect("they may stand anywhere")
        };
        let store = Tiered::builder(&server.namespace, server.clock.shared())
            .tier(tier(0))
            .tier(tier(1))
            .build()
            .expect("the right order");
        chaos[failing].fail_next(Operation::Close, ErrorKind::Timeout);
        let error = store.close(server.now()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        for seen in &seen {
            assert_eq!(
                seen.count(Operation::Close),
                1,
                "closed whatever the other does"
            );
        }
    }
}

#[test]
fn a_stack_can_what_its_far_tier_can() {
    let server = Server::start();
    let node = Node::start(&server);
    let far = node.remote.capability();
    let expected = far.with_keeps_decoded().with_tiered().with_regions();
    assert_eq!(node.store.capability(), expected);
    assert!(!node.store.capability().immediate);
    assert!(!node.store.capability().needs_bytes);
}
