//! Times: a promoted entry keeps its age and never outlives its original, and one truth is told of it.

use std::sync::Arc;
use std::time::Duration;

use larder_core::{
    Backend, Entry, Key, Lifetime, Namespace, Peek, ReadOptions, Tiers, Version, View,
};
use larder_tiered::TierLimits;

use crate::node::{MINUTE, Node, Server, read, reading, reading_from, writing, writing_to};
use crate::remote::{Echo, Remote};

const LIMIT: Duration = Duration::from_secs(10);

fn limited(server: &Server) -> Node {
    let limits = TierLimits::default().with_max_ttl(LIMIT);
    Node::with(server, Echo::Withheld, limits)
}

#[tokio::test]
async fn c5_a_promoted_entry_never_outlives_its_original_and_keeps_its_age() {
    let server = Server::start();
    let node = Node::start(&server);
    let original = server.set("a", "x").await;
    server.clock.advance(MINUTE / 2);
    node.get("a").await;
    let kept = node.peek("a").expect("it was promoted");
    assert_eq!(kept.head(), original.head(), "age, times and all");
    server.clock.advance(MINUTE / 2);
    assert!(
        node.peek("a").is_none(),
        "the original is fresh for a minute from when it was made"
    );
}

#[tokio::test]
async fn c5_a_tier_keeps_an_entry_no_longer_than_its_limit() {
    for promoted in [true, false] {
        let server = Server::start();
        let node = limited(&server);
        if promoted {
            server.set("a", "x").await;
            server.clock.advance(MINUTE / 4);
            node.get("a").await;
        } else {
            node.set("a", server.entry("x")).await;
        }
        let (kept, original) = (node.peek("a").expect("kept"), server.at_rest("a").await);
        let (kept, end) = (kept.head().lifetime(), server.now().saturating_add(LIMIT));
        let cut = Lifetime {
            created: original.created,
            fresh_until: end,
            expires_at: end,
        };
        assert_eq!(kept, cut, "promoted: {promoted}");
        server.clock.advance(LIMIT);
        assert!(
            node.peek("a").is_none(),
            "promoted: {promoted}: the tier's limit is over"
        );
        assert_eq!(
            node.text("a").await.as_deref(),
            Some("x"),
            "the server still has it"
        );
    }
}

#[tokio::test]
async fn c5_a_limit_makes_no_life_longer() {
    let server = Server::start();
    let node = limited(&server);
    let original = server.set("a", "x").await;
    server.clock.advance(Duration::from_secs(55));
    node.get("a").await;
    let kept = node.peek("a").expect("still fresh").head().lifetime();
    assert_eq!(kept.fresh_until, original.head().lifetime().fresh_until);
}

#[tokio::test]
async fn c8_ttl_agrees_with_the_authority_whatever_the_limits_of_the_nearest_tier() {
    let server = Server::start();
    for node in [limited(&server), Node::start(&server)] {
        let original = server.set("a", "x").await;
        node.get("a").await;
        assert!(node.peek("a").is_some(), "it is in memory");
        let head = node.store.head(&node.key("a"), &reading()).await;
        assert_eq!(head.expect("head").as_ref(), Some(original.head()));
        let heads = vec![larder_core::BatchOperation::Head(node.key("a"))];
        let head = node.store.batch(heads, &writing()).await.remove(0);
        let head = head.and_then(larder_core::BatchReply::into_head);
        assert_eq!(
            head.expect("head in a batch").as_ref(),
            Some(original.head())
        );
    }
}

#[tokio::test]
async fn a_head_is_answered_from_memory_where_that_tells_the_truth() {
    let server = Server::start();
    let node = Node::start(&server);
    server.set("a", "x").await;
    node.get("a").await;
    node.recording.take();
    let head = node.store.head(&node.key("a"), &reading()).await;
    assert!(head.expect("head").is_some());
    assert_eq!(node.recording.take_lines(), [""; 0], "memory knows");
}

#[tokio::test]
async fn a_promoted_entry_is_decoded_once() {
    for limits in [
        TierLimits::default(),
        TierLimits::default().with_max_ttl(LIMIT),
    ] {
        let server = Server::start();
        let node = Node::with(&server, Echo::Signed, limits);
        let set = server
            .store
            .set(&server.key("a"), server.encoded("x"), &writing())
            .await;
        set.expect("set");
        let answered = node.get("a").await.expect("it is there");
        let kept = node.peek("a").expect("it was promoted");
        assert!(
            kept.ptr_eq(&answered),
            "the caller has the very entry that memory keeps"
        );
        assert!(
            Arc::ptr_eq(&read(&answered), &read(&kept)),
            "decoded by its first reader"
        );
    }
}

#[tokio::test]
async fn c2_a_stale_entry_in_memory_hides_nothing() {
    let server = Server::start();
    let node = Node::start(&server);
    server.set("a", "x").await;
    node.get("a").await;
    server.clock.advance(MINUTE);
    assert!(node.peek("a").is_none(), "it is stale");
    node.recording.take();
    let found = node.get("a").await.expect("it is stale and at hand");
    assert!(!found.head().lifetime().is_fresh(server.now()));
    assert_eq!(
        node.recording.take_lines(),
        ["get a: hit"],
        "the server is asked"
    );
}

#[tokio::test]
async fn an_entry_is_rejected_only_by_the_server() {
    let server = Server::start();
    let node = Node::echoing(&server, Echo::Withheld);
    let version = Version::random();
    let old = server.entry("x").with_generation(Some(version));
    node.set("a", old.clone()).await;
    // As a server does that writes for somebody who has not heard of a `clear()` yet.
    let current = Version::random();
    let at_server = old.clone().with_generation(Some(current));
    node.remote
        .set(&server.key("a"), at_server, &writing())
        .await
        .expect("set");
    assert!(node.peek("a").expect("in memory").ptr_eq(&old));
    let view = View::default().with_generation(Some(current));
    let options = ReadOptions::default().with_view(view);
    let found = node.store.get(&node.key("a"), &options).await.expect("get");
    let generation = found.and_then(|entry| entry.head().generation());
    assert_eq!(
        generation,
        Some(current),
        "memory may accept and never reject (R4)"
    );
}

#[tokio::test]
async fn another_namespaces_entries_are_not_kept() {
    let server = Server::start();
    let node = Node::start(&server);
    let other = Namespace::new("other").expect("letters");
    let key = Key::new(&other, "", "a").expect("a letter");
    let set = node.store.set(&key, server.entry("x"), &writing()).await;
    set.expect("set");
    let found = node.store.get(&key, &reading()).await.expect("get");
    assert!(found.is_some(), "the server has it");
    let peek = node.store.peek(&key, server.now());
    assert!(matches!(peek, Peek::Pending), "{peek:?}");
    let peek = node.near.peek(&key, server.now());
    assert!(
        matches!(peek, Peek::Miss),
        "memory would never be told of it: {peek:?}"
    );
}

#[tokio::test]
async fn what_is_stale_does_not_enter_memory() {
    let server = Server::start();
    let node = Node::start(&server);
    server.set("a", "x").await;
    server.clock.advance(MINUTE);
    assert!(node.get("a").await.is_some(), "it is stale and at hand");
    let peek = node.near.peek(&node.key("a"), server.now());
    assert!(
        matches!(peek, Peek::Miss),
        "it would be of no use: {peek:?}"
    );
}

#[tokio::test]
async fn a_placeholder_never_enters_memory() {
    // A store that answers placeholders, as none should.
    let server = Server::start();
    let node = Node::over(
        &server,
        Remote::connect(&server.store, Echo::Signed),
        TierLimits::default(),
    );
    let life = server.entry("x").head().lifetime();
    let placeholder = Entry::placeholder(larder_core::EntryId::random(), life);
    let set = server
        .store
        .set(&server.key("a"), placeholder, &writing())
        .await;
    set.expect("set");
    node.get("a").await;
    assert!(node.peek("a").is_none());
}

#[tokio::test]
async fn calls_of_one_tier_touch_that_one() {
    let server = Server::start();
    let node = Node::echoing(&server, Echo::Withheld);
    let (key, nearest) = (node.key("a"), writing_to(Tiers::Nearest));
    let authoritative = writing_to(Tiers::Authoritative);

    node.store
        .set(&key, server.entry("here"), &nearest)
        .await
        .expect("set");
    assert_eq!(
        server.text("a").await,
        None,
        "a set of the nearest tier stays there"
    );
    assert_eq!(node.peek_text("a").as_deref(), Some("here"));
    let found = node
        .store
        .get(&key, &reading_from(Tiers::Authoritative))
        .await;
    assert!(found.expect("get").is_none(), "the server has nothing");

    node.store
        .set(&key, server.entry("there"), &authoritative)
        .await
        .expect("set");
    assert_eq!(node.peek_text("a"), None, "what was here is older");
    assert_eq!(server.text("a").await.as_deref(), Some("there"));
    let found = node
        .store
        .get(&key, &reading_from(Tiers::Authoritative))
        .await;
    assert!(found.expect("get").is_some());
    assert_eq!(
        node.peek_text("a"),
        None,
        "a read of the server alone inserts nothing"
    );
    let found = node.store.get(&key, &reading_from(Tiers::Nearest)).await;
    assert!(found.expect("get").is_none(), "memory has nothing");

    node.get("a").await;
    let deletion = node
        .store
        .invalidate(&key, &nearest)
        .await
        .expect("invalidate");
    assert!(deletion.existed(), "memory had it");
    assert_eq!(node.peek_text("a"), None);
    assert_eq!(
        server.text("a").await.as_deref(),
        Some("there"),
        "the truth is untouched"
    );
    let deletion = node.store.delete(&key, &nearest).await.expect("delete");
    assert!(!deletion.existed(), "memory has nothing any more");
}

impl Server {
    async fn at_rest(&self, name: &str) -> Lifetime {
        let head = self.store.head(&self.key(name), &reading()).await;
        head.expect("head").expect("it is there").lifetime()
    }
}
