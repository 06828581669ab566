//! Dead connections are noticed and replaced: F2, F3 and F11 of `docs/decisions/0011-fred.md`, and the
//! heartbeat.

use std::time::{Duration, Instant};

use larder_core::{Backend, ReadOptions, WriteOptions};
use larder_testkit::{Connections, Direction, FaultProxy, RedisServer};

use crate::harness::{Heard, Opened, SLACK, eventually, hasty, shared_server, without_heartbeat};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f2_a_silent_connection_for_reads_is_replaced_under_steady_traffic() {
    let server = shared_server();
    let proxy = FaultProxy::start(server.address());
    let builder = without_heartbeat(server.url_at(proxy.address())).pool_size(2);
    let opened = Opened::by(builder).await;
    proxy.wait_for_open(2).await;
    opened.set("a", "x").await.unwrap();
    let [_, reader] = proxy.open_indexes()[..] else {
        panic!("one connection for writes, one for reads")
    };
    let hold = proxy.hold_on(Connections::Only(reader), Direction::ToClient);
    let traffic = tokio::spawn({
        let opened = opened.clone();
        async move {
            loop {
                let _ = opened.get("a").await;
                tokio::task::yield_now().await;
            }
        }
    });
    proxy.wait_for_accepted(3).await;
    traffic.abort();
    // Its end was held with everything else.
    hold.release();
    eventually("the silent connection was given up", async || {
        !proxy.open_indexes().contains(&reader) && proxy.open_connections() == 2
    })
    .await;
    assert_eq!(opened.get("a").await.unwrap().as_deref(), Some("x"));
    let heard = opened.ear.all();
    assert!(!heard.contains(&Heard::LinkDown), "the writes' stands");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f2_a_silent_primary_is_replaced_under_steady_reads() {
    let server = shared_server();
    let proxy = FaultProxy::start(server.address());
    let builder = without_heartbeat(server.url_at(proxy.address())).pool_size(1);
    let opened = Opened::by(builder).await;
    let only = proxy.open_indexes()[0];
    let _hold = proxy.hold_on(Connections::Only(only), Direction::ToClient);
    eventually("reads are answered again", async || {
        opened.get("a").await.is_ok()
    })
    .await;
    opened.ear.expect_a_new_link().await;
    opened.works().await;
}

/// What the callers of a slow server give it is no measure of whether it lives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f2_callers_in_a_hurry_kill_no_connection_that_works() {
    let server = shared_server();
    let proxy = FaultProxy::start(server.address());
    let builder = hasty(server.url_at(proxy.address())).read_timeout(Duration::from_secs(2));
    let opened = Opened::by(builder.heartbeat(Duration::from_secs(2))).await;
    proxy.wait_for_open(2).await;
    opened.set("a", "x").await.unwrap();
    let before = proxy.open_indexes();
    proxy.latency(Direction::ToClient, Duration::from_millis(60));
    for _ in 0..50 {
        let deadline = opened.within_time(Duration::from_millis(2));
        let options = ReadOptions::default().with_deadline(deadline);
        opened
            .redis
            .get(&opened.key("a"), &options)
            .await
            .expect_err("the server is slow");
    }
    assert_eq!(opened.get("a").await.unwrap().as_deref(), Some("x"));
    assert_eq!(proxy.open_indexes(), before, "the connections stand");
    assert!(!opened.ear.all().contains(&Heard::LinkDown));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f3_a_full_socket_is_given_up_and_recovered_from() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(server.address());
    let opened = Opened::by(without_heartbeat(server.url_at(proxy.address()))).await;
    proxy.stop_reading(Direction::ToServer);
    let large = "x".repeat(8 << 20);
    let started = Instant::now();
    for _ in 0..3 {
        opened.set("a", &large).await.unwrap_err();
    }
    opened.ear.expect_told(&Heard::LinkDown).await;
    assert!(
        started.elapsed() < Duration::from_millis(900) + SLACK * 2,
        "it took {:?}",
        started.elapsed()
    );
    proxy.heal();
    opened.ear.expect_a_new_link().await;
    opened.works().await;
    assert!(server.command(&["GET", &opened.stored("a")]).is_nil());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_heartbeat_notices_a_silent_link_within_twice_its_time() {
    let server = shared_server();
    let proxy = FaultProxy::start(server.address());
    // So long that the count of silent commands would take longer.
    let heartbeat = Duration::from_secs(1);
    let builder = hasty(server.url_at(proxy.address())).heartbeat(heartbeat);
    let opened = Opened::by(builder).await;
    let started = Instant::now();
    proxy.black_hole();
    // Nobody asks for anything.
    opened.ear.expect_told(&Heard::LinkDown).await;
    let took = started.elapsed();
    assert!(took < heartbeat * 2 + SLACK, "it took {took:?}");
    assert!(!opened.redis.watch().unwrap().is_linked());
    proxy.heal();
    opened.ear.expect_a_new_link().await;
    assert!(opened.redis.watch().unwrap().is_linked());
}

/// All callers give less time than it takes to tell a dead connection from a slow one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f2_a_silent_connection_is_replaced_though_its_callers_are_in_a_hurry() {
    let server = shared_server();
    let proxy = FaultProxy::start(server.address());
    let opened = Opened::by(hasty(server.url_at(proxy.address())).pool_size(2)).await;
    proxy.wait_for_open(2).await;
    let reader = proxy.open_indexes()[1];
    let _hold = proxy.hold_on(Connections::Only(reader), Direction::ToClient);
    let deadline = opened.within_time(Duration::from_millis(5));
    let options = ReadOptions::default().with_deadline(deadline);
    let answer = opened.redis.get(&opened.key("a"), &options).await;
    answer.expect_err("its reply is held");
    proxy.wait_for_accepted(3).await;
    eventually("the new one is used", async || {
        opened.get("a").await.is_ok()
    })
    .await;
}

/// A primary that was made a replica without closing our connection takes no writes any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demoted_primary_is_left() {
    let (server, other) = (RedisServer::start(), RedisServer::start());
    let proxy = FaultProxy::start(server.address());
    let opened = Opened::by(hasty(server.url_at(proxy.address()))).await;
    let port = other.port().to_string();
    server.command(&["REPLICAOF", "127.0.0.1", &port]);
    eventually("its refusals are taken for what they are", async || {
        let _ = opened.set("a", "x").await;
        opened.ear.all().contains(&Heard::LinkDown)
    })
    .await;
    let error = opened.set("a", "x").await.unwrap_err();
    assert!(error.is_temporary(), "{error}");
    // Whatever leads to the primary leads to the new one by now.
    proxy.set_target(other.address());
    proxy.reset_all();
    opened.ear.expect_a_new_link().await;
    opened.works().await;
    let options = WriteOptions::default();
    opened
        .redis
        .delete(&opened.key("works"), &options)
        .await
        .unwrap();
}
