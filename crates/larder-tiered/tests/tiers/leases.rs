//! Loads: what a grant, a fill and their replies do to memory.

use std::time::Duration;

use larder_core::{
    Backend, Change, ErrorKind, Fill, Filled, Lease, LeaseMode, LeaseOptions, Operation, Timestamp,
};
use larder_testkit::{Fault, Gate};
use tokio::task::JoinHandle;

use crate::ear::Ear;
use crate::node::{MINUTE, Node, Server, held, text, writing};
use crate::remote::Echo;

/// Memory holds something of which the server has told nobody that it is gone (H1).
fn outdated(node: &Node, server: &Server, name: &str) {
    let put = node.near.put_now(&node.key(name), server.entry("outdated"));
    put.expect("memory takes it");
    assert_eq!(node.peek_text(name).as_deref(), Some("outdated"));
}

/// The server has stored what was loaded, and its answer is on its way.
async fn fill_and_hold_the_reply(node: &Node, server: &Server) -> (Gate, JoinHandle<Filled>) {
    let token = node.token("a").await;
    let reply = node.chaos.block_after(Operation::Fill);
    let filling = node.spawn_fill(token, server.entry("loaded"));
    held(&reply).await;
    (reply, filling)
}

#[tokio::test]
async fn c2_a_grant_makes_memory_forget() {
    let server = Server::start();
    let node = Node::start(&server);
    outdated(&node, &server, "a");
    node.token("a").await;
    assert_eq!(
        node.peek_text("a"),
        None,
        "a grant says that nothing is there (P2)"
    );
}

#[tokio::test]
async fn c2_a_grant_whose_reply_is_lost_makes_memory_forget() {
    let server = Server::start();
    let node = Node::start(&server);
    outdated(&node, &server, "a");
    node.chaos
        .next(Operation::Lease, Fault::Lose(ErrorKind::Timeout));
    let options = LeaseOptions::until(server.now().saturating_add(MINUTE));
    let leases = node.store.lease(&[node.key("a")], &options).await;
    assert!(leases[0].is_err(), "the reply was lost");
    assert_eq!(node.peek_text("a"), None, "it may have been granted (H3)");
}

#[tokio::test]
async fn c2_a_grant_that_is_told_after_its_caller_has_gone_makes_memory_forget() {
    let server = Server::start();
    let node = Node::start(&server);
    server.set("a", "old").await;
    let gate = node.chaos.block_before(Operation::Lease);
    let leasing = node.spawn("a", |store, key| async move {
        let options = LeaseOptions::until(Timestamp::FOREVER);
        drop(store.lease(&[key.as_key()], &options).await);
    });
    held(&gate).await;
    leasing.abort();
    assert!(leasing.await.unwrap_err().is_cancelled());
    // A read is answered, somebody deletes and isn't heard, and the claim is granted after all (H4).
    let after_get = node.chaos.block_after(Operation::Get);
    let reading = node.spawn_get("a");
    held(&after_get).await;
    let ear = Ear::on(&node.store);
    node.remote.tell(&Change::Leased(node.key("a")));
    assert_eq!(ear.take(), ["leased a"], "it is passed on for what it is");
    after_get.open();
    reading.await.unwrap();
    assert_eq!(
        node.peek_text("a"),
        None,
        "what was read is from before the grant"
    );

    outdated(&node, &server, "a");
    node.remote.tell(&Change::Leased(node.key("a")));
    assert_eq!(node.peek_text("a"), None, "nothing is there (P2)");
}

#[tokio::test]
async fn a_refresh_leaves_what_is_there_in_memory() {
    let server = Server::start();
    let node = Node::start(&server);
    node.set("a", server.entry("x")).await;
    let options =
        LeaseOptions::until(server.now().saturating_add(MINUTE)).with_mode(LeaseMode::Refresh);
    let leases = node.store.lease(&[node.key("a")], &options).await;
    assert!(
        matches!(leases[0], Ok(Lease::Granted { seen: Some(_), .. })),
        "{leases:?}"
    );
    assert_eq!(
        node.peek_text("a").as_deref(),
        Some("x"),
        "readers go on with it"
    );
}

#[tokio::test]
async fn c2_what_a_lease_finds_is_promoted_under_its_fence() {
    let server = Server::start();
    let node = Node::start(&server);
    server.set("a", "there").await;
    assert!(matches!(node.lease("a").await, Lease::Present(_)));
    assert_eq!(
        node.peek_text("a").as_deref(),
        Some("there"),
        "somebody else has loaded it"
    );

    server.set("b", "old").await;
    let gate = node.chaos.block_after(Operation::Lease);
    let leasing = node.spawn("b", |store, key| async move {
        let options = LeaseOptions::until(Timestamp::FOREVER);
        let mut leases = store.lease(&[key.as_key()], &options).await;
        matches!(leases.remove(0), Ok(Lease::Present(entry)) if text(&entry) == "old")
    });
    held(&gate).await;
    server.delete("b").await;
    gate.open();
    assert!(leasing.await.unwrap(), "it was there when it was asked for");
    assert_eq!(
        node.peek_text("b"),
        None,
        "it was deleted before the reply came"
    );
}

#[tokio::test]
async fn c2_a_fill_enters_memory_decoded_whether_or_not_it_is_echoed() {
    for echo in [Echo::Signed, Echo::Withheld, Echo::Unsigned] {
        let server = Server::start();
        let node = Node::echoing(&server, echo);
        let token = node.token("a").await;
        let loaded = server.entry("loaded");
        node.recording.take();
        assert_eq!(node.fill(token, loaded.clone()).await, Filled::Stored);
        let kept = node
            .peek("a")
            .expect("it is stored and nobody else has written");
        assert!(kept.ptr_eq(&loaded), "{echo:?}: the loaded object itself");
        let expected: &[&str] = match echo {
            // Its own echo has moved the fence, so the server is asked whose entry is there (1.2.8).
            Echo::Unsigned => &["fill a: done", "head a: hit"],
            _ => &["fill a: done"],
        };
        assert_eq!(node.recording.take_lines(), expected, "{echo:?}");
    }
}

#[tokio::test]
async fn c2_a_fill_that_is_verified_is_so_under_a_new_fence() {
    for before in [true, false] {
        let server = Server::start();
        let node = Node::echoing(&server, Echo::Unsigned);
        let token = node.token("a").await;
        let gate = if before {
            node.chaos.block_before(Operation::Head)
        } else {
            node.chaos.block_after(Operation::Head)
        };
        let filling = node.spawn_fill(token, server.entry("loaded"));
        held(&gate).await;
        server.set("a", "theirs").await;
        gate.open();
        assert_eq!(filling.await.unwrap(), Filled::Stored);
        let when = if before {
            "before it was asked for"
        } else {
            "before its reply came"
        };
        assert_eq!(node.peek_text("a"), None, "another entry was there {when}");
    }
}

#[tokio::test]
async fn c2_a_fill_that_was_replaced_before_its_reply_came_is_not_verified() {
    let server = Server::start();
    let node = Node::echoing(&server, Echo::Unsigned);
    let (reply, filling) = fill_and_hold_the_reply(&node, &server).await;
    server.set("a", "theirs").await;
    reply.open();
    assert_eq!(filling.await.unwrap(), Filled::Stored);
    assert_eq!(node.peek_text("a"), None, "another entry is there");
}

#[tokio::test]
async fn c5_a_fill_that_is_verified_has_the_times_that_are_there() {
    let server = Server::start();
    let node = Node::echoing(&server, Echo::Unsigned);
    let (reply, filling) = fill_and_hold_the_reply(&node, &server).await;
    let sooner = server.expiry(Duration::from_secs(1));
    let expire = server
        .store
        .expire(&server.key("a"), sooner, &writing())
        .await;
    assert!(expire.expect("expire"), "it is there");
    reply.open();
    assert_eq!(filling.await.unwrap(), Filled::Stored);
    assert_eq!(
        node.peek_text("a").as_deref(),
        Some("loaded"),
        "its id is still there"
    );
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(node.peek_text("a"), None, "its time is over");
}

#[tokio::test]
async fn several_fills_are_verified_in_one_round_trip() {
    let server = Server::start();
    let node = Node::echoing(&server, Echo::Unsigned);
    let mut fills = Vec::new();
    for name in ["a", "b"] {
        let token = node.token(name).await;
        fills.push(Fill {
            token,
            entry: server.entry(name),
        });
    }
    node.recording.take();
    node.store.fill(fills, &writing()).await;
    assert_eq!(
        node.recording.take_lines(),
        ["fill a, b: done, done", "batch a, b: hit, hit"]
    );
    for name in ["a", "b"] {
        assert_eq!(node.peek_text(name).as_deref(), Some(name));
    }
}

#[tokio::test]
async fn c2_a_fill_that_the_server_refuses_leaves_nothing_in_memory() {
    let server = Server::start();
    let node = Node::start(&server);
    let token = node.token("a").await;
    server.delete("a").await;
    outdated(&node, &server, "a");
    assert_eq!(
        node.fill(token, server.entry("late")).await,
        Filled::Refused
    );
    assert_eq!(
        node.peek_text("a"),
        None,
        "only what is acknowledged stays (R5)"
    );
}

#[tokio::test]
async fn c2_a_fill_whose_reply_is_lost_leaves_nothing_in_memory() {
    for echo in [Echo::Signed, Echo::Withheld, Echo::Unsigned] {
        let server = Server::start();
        let node = Node::echoing(&server, echo);
        let token = node.token("a").await;
        outdated(&node, &server, "a");
        node.chaos
            .next(Operation::Fill, Fault::Lose(ErrorKind::Timeout));
        let entry = server.entry("loaded");
        let filled = node
            .store
            .fill(vec![Fill { token, entry }], &writing())
            .await;
        assert!(filled[0].is_err(), "the reply was lost");
        assert_eq!(
            node.peek_text("a"),
            None,
            "{echo:?}: only what is acknowledged stays (R5)"
        );
    }
}

#[tokio::test]
async fn c1_an_own_delete_between_a_fill_and_its_reply_wins() {
    for echo in [Echo::Signed, Echo::Withheld, Echo::Unsigned] {
        let server = Server::start();
        let node = Node::echoing(&server, echo);
        let (reply, filling) = fill_and_hold_the_reply(&node, &server).await;
        let delete = node.store.delete(&node.key("a"), &writing()).await;
        assert!(delete.expect("delete").existed());
        reply.open();
        assert_eq!(filling.await.unwrap(), Filled::Stored);
        assert_eq!(
            node.peek_text("a"),
            None,
            "{echo:?}: the delete came after the fill (U29)"
        );
        assert_eq!(node.text("a").await, None);
    }
}
