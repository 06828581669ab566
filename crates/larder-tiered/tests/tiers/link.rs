//! The link: while it is down memory is unused, and when it is back memory begins anew.

use std::sync::{Arc, Mutex, Weak};

use larder_core::{Backend, Change, Marker, Observer, Operation, Peek, Store, TagName, Tiers};
use larder_tiered::{TierLimits, Tiered};

use crate::ear::Ear;
use crate::node::{Node, Server, held, memory, reading, reading_from, writing};
use crate::remote::{Echo, Remote};

#[tokio::test]
async fn c3_while_the_link_is_down_memory_is_unused_and_nothing_enters() {
    let server = Server::start();
    let node = Node::start(&server);
    node.set("a", server.entry("x")).await;
    node.remote.tell(&Change::LinkDown);
    assert_eq!(node.peek_text("a"), None, "it may have changed unheard");
    let nearest = node
        .store
        .get(&node.key("a"), &reading_from(Tiers::Nearest))
        .await;
    assert!(
        nearest.expect("get").is_none(),
        "nor does memory serve it when asked alone"
    );
    for name in ["a", "a"] {
        node.recording.take();
        assert_eq!(node.text(name).await.as_deref(), Some("x"));
        assert_eq!(
            node.recording.take_lines(),
            ["get a: hit"],
            "the server is asked each time"
        );
    }
    server.set("read", "x").await;
    node.get("read").await;
    node.set("written", server.entry("x")).await;
    for name in ["read", "written"] {
        let peek = node.near.peek(&node.key(name), server.now());
        assert!(
            matches!(peek, Peek::Miss),
            "{name} entered memory: {peek:?}"
        );
    }
    let head = node.store.head(&node.key("a"), &reading()).await;
    assert!(head.expect("head").is_some());
}

#[tokio::test]
async fn c3_after_reconnection_nothing_older_is_served() {
    let server = Server::start();
    let node = Node::start(&server);
    node.set("a", server.entry("x")).await;
    node.remote.tell(&Change::LinkDown);
    node.near
        .put_now(&node.key("b"), server.entry("missed"))
        .expect("memory takes it");
    node.remote.tell(&Change::LinkUp);
    for name in ["a", "b"] {
        assert_eq!(
            node.peek_text(name),
            None,
            "{name} may have changed unheard"
        );
    }
    node.get("a").await;
    assert_eq!(
        node.peek_text("a").as_deref(),
        Some("x"),
        "memory is used again"
    );
}

#[tokio::test]
async fn c3_what_was_asked_for_before_the_link_was_back_never_enters() {
    for lost_meanwhile in [false, true] {
        let server = Server::start();
        let node = Node::start(&server);
        server.set("a", "old").await;
        if !lost_meanwhile {
            node.remote.tell(&Change::LinkDown);
        }
        let gate = node.chaos.block_after(Operation::Get);
        let reading = node.spawn_get("a");
        held(&gate).await;
        if lost_meanwhile {
            node.remote.tell(&Change::LinkDown);
        }
        node.remote.tell(&Change::LinkUp);
        gate.open();
        reading.await.unwrap();
        assert_eq!(
            node.peek_text("a"),
            None,
            "it may have changed unheard (U47)"
        );
    }
}

#[tokio::test]
async fn c3_whatever_may_have_changed_is_forgotten() {
    let server = Server::start();
    let node = Node::start(&server);
    let generation = Marker::generation(&server.namespace);
    for change in [Change::Everything, Change::Marker(&generation)] {
        node.set("a", server.entry("x")).await;
        server.set("b", "old").await;
        let gate = node.chaos.block_after(Operation::Get);
        let reading = node.spawn_get("b");
        held(&gate).await;
        node.remote.tell(&change);
        gate.open();
        reading.await.unwrap();
        for name in ["a", "b"] {
            assert_eq!(node.peek_text(name), None, "{name} after {change:?}");
        }
    }
}

#[tokio::test]
async fn news_of_everything_does_not_bring_trust_back() {
    let server = Server::start();
    let node = Node::start(&server);
    node.remote.tell(&Change::LinkDown);
    node.remote.tell(&Change::Everything);
    node.set("a", server.entry("x")).await;
    assert_eq!(node.peek_text("a"), None, "the link is still down");
}

#[tokio::test]
async fn a_link_that_is_down_from_the_start_is_not_trusted() {
    let server = Server::start();
    let remote = Remote::connect(&server.store, Echo::Signed);
    remote.tell(&Change::LinkDown);
    let node = Node::over(&server, remote, TierLimits::default());
    let changes = node.store.watch().expect("changes are told");
    assert!(!changes.is_linked(), "who asks is told");
    node.set("a", server.entry("x")).await;
    assert_eq!(node.peek_text("a"), None);
    node.remote.tell(&Change::LinkUp);
    assert!(changes.is_linked());
    node.get("a").await;
    assert_eq!(node.peek_text("a").as_deref(), Some("x"));
}

#[tokio::test]
async fn c3_memory_begins_empty() {
    let server = Server::start();
    let near = memory(&server.clock);
    let put = near.put_now(&server.key("a"), server.entry("from before"));
    put.expect("memory takes it");
    let store = Tiered::builder(&server.namespace, server.clock.shared())
        .tier(near)
        .tier(server.store.clone())
        .build()
        .expect("the right order");
    let peek = store.peek(&server.key("a"), server.now());
    assert!(
        matches!(peek, Peek::Pending),
        "it may have changed unheard: {peek:?}"
    );
}

#[tokio::test]
async fn every_change_is_passed_on() {
    let server = Server::start();
    let node = Node::start(&server);
    let ear = Ear::on(&node.store);
    let tag = TagName::new("country:GB").expect("a tag");
    let marker = Marker::tag(&server.namespace, tag);
    node.set("a", server.entry("x")).await;
    server.delete("a").await;
    node.store.bump(&[marker], &writing()).await.expect("bump");
    for change in [Change::Everything, Change::LinkDown, Change::LinkUp] {
        node.remote.tell(&change);
    }
    let heard = ear.take();
    assert_eq!(heard[..2], ["key a", "key a"]);
    assert!(heard[2].starts_with("Marker"), "{heard:?}");
    assert_eq!(heard[3..], ["Everything", "LinkDown", "LinkUp"]);
}

/// Looks into memory when it is told of a change.
struct Looker {
    store: Store,
    server: Arc<Server>,
    seen: Mutex<Vec<bool>>,
}

impl Observer for Looker {
    fn changed(&self, _: &Change<'_>) {
        let peek = self.store.peek(&self.server.key("a"), self.server.now());
        let mut seen = self.seen.lock().expect("nobody panics with it");
        seen.push(matches!(peek, Peek::Hit(_)));
    }
}

#[tokio::test]
async fn c7_a_change_is_applied_before_it_is_passed_on() {
    let server = Arc::new(Server::start());
    let node = Node::start(&server);
    let looker = Arc::new(Looker {
        store: node.store.clone(),
        server: Arc::clone(&server),
        seen: Mutex::default(),
    });
    let observer: Weak<dyn Observer> = Arc::<Looker>::downgrade(&looker);
    for change in [
        Change::Key(server.key("a"), None),
        Change::Leased(server.key("a")),
        Change::Everything,
        Change::LinkDown,
        Change::LinkUp,
    ] {
        node.set("a", server.entry("x")).await;
        assert!(node.peek("a").is_some());
        if looker
            .seen
            .lock()
            .expect("nobody panics with it")
            .is_empty()
        {
            let changes = node.store.watch().expect("changes are told");
            changes.subscribe(Weak::clone(&observer));
        }
        looker.seen.lock().expect("nobody panics with it").clear();
        node.remote.tell(&change);
        let seen = looker.seen.lock().expect("nobody panics with it").clone();
        assert_eq!(
            seen,
            [false],
            "memory still served it when {change:?} was passed on"
        );
        if matches!(change, Change::LinkDown) {
            node.remote.tell(&Change::LinkUp);
        }
    }
}

#[tokio::test]
async fn a_store_that_tells_nothing_is_trusted() {
    let server = Server::start();
    let remote = Remote::with(&server.store, Echo::Signed, |mut capability| {
        capability.watch = false;
        capability
    });
    let node = Node::over(&server, remote, TierLimits::default());
    assert!(!node.store.capability().watch);
    assert!(node.store.watch().is_none());
    node.set("a", server.entry("x")).await;
    assert_eq!(node.peek_text("a").as_deref(), Some("x"));
    node.store
        .delete(&node.key("a"), &writing())
        .await
        .expect("delete");
    assert_eq!(node.peek_text("a"), None, "own writes are known");
}
