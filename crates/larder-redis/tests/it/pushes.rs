//! The stream of changes: F8 and F9 of `docs/decisions/0011-fred.md`.

use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};

use larder_core::{Backend, Change, Observer};
use larder_redis::Redis;
use larder_testkit::RedisServer;

use crate::harness::{Heard, Opened, PATIENCE, hasty};

/// As many pushes as the driver keeps for us, and some more.
const TOO_MANY: usize = 16_384 + 1_000;

/// An observer that returns when it may.
#[derive(Default)]
struct Slow {
    may_return: Mutex<bool>,
    changed: Condvar,
}

impl Observer for Slow {
    fn changed(&self, _: &Change<'_>) {
        // So that the rest of the runtime, and the driver with it, goes on meanwhile.
        tokio::task::block_in_place(|| {
            let may_return = self
                .may_return
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            // Not for ever, or a test that has failed would not end.
            let _returned =
                self.changed
                    .wait_timeout_while(may_return, PATIENCE * 2, |may_return| !*may_return);
        });
    }
}

impl Slow {
    fn let_go(&self) {
        *self
            .may_return
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f8_shed_changes_are_told_as_everything() {
    let server = RedisServer::start();
    let builder = Redis::builder(server.url()).pool_size(1);
    // Held up by its observer for a while, and with it whatever has to be in time.
    let opened = Opened::by(builder.heartbeat(PATIENCE).read_timeout(PATIENCE)).await;
    let slow = Arc::new(Slow::default());
    let changes = opened.redis.watch().unwrap();
    changes.subscribe(Arc::downgrade(&slow) as Weak<dyn Observer>);
    let key = opened.stored("a");
    // One round of the server for each, and so one push.
    let server = tokio::task::spawn_blocking(move || {
        let mut client = server.client();
        for _ in 0..TOO_MANY {
            client.command(&["SET", &key, "x"]).unwrap();
        }
        server
    })
    .await
    .unwrap();
    // Its answer comes behind the pushes, on the same connection: the driver has had them all.
    opened.get("a").await.unwrap();
    slow.let_go();
    opened.ear.expect_told(&Heard::Everything).await;
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f9_changes_are_told_again_after_the_connection_was_killed() {
    let server = RedisServer::start();
    let opened = Opened::by(hasty(server.url())).await;
    opened.hears_of_a_foreign_write(&server).await;
    for _ in 0..3 {
        opened.ear.forget();
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        opened.ear.expect_a_new_link().await;
        opened.hears_of_a_foreign_write(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f9_a_link_is_up_before_anything_of_it_is_told() {
    let server = RedisServer::start();
    let opened = Opened::by(hasty(server.url())).await;
    opened.ear.forget();
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    opened.ear.expect_a_new_link().await;
    opened.hears_of_a_foreign_write(&server).await;
    let heard = opened.ear.all();
    assert_eq!(heard[0], Heard::LinkDown);
    assert_eq!(heard[1], Heard::LinkUp);
    assert!(opened.redis.watch().unwrap().is_linked());
}
