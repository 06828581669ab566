//! What the cached functions of the tests work on: an origin that counts, and caches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use larder::{Cache, Space};
use larder_testkit::ManualClock;

/// Where the values come from. Clones count together.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) names: Space<String>,
    calls: Arc<AtomicU32>,
}

impl Origin {
    /// With a space in a new cache.
    pub(crate) async fn new() -> Self {
        Self::of(&Cache::builder("test").build().await.unwrap())
    }

    /// With a clock that is moved by hand.
    pub(crate) async fn with_clock(clock: &ManualClock) -> Self {
        let builder = Cache::builder("test").clock(clock.shared());
        Self::of(&builder.build().await.unwrap())
    }

    pub(crate) fn of(cache: &Cache) -> Self {
        Self {
            names: cache.space("name"),
            calls: Arc::default(),
        }
    }

    /// A call: answers which one it is.
    pub(crate) fn call(&self) -> u32 {
        self.calls.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Whether something is cached under this key.
    pub(crate) async fn has(&self, key: &str) -> bool {
        self.names.exists(key).await.unwrap()
    }
}
