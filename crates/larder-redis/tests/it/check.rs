//! What `check` finds. A server whose clock is off can't be had here: `offset.rs` has that in units.

use larder_core::{Backend, Marker, MarkerRead, ReadOptions, Severity, TierCheck};
use larder_redis::Redis;
use larder_testkit::{RedisBuilder, RedisServer};

use crate::harness::{Heard, Opened, hasty};

async fn checked(opened: &Opened) -> TierCheck {
    let mut checks = opened.redis.check(&ReadOptions::default()).await;
    checks.pop().expect("one tier")
}

async fn check_of(server: RedisBuilder) -> TierCheck {
    let server = server.start();
    let opened = Opened::by(Redis::builder(server.url())).await;
    checked(&opened).await
}

fn finds(check: &TierCheck, severity: Severity, word: &str) -> bool {
    let mut findings = check.findings.iter();
    findings.any(|finding| finding.severity == severity && finding.message.contains(word))
}

#[tokio::test]
async fn a_server_that_is_well_is_described() {
    let server = RedisServer::builder()
        .argument("maxmemory", "100mb")
        .argument("maxmemory-policy", "volatile-lfu");
    let check = check_of(server).await;
    assert!(check.is_healthy(), "{check:?}");
    assert_eq!(
        check.findings.len(),
        1,
        "nothing but its description: {check:?}"
    );
    assert!(finds(&check, Severity::Info, "redis 7."), "{check:?}");
    assert!(!check.latency.is_zero());
}

#[tokio::test]
async fn policies_that_lose_what_matters_are_found() {
    for (policy, memory, severity, word) in [
        ("allkeys-lru", "100mb", Severity::Info, "allkeys-lru"),
        ("noeviction", "100mb", Severity::Warning, "refuses writes"),
        (
            "noeviction",
            "0",
            Severity::Warning,
            "there is no maxmemory",
        ),
    ] {
        let server = RedisServer::builder()
            .argument("maxmemory", memory)
            .argument("maxmemory-policy", policy);
        let check = check_of(server).await;
        assert!(
            finds(&check, severity, word),
            "{policy} {memory}: {check:?}"
        );
        assert!(check.is_healthy(), "{check:?}");
    }
}

#[tokio::test]
async fn a_policy_that_would_be_refused_at_the_start_is_an_error_when_it_comes_later() {
    let server = RedisServer::start();
    let opened = Opened::by(Redis::builder(server.url())).await;
    server.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
    let check = checked(&opened).await;
    assert!(
        finds(&check, Severity::Error, "allkeys-random"),
        "{check:?}"
    );
    assert!(!check.is_healthy(), "{check:?}");
}

#[tokio::test]
async fn a_server_that_is_nearly_full_is_found() {
    let server = RedisServer::start();
    let opened = Opened::by(Redis::builder(server.url())).await;
    let used = server.command(&["INFO", "memory"]).text();
    let used = used
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    let used: u64 = used.unwrap().trim().parse().unwrap();
    server.command(&[
        "CONFIG",
        "SET",
        "maxmemory",
        &(used + used / 50).to_string(),
    ]);
    let check = checked(&opened).await;
    assert!(
        finds(&check, Severity::Warning, "bytes: entries are dropped"),
        "{check:?}"
    );
}

#[tokio::test]
async fn keys_without_an_end_and_other_databases_are_found() {
    let server = RedisServer::start();
    let opened = Opened::by(Redis::builder(server.url())).await;
    let markers = [Marker::generation(&opened.namespace)];
    let options = ReadOptions::default();
    let made = opened
        .redis
        .markers(&markers, MarkerRead::OrCreate, &options);
    made.await.unwrap();
    opened.set("a", "x").await.unwrap();
    let check = checked(&opened).await;
    assert!(finds(&check, Severity::Info, "1 of 2 keys"), "{check:?}");
    assert!(
        !finds(&check, Severity::Info, "other databases"),
        "{check:?}"
    );
    let mut client = server.client();
    client.command(&["SELECT", "1"]).unwrap();
    client.command(&["SET", "other", "x"]).unwrap();
    let check = checked(&opened).await;
    assert!(
        finds(&check, Severity::Info, "other databases"),
        "{check:?}"
    );
}

#[tokio::test]
async fn a_server_that_is_gone_is_found() {
    let server = RedisServer::start();
    let opened = Opened::by(hasty(server.url())).await;
    server.kill();
    opened.ear.expect_told(&Heard::LinkDown).await;
    let check = checked(&opened).await;
    assert!(!check.is_healthy(), "{check:?}");
    assert!(
        finds(&check, Severity::Error, &server.address().to_string()),
        "{check:?}"
    );
}

#[tokio::test]
async fn a_server_that_has_become_a_replica_is_found() {
    let (server, other) = (RedisServer::start(), RedisServer::start());
    let opened = Opened::by(hasty(server.url())).await;
    server.command(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]);
    let check = checked(&opened).await;
    assert!(finds(&check, Severity::Error, "replica"), "{check:?}");
}
