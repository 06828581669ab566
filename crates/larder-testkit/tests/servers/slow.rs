//! Networks that are slow, full or silent.

use std::time::{Duration, Instant};

use larder_testkit::{Direction, RedisClient};

use crate::through_a_proxy;

/// How long a command takes.
fn time(client: &mut RedisClient, words: &[&str]) -> Duration {
    let started = Instant::now();
    client.command(words).expect("the server answers");
    started.elapsed()
}

#[test]
fn a_proxy_that_was_told_nothing_forwards_everything() {
    let (server, proxy, mut client) = through_a_proxy();
    let value = "x".repeat(3 * 1024 * 1024);
    client.command(&["SET", "a", &value]).unwrap();
    assert_eq!(server.command(&["GET", "a"]).text(), value);
    assert_eq!(client.command(&["GET", "a"]).unwrap().text(), value);
    assert!(proxy.bytes(Direction::ToServer) > value.len() as u64);
    assert!(proxy.bytes(Direction::ToClient) > value.len() as u64);
}

#[test]
fn bytes_are_counted_each_way() {
    let (_server, proxy, mut client) = through_a_proxy();
    let before = (
        proxy.bytes(Direction::ToServer),
        proxy.bytes(Direction::ToClient),
    );
    client.command(&["PING"]).unwrap();
    let after = (
        proxy.bytes(Direction::ToServer),
        proxy.bytes(Direction::ToClient),
    );
    let asked = "*1\r\n$4\r\nPING\r\n".len() as u64;
    let answered = "+PONG\r\n".len() as u64;
    assert_eq!((after.0 - before.0, after.1 - before.1), (asked, answered));
}

#[tokio::test]
async fn connections_are_counted() {
    let (_server, proxy, first) = through_a_proxy();
    let second = RedisClient::connect(proxy.address()).unwrap();
    proxy.wait_for_accepted(2).await;
    assert_eq!(proxy.open_indexes(), [0, 1]);
    drop(first);
    proxy.wait_for_open(1).await;
    assert_eq!(proxy.open_indexes(), [1]);
    drop(second);
    proxy.wait_for_open(0).await;
    assert_eq!(proxy.accepted(), 2);
}

#[test]
fn latency_is_added_each_way() {
    let (_server, proxy, mut client) = through_a_proxy();
    proxy.latency(Direction::ToServer, Duration::from_millis(60));
    let one_way = time(&mut client, &["PING"]);
    assert!(one_way >= Duration::from_millis(60), "{one_way:?}");
    proxy.latency(Direction::ToClient, Duration::from_millis(60));
    let both_ways = time(&mut client, &["PING"]);
    assert!(both_ways >= Duration::from_millis(120), "{both_ways:?}");
}

#[test]
fn late_is_not_slow() {
    let (_server, proxy, mut client) = through_a_proxy();
    proxy.latency(Direction::ToClient, Duration::from_millis(100));
    let started = Instant::now();
    for _ in 0..300 {
        client.send(&["PING"]).unwrap();
    }
    for _ in 0..300 {
        client.receive().unwrap();
    }
    let took = started.elapsed();
    // One by one they would take half a minute.
    assert!(took < Duration::from_secs(15), "{took:?}: as if one by one");
}

#[test]
fn healed_latency_lets_through_what_is_on_its_way() {
    let (_server, proxy, mut client) = through_a_proxy();
    proxy.latency(Direction::ToClient, Duration::from_secs(3_600));
    client.send(&["PING"]).unwrap();
    proxy.heal();
    assert_eq!(client.receive().unwrap().text(), "PONG");
}

#[test]
fn a_throttle_lets_so_much_through_in_a_second() {
    let (server, proxy, mut client) = through_a_proxy();
    server.command(&["SET", "a", &"x".repeat(20_000)]);
    proxy.throttle(Direction::ToClient, Some(100_000));
    let took = time(&mut client, &["GET", "a"]);
    assert!(took >= Duration::from_millis(150), "{took:?}");
    proxy.throttle(Direction::ToClient, Some(1));
    client.send(&["GET", "a"]).unwrap();
    proxy.throttle(Direction::ToClient, None);
    assert_eq!(client.receive().unwrap().text().len(), 20_000);
}

#[test]
fn a_black_hole_takes_connections_and_says_nothing() {
    let (server, proxy, mut client) = through_a_proxy();
    proxy.black_hole();
    let delivered = proxy.bytes(Direction::ToServer);
    client.send(&["SET", "a", "1"]).unwrap();
    let mut second = RedisClient::connect(proxy.address()).unwrap();
    second.send(&["SET", "b", "2"]).unwrap();
    // Longer than a healthy proxy takes by a factor of a hundred.
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(server.command(&["DBSIZE"]).integer(), 0);
    assert_eq!(proxy.bytes(Direction::ToServer), delivered);

    proxy.heal();
    assert_eq!(client.receive().unwrap().text(), "OK");
    assert_eq!(second.receive().unwrap().text(), "OK");
}

#[tokio::test]
async fn a_reply_on_its_way_does_not_leave_a_black_hole() {
    let (_server, proxy, mut client) = through_a_proxy();
    let hold = proxy.hold(Direction::ToClient);
    client.send(&["PING"]).unwrap();
    hold.reached().await;
    proxy.black_hole();
    let delivered = proxy.bytes(Direction::ToClient);
    hold.release();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(proxy.bytes(Direction::ToClient), delivered);
    proxy.heal();
    assert_eq!(client.receive().unwrap().text(), "PONG");
}

#[test]
fn where_nobody_reads_the_sender_blocks() {
    let (_server, proxy, mut client) = through_a_proxy();
    proxy.stop_reading(Direction::ToServer);
    let sender = std::thread::spawn(move || {
        let value = "x".repeat(64 * 1024 * 1024);
        client.send(&["SET", "a", &value]).unwrap();
        client.receive().unwrap().text()
    });
    let delivered = proxy.bytes(Direction::ToServer);
    std::thread::sleep(Duration::from_millis(300));
    assert!(!sender.is_finished(), "64 MiB went somewhere");
    assert_eq!(proxy.bytes(Direction::ToServer), delivered);
    proxy.heal();
    assert_eq!(sender.join().unwrap(), "OK");
}

#[test]
fn the_other_way_goes_on_where_one_is_not_read() {
    let (server, proxy, mut client) = through_a_proxy();
    client.command(&["SUBSCRIBE", "news"]).unwrap();
    proxy.stop_reading(Direction::ToServer);
    client.send(&["PING"]).unwrap();
    server.command(&["PUBLISH", "news", "hello"]);
    assert_eq!(client.receive().unwrap().texts()[2], "hello");
}
