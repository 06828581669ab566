//! Opening a store: with the server there, late, or never.

use std::time::{Duration, Instant};

use larder_core::{Backend, ErrorKind};
use larder_redis::{Redis, Start};
use larder_testkit::{FaultProxy, RedisServer, Subject};

use crate::harness::{Heard, Opened, SLACK, eventually, hasty};
use crate::operations::{Operation, Worker};

const DIAL: Duration = Duration::from_millis(400);

#[tokio::test]
async fn connected_fails_at_once_where_nobody_listens_and_names_the_address() {
    let server = RedisServer::builder().password("hunter2").start();
    server.kill();
    let started = Instant::now();
    let builder = Redis::builder(server.url()).dial_timeout(DIAL);
    let error = Opened::attempt(builder, &Subject::new_namespace())
        .await
        .unwrap_err();
    assert!(started.elapsed() < DIAL + SLACK);
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_temporary());
    let said = format!("{error} {error:?}");
    assert!(said.contains(&server.address().to_string()), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn connected_fails_within_the_dial_timeout_where_nobody_answers() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(server.address());
    proxy.black_hole();
    let started = Instant::now();
    let builder = Redis::builder(server.url_at(proxy.address())).dial_timeout(DIAL);
    let error = Opened::attempt(builder, &Subject::new_namespace())
        .await
        .unwrap_err();
    let took = started.elapsed();
    assert!(took >= DIAL / 2 && took < DIAL + SLACK, "it took {took:?}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.message().contains(&proxy.address().to_string()),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn degraded_opens_without_a_server_and_is_whole_when_it_comes() {
    let server = RedisServer::start();
    server.kill();
    let builder = hasty(server.url()).start(Start::Degraded);
    let opened = Opened::by(builder).await;
    assert!(!opened.redis.watch().unwrap().is_linked());
    let mut worker = Worker::new(&opened, "a");
    for operation in Operation::ALL {
        let started = Instant::now();
        let error = worker.perform(operation, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{operation}: {error}");
        assert!(started.elapsed() < SLACK, "{operation}");
        let address = server.address().to_string();
        assert!(error.message().contains(&address), "{operation}: {error}");
    }
    server.restart();
    opened.ear.expect_told(&Heard::LinkUp).await;
    assert!(opened.redis.watch().unwrap().is_linked());
    let mut worker = Worker::ready(&opened, "a").await;
    for operation in Operation::ALL {
        eventually("every operation works", async || {
            worker.perform(operation, None).await.is_ok()
        })
        .await;
    }
    opened.hears_of_a_foreign_write(&server).await;
}

#[tokio::test]
async fn degraded_is_no_excuse_for_wrong_credentials() {
    let server = RedisServer::builder().password("the right one").start();
    let address = server.address().to_string();
    let builder = Redis::at(address).password("wrong").start(Start::Degraded);
    let error = Opened::attempt(builder, &Subject::new_namespace())
        .await
        .unwrap_err();
    assert!(!error.is_temporary(), "{error}");
}

#[test]
fn without_a_runtime_opening_is_an_error() {
    let context = crate::harness::context_of(&Subject::new_namespace());
    let connecting = Redis::at("localhost:1").connect(&context);
    let mut connecting = std::pin::pin!(connecting);
    let mut task = std::task::Context::from_waker(std::task::Waker::noop());
    match connecting.as_mut().poll(&mut task) {
        std::task::Poll::Ready(Err(error)) => assert_eq!(error.kind(), ErrorKind::RuntimeGone),
        other => panic!("expected an error, not {other:?}"),
    }
}
