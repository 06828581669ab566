//! The end of a store: nothing of it is left, in the server or in the process.

use std::time::Duration;

use larder_core::{Backend, ErrorKind};
use larder_redis::{Redis, Start};
use larder_testkit::{Direction, FaultProxy, RedisServer, Subject};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::harness::{Opened, eventually, hasty, without_heartbeat};
use crate::operations::{Operation, Worker};

/// Connections of the server, but for that which asks.
fn connections(server: &RedisServer) -> usize {
    let list = server.command(&["CLIENT", "LIST", "TYPE", "normal"]).text();
    list.lines().filter(|line| !line.trim().is_empty()).count() - 1
}

fn runtimes() -> [Runtime; 2] {
    [
        Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime"),
        Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime"),
    ]
}

async fn nothing_is_left(server: &RedisServer) {
    eventually("no connection is left", async || connections(server) == 0).await;
    eventually("no task is left", async || {
        Handle::current().metrics().num_alive_tasks() == 0
    })
    .await;
}

#[test]
fn a_dropped_store_leaves_no_connection_and_no_task() {
    let server = RedisServer::start();
    for runtime in runtimes() {
        runtime.block_on(async {
            for round in 0..3 {
                let opened = Opened::by(hasty(server.url()).pool_size(4)).await;
                let mut worker = Worker::ready(&opened, "a").await;
                for operation in Operation::ALL {
                    worker.perform(operation, None).await.unwrap();
                }
                assert!(connections(&server) >= 4, "round {round}");
                drop((opened, worker));
                nothing_is_left(&server).await;
            }
        });
    }
}

#[test]
fn a_store_that_is_dropped_in_trouble_leaves_nothing() {
    let server = RedisServer::start();
    for runtime in runtimes() {
        runtime.block_on(async {
            let proxy = FaultProxy::start(server.address());
            let opened = Opened::by(hasty(server.url_at(proxy.address()))).await;
            proxy.refuse();
            proxy.reset_all();
            opened
                .ear
                .expect_told(&crate::harness::Heard::LinkDown)
                .await;
            drop(opened);
            nothing_is_left(&server).await;

            let url = format!("redis://{}", proxy.address());
            let degraded = Opened::by(hasty(url).start(Start::Degraded)).await;
            drop(degraded);
            nothing_is_left(&server).await;

            let failed = hasty(format!("redis://nobody:wrong@{}", server.address()));
            let failed = Opened::attempt(failed, &Subject::new_namespace()).await;
            failed.unwrap_err();
            nothing_is_left(&server).await;
        });
    }
}

#[test]
fn a_write_whose_store_and_caller_are_gone_ends() {
    let server = RedisServer::start();
    for runtime in runtimes() {
        runtime.block_on(async {
            let proxy = FaultProxy::start(server.address());
            let opened = Opened::by(without_heartbeat(server.url_at(proxy.address()))).await;
            let hold = proxy.hold(Direction::ToClient);
            tokio::select! {
                answer = opened.set("a", "x") => panic!("it is held, but answered {answer:?}"),
                _ = hold.reached_with("+OK") => {}
            }
            drop(opened);
            eventually("no task is left", async || {
                Handle::current().metrics().num_alive_tasks() == 0
            })
            .await;
        });
    }
}

#[test]
fn a_store_whose_runtime_went_first_leaves_no_connection_and_answers_errors() {
    let server = RedisServer::start();
    for runtime in runtimes() {
        let opened = runtime.block_on(Opened::by(hasty(server.url())));
        drop(runtime);
        let [other, _] = runtimes();
        other.block_on(async {
            eventually("no connection is left", async || connections(&server) == 0).await;
            let limit = Duration::from_secs(5);
            for answer in [
                tokio::time::timeout(limit, opened.get("a"))
                    .await
                    .map(|got| got.map(drop)),
                tokio::time::timeout(limit, opened.set("a", "x"))
                    .await
                    .map(|set| set.map(drop)),
            ] {
                answer.expect("it ends").expect_err("its tasks are gone");
            }
        });
        drop(opened);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a6_close_waits_for_what_is_under_way_and_later_calls_are_refused() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(server.address());
    let builder = without_heartbeat(server.url_at(proxy.address()));
    let opened = Opened::by(builder.write_timeout(Duration::from_secs(10))).await;
    let hold = proxy.hold(Direction::ToClient);
    let setting = tokio::spawn({
        let opened = opened.clone();
        async move { opened.set("a", "x").await }
    });
    hold.reached_with("+OK").await;
    let closing = tokio::spawn({
        let opened = opened.clone();
        async move {
            opened
                .redis
                .close(opened.within_time(Duration::from_secs(10)))
                .await
        }
    });
    eventually("it is closed to new calls", async || {
        opened
            .get("a")
            .await
            .is_err_and(|error| error.kind() == ErrorKind::Closed)
    })
    .await;
    assert!(!closing.is_finished(), "a write is under way");
    hold.release();
    setting.await.unwrap().expect("it was let to its end");
    assert_eq!(closing.await.unwrap().unwrap().undelivered, 0);
    eventually("no connection is left", async || connections(&server) == 0).await;
    let mut worker = Worker::new(&opened, "a");
    for operation in Operation::ALL {
        let error = worker.perform(operation, None).await;
        let error = error.expect_err("the store was closed");
        // A finding of `check` is no error of its own.
        if operation != Operation::Check {
            assert_eq!(error.kind(), ErrorKind::Closed, "{operation}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a6_close_reports_what_was_not_done_by_its_deadline() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(server.address());
    let builder = without_heartbeat(server.url_at(proxy.address()));
    let opened = Opened::by(builder.write_timeout(Duration::from_secs(10))).await;
    let hold = proxy.hold(Direction::ToClient);
    let setting = tokio::spawn({
        let opened = opened.clone();
        async move { opened.set("a", "x").await }
    });
    hold.reached_with("+OK").await;
    let deadline = opened.within_time(Duration::from_millis(50));
    let report = opened.redis.close(deadline).await.unwrap();
    assert_eq!(report.undelivered, 1);
    setting
        .await
        .unwrap()
        .expect_err("its connection was closed");
}

/// Without it the store could not be dropped on another thread than it was made on.
#[test]
fn a_store_may_be_dropped_where_there_is_no_runtime() {
    let server = RedisServer::start();
    for runtime in runtimes() {
        let opened = runtime.block_on(Opened::by(Redis::builder(server.url())));
        drop(opened);
        runtime.block_on(nothing_is_left(&server));
    }
}
