//! A server that forgets: its scripts, or everything.

use std::time::Duration;

use larder_core::{
    Backend, BatchOperation, BatchReply, Expiry, Lifetime, Update, Updated, WriteOptions,
};
use larder_redis::Redis;
use larder_testkit::RedisServer;

use crate::harness::{Opened, hasty};
use crate::operations::{Operation, Worker};

#[tokio::test]
async fn every_operation_works_on_a_server_that_has_forgotten_the_scripts() {
    let server = RedisServer::start();
    let opened = Opened::by(Redis::builder(server.url())).await;
    let mut worker = Worker::ready(&opened, "a").await;
    for operation in Operation::ALL {
        server.command(&["SCRIPT", "FLUSH"]);
        worker
            .perform(operation, None)
            .await
            .unwrap_or_else(|error| panic!("{operation}: {error}"));
    }
}

#[tokio::test]
async fn a_batch_keeps_its_order_on_a_server_that_has_forgotten_the_scripts() {
    let server = RedisServer::start();
    let opened = Opened::by(Redis::builder(server.url())).await;
    let key = opened.key("a");
    let increment = || Update::Increment {
        by: 1,
        template: opened.entry("counter"),
    };
    for _ in 0..3 {
        server.command(&["SCRIPT", "FLUSH"]);
        let operations = vec![
            BatchOperation::Update(key, increment()),
            BatchOperation::Update(key, increment()),
            BatchOperation::Expire(key, Expiry::new(Lifetime::forever(opened.now()))),
            BatchOperation::Update(key, Update::Take),
            BatchOperation::Update(key, increment()),
            BatchOperation::Get(key),
            BatchOperation::Delete(key),
        ];
        let options = WriteOptions::default();
        let answers = opened.redis.batch(operations, &options).await;
        let answers: Vec<BatchReply> = answers.into_iter().map(Result::unwrap).collect();
        let counted = |at: usize| match &answers[at] {
            BatchReply::Updated(Updated::Counter(number)) => *number,
            other => panic!("expected a counter, not {other:?}"),
        };
        assert_eq!([counted(0), counted(1), counted(4)], [1, 2, 1]);
        let BatchReply::Updated(Updated::Taken(Some(taken))) = &answers[3] else {
            panic!("it was there: {:?}", answers[3])
        };
        assert_eq!(taken.value().as_counter(), Some(2));
        let BatchReply::Entry(Some(found)) = &answers[5] else {
            panic!("it was there: {:?}", answers[5])
        };
        assert_eq!(found.value().as_counter(), Some(1));
    }
}

/// A script that ran is not run again: an increment counts once.
#[tokio::test]
async fn c6_increments_count_once_while_scripts_are_forgotten() {
    let server = RedisServer::start();
    let opened = Opened::by(Redis::builder(server.url())).await;
    let mut last = 0;
    for round in 0..200 {
        if round % 7 == 0 {
            server.command(&["SCRIPT", "FLUSH"]);
        }
        let update = Update::Increment {
            by: 1,
            template: opened.entry("counter"),
        };
        let options = WriteOptions::default();
        match opened
            .redis
            .update(&opened.key("a"), update, &options)
            .await
        {
            Ok(Updated::Counter(number)) => last = number,
            other => panic!("expected a counter, not {other:?}"),
        }
    }
    assert_eq!(last, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_works_on_a_server_that_was_started_again() {
    let server = RedisServer::start();
    let opened = Opened::by(hasty(server.url())).await;
    opened.set("a", "x").await.unwrap();
    server.restart();
    opened.ear.expect_a_new_link().await;
    opened.works().await;
    assert_eq!(
        opened.get("a").await.unwrap(),
        None,
        "it has lost everything"
    );
    let mut worker = Worker::ready(&opened, "a").await;
    for operation in Operation::ALL {
        worker
            .perform(operation, None)
            .await
            .unwrap_or_else(|error| panic!("{operation}: {error}"));
    }
    opened.hears_of_a_foreign_write(&server).await;
}

#[tokio::test]
async fn after_a_flushall_everything_is_gone_and_everything_works() {
    let server = RedisServer::start();
    let opened = Opened::by(Redis::builder(server.url())).await;
    opened.set("a", "x").await.unwrap();
    let token = opened.granted("b", Duration::from_secs(60)).await;
    server.command(&["FLUSHALL"]);
    assert_eq!(opened.get("a").await.unwrap(), None);
    let filled = opened.fill(token, opened.entry("late")).await.unwrap();
    assert_eq!(filled, larder_core::Filled::Refused, "its lease is gone");
    let mut worker = Worker::ready(&opened, "a").await;
    for operation in Operation::ALL {
        worker
            .perform(operation, None)
            .await
            .unwrap_or_else(|error| panic!("{operation}: {error}"));
    }
}
