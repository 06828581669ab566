//! C2: whatever overlaps, nothing older stays in memory. The gates hold calls on their way to the server
//! or back, so each test is one interleaving.

use std::sync::Arc;
use std::time::Duration;

use larder_core::{Backend, BatchOperation, ErrorKind, Lease, Operation, Update};
use larder_testkit::Fault;

use crate::node::{Node, Server, held, read, writing};
use crate::remote::Echo;

const ECHOES: [Echo; 3] = [Echo::Signed, Echo::Unsigned, Echo::Withheld];

/// Memory has nothing, or what the server has.
async fn agreed(node: &Node, server: &Server, name: &str, when: &str) {
    let there = server.text(name).await;
    if let Some(here) = node.peek_text(name) {
        assert_eq!(Some(here), there, "memory and server, {when}");
    }
    assert_eq!(node.text(name).await, there, "get, {when}");
}

#[tokio::test]
async fn c2_an_invalidation_between_reply_and_insert_wins() {
    let server = Server::start();
    let node = Node::start(&server);
    server.set("a", "old").await;
    let gate = node.chaos.block_after(Operation::Get);
    let reading = node.spawn_get("a");
    held(&gate).await;
    server.delete("a").await;
    gate.open();
    assert_eq!(
        reading.await.unwrap().as_deref(),
        Some("old"),
        "it was there when it was asked for"
    );
    assert_eq!(
        node.peek_text("a"),
        None,
        "the late reply must not enter memory"
    );
    agreed(&node, &server, "a", "after the invalidation").await;
}

#[tokio::test]
async fn c2_a_read_during_an_own_delete_leaves_nothing_in_memory() {
    for echo in ECHOES {
        let server = Server::start();
        let node = Node::echoing(&server, echo);
        server.set("a", "old").await;
        let before_delete = node.chaos.block_before(Operation::Delete);
        let deleting = node.spawn("a", |store, key| async move {
            store
                .delete(&key.as_key(), &writing())
                .await
                .expect("delete");
        });
        held(&before_delete).await;
        let after_get = node.chaos.block_after(Operation::Get);
        let reading = node.spawn_get("a");
        held(&after_get).await;
        before_delete.open();
        deleting.await.unwrap();
        after_get.open();
        reading.await.unwrap();
        assert_eq!(
            node.peek_text("a"),
            None,
            "{echo:?}: the delete has completed"
        );
    }
}

#[tokio::test]
async fn c2_a_read_from_before_a_write_enters_nothing_while_that_is_under_way() {
    let server = Server::start();
    let node = Node::echoing(&server, Echo::Withheld);
    server.set("a", "old").await;
    let after_get = node.chaos.block_after(Operation::Get);
    let reading = node.spawn_get("a");
    held(&after_get).await;
    let after_set = node.chaos.block_after(Operation::Set);
    let setting = node.spawn_set("a", server.entry("new"));
    held(&after_set).await;
    after_get.open();
    reading.await.unwrap();
    assert_eq!(
        node.peek_text("a"),
        None,
        "the write has begun since (1.3.1)"
    );
    after_set.open();
    setting.await.unwrap();
    assert_eq!(node.peek_text("a").as_deref(), Some("new"));
}

#[tokio::test]
async fn c2_concurrent_own_sets_leave_memory_and_authority_agreed() {
    for echo in ECHOES {
        for crosswise in [false, true] {
            let server = Server::start();
            let node = Node::echoing(&server, echo);
            node.set("a", server.entry("before both")).await;
            let first_gate = node.chaos.block_after(Operation::Set);
            let first = node.spawn_set("a", server.entry("first"));
            held(&first_gate).await;
            let second_gate = node.chaos.block_after(Operation::Set);
            let second = node.spawn_set("a", server.entry("second"));
            held(&second_gate).await;
            if crosswise {
                second_gate.open();
                second.await.unwrap();
                first_gate.open();
                first.await.unwrap();
            } else {
                first_gate.open();
                first.await.unwrap();
                second_gate.open();
                second.await.unwrap();
            }
            agreed(
                &node,
                &server,
                "a",
                &format!("{echo:?}, replies crosswise: {crosswise}"),
            )
            .await;
        }
    }
}

#[tokio::test]
async fn c2_a_foreign_write_between_an_own_write_and_its_reply_wins() {
    for echo in ECHOES {
        let server = Server::start();
        let node = Node::echoing(&server, echo);
        let gate = node.chaos.block_after(Operation::Set);
        let setting = node.spawn_set("a", server.entry("ours"));
        held(&gate).await;
        server.set("a", "theirs").await;
        gate.open();
        setting.await.unwrap();
        assert_eq!(
            node.peek_text("a"),
            None,
            "{echo:?}: theirs came after ours"
        );
        agreed(&node, &server, "a", &format!("{echo:?}")).await;
    }
}

#[tokio::test]
async fn c2_a_foreign_expire_of_what_is_being_set_counts() {
    let server = Server::start();
    let node = Node::start(&server);
    let gate = node.chaos.block_after(Operation::Set);
    let setting = node.spawn_set("a", server.entry("ours"));
    held(&gate).await;
    // It keeps the id, so it is told under that of the own write.
    let sooner = server.expiry(Duration::from_secs(1));
    let expire = server
        .store
        .expire(&server.key("a"), sooner, &writing())
        .await;
    assert!(expire.expect("expire"), "it is there");
    gate.open();
    setting.await.unwrap();
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(node.peek_text("a"), None, "its time is over");
}

#[tokio::test]
async fn c2_an_own_write_enters_memory_whether_or_not_it_is_echoed() {
    for echo in [Echo::Signed, Echo::Withheld] {
        let server = Server::start();
        let node = Node::echoing(&server, echo);
        let entry = server.entry("ours");
        node.set("a", entry.clone()).await;
        let kept = node
            .peek("a")
            .expect("the write has completed and nothing came between");
        assert!(kept.ptr_eq(&entry), "{echo:?}: decoded as it was written");
    }
}

#[tokio::test]
async fn c2_a_dropped_caller_leaves_nothing_older() {
    for echo in ECHOES {
        let server = Server::start();
        let node = Node::echoing(&server, echo);
        node.set("a", server.entry("old")).await;
        let gate = node.chaos.block_after(Operation::Set);
        let setting = node.spawn_set("a", server.entry("new"));
        held(&gate).await;
        setting.abort();
        assert!(setting.await.unwrap_err().is_cancelled());
        assert_eq!(
            node.peek_text("a"),
            None,
            "{echo:?}: the write may have been done"
        );
        agreed(&node, &server, "a", &format!("{echo:?}, its caller gone")).await;
    }
}

#[tokio::test]
async fn c2_a_read_during_a_write_whose_caller_goes_leaves_nothing_older() {
    let server = Server::start();
    let node = Node::echoing(&server, Echo::Withheld);
    server.set("a", "old").await;
    let before_set = node.chaos.block_before(Operation::Set);
    let after_set = node.chaos.block_after(Operation::Set);
    let setting = node.spawn_set("a", server.entry("new"));
    held(&before_set).await;
    let after_get = node.chaos.block_after(Operation::Get);
    let reading = node.spawn_get("a");
    held(&after_get).await;
    before_set.open();
    held(&after_set).await;
    setting.abort();
    assert!(setting.await.unwrap_err().is_cancelled());
    after_get.open();
    reading.await.unwrap();
    assert_eq!(
        node.peek_text("a"),
        None,
        "what was read is older than the write"
    );
    agreed(&node, &server, "a", "its caller gone").await;
}

#[tokio::test]
async fn c2_the_news_of_a_write_whose_caller_has_gone_makes_memory_forget() {
    let server = Server::start();
    let node = Node::start(&server);
    let entry = server.entry("new");
    let gate = node.chaos.block_before(Operation::Set);
    let setting = node.spawn_set("a", entry.clone());
    held(&gate).await;
    setting.abort();
    assert!(setting.await.unwrap_err().is_cancelled());
    server.set("a", "old").await;
    let after_get = node.chaos.block_after(Operation::Get);
    let reading = node.spawn_get("a");
    held(&after_get).await;
    // The write lands after all; its id is no longer that of a write under way.
    let set = server.store.set(&server.key("a"), entry, &writing()).await;
    set.expect("set");
    after_get.open();
    reading.await.unwrap();
    assert_eq!(node.peek_text("a"), None, "what was read is older");
}

#[tokio::test]
async fn c2_a_write_that_fails_is_forgotten() {
    for echo in ECHOES {
        for operation in [
            Operation::Set,
            Operation::Delete,
            Operation::Invalidate,
            Operation::Expire,
            Operation::Update,
            Operation::Batch,
        ] {
            let server = Server::start();
            let node = Node::echoing(&server, echo);
            node.set("a", server.entry("old")).await;
            node.chaos.next(operation, Fault::Lose(ErrorKind::Timeout));
            let (key, options) = (node.key("a"), writing());
            let new = server.entry("new");
            let failed = match operation {
                Operation::Set => node.store.set(&key, new, &options).await.is_err(),
                Operation::Delete => node.store.delete(&key, &options).await.is_err(),
                Operation::Invalidate => node.store.invalidate(&key, &options).await.is_err(),
                Operation::Expire => {
                    let sooner = server.expiry(Duration::from_secs(1));
                    node.store.expire(&key, sooner, &options).await.is_err()
                }
                Operation::Update => {
                    let take = node.store.update(&key, Update::Take, &options).await;
                    take.is_err()
                }
                _ => {
                    let set = vec![BatchOperation::Set(key, new)];
                    node.store.batch(set, &options).await[0].is_err()
                }
            };
            assert!(failed, "the reply of {operation} was lost");
            assert_eq!(
                node.peek_text("a"),
                None,
                "{echo:?}: {operation} may have been done"
            );
            agreed(&node, &server, "a", &format!("{echo:?}, {operation}")).await;
        }
    }
}

#[tokio::test]
async fn c2_concurrent_promotions_leave_the_newer() {
    let server = Server::start();
    let node = Node::start(&server);
    server.set("a", "old").await;
    let first_gate = node.chaos.block_after(Operation::Get);
    let first = node.spawn_get("a");
    held(&first_gate).await;
    server.set("a", "new").await;
    assert_eq!(node.text("a").await.as_deref(), Some("new"));
    assert_eq!(
        node.peek_text("a").as_deref(),
        Some("new"),
        "nothing overlapped this one"
    );
    first_gate.open();
    assert_eq!(first.await.unwrap().as_deref(), Some("old"));
    assert_eq!(
        node.peek_text("a").as_deref(),
        Some("new"),
        "the older reply came later"
    );
}

#[tokio::test]
async fn c2_a_change_told_to_another_node_is_forgotten_there() {
    let server = Server::start();
    let (here, there) = (Node::echoing(&server, Echo::Withheld), Node::start(&server));
    here.set("a", server.entry("first")).await;
    assert_eq!(there.text("a").await.as_deref(), Some("first"));
    here.set("a", server.entry("second")).await;
    assert_eq!(there.peek_text("a"), None, "it was told");
    agreed(&there, &server, "a", "after the change").await;
    assert_eq!(here.peek_text("a").as_deref(), Some("second"));
}

#[tokio::test]
async fn c2_an_expire_replaces_nothing_and_so_is_forgotten() {
    let server = Server::start();
    let node = Node::echoing(&server, Echo::Withheld);
    node.set("a", server.entry("x")).await;
    let sooner = server.expiry(Duration::from_secs(1));
    let expire = node.store.expire(&node.key("a"), sooner, &writing()).await;
    assert!(expire.expect("expire"));
    assert_eq!(node.peek_text("a"), None, "its times are others now");
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(node.peek_text("a"), None);
}

#[tokio::test]
async fn c2_each_write_of_a_batch_has_a_fence_of_its_own() {
    for echo in [Echo::Signed, Echo::Withheld] {
        let server = Server::start();
        let node = Node::echoing(&server, echo);
        let (a, b, c) = (server.entry("a"), server.entry("b"), server.entry("c"));
        server.set("read", "old").await;
        node.set("gone", server.entry("x")).await;
        let gate = node.chaos.block_after(Operation::Batch);
        let batch = node.spawn("a", {
            let keys = ["b", "c", "gone", "read"].map(|name| node.key_buf(name));
            let entries = [a, b.clone(), c];
            |store, key| async move {
                let [first, second, third] = entries;
                let operations = vec![
                    BatchOperation::Set(key.as_key(), first),
                    BatchOperation::Set(keys[0].as_key(), second),
                    BatchOperation::Set(keys[1].as_key(), third),
                    BatchOperation::Delete(keys[2].as_key()),
                    BatchOperation::Get(keys[3].as_key()),
                ];
                let replies = store.batch(operations, &writing()).await;
                assert!(replies.iter().all(Result::is_ok), "{replies:?}");
            }
        });
        held(&gate).await;
        for name in ["a", "c", "read"] {
            server.set(name, "theirs").await;
        }
        gate.open();
        batch.await.unwrap();
        for name in ["a", "c", "read", "gone"] {
            assert_eq!(node.peek_text(name), None, "{echo:?}: {name} was changed");
        }
        let kept = node.peek("b").expect("nobody else has written b");
        assert!(kept.ptr_eq(&b), "{echo:?}");
    }
}

#[tokio::test]
async fn c2_two_writes_of_one_key_in_a_batch_agree_with_the_server() {
    for echo in ECHOES {
        let server = Server::start();
        let node = Node::echoing(&server, echo);
        let key = node.key("a");
        node.set("a", server.entry("before")).await;
        let operations = vec![
            BatchOperation::Get(key),
            BatchOperation::Set(key, server.entry("first")),
            BatchOperation::Get(key),
            BatchOperation::Set(key, server.entry("second")),
            BatchOperation::Get(key),
        ];
        let replies = node.store.batch(operations, &writing()).await;
        let texts = [0, 2, 4].map(|at| {
            let entry = replies[at].clone().expect("get").into_entry();
            read(&entry.expect("an entry").expect("it is there")).to_string()
        });
        assert_eq!(
            texts,
            ["before", "first", "second"],
            "each read sees the writes before it"
        );
        agreed(&node, &server, "a", &format!("{echo:?}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c2_when_all_is_quiet_memory_and_server_agree() {
    const KEYS: [&str; 3] = ["a", "b", "c"];
    for round in 0..20 {
        let server = Server::over_the_reference();
        let nodes: Vec<_> = (0..2).map(|_| Arc::new(Node::start(&server))).collect();
        let mut workers = Vec::new();
        for worker in 0..8_usize {
            let node = Arc::clone(&nodes[worker % nodes.len()]);
            let entries: Vec<_> = (0..60)
                .map(|n| server.entry(&format!("{round} {worker} {n}")))
                .collect();
            workers.push(tokio::spawn(async move {
                for (n, entry) in entries.into_iter().enumerate() {
                    let name = KEYS[(n * 7 + worker) % KEYS.len()];
                    match (n + worker) % 5 {
                        0 => node.set(name, entry).await,
                        1 => {
                            let deleted = node.store.delete(&node.key(name), &writing()).await;
                            deleted.expect("delete");
                        }
                        2 => {
                            if let Lease::Granted { token, .. } = node.lease(name).await {
                                node.fill(token, entry).await;
                            }
                        }
                        _ => drop(node.get(name).await),
                    }
                    tokio::task::yield_now().await;
                }
            }));
        }
        for worker in workers {
            worker.await.unwrap();
        }
        for node in &nodes {
            for name in KEYS {
                agreed(node, &server, name, "when all is quiet").await;
            }
        }
    }
}
