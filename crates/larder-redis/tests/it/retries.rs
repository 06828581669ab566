//! What is tried again, and what never is.

use std::time::{Duration, Instant};

use larder_core::{Backend, ReadOptions, Update, WriteOptions};
use larder_testkit::{Connections, Direction, FaultProxy};

use crate::harness::{Heard, Opened, SLACK, eventually, hasty, shared_server, without_heartbeat};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_is_tried_again_until_the_server_is_back() {
    let server = shared_server();
    let proxy = FaultProxy::start(server.address());
    let builder = hasty(server.url_at(proxy.address()));
    let opened = Opened::by(
        builder
            .max_retries(1_000)
            .retry_delay(Duration::from_millis(5)),
    )
    .await;
    opened.set("a", "x").await.unwrap();
    proxy.refuse();
    proxy.reset_all();
    opened.ear.expect_told(&Heard::LinkDown).await;
    let reading = tokio::spawn({
        let opened = opened.clone();
        async move { opened.get("a").await }
    });
    // A write isn't, so it has failed while the read goes on.
    opened.set("a", "y").await.unwrap_err();
    assert!(!reading.is_finished(), "it goes on");
    proxy.accept();
    assert_eq!(reading.await.unwrap().unwrap().as_deref(), Some("x"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_end_at_the_callers_deadline() {
    let server = shared_server();
    let proxy = FaultProxy::start(server.address());
    let builder = hasty(server.url_at(proxy.address()));
    let opened = Opened::by(builder.max_retries(u32::MAX)).await;
    proxy.refuse();
    proxy.reset_all();
    opened.ear.expect_told(&Heard::LinkDown).await;
    let started = Instant::now();
    let within = Duration::from_millis(200);
    let options = ReadOptions::default().with_deadline(opened.within_time(within));
    let answer = opened.redis.get(&opened.key("a"), &options).await;
    answer.expect_err("the server is gone");
    assert!(
        started.elapsed() < within + SLACK,
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c6_an_increment_without_an_answer_counts_once_at_most() {
    let server = shared_server();
    let proxy = FaultProxy::start(server.address());
    let builder = without_heartbeat(server.url_at(proxy.address())).pool_size(1);
    let opened = Opened::by(builder.max_retries(1_000)).await;
    let increment = async || {
        let update = Update::Increment {
            by: 1,
            template: opened.entry("counter"),
        };
        let options = WriteOptions::default();
        opened
            .redis
            .update(&opened.key("a"), update, &options)
            .await
    };
    for round in 1..=3 {
        opened.ear.forget();
        let only = proxy.open_indexes()[0];
        let hold = proxy.hold_on(Connections::Only(only), Direction::ToClient);
        increment().await.expect_err("its answer is held");
        opened.ear.expect_told(&Heard::key("a")).await;
        opened.ear.expect_a_new_link().await;
        hold.release();
        eventually("the former connection is gone", async || {
            !proxy.open_indexes().contains(&only)
        })
        .await;
        let options = ReadOptions::default();
        let counter = opened.redis.get(&opened.key("a"), &options).await.unwrap();
        let number = counter.and_then(|counter| counter.value().as_counter());
        assert_eq!(number, Some(round), "it was executed, once");
    }
}
