//! Values that are longer than what is accepted.

use std::time::{Duration, Instant};

use larder_core::{
    Backend, BatchOperation, BatchReply, ErrorKind, Filled, Marker, MarkerRead, ReadOptions,
    Update, Updated, WriteOptions,
};
use larder_redis::Redis;
use larder_testkit::RedisServer;

use crate::harness::{Opened, eventually, shared_server};

const LIMIT: usize = 64 << 10;
const GIANT: u32 = 64 << 20;

fn unreadable(opened: &Opened) -> u64 {
    opened.redis.stats()[0].unreadable
}

/// How much the server has sent so far.
fn sent(server: &RedisServer) -> u64 {
    let info = server.command(&["INFO", "stats"]).text();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("total_net_output_bytes:"));
    line.expect("what has been sent").parse().expect("bytes")
}

fn store_giant(server: &RedisServer, name: &str) {
    server.command(&["SETRANGE", name, &GIANT.to_string(), "x"]);
}

#[tokio::test]
async fn s1_an_entry_of_exactly_the_limit_is_read_and_a_longer_one_is_a_miss() {
    let server = shared_server();
    let writer = Opened::by(Redis::builder(server.url())).await;
    writer.set("fits", &"x".repeat(1_000)).await.unwrap();
    writer.set("longer", &"x".repeat(1_001)).await.unwrap();
    let length = server
        .command(&["STRLEN", &writer.stored("fits")])
        .integer();
    let builder = Redis::builder(server.url()).max_value_bytes(usize::try_from(length).unwrap());
    let reader = Opened::within(builder, &writer.namespace).await;
    assert!(reader.get("fits").await.unwrap().is_some());
    assert_eq!(unreadable(&reader), 0);
    assert_eq!(reader.get("longer").await.unwrap(), None);
    assert_eq!(unreadable(&reader), 1);
    // What isn't visible isn't taken either, by whoever might read it.
    let options = WriteOptions::default();
    for (key, is_taken) in [("fits", true), ("longer", false)] {
        let key = reader.key(key);
        let updated = reader.redis.update(&key, Update::Take, &options).await;
        let found = matches!(updated, Ok(Updated::Taken(Some(_))));
        assert_eq!(found, is_taken, "{key:?}: {updated:?}");
    }
    assert!(writer.get("longer").await.unwrap().is_some());
    // It is larder's own, so whoever loads it anew replaces it.
    let token = reader.granted("longer", Duration::from_secs(5)).await;
    let filled = reader.fill(token, reader.entry("short")).await.unwrap();
    assert_eq!(filled, Filled::Stored);
    assert_eq!(
        reader.get("longer").await.unwrap().as_deref(),
        Some("short")
    );
}

#[tokio::test]
async fn s1_no_more_than_the_limit_is_received() {
    let server = RedisServer::start();
    let builder = Redis::builder(server.url())
        .max_value_bytes(LIMIT)
        .heartbeat(Duration::from_millis(20));
    let opened = Opened::by(builder).await;
    store_giant(&server, &opened.stored("a"));
    let before = sent(&server);
    let (read, write) = (ReadOptions::default(), WriteOptions::default());
    let miss = |reply: &BatchReply| matches!(reply, BatchReply::Entry(None));

    assert_eq!(opened.get("a").await.unwrap(), None);
    let gets = vec![
        BatchOperation::Get(opened.key("a")),
        BatchOperation::Get(opened.key("a")),
    ];
    for reply in opened.redis.batch(gets, &write).await {
        assert!(miss(&reply.unwrap()));
    }
    let mixed = vec![
        BatchOperation::Get(opened.key("a")),
        BatchOperation::Delete(opened.key("b")),
    ];
    let replies = opened.redis.batch(mixed, &write).await;
    assert!(miss(replies[0].as_ref().unwrap()));
    assert_eq!(unreadable(&opened), 4, "each is counted");
    let key = opened.key("a");
    let updated = opened.redis.update(&key, Update::Take, &write).await;
    assert!(matches!(updated, Ok(Updated::Taken(None))), "{updated:?}");
    let token = opened.granted("a", Duration::from_secs(5)).await;
    let filled = opened.fill(token, opened.entry("loaded")).await.unwrap();
    assert_eq!(filled, Filled::Refused, "it isn't ours");

    // Where a marker should be: the heartbeat reads it, and so does whoever goes by it.
    let generation = Marker::generation(&opened.namespace);
    store_giant(&server, &generation.stored_name());
    let beats = || {
        let info = server.command(&["INFO", "commandstats"]).text();
        let line = info.lines().find(|line| line.starts_with("cmdstat_time:"));
        let calls = line.and_then(|line| line.split(['=', ',']).nth(1)?.parse::<u64>().ok());
        calls.unwrap_or(0)
    };
    let seen = beats();
    eventually("a beat or two", async || beats() > seen + 2).await;
    let markers = [generation];
    let versions = opened.redis.markers(&markers, MarkerRead::Existing, &read);
    assert_eq!(versions.await.unwrap(), [None], "no version");
    let versions = opened.redis.markers(&markers, MarkerRead::OrCreate, &read);
    assert!(versions.await.unwrap()[0].is_some(), "made in its place");

    let received = sent(&server) - before;
    assert!(
        received < u64::from(GIANT),
        "{received} bytes for what may have {LIMIT}"
    );
    let there = server.command(&["STRLEN", &opened.stored("a")]).integer();
    assert_eq!(there, i64::from(GIANT) + 1, "it is left alone");
}

#[tokio::test]
async fn a_limit_without_room_for_a_head_is_refused() {
    let server = shared_server();
    let builder = Redis::builder(server.url()).max_value_bytes(127);
    let namespace = larder_core::Namespace::new("app").unwrap();
    let refused = Opened::attempt(builder, &namespace).await;
    let error = refused.expect_err("nothing could be read");
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
}

/// Without a limit of one's own it costs one answer as large as it is, in time or in memory, and nothing afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_a_giant_of_somebody_elses_is_a_miss_or_an_error_in_time() {
    let server = RedisServer::start();
    let limit = Duration::from_secs(1);
    let builder = Redis::builder(server.url()).read_timeout(limit);
    let opened = Opened::by(builder).await;
    let last = (300_u32 << 20).to_string();
    server.command(&["SETRANGE", &opened.stored("a"), &last, "x"]);
    let started = Instant::now();
    match opened.get("a").await {
        Ok(found) => assert_eq!(found, None),
        Err(error) => assert!(error.is_temporary(), "{error}"),
    }
    assert!(started.elapsed() < limit * 4, "{:?}", started.elapsed());
    opened.works().await;
}
