//! A middle tier that may be wrong: what changed behind it, what it was not told of, and what it has from before.

use larder_core::{
    Backend, BatchOperation, Change, ErrorKind, Fill, Lease, LeaseMode, LeaseOptions, Operation,
    Timestamp, Update,
};

use crate::node::{Server, held, memory, text, writing};
use crate::region::{Region, WHILE, outdated};
use crate::remote::{Echo, Remote};

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
        let until = LeaseOptions::until(Timestamp::FOREVER).with_mode(LeaseMode::Refresh);
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
