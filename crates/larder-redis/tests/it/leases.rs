//! Leases in trouble: P7 of `docs/decisions/0013-leases.md`. P2 is in `dropped`.

use std::time::{Duration, Instant};

use larder_core::{Backend, Filled, Lease, LeaseMode, LeaseOptions, WriteOptions};
use larder_redis::Redis;
use larder_testkit::RedisServer;

use crate::harness::{Opened, eventually, shared_server};

/// How long a lease is overdue before it counts as one that never ends.
const OVERDUE: Duration = Duration::from_secs(5);
const LASTS: Duration = Duration::from_millis(300);

/// Asks until the lease is there; how long that took.
async fn until_granted(opened: &Opened, key: &str, mode: LeaseMode) -> Duration {
    let started = Instant::now();
    eventually("the lease is granted", async || {
        let until = opened.within_time(Duration::from_secs(60));
        let options = LeaseOptions::until(until).with_mode(mode);
        let mut leases = opened.redis.lease(&[opened.key(key)], &options).await;
        matches!(leases.pop(), Some(Ok(Lease::Granted { .. })))
    })
    .await;
    started.elapsed()
}

#[tokio::test]
async fn p7_a_placeholder_made_persistent_is_taken_over_when_it_is_overdue() {
    let server = shared_server();
    let opened = Opened::by(Redis::builder(server.url())).await;
    let dead = opened.granted("a", LASTS).await;
    server.command(&["PERSIST", &opened.stored("a")]);
    let took = until_granted(&opened, "a", LeaseMode::Load).await;
    assert!(
        took >= OVERDUE,
        "its holder has until {OVERDUE:?} after its end, not {took:?}"
    );
    let filled = opened.fill(dead, opened.entry("late")).await.unwrap();
    assert_eq!(filled, Filled::Refused, "the lease is another's");
}

#[tokio::test]
async fn p7_a_lease_beside_an_entry_made_persistent_is_taken_over_when_it_is_overdue() {
    let server = shared_server();
    let opened = Opened::by(Redis::builder(server.url())).await;
    opened.set("a", "x").await.unwrap();
    let options = LeaseOptions::until(opened.within_time(LASTS)).with_mode(LeaseMode::Refresh);
    let mut leases = opened.redis.lease(&[opened.key("a")], &options).await;
    assert!(matches!(leases.pop(), Some(Ok(Lease::Granted { .. }))));
    let lease = format!("{}:~l:{{{}}}", opened.namespace, opened.stored("a"));
    let persistent = server.command(&["PERSIST", &lease]);
    assert_eq!(persistent.integer(), 1, "the lease is where it is expected");
    let took = until_granted(&opened, "a", LeaseMode::Refresh).await;
    assert!(
        took >= OVERDUE,
        "its holder has until {OVERDUE:?} after its end, not {took:?}"
    );
}

#[tokio::test]
async fn a_lease_ends_by_itself_at_its_time() {
    let server = shared_server();
    let opened = Opened::by(Redis::builder(server.url())).await;
    let dead = opened.granted("a", LASTS).await;
    assert!(matches!(
        opened.lease("a", LASTS).await.unwrap(),
        Lease::Held { .. }
    ));
    let took = until_granted(&opened, "a", LeaseMode::Load).await;
    assert!(took < OVERDUE, "{took:?}");
    let filled = opened.fill(dead, opened.entry("late")).await.unwrap();
    assert_eq!(filled, Filled::Refused);
}

/// C1 across whatever ends a lease.
#[tokio::test]
async fn c1_whatever_writes_the_key_ends_its_lease() {
    let server = RedisServer::start();
    let opened = Opened::by(Redis::builder(server.url())).await;
    let stored = opened.stored("a");
    for words in [
        vec!["SET", &stored, "foreign"],
        vec!["DEL", &stored],
        vec!["APPEND", &stored, "x"],
        vec!["PEXPIRE", &stored, "0"],
        vec!["FLUSHALL"],
    ] {
        let token = opened.granted("a", Duration::from_secs(60)).await;
        server.command(&words);
        let filled = opened.fill(token, opened.entry("late")).await.unwrap();
        let expected = match words[0] {
            // More bytes behind the placeholder's, which nobody can mean.
            "APPEND" => Filled::Stored,
            _ => Filled::Refused,
        };
        assert_eq!(filled, expected, "{words:?}");
        server.command(&["DEL", &stored]);
    }
    let token = opened.granted("a", Duration::from_secs(60)).await;
    opened.set("a", "newer").await.unwrap();
    let filled = opened.fill(token, opened.entry("late")).await.unwrap();
    assert_eq!(filled, Filled::Refused);
    assert_eq!(opened.get("a").await.unwrap().as_deref(), Some("newer"));
}

#[tokio::test]
async fn p6_a_lease_given_back_takes_nothing_of_another_with_it() {
    let server = shared_server();
    let opened = Opened::by(Redis::builder(server.url())).await;
    let token = opened.granted("a", Duration::from_secs(60)).await;
    opened.set("a", "newer").await.unwrap();
    let options = WriteOptions::default();
    opened.redis.release(vec![token], &options).await.unwrap();
    assert_eq!(opened.get("a").await.unwrap().as_deref(), Some("newer"));
}
