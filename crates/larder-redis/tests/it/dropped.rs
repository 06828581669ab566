//! Callers that go away, and writes that nobody waits for any more: F6 of `docs/decisions/0011-fred.md`, P2 of
//! `0013-leases.md`.

use std::time::Duration;

use larder_core::{Backend, LeaseOptions, WriteOptions};
use larder_testkit::{Connections, Direction, FaultProxy, Hold, RedisServer};

use crate::harness::{Heard, Opened, eventually, shared_server, without_heartbeat};

/// A store through a proxy, whose writes may take long.
async fn patient(server: &RedisServer) -> (FaultProxy, Opened) {
    let proxy = FaultProxy::start(server.address());
    let builder = without_heartbeat(server.url_at(proxy.address()));
    let opened = Opened::by(builder.write_timeout(Duration::from_secs(10))).await;
    (proxy, opened)
}

/// Begins a set and drops it when `hold` has these bytes; the entry's id.
async fn dropped_set(opened: &Opened, hold: &Hold, bytes: &str) -> larder_core::EntryId {
    let entry = opened.entry("x");
    let id = entry.id();
    let (key, options) = (opened.key("a"), WriteOptions::default());
    let setting = opened.redis.set(&key, entry, &options);
    tokio::select! {
        answer = setting => panic!("it is held, but answered {answer:?}"),
        _ = hold.reached_with(bytes) => id,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f6_a_set_whose_caller_leaves_on_the_way_there_is_done_once_and_told_once() {
    let server = shared_server();
    let (proxy, opened) = patient(&server).await;
    let hold = proxy.hold(Direction::ToServer);
    let id = dropped_set(&opened, &hold, &opened.stored("a")).await;
    hold.release();
    opened.ear.expect_told(&Heard::own("a", id)).await;
    opened.hears_of_a_foreign_write(&server).await;
    assert_eq!(opened.ear.of("a"), [Heard::own("a", id)]);
    assert_eq!(opened.get("a").await.unwrap().as_deref(), Some("x"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f6_a_set_whose_caller_leaves_on_the_way_back_is_told() {
    let server = shared_server();
    let (proxy, opened) = patient(&server).await;
    let hold = proxy.hold(Direction::ToClient);
    let id = dropped_set(&opened, &hold, "+OK").await;
    assert_eq!(opened.ear.of("a"), [], "nobody knows yet");
    hold.release();
    opened.ear.expect_told(&Heard::own("a", id)).await;
}

/// A future may be dropped where there is no runtime; the write is heard to the end all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f6_a_set_that_is_dropped_on_a_foreign_thread_is_told() {
    let server = shared_server();
    let (proxy, opened) = patient(&server).await;
    let hold = proxy.hold(Direction::ToClient);
    let entry = opened.entry("x");
    let id = entry.id();
    let (key, options) = (opened.key("a"), WriteOptions::default());
    let mut setting = opened.redis.set(&key, entry, &options);
    std::thread::scope(|scope| {
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                tokio::select! {
                    answer = &mut setting => panic!("it is held, but answered {answer:?}"),
                    _ = hold.reached_with("+OK") => {}
                }
            });
        });
        scope.spawn(move || drop(setting));
    });
    hold.release();
    opened.ear.expect_told(&Heard::own("a", id)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f6_a_set_that_timed_out_never_lands_after_the_link_is_up_again() {
    let server = shared_server();
    let proxy = FaultProxy::start(server.address());
    let opened = Opened::by(without_heartbeat(server.url_at(proxy.address())).pool_size(1)).await;
    let first = proxy.open_indexes()[0];
    let hold = proxy.hold_on(Connections::Only(first), Direction::ToServer);
    opened.set("a", "late").await.expect_err("it is held");
    opened.ear.expect_a_new_link().await;
    assert_eq!(
        opened.ear.of("a"),
        [Heard::key("a")],
        "its outcome is told to be unknown, before the link is up again"
    );
    hold.release();
    eventually("what was held has arrived", async || {
        !proxy.open_indexes().contains(&first)
    })
    .await;
    opened.hears_of_a_foreign_write(&server).await;
    assert_eq!(
        opened.get("a").await.unwrap(),
        None,
        "the old connection was ended before the new one was trusted"
    );
    assert!(server.command(&["GET", &opened.stored("a")]).is_nil());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f6_a_dropped_set_that_times_out_is_told_and_never_lands() {
    let server = shared_server();
    let proxy = FaultProxy::start(server.address());
    let opened = Opened::by(without_heartbeat(server.url_at(proxy.address())).pool_size(1)).await;
    let first = proxy.open_indexes()[0];
    let hold = proxy.hold_on(Connections::Only(first), Direction::ToServer);
    dropped_set(&opened, &hold, &opened.stored("a")).await;
    opened.ear.expect_told(&Heard::key("a")).await;
    opened.ear.expect_a_new_link().await;
    hold.release();
    eventually("what was held has arrived", async || {
        !proxy.open_indexes().contains(&first)
    })
    .await;
    assert!(server.command(&["GET", &opened.stored("a")]).is_nil());
}

/// The caller's deadline ends its waiting, not the write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f6_a_set_that_outlives_its_callers_deadline_is_told() {
    let server = shared_server();
    let (proxy, opened) = patient(&server).await;
    let hold = proxy.hold(Direction::ToClient);
    let entry = opened.entry("x");
    let id = entry.id();
    let deadline = opened.within_time(Duration::from_millis(30));
    let options = WriteOptions::default().with_deadline(deadline);
    let answer = opened.redis.set(&opened.key("a"), entry, &options).await;
    answer.expect_err("the reply is held");
    hold.reached_with("+OK").await;
    hold.release();
    opened.ear.expect_told(&Heard::own("a", id)).await;
    let heard = opened.ear.all();
    assert!(!heard.contains(&Heard::LinkDown), "the connection stands");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p2_a_grant_is_told_and_given_back_when_its_caller_has_left() {
    let server = shared_server();
    let (proxy, opened) = patient(&server).await;
    let hold = proxy.hold(Direction::ToClient);
    {
        let keys = [opened.key("a")];
        let options = LeaseOptions::until(opened.within_time(Duration::from_secs(60)));
        let leasing = opened.redis.lease(&keys, &options);
        tokio::select! {
            _ = leasing => panic!("it is held"),
            () = hold.reached() => {}
        }
    }
    let stored = opened.stored("a");
    assert!(
        !server.command(&["GET", &stored]).is_nil(),
        "the placeholder is there"
    );
    assert_eq!(opened.ear.of("a"), [], "nobody knows yet");
    hold.release();
    opened.ear.expect_told(&Heard::leased("a")).await;
    eventually("the lease is given back", async || {
        server.command(&["GET", &stored]).is_nil()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p2_a_claim_without_an_answer_is_told_as_a_grant() {
    let server = shared_server();
    let proxy = FaultProxy::start(server.address());
    let opened = Opened::by(without_heartbeat(server.url_at(proxy.address()))).await;
    let _hold = proxy.hold(Direction::ToClient);
    let lease = opened.lease("a", Duration::from_secs(5)).await;
    lease.expect_err("its reply is held");
    opened.ear.expect_told(&Heard::leased("a")).await;
}
