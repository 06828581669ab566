//! Which tier does what, and how often it is asked.

use larder_core::{Backend, BatchOperation, Entry, ErrorKind, Operation, Tiers, Update, Updated};

use crate::node::{MINUTE, Node, Server, reading, text, writing, writing_to};
use crate::remote::Echo;

#[tokio::test]
async fn c6_counters_and_conditions_act_on_the_authority_once() {
    let server = Server::start();
    let node = Node::echoing(&server, Echo::Withheld);
    let (n, a) = (node.key("n"), node.key("a"));
    for expected in 1..=2 {
        let updated = node.store.update(&n, server.counter(), &writing()).await;
        assert!(
            matches!(updated, Ok(Updated::Counter(value)) if value == expected),
            "{updated:?}"
        );
        let there = server.store.get(&server.key("n"), &reading()).await;
        let there = there.expect("get").expect("it is there");
        assert_eq!(there.value().as_counter(), Some(expected), "counted once");
        let found = node.get("n").await.expect("it is there");
        assert_eq!(
            found.value().as_counter(),
            Some(expected),
            "memory has no older count"
        );
    }
    node.recording.take();
    let update = Update::SetIfAbsent(server.entry("x"));
    node.store
        .update(&a, update, &writing())
        .await
        .expect("update");
    assert_eq!(node.recording.take_lines(), ["update a: done"]);

    node.chaos.fail_next(Operation::Update, ErrorKind::Timeout);
    let updated = node.store.update(&n, server.counter(), &writing()).await;
    assert!(updated.is_err(), "what isn't idempotent is not retried");
    assert_eq!(node.recording.count(Operation::Update), 1);
}

#[tokio::test]
async fn c6_the_nearest_tier_alone_neither_counts_nor_expires() {
    let server = Server::start();
    let node = Node::start(&server);
    let (key, nearest) = (node.key("n"), writing_to(Tiers::Nearest));
    let error = node
        .store
        .update(&key, server.counter(), &nearest)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let expiry = server.expiry(MINUTE);
    let error = node.store.expire(&key, expiry, &nearest).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(node.recording.take_lines(), [""; 0]);
}

#[tokio::test]
async fn c7_a_completed_write_is_seen_by_the_next_read() {
    for echo in [Echo::Signed, Echo::Unsigned, Echo::Withheld] {
        let server = Server::start();
        let node = Node::echoing(&server, echo);
        let (key, options) = (node.key("a"), writing());
        for round in ["first", "second"] {
            node.set("a", server.entry(round)).await;
            assert_eq!(
                node.text("a").await.as_deref(),
                Some(round),
                "{echo:?}: a set"
            );
        }
        node.store.delete(&key, &options).await.expect("delete");
        assert_eq!(node.text("a").await, None, "{echo:?}: a delete");
        let update = Update::SetIfAbsent(server.entry("third"));
        node.store
            .update(&key, update, &options)
            .await
            .expect("update");
        assert_eq!(
            node.text("a").await.as_deref(),
            Some("third"),
            "{echo:?}: an update"
        );
        node.store
            .invalidate(&key, &options)
            .await
            .expect("invalidate");
        assert_eq!(node.text("a").await, None, "{echo:?}: an invalidate");
        let token = node.token("a").await;
        node.fill(token, server.entry("loaded")).await;
        assert_eq!(
            node.text("a").await.as_deref(),
            Some("loaded"),
            "{echo:?}: a fill"
        );
        let set = vec![BatchOperation::Set(key, server.entry("batched"))];
        assert!(node.store.batch(set, &options).await[0].is_ok());
        assert_eq!(
            node.text("a").await.as_deref(),
            Some("batched"),
            "{echo:?}: a batch"
        );
    }
}

#[tokio::test]
async fn a_batch_is_one_call_of_the_far_tier() {
    let server = Server::start();
    let node = Node::start(&server);
    for name in ["a", "b", "c"] {
        server.set(name, name).await;
    }
    node.get("b").await;
    node.recording.take();
    let keys = ["a", "b", "c", "d"].map(|name| node.key(name));
    let texts = |entries: Vec<larder_core::Result<Option<Entry>>>| -> Vec<_> {
        let found = entries.iter().map(|found| found.as_ref().unwrap());
        found.map(|entry| entry.as_ref().map(text)).collect()
    };
    let expected = ["a", "b", "c"].map(|name| Some(name.to_owned()));
    let expected = [&expected[..], &[None]].concat();
    assert_eq!(
        texts(node.store.get_many(&keys, &writing()).await),
        expected
    );
    assert_eq!(
        node.recording.take_lines(),
        ["batch a, c, d: hit, hit, miss"],
        "what memory knows is not asked for"
    );
    assert_eq!(
        texts(node.store.get_many(&keys[..3], &writing()).await),
        expected[..3]
    );
    assert_eq!(node.recording.take_lines(), [""; 0], "memory knows all");

    let operations = vec![
        BatchOperation::Get(keys[0]),
        BatchOperation::Delete(keys[1]),
        BatchOperation::Get(keys[1]),
    ];
    let replies = node.store.batch(operations, &writing()).await;
    assert!(
        matches!(replies[2].clone().unwrap().into_entry(), Ok(None)),
        "{replies:?}"
    );
    assert_eq!(
        node.recording.take_lines(),
        ["batch a, b, b: hit, done, miss"]
    );
}

#[tokio::test]
async fn a_promoted_batch_is_decoded_once() {
    let server = Server::start();
    let node = Node::start(&server);
    server.set("a", "x").await;
    let mut found = node.store.get_many(&[node.key("a")], &writing()).await;
    let answered = found.remove(0).unwrap().expect("it is there");
    assert!(node.peek("a").expect("it was promoted").ptr_eq(&answered));
}

#[tokio::test]
async fn each_look_up_counts_once() {
    let server = Server::start();
    let node = Node::start(&server);
    server.set("a", "x").await;
    // As a facade does: it peeks, and asks where the peek can't tell.
    for name in ["a", "a", "unknown"] {
        if node.peek(name).is_none() {
            node.get(name).await;
        }
    }
    node.store
        .get_many(&[node.key("unknown")], &writing())
        .await;
    let stats = node.store.stats();
    assert_eq!(
        (stats[0].hits, stats[0].misses),
        (1, 3),
        "of memory: {stats:?}"
    );
    assert_eq!(
        (stats[1].hits, stats[1].misses),
        (1, 2),
        "of the server: {stats:?}"
    );
}

#[tokio::test]
async fn a_batch_of_the_nearest_tier_touches_that_one() {
    let server = Server::start();
    let node = Node::start(&server);
    let key = node.key("a");
    let operations = vec![
        BatchOperation::Set(key, server.entry("here")),
        BatchOperation::Get(key),
        BatchOperation::Update(key, Update::Take),
    ];
    let replies = node
        .store
        .batch(operations, &writing_to(Tiers::Nearest))
        .await;
    let found = replies[1].clone().unwrap().into_entry().unwrap();
    assert_eq!(found.as_ref().map(text).as_deref(), Some("here"));
    assert_eq!(
        replies[2].as_ref().unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    assert_eq!(
        node.recording.take_lines(),
        [""; 0],
        "nothing reached the server"
    );
}
