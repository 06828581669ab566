//! Servers that are killed, paused, cut off and reset while several tasks use the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use larder_redis::Start;
use larder_testkit::{FaultProxy, RedisServer, Subject};
use tokio::task::JoinSet;

use crate::harness::{Heard, Opened, eventually, hasty};
use crate::operations::{Operation, Worker};

/// What each call is given.
const GIVEN: Duration = Duration::from_millis(400);
/// What a machine with as many threads as tests may add.
const SLACK: Duration = Duration::from_secs(2);

/// Tasks that do everything, again and again, until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    succeeded: u64,
    failed: u64,
}

impl Load {
    fn begin(opened: &Opened) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for number in 0..4 {
            let (opened, stop) = (opened.clone(), Arc::clone(&stop));
            tasks.spawn(async move {
                let mut worker = Worker::new(&opened, &format!("load{number}"));
                let mut counted = Counted::default();
                while !stop.load(Ordering::Relaxed) {
                    for operation in Operation::ALL {
                        let started = Instant::now();
                        match worker.perform(operation, Some(GIVEN)).await {
                            Ok(()) => counted.succeeded += 1,
                            Err(_) => counted.failed += 1,
                        }
                        let took = started.elapsed();
                        assert!(took < GIVEN + SLACK, "{operation} took {took:?}");
                        // What fails at once would leave the others no room.
                        tokio::task::yield_now().await;
                    }
                }
                counted
            });
        }
        Self { stop, tasks }
    }

    /// Joins the tasks, and panics as they did.
    async fn end(self) -> Counted {
        self.stop.store(true, Ordering::Relaxed);
        let counted = self.tasks.join_all().await;
        Counted {
            succeeded: counted.iter().map(|counted| counted.succeeded).sum(),
            failed: counted.iter().map(|counted| counted.failed).sum(),
        }
    }
}

/// A server, a proxy before it, and a store that goes through it, in use.
async fn survives(
    trouble: impl FnOnce(&RedisServer, &FaultProxy),
    end: impl FnOnce(&RedisServer, &FaultProxy),
) {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(server.address());
    let opened = Opened::by(hasty(server.url_at(proxy.address()))).await;
    let load = Load::begin(&opened);
    eventually("the load has begun", async || opened.ear.all().len() > 100).await;
    opened.ear.forget();
    trouble(&server, &proxy);
    opened.ear.expect_told(&Heard::LinkDown).await;
    end(&server, &proxy);
    opened.ear.expect_a_new_link().await;
    opened.works().await;
    let mut worker = Worker::new(&opened, "after");
    for operation in Operation::ALL {
        eventually("every operation works again", async || {
            worker.perform(operation, None).await.is_ok()
        })
        .await;
    }
    opened.hears_of_a_foreign_write(&server).await;
    let counted = load.end().await;
    assert!(counted.succeeded > 0 && counted.failed > 0, "{counted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_that_comes_back_is_used_again() {
    survives(|server, _| server.kill(), |server, _| server.restart()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_server_that_goes_on_is_used_again() {
    survives(|server, _| server.pause(), |server, _| server.resume()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_swallows_everything_and_heals_is_used_again() {
    survives(|_, proxy| proxy.black_hole(), |_, proxy| proxy.heal()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_reset_are_made_anew() {
    survives(|_, proxy| proxy.reset_all(), |_, _| ()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_end_within_a_reply_are_made_anew() {
    survives(|_, proxy| proxy.cut_after(3), |_, _| ()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_follows_another_is_left_though_nobody_writes() {
    let (server, other) = (RedisServer::start(), RedisServer::start());
    let opened = Opened::by(hasty(server.url())).await;
    let (host, port) = ("127.0.0.1", other.address().port().to_string());
    server.command(&["REPLICAOF", host, &port]);
    opened.ear.expect_told(&Heard::LinkDown).await;
    let refused = opened.set("a", "x").await;
    assert!(refused.is_err_and(|error| error.is_temporary()));
    server.command(&["REPLICAOF", "NO", "ONE"]);
    opened.ear.expect_a_new_link().await;
    opened.works().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_no_more_clients_is_tried_again() {
    let server = RedisServer::start();
    server.command(&["CONFIG", "SET", "maxclients", "3"]);
    let others: Vec<_> = (0..3).map(|_| server.client()).collect();
    let namespace = Subject::new_namespace();
    let full = Opened::attempt(hasty(server.url()), &namespace).await;
    let error = full.expect_err("there is no room");
    assert!(error.is_temporary(), "{error}");
    let degraded = hasty(server.url()).start(Start::Degraded);
    let opened = Opened::within(degraded, &namespace).await;
    drop(others);
    opened.ear.expect_told(&Heard::LinkUp).await;
    opened.works().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_dies_at_once_is_not_made_anew_at_once() {
    let server = RedisServer::start();
    let opened = Opened::by(hasty(server.url())).await;
    let ups = || {
        let heard = opened.ear.all();
        heard
            .iter()
            .filter(|heard| **heard == Heard::LinkUp)
            .count()
    };
    let mut client = server.client();
    let (started, mut killed) = (Instant::now(), 0);
    opened.ear.forget();
    while started.elapsed() < Duration::from_secs(1) {
        // As soon as it is up.
        if killed <= ups() {
            let kill = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"];
            client.command(&kill).expect("the server is well");
            killed += 1;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The pauses double from 25 ms at least, which leaves room for six. Without them it would be a hundred.
    assert!(ups() <= 10, "{} connections in a second", ups());
    opened.works().await;
}
