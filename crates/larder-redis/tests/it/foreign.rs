//! What other programs do to our keys is heard of, and what we do ourselves is told once.

use std::time::Duration;

use larder_core::{Backend, Filled, Marker, MarkerRead, ReadOptions, WriteOptions};
use larder_redis::Redis;
use larder_testkit::{Direction, FaultProxy, RedisServer};

use crate::harness::{Heard, Opened, eventually, hasty, shared_server, without_heartbeat};

#[tokio::test]
async fn every_foreign_change_of_a_key_is_told() {
    let server = shared_server();
    let opened = Opened::by(Redis::builder(server.url())).await;
    let (a, b) = (opened.stored("a"), opened.stored("b"));
    for (what, told) in [
        (vec!["SET", &a, "x"], vec!["a"]),
        (vec!["APPEND", &a, "x"], vec!["a"]),
        (vec!["EXPIRE", &a, "1000"], vec!["a"]),
        (vec!["PERSIST", &a], vec!["a"]),
        (vec!["RENAME", &a, &b], vec!["a", "b"]),
        (vec!["COPY", &b, &a], vec!["a"]),
        (vec!["DEL", &a], vec!["a"]),
        (vec!["LPUSH", &a, "x"], vec!["a"]),
        (vec!["UNLINK", &a], vec!["a"]),
        (vec!["SET", &a, "x", "PX", "30"], vec!["a"]),
    ] {
        opened.ear.forget();
        server.command(&what);
        for key in told {
            opened.ear.expect_told(&Heard::key(key)).await;
        }
    }
    // The last of them had a time to live.
    opened
        .ear
        .expect("its expiry by the server", |heard| {
            let of = heard.iter().filter(|heard| **heard == Heard::key("a"));
            of.count() == 2
        })
        .await;
}

#[tokio::test]
async fn what_is_none_of_our_keys_is_not_told() {
    let server = shared_server();
    let opened = Opened::by(Redis::builder(server.url())).await;
    for name in [
        format!("{}-other:a", opened.namespace),
        "a".to_owned(),
        format!("{}:~l:{{{}}}", opened.namespace, opened.stored("a")),
    ] {
        server.command(&["SET", &name, "x"]);
    }
    opened.hears_of_a_foreign_write(&server).await;
    let heard = opened.ear.all();
    assert_eq!(heard.len(), 1, "the barrier alone, not {heard:?}");
}

#[tokio::test]
async fn an_own_plain_write_is_told_exactly_once_with_its_id() {
    let server = shared_server();
    let opened = Opened::by(Redis::builder(server.url())).await;
    let first = opened.set("a", "x").await.unwrap();
    let second = opened.set("a", "y").await.unwrap();
    let options = WriteOptions::default();
    opened
        .redis
        .delete(&opened.key("a"), &options)
        .await
        .unwrap();
    opened.hears_of_a_foreign_write(&server).await;
    let told = [
        Heard::own("a", first),
        Heard::own("a", second),
        Heard::key("a"),
    ];
    assert_eq!(opened.ear.of("a"), told);
}

/// How often the server has read a part of a string.
fn range_reads(server: &RedisServer) -> u64 {
    let info = server.command(&["INFO", "commandstats"]).text();
    let line = info
        .lines()
        .find(|line| line.starts_with("cmdstat_getrange:"));
    let calls = line.and_then(|line| line.split("calls=").nth(1)?.split(',').next()?.parse().ok());
    calls.unwrap_or(0)
}

#[tokio::test]
async fn the_echo_of_an_own_fill_is_swallowed() {
    let server = RedisServer::start();
    // One connection, so that what comes back is in order.
    let opened = Opened::by(Redis::builder(server.url()).pool_size(1)).await;
    for round in 1..=20 {
        opened.ear.forget();
        let key = format!("a{round}");
        let token = opened.granted(&key, Duration::from_secs(5)).await;
        let entry = opened.entry("x");
        let id = entry.id();
        let before = range_reads(&server);
        assert_eq!(opened.fill(token, entry).await.unwrap(), Filled::Stored);
        eventually(
            "the script and the check have looked at the entry",
            async || range_reads(&server) >= before + 2,
        )
        .await;
        // After the check's answer, on its connection.
        opened.get(&key).await.unwrap();
        opened.hears_of_a_foreign_write(&server).await;
        assert_eq!(
            opened.ear.of(&key),
            [Heard::leased(&key), Heard::own(&key, id)]
        );
        server.command(&["DEL", &opened.stored(&key)]);
        opened.ear.expect_told(&Heard::key(&key)).await;
    }
}

/// The server mentions a key once a round, however many have written it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_write_in_the_round_of_an_own_fill_is_told() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(server.address());
    let builder = without_heartbeat(server.url_at(proxy.address()));
    let opened = Opened::by(builder.write_timeout(Duration::from_secs(10))).await;
    for (round, foreign) in ["SET", "DEL"].into_iter().cycle().take(20).enumerate() {
        let key = format!("a{round}");
        let stored = opened.stored(&key);
        let token = opened.granted(&key, Duration::from_secs(5)).await;
        let entry = opened.entry("x");
        let mut client = server.client();
        client.command(&["PING"]).unwrap();
        opened.ear.forget();
        // What arrives while the server stands still is one round of it.
        server.pause();
        let sent = proxy.bytes(Direction::ToServer);
        let filling = tokio::spawn({
            let opened = opened.clone();
            async move { opened.fill(token, entry).await }
        });
        eventually("the fill has been sent", async || {
            proxy.bytes(Direction::ToServer) > sent
        })
        .await;
        let words = if foreign == "SET" {
            vec!["SET", &stored, "foreign"]
        } else {
            vec!["DEL", &stored]
        };
        client.send(&words).unwrap();
        server.resume();
        filling.await.unwrap().unwrap();
        client.receive().unwrap();
        opened.ear.expect_told(&Heard::key(&key)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_write_behind_an_own_fill_is_told() {
    let server = shared_server();
    let proxy = FaultProxy::start(server.address());
    let builder = without_heartbeat(server.url_at(proxy.address()));
    let opened = Opened::by(builder.write_timeout(Duration::from_secs(10))).await;
    let token = opened.granted("a", Duration::from_secs(5)).await;
    opened.ear.forget();
    let hold = proxy.hold(Direction::ToClient);
    let filling = tokio::spawn({
        let opened = opened.clone();
        let entry = opened.entry("x");
        async move { opened.fill(token, entry).await }
    });
    hold.reached_with("invalidate").await;
    server.command(&["SET", &opened.stored("a"), "foreign"]);
    hold.release();
    assert_eq!(filling.await.unwrap().unwrap(), Filled::Stored);
    opened.ear.expect_told(&Heard::key("a")).await;
}

#[tokio::test]
async fn a_flushall_is_told_as_everything_within_two_heartbeats() {
    let server = RedisServer::start();
    let heartbeat = Duration::from_millis(300);
    let opened = Opened::by(hasty(server.url()).heartbeat(heartbeat)).await;
    let marker = [Marker::generation(&opened.namespace)];
    let options = ReadOptions::default();
    for _ in 0..3 {
        let made = opened
            .redis
            .markers(&marker, MarkerRead::OrCreate, &options);
        made.await.unwrap();
        // Known after the next beat.
        let beats = || server.command(&["INFO", "commandstats"]).text();
        let time = |text: String| {
            let line = text.lines().find(|line| line.starts_with("cmdstat_time:"));
            line.map(str::to_owned)
        };
        for _ in 0..2 {
            let before = time(beats());
            eventually("a heartbeat", async || time(beats()) != before).await;
        }
        opened.ear.forget();
        let started = std::time::Instant::now();
        server.command(&["FLUSHALL"]);
        opened.ear.expect_told(&Heard::Everything).await;
        let took = started.elapsed();
        assert!(took < heartbeat * 2 + crate::harness::SLACK, "{took:?}");
        let heard = opened.ear.all();
        assert!(!heard.contains(&Heard::LinkDown), "the link stands");
    }
}

#[tokio::test]
async fn a_foreign_change_of_a_marker_is_told_as_such() {
    let server = shared_server();
    let opened = Opened::by(Redis::builder(server.url())).await;
    let marker = Marker::generation(&opened.namespace).stored_name();
    server.command(&["SET", &marker, "00000000000000ff"]);
    opened.ear.expect_told(&Heard::Marker(marker.clone())).await;
    opened.ear.forget();
    server.command(&["DEL", &marker]);
    opened.ear.expect_told(&Heard::Marker(marker)).await;
}

#[tokio::test]
async fn two_stores_of_one_namespace_hear_each_other() {
    let server = shared_server();
    let first = Opened::by(Redis::builder(server.url())).await;
    let second = Opened::within(Redis::builder(server.url()), &first.namespace).await;
    let id = first.set("a", "x").await.unwrap();
    second.ear.expect_told(&Heard::key("a")).await;
    assert_eq!(first.ear.of("a"), [Heard::own("a", id)]);
    assert_eq!(second.get("a").await.unwrap().as_deref(), Some("x"));
    second.ear.forget();
    let token = first.granted("b", Duration::from_secs(5)).await;
    second.ear.expect_told(&Heard::key("b")).await;
    second.ear.forget();
    first.fill(token, first.entry("y")).await.unwrap();
    second.ear.expect_told(&Heard::key("b")).await;
    let options = WriteOptions::default();
    second
        .redis
        .delete(&second.key("a"), &options)
        .await
        .unwrap();
    first.ear.expect_told(&Heard::key("a")).await;
    let marker = Marker::generation(&first.namespace);
    second
        .redis
        .bump(std::slice::from_ref(&marker), &options)
        .await
        .unwrap();
    let told = Heard::Marker(marker.stored_name());
    first.ear.expect_told(&told).await;
}
