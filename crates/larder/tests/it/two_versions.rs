//! Nodes with two schema versions on one server, while an update is rolled out.

use larder::{LoadPolicy, Space};

use crate::nodes::node;
use crate::origin::{Origin, quiet};
use crate::stacks::{Stack, secs, tiered};

/// Two nodes on one server; the second one's version is newer.
async fn nodes() -> (Stack, larder::Cache) {
    let stack = tiered().await;
    let server = stack.server.as_ref().unwrap();
    let other = node(server, stack.cache.namespace(), &stack.clock).await;
    (stack, other)
}

fn space_of(cache: &larder::Cache, version: u32) -> Space<u32> {
    let space = cache.space::<u32>("n").version(version);
    space.default_ttl(secs(100)).stale_for(secs(1_000))
}

#[tokio::test]
async fn a4_each_version_of_a_hot_key_is_loaded_once_per_time_to_live() {
    // Where the older one comes first, the newer one replaces it on the server, so that it is loaded once more.
    for (name, order, more) in [("newer first", [1, 0], 0), ("older first", [0, 1], 1)] {
        let (stack, other) = nodes().await;
        let spaces = [space_of(&stack.cache, 1), space_of(&other, 2)];
        let origins = [Origin::open(), Origin::open()];
        for round in 1..=5 {
            for _ in 0..10 {
                for node in order {
                    let load = origins[node].load(&spaces[node], "k", LoadPolicy::new());
                    load.await.unwrap();
                }
                stack.clock.advance(secs(10));
            }
            for (node, origin) in origins.iter().enumerate() {
                let most = if node == 0 { round + more } else { round };
                assert!(
                    origin.calls() <= most,
                    "{name}: version {} was loaded {} times in {round} rounds",
                    node + 1,
                    origin.calls()
                );
            }
        }
        quiet(&stack).await;
        assert_eq!(other.loads_in_progress(), 0);
    }
}
