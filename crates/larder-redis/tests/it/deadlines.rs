//! Nothing waits for ever: F1, F4 and F5 of `docs/decisions/0011-fred.md`.

use std::time::{Duration, Instant};

use larder_core::{Backend, ErrorKind, ReadOptions};
use larder_redis::Redis;
use larder_testkit::{Direction, FaultProxy, RedisServer};
use tokio::task::JoinSet;

use crate::harness::{Heard, Opened, SLACK, eventually, hasty, shared_server, without_heartbeat};
use crate::operations::{Operation, Worker};

const LIMIT: Duration = Duration::from_millis(300);

/// Performs every operation, each on a store of its own whose server has fallen silent; answers how long each
/// took.
async fn silent(limit: Duration, within: Option<Duration>) -> Vec<(Operation, Duration)> {
    let server = shared_server();
    let proxy = FaultProxy::start(server.address());
    let mut workers = Vec::new();
    for operation in Operation::ALL {
        let builder = without_heartbeat(server.url_at(proxy.address()));
        let builder = builder.read_timeout(limit).write_timeout(limit);
        let opened = Opened::by(builder).await;
        workers.push((operation, Worker::ready(&opened, "a").await, opened));
    }
    proxy.black_hole();
    let mut waiting = JoinSet::new();
    for (operation, mut worker, opened) in workers {
        waiting.spawn(async move {
            let started = Instant::now();
            let answer =
                tokio::time::timeout(limit * 4 + SLACK, worker.perform(operation, within)).await;
            let answer = answer.unwrap_or_else(|_| panic!("{operation} waits for ever"));
            let error = answer.expect_err("nobody answers");
            let kinds = [ErrorKind::Timeout, ErrorKind::Unavailable];
            assert!(kinds.contains(&error.kind()), "{operation}: {error:?}");
            drop(opened);
            (operation, started.elapsed())
        });
    }
    waiting.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f1_every_operation_ends_at_its_limit_when_nobody_answers() {
    for (operation, took) in silent(LIMIT, None).await {
        assert!(
            took < LIMIT + SLACK,
            "{operation} took {took:?}, its limit is {LIMIT:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f1_every_operation_ends_at_its_callers_deadline() {
    let within = Duration::from_millis(50);
    for (operation, took) in silent(Duration::from_secs(30), Some(within)).await {
        assert!(
            took < within + SLACK,
            "{operation} took {took:?}, its caller gave it {within:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f4_a_burst_beyond_the_limit_ends_in_its_time_and_leaves_nothing_stuck() {
    const ROOM: usize = 50;
    let server = shared_server();
    let proxy = FaultProxy::start(server.address());
    let builder = without_heartbeat(server.url_at(proxy.address())).max_in_flight(ROOM);
    let opened = Opened::by(builder).await;
    opened.set("a", "x").await.unwrap();

    let hold = proxy.hold(Direction::ToClient);
    let burst = |count: usize| {
        let mut burst = JoinSet::new();
        for _ in 0..count {
            let opened = opened.clone();
            burst.spawn(async move { (Instant::now(), opened.get("a").await) });
        }
        burst
    };
    let mut excess = 0;
    for (started, answer) in burst(ROOM * 8).join_all().await {
        let error = answer.expect_err("replies are held");
        assert!(started.elapsed() < LIMIT + SLACK, "{:?}", started.elapsed());
        excess += usize::from(error.message().contains("max_in_flight"));
    }
    // Some of the excess gets the room of those that ended just before it.
    assert!(excess > 0, "{ROOM} at most are under way");
    hold.release();
    opened.works().await;
    for (_, answer) in burst(ROOM * 8).join_all().await {
        assert_eq!(
            answer.unwrap().as_deref(),
            Some("x"),
            "the room is there again"
        );
    }
    let started = Instant::now();
    let deadline = opened.within_time(Duration::from_secs(20));
    assert_eq!(opened.redis.close(deadline).await.unwrap().undelivered, 0);
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "every permit came back"
    );
}

#[tokio::test]
async fn f4_what_exceeds_the_limit_waits_its_turn() {
    let server = shared_server();
    let opened = Opened::by(Redis::builder(server.url()).max_in_flight(1)).await;
    opened.set("a", "x").await.unwrap();
    let mut burst = JoinSet::new();
    for _ in 0..100 {
        let opened = opened.clone();
        burst.spawn(async move { opened.get("a").await });
    }
    for answer in burst.join_all().await {
        assert_eq!(answer.unwrap().as_deref(), Some("x"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_without_a_connection_operations_fail_at_once_and_never_happen_later() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(server.address());
    let opened = Opened::by(hasty(server.url_at(proxy.address()))).await;
    let mut worker = Worker::ready(&opened, "a").await;
    server.command(&["FLUSHALL"]);
    proxy.refuse();
    proxy.reset_all();
    opened.ear.expect_told(&Heard::LinkDown).await;
    for operation in Operation::ALL {
        if matches!(operation, Operation::Fill | Operation::Release) {
            // Their tokens are used up by a try.
            let started = Instant::now();
            worker.perform(operation, None).await.unwrap_err();
            assert!(started.elapsed() < SLACK, "{operation}");
            continue;
        }
        let mut fastest = Duration::MAX;
        // A busy machine may hold one of them up.
        for _ in 0..3 {
            let started = Instant::now();
            let error = worker.perform(operation, None).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{operation}: {error}");
            fastest = fastest.min(started.elapsed());
        }
        let limit = Duration::from_millis(100);
        assert!(fastest < limit, "{operation} took {fastest:?}");
    }
    proxy.accept();
    eventually("connected again", async || {
        let options = ReadOptions::default();
        opened.redis.get(&opened.key("a"), &options).await.is_ok()
    })
    .await;
    opened.ear.expect_a_new_link().await;
    opened.works().await;
    server.command(&["DEL", &opened.stored("works")]);
    let left = server.command(&["KEYS", "*"]).texts();
    assert_eq!(left, Vec::<String>::new(), "nothing was kept for later");
}
