//! Three tiers: the middle one is neither at hand nor the truth.

use std::sync::Arc;
use std::time::Duration;

use larder_core::{
    Backend, BatchOperation, Change, Entry, ErrorKind, Fill, Lease, LeaseOptions, Lifetime,
    Operation, Store, Tiers, Timestamp, Ttl, Update,
};
use larder_testkit::{ChaosLayer, Fault, Recorded, RecordingLayer};
use larder_tiered::{TierLimits, Tiered};

use crate::node::{MINUTE, Node, Server, held, memory, read, reading, reading_from, text, writing};
use crate::remote::{Echo, Remote};

const LIMIT: Duration = Duration::from_secs(30);
/// Longer than a copy takes to be made.
const WHILE: Duration = Duration::from_secs(10);

/// A node with a tier between its memory and the server.
struct Region {
    node: Node,
    /// The middle tier's store; others may use it too.
    middle: Store,
    trouble: ChaosLayer,
    recording: RecordingLayer,
}

impl Region {
    fn start(server: &Server) -> Self {
        Self::echoing(server, Echo::Signed)
    }

    fn echoing(server: &Server, echo: Echo) -> Self {
        let region = Self::with(server, echo, memory(&server.clock));
        server.clock.advance(WHILE);
        region
    }

    fn with(server: &Server, echo: Echo, middle: Store) -> Self {
        Self::over(server, Remote::connect(&server.store, echo), middle)
    }

    fn over(server: &Server, remote: Arc<Remote>, middle: Store) -> Self {
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
    async fn copy(&self, name: &str) -> Option<String> {
        let found = self.middle.get(&self.node.key(name), &reading()).await;
        found.expect("get in the middle").as_ref().map(text)
    }

    /// Memory has no room.
    fn evict(&self, name: &str) {
        let key = self.node.key(name);
        self.node.near.forget_now(&key).expect("memory forgets");
    }

    /// Waits until the middle tier has been told.
    async fn told(&self, name: &str) {
        for _ in 0..10_000 {
            if self.copy(name).await.is_none() {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("the middle tier has not been told of {name:?}");
    }

    /// Somebody else writes, and the middle tier has been told of it.
    async fn write_elsewhere(&self, server: &Server, name: &str, text: &str) -> Entry {
        self.recording.take();
        let entry = server.set(name, text).await;
        self.telling_done().await;
        entry
    }

    /// Waits until a telling has ended.
    async fn telling_done(&self) {
        for _ in 0..10_000 {
            let ended =
                |call: &Recorded| call.operation == Operation::Batch && !call.outcomes.is_empty();
            if self.recording.take().iter().any(ended) {
                self.node.recording.take();
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("nobody has told the middle tier");
    }

    /// A copy that somebody left in the middle tier, of what is no longer true.
    fn leave(&self, server: &Server, name: &str) {
        let put = self.middle.put_now(&self.node.key(name), outdated(server));
        put.expect("memory takes it");
    }

    fn lines(&self) -> [Vec<String>; 2] {
        [
            self.recording.take_lines(),
            self.node.recording.take_lines(),
        ]
    }
}

/// Cut to the tier's limit, as every copy is.
fn outdated(server: &Server) -> Entry {
    let entry = server.entry("outdated");
    let now = larder_core::Clock::now(&server.clock);
    let ttl = Ttl::after(LIMIT).expect("half a minute");
    entry.with_lifetime(Lifetime::new(now, ttl, Duration::ZERO))
}

#[tokio::test]
async fn a_read_goes_from_tier_to_tier_and_leaves_copies() {
    let server = Server::start();
    let region = Region::start(&server);
    region.write_elsewhere(&server, "a", "x").await;
    assert_eq!(region.node.text("a").await.as_deref(), Some("x"));
    let [middle, far] = region.lines();
    assert_eq!(middle, ["get a: miss", "lease a: granted", "fill a: done"]);
    assert_eq!(far, ["get a: hit"]);
    region.evict("a");
    assert_eq!(region.node.text("a").await.as_deref(), Some("x"));
    let [middle, far] = region.lines();
    assert_eq!(middle, ["get a: hit"], "it had a copy");
    assert_eq!(far, [""; 0], "the server was not asked");
    assert_eq!(region.node.peek_text("a").as_deref(), Some("x"));

    assert_eq!(region.node.text("unknown").await, None);
    let [middle, _] = region.lines();
    let expected = [
        "get unknown: miss",
        "lease unknown: granted",
        "release unknown: done",
    ];
    assert_eq!(middle, expected, "nothing to copy");
}

#[tokio::test]
async fn a_batch_is_one_call_of_each_tier() {
    let server = Server::start();
    let region = Region::start(&server);
    for name in ["a", "b", "c"] {
        region.write_elsewhere(&server, name, name).await;
    }
    region.node.get("b").await;
    region.evict("b");
    region.lines();
    let keys = ["a", "b", "c", "d"].map(|name| region.node.key(name));
    for round in ["from the server", "from memory"] {
        let found = region.node.store.get_many(&keys, &writing()).await;
        let found: Vec<_> = found
            .iter()
            .map(|found| found.as_ref().unwrap().as_ref().map(text))
            .collect();
        let expected = ["a", "b", "c"].map(|name| Some(name.to_owned()));
        assert_eq!(found, [&expected[..], &[None]].concat(), "{round}");
        if round == "from the server" {
            let [middle, far] = region.lines();
            let expected = [
                "batch a, b, c, d: miss, hit, miss, miss",
                "lease a, c, d: granted, granted, granted",
                "fill a, c: done, done",
                "release d: done",
            ];
            assert_eq!(middle, expected);
            assert_eq!(far, ["batch a, c, d: hit, hit, miss"]);
        }
    }
    region.lines();
    let operations = vec![
        BatchOperation::Set(keys[0], server.entry("new")),
        BatchOperation::Get(keys[0]),
        BatchOperation::Delete(keys[1]),
    ];
    let replies = region.node.store.batch(operations, &writing()).await;
    let seen = replies[1].clone().unwrap().into_entry().unwrap();
    assert_eq!(seen.as_ref().map(text).as_deref(), Some("new"));
    let [middle, far] = region.lines();
    assert_eq!(middle, ["batch a, b: done, done"]);
    assert_eq!(far, ["batch a, a, b: done, hit, done"]);
    for name in ["a", "b"] {
        assert_eq!(region.copy(name).await, None, "{name} was written");
    }
}

#[tokio::test]
async fn c2_a_change_between_the_far_reply_and_the_copy_wins() {
    for own in [true, false] {
        let server = Server::start();
        let region = Region::echoing(&server, Echo::Withheld);
        let node = &region.node;
        region.write_elsewhere(&server, "a", "old").await;
        let gate = node.chaos.block_after(Operation::Get);
        let reading = node.spawn_get("a");
        held(&gate).await;
        if own {
            let deletion = node.store.delete(&node.key("a"), &writing()).await;
            assert!(deletion.expect("delete").existed());
        } else {
            region.recording.take();
            server.delete("a").await;
            region.telling_done().await;
        }
        gate.open();
        reading.await.unwrap();
        assert_eq!(
            region.copy("a").await,
            None,
            "own: {own}: the lease had ended"
        );
        assert_eq!(node.text("a").await, None, "own: {own}");
    }
}

#[tokio::test]
async fn c2_a_change_is_heeded_before_the_middle_tier_has_been_told() {
    let server = Server::start();
    let region = Region::start(&server);
    let node = &region.node;
    region.write_elsewhere(&server, "a", "old").await;
    node.get("a").await;
    assert_eq!(region.copy("a").await.as_deref(), Some("old"));
    let gate = region.trouble.block_before(Operation::Batch);
    server.set("a", "new").await;
    assert_eq!(
        node.text("a").await.as_deref(),
        Some("new"),
        "its copy is doubted"
    );
    held(&gate).await;
    assert_eq!(
        region.copy("a").await.as_deref(),
        Some("old"),
        "it doesn't know yet"
    );
    region.evict("a");
    assert_eq!(node.text("a").await.as_deref(), Some("new"));
    region.evict("a");
    let found = node.store.get_many(&[node.key("a")], &writing()).await;
    let found = found[0].as_ref().expect("get").as_ref().map(text);
    assert_eq!(found.as_deref(), Some("new"), "in a batch too");
    gate.open();
    region.told("a").await;
    region.evict("a");
    assert_eq!(node.text("a").await.as_deref(), Some("new"));
}

#[tokio::test]
async fn c2_news_that_comes_while_the_middle_tier_is_told_is_told_too() {
    let server = Server::start();
    let region = Region::start(&server);
    let node = &region.node;
    server.set("a", "first").await;
    let gate = region.trouble.block_after(Operation::Batch);
    server.set("a", "second").await;
    held(&gate).await;
    // The first telling is done, and somebody who hasn't heard yet leaves a copy of what is replaced now.
    let key = node.key("a");
    let put = region.middle.put_now(&key, server.entry("second"));
    put.expect("memory takes it");
    server.set("a", "third").await;
    gate.open();
    region.told("a").await;
    assert_eq!(node.text("a").await.as_deref(), Some("third"));
}

#[tokio::test]
async fn c2_a_lost_grant_is_told_to_the_middle_tier() {
    let server = Server::start();
    let region = Region::start(&server);
    region.leave(&server, "a");
    region
        .node
        .remote
        .tell(&Change::Leased(region.node.key("a")));
    assert_eq!(region.node.text("a").await, None, "nothing is there (P2)");
    region.told("a").await;
}

#[tokio::test]
async fn c7_a_write_that_the_middle_tier_was_not_told_of_is_seen_and_reported() {
    let server = Server::start();
    let region = Region::echoing(&server, Echo::Withheld);
    let (node, key) = (&region.node, region.node.key("a"));
    for (at, operation) in ["set", "delete", "update", "batch", "fill"]
        .into_iter()
        .enumerate()
    {
        region.write_elsewhere(&server, "a", "old").await;
        node.get("a").await;
        assert_eq!(
            region.copy("a").await.as_deref(),
            Some("old"),
            "{operation}"
        );
        let until =
            LeaseOptions::until(Timestamp::FOREVER).with_mode(larder_core::LeaseMode::Refresh);
        let lease = node.store.lease(&[key], &until).await.remove(0);
        region.trouble.break_down(ErrorKind::Unavailable);
        let new = server.entry("new");
        let error = match at {
            0 => node.store.set(&key, new, &writing()).await.err(),
            1 => node.store.delete(&key, &writing()).await.err(),
            2 => {
                let take = node.store.update(&key, Update::Take, &writing()).await;
                take.err()
            }
            3 => {
                let set = vec![BatchOperation::Set(key, new)];
                node.store.batch(set, &writing()).await.remove(0).err()
            }
            _ => match lease {
                Ok(Lease::Granted { token, .. }) => {
                    let fill = vec![Fill { token, entry: new }];
                    node.store.fill(fill, &writing()).await.remove(0).err()
                }
                other => panic!("no lease to fill: {other:?}"),
            },
        };
        let error = error.expect(operation);
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{operation}");
        assert!(
            !error.is_temporary(),
            "{operation}: it is done and must not be repeated"
        );
        let says = "the authoritative tier has done the write, but tier 2 could not be told";
        assert!(error.message().contains(says), "{operation}: {error}");

        let there = server.text("a").await;
        assert_ne!(there.as_deref(), Some("old"), "{operation} was done");
        region.trouble.heal();
        let gate = region.trouble.block_before(Operation::Batch);
        assert_eq!(
            region.copy("a").await.as_deref(),
            Some("old"),
            "it wasn't told"
        );
        assert_eq!(
            node.text("a").await,
            there,
            "{operation}: the next read sees it"
        );
        drop(gate);
        region.told("a").await;
        region.evict("a");
        assert_eq!(
            node.text("a").await,
            there,
            "{operation}: and the read after it was told"
        );
    }
}

#[tokio::test]
async fn c2_a_dropped_caller_leaves_no_older_copy() {
    let server = Server::start();
    let region = Region::echoing(&server, Echo::Withheld);
    let node = &region.node;
    region.write_elsewhere(&server, "a", "old").await;
    node.get("a").await;
    let gate = node.chaos.block_after(Operation::Set);
    let setting = node.spawn_set("a", server.entry("new"));
    held(&gate).await;
    region.recording.take();
    setting.abort();
    assert!(setting.await.unwrap_err().is_cancelled());
    let new = Some("new".to_owned());
    assert_eq!(node.text("a").await, new, "its copy is doubted");
    region.telling_done().await;
    region.evict("a");
    assert_eq!(node.text("a").await, new, "its copy is gone");
}

#[tokio::test]
async fn a1_trouble_in_the_middle_fails_no_read() {
    let server = Server::start();
    let region = Region::start(&server);
    let node = &region.node;
    region.write_elsewhere(&server, "a", "x").await;
    let kind = ErrorKind::Unavailable;
    for operation in [Operation::Get, Operation::Lease, Operation::Fill] {
        region.trouble.next(operation, Fault::Fail(kind));
        assert_eq!(
            node.text("a").await.as_deref(),
            Some("x"),
            "{operation} failed"
        );
        region.evict("a");
    }
    region.trouble.break_down(kind);
    assert_eq!(node.text("a").await.as_deref(), Some("x"));
    region.evict("a");
    let found = node
        .store
        .get_many(&[node.key("a"), node.key("b")], &writing())
        .await;
    assert!(matches!(found[..], [Ok(Some(_)), Ok(None)]), "{found:?}");
}

#[tokio::test]
async fn c3_copies_from_before_the_link_was_back_are_not_believed() {
    let server = Server::start();
    let region = Region::start(&server);
    let node = &region.node;
    region.write_elsewhere(&server, "a", "x").await;
    node.get("a").await;
    node.remote.tell(&Change::LinkDown);
    region.lines();
    node.get("a").await;
    let [middle, far] = region.lines();
    assert_eq!(
        (middle.len(), far),
        (0, vec!["get a: hit".to_owned()]),
        "blind"
    );
    node.remote.tell(&Change::LinkUp);
    assert_eq!(region.copy("a").await.as_deref(), Some("x"), "from before");
    // Somebody else may have changed it meanwhile.
    node.get("a").await;
    let [middle, far] = region.lines();
    assert_eq!(
        middle,
        ["get a: hit", "lease a: granted", "fill a: done"],
        "it is replaced"
    );
    assert_eq!(far, ["get a: hit"]);

    server.clock.advance(WHILE);
    region.write_elsewhere(&server, "b", "y").await;
    for expected in [1, 0] {
        node.get("b").await;
        let [_, far] = region.lines();
        assert_eq!(far.len(), expected, "what was made since is believed");
        region.evict("b");
    }
}

#[tokio::test]
async fn c3_a_link_that_is_down_from_the_start_leaves_the_middle_tier_out() {
    let server = Server::start();
    let remote = Remote::connect(&server.store, Echo::Signed);
    remote.tell(&Change::LinkDown);
    let region = Region::over(&server, remote, memory(&server.clock));
    server.clock.advance(WHILE);
    server.set("a", "x").await;
    region.node.get("a").await;
    let [middle, far] = region.lines();
    assert_eq!(
        (middle.len(), far),
        (0, vec!["get a: hit".to_owned()]),
        "blind"
    );
    let changes = region.node.store.watch().expect("changes are told");
    assert!(!changes.is_linked(), "who asks is told");
}

#[tokio::test]
async fn c3_copies_from_an_earlier_life_are_not_believed() {
    let server = Server::start();
    let middle = memory(&server.clock);
    let outdated = outdated(&server);
    let key = server.key("a");
    middle.put_now(&key, outdated).expect("memory takes it");
    server.set("a", "x").await;
    let region = Region::with(&server, Echo::Signed, middle);
    assert_eq!(region.node.text("a").await.as_deref(), Some("x"));
}

#[tokio::test]
async fn c3_with_more_changes_than_are_remembered_everything_is_doubted() {
    let server = Server::start();
    let region = Region::start(&server);
    let node = &region.node;
    region.write_elsewhere(&server, "a", "old").await;
    node.get("a").await;
    region.trouble.break_down(ErrorKind::Unavailable);
    for n in 0..5_000 {
        node.remote
            .tell(&Change::Key(node.key(&n.to_string()), None));
    }
    region.leave(&server, "last");
    for n in 5_000..10_000 {
        node.remote
            .tell(&Change::Key(node.key(&n.to_string()), None));
    }
    region.trouble.heal();
    region.evict("a");
    region.lines();
    node.get("a").await;
    let [_, far] = region.lines();
    assert_eq!(far, ["get a: hit"], "its copy is not believed");
    assert_eq!(node.text("last").await, None);
}

#[tokio::test]
async fn c5_a_copy_lives_no_longer_than_its_tiers_limit_and_keeps_its_age() {
    let server = Server::start();
    let region = Region::start(&server);
    let original = region.write_elsewhere(&server, "a", "x").await;
    let answered = region.node.get("a").await.expect("it is there");
    assert_eq!(
        answered.head(),
        original.head(),
        "who asks has the original"
    );
    let copy = region.middle.get(&region.node.key("a"), &reading()).await;
    let copy = copy.expect("get").expect("a copy").head().lifetime();
    assert_eq!(copy.created, original.head().lifetime().created);
    let end = larder_core::Clock::now(&server.clock).saturating_add(LIMIT);
    assert_eq!((copy.fresh_until, copy.expires_at), (end, end));
}

#[tokio::test]
async fn c8_ttl_agrees_with_the_authority_over_three_tiers() {
    let server = Server::start();
    let region = Region::start(&server);
    let original = region.write_elsewhere(&server, "a", "x").await;
    region.node.get("a").await;
    region.evict("a");
    // Memory has the copy of a copy now, with cut times.
    region.node.get("a").await;
    let head = region
        .node
        .store
        .head(&region.node.key("a"), &reading())
        .await;
    assert_eq!(head.expect("head").as_ref(), Some(original.head()));
    let options = reading_from(Tiers::Authoritative);
    region.lines();
    let found = region.node.store.get(&region.node.key("a"), &options).await;
    assert_eq!(*read(&found.expect("get").expect("it is there")), "x");
    let [middle, _] = region.lines();
    assert_eq!(middle, [""; 0], "the authority alone was asked");
}

#[tokio::test]
async fn the_task_ends_with_the_store_and_close_tells_what_is_left() {
    let server = Server::start();
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    let ended = || async {
        for _ in 0..10_000 {
            if tasks() == before {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("the task has outlived its store");
    };
    let region = Region::start(&server);
    assert_eq!(tasks(), before + 1, "one tells the middle tier");
    region.trouble.break_down(ErrorKind::Unavailable);
    server.set("a", "x").await;
    region.trouble.rule(|call| {
        (call.operation == Operation::Batch).then_some(Fault::Fail(ErrorKind::Unavailable))
    });
    let report = region.node.store.close(server.now()).await.expect("close");
    assert_eq!(report.undelivered, 1, "the middle tier was never told of a");
    ended().await;

    let region = Region::start(&server);
    let stats = region.node.store.stats();
    assert_eq!(stats.len(), 3, "a row for each tier");
    drop(region);
    ended().await;
}

#[test]
fn middle_tiers_without_leases_limits_or_runtime_are_refused() {
    let server = Server::start();
    let near = || memory(&server.clock);
    let limit = TierLimits::default().with_max_ttl(MINUTE);
    let built = |middle: Store, limits| {
        Tiered::builder(&server.namespace, server.clock.shared())
            .tier(near())
            .tier_with(middle, limits)
            .tier(near())
            .build()
            .unwrap_err()
    };
    let leaseless = Store::from(Remote::with(&near(), Echo::Signed, |mut capability| {
        capability.lease = false;
        capability
    }));
    let error = built(leaseless, limit);
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(
        error
            .message()
            .contains("tier 2 is between two others and must give leases"),
        "{error}"
    );
    let error = built(near(), TierLimits::default());
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(
        error
            .message()
            .contains("tier 2 is between two others and needs a max_ttl"),
        "{error}"
    );
    assert_eq!(built(near(), limit).kind(), ErrorKind::RuntimeGone);
}
