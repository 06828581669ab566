//! A process whose memory has a tier between itself and the server.

use std::sync::Arc;
use std::time::Duration;

use larder_core::{Backend, Entry, Lifetime, Operation, Store, Ttl};
use larder_testkit::{ChaosLayer, Recorded, RecordingLayer};
use larder_tiered::{TierLimits, Tiered};

use crate::node::{MINUTE, Node, Server, memory, reading, text};
use crate::remote::{Echo, Remote};

pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// Longer than a copy takes to be made.
pub(crate) const WHILE: Duration = Duration::from_secs(10);

/// A node with a tier between its memory and the server.
pub(crate) struct Region {
    pub(crate) node: Node,
    /// The middle tier's store; others may use it too.
    pub(crate) middle: Store,
    /// Trouble on the way to the middle tier.
    pub(crate) trouble: ChaosLayer,
    /// What has reached the middle tier.
    pub(crate) recording: RecordingLayer,
}

impl Region {
    pub(crate) fn start(server: &Server) -> Self {
        Self::echoing(server, Echo::Signed)
    }

    pub(crate) fn echoing(server: &Server, echo: Echo) -> Self {
        let region = Self::with(server, echo, memory(&server.clock));
        server.clock.advance(WHILE);
        region
    }

    pub(crate) fn with(server: &Server, echo: Echo, middle: Store) -> Self {
        Self::over(server, Remote::connect(&server.store, echo), middle)
    }

    pub(crate) fn over(server: &Server, remote: Arc<Remote>, middle: Store) -> Self {
        let mut node = Node::over(server, remote, TierLimits::default());
        let (trouble, recording) = (ChaosLayer::on(server.clock.shared()), RecordingLayer::new());
        let between = middle
            .layer(&trouble)
            .and_then(|middle| middle.layer(&recording))
            .expect("they may stand anywhere");
        node.store = Tiered::builder(&server.namespace, server.clock.shared())
            .tier(node.near.clone())
            .tier_with(between, TierLimits::default().with_max_ttl(LIMIT))
            .tier(node.far())
            .build()
            .expect("the right order");
        Self {
            node,
            middle,
            trouble,
            recording,
        }
    }

    /// What the middle tier keeps.
    pub(crate) async fn copy(&self, name: &str) -> Option<String> {
        let found = self.middle.get(&self.node.key(name), &reading()).await;
        found.expect("get in the middle").as_ref().map(text)
    }

    /// Memory has no room.
    pub(crate) fn evict(&self, name: &str) {
        let key = self.node.key(name);
        self.node.near.forget_now(&key).expect("memory forgets");
    }

    /// Waits until the middle tier has been told.
    pub(crate) async fn told(&self, name: &str) {
        let what = format!("the middle tier is told of {name:?}");
        eventually(&what, async || self.copy(name).await.is_none()).await;
    }

    /// Somebody else writes, and the middle tier has been told of it.
    pub(crate) async fn write_elsewhere(&self, server: &Server, name: &str, text: &str) -> Entry {
        self.recording.take();
        let entry = server.set(name, text).await;
        self.telling_done().await;
        entry
    }

    /// Waits until a telling has ended that began after the record was taken last.
    pub(crate) async fn telling_done(&self) {
        // Where nothing holds it, it begins and ends between two looks.
        let ended =
            |call: &Recorded| call.operation == Operation::Batch && !call.outcomes.is_empty();
        eventually("somebody tells the middle tier", async || {
            self.recording.take().iter().any(ended)
        })
        .await;
        self.node.recording.take();
    }

    /// A copy that somebody left in the middle tier, of what is no longer true.
    pub(crate) fn leave(&self, server: &Server, name: &str) {
        let put = self.middle.put_now(&self.node.key(name), outdated(server));
        put.expect("memory takes it");
    }

    /// What has reached the middle tier and the server since the last time.
    pub(crate) fn lines(&self) -> [Vec<String>; 2] {
        [
            self.recording.take_lines(),
            self.node.recording.take_lines(),
        ]
    }
}

/// Gives other tasks their turns until it is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(MINUTE, waiting).await;
    waited.unwrap_or_else(|_| panic!("it never came to pass that {what}"));
}

/// Cut to the tier's limit, as every copy is.
pub(crate) fn outdated(server: &Server) -> Entry {
    let ttl = Ttl::after(LIMIT).expect("half a minute");
    let cut = Lifetime::new(server.now(), ttl, Duration::ZERO);
    server.entry("outdated").with_lifetime(cut)
}
