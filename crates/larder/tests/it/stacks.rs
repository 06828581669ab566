//! The stacks that the promises are tried on.

use std::time::Duration;

use larder::{Cache, CacheBuilder, Memory, Store};
use larder_testkit::{ChaosLayer, ManualClock, PassThrough, ReferenceBackend};

/// A cache with the clock it lives by.
pub(crate) struct Stack {
    pub(crate) name: &'static str,
    pub(crate) cache: Cache,
    pub(crate) clock: ManualClock,
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Memory alone.
pub(crate) async fn memory() -> Stack {
    memory_with(|builder| builder).await
}

/// Memory alone, with settings.
pub(crate) async fn memory_with(settings: impl FnOnce(CacheBuilder) -> CacheBuilder) -> Stack {
    let clock = ManualClock::new();
    let builder = Cache::builder("test")
        .tier(Memory::builder())
        .clock(clock.shared());
    let cache = settings(builder).build().await.expect("sound settings");
    Stack {
        name: "memory",
        cache,
        clock,
    }
}

/// Memory behind a layer that can be broken at will. Look-ups go through `get`, so that they can fail.
pub(crate) async fn chaos() -> (Stack, ChaosLayer) {
    let chaos = ChaosLayer::new().without_peek();
    let layer = chaos.clone();
    let stack = memory_with(|builder| builder.layer(layer)).await;
    (
        Stack {
            name: "memory behind chaos",
            ..stack
        },
        chaos,
    )
}

/// Every stack: what `peek` answers at once and what only `get` can tell, with layers and without.
pub(crate) async fn all() -> Vec<Stack> {
    let layered = memory_with(|builder| builder.layer(PassThrough)).await;
    let (chaos, _) = chaos().await;
    let clock = ManualClock::new();
    let reference = Store::new(ReferenceBackend::new(clock.shared()));
    let cache = Cache::builder("test")
        .tier(reference)
        .clock(clock.shared())
        .build()
        .await;
    let reference = Stack {
        name: "reference",
        cache: cache.expect("sound settings"),
        clock,
    };
    vec![
        memory().await,
        Stack {
            name: "memory behind a layer",
            ..layered
        },
        chaos,
        reference,
    ]
}
