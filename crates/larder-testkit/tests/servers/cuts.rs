//! Connections that break, and listeners that are gone.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use larder_testkit::{Direction, FaultProxy, RedisClient, RedisServer};

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// A connection that has been used.
fn connected(proxy: &FaultProxy) -> TcpStream {
    let mut stream = unused(proxy);
    let mut answer = [0; 7];
    stream
        .write_all(PING)
        .and_then(|()| stream.read_exact(&mut answer))
        .expect("the proxy leads to a server");
    assert_eq!(&answer, b"+PONG\r\n");
    stream
}

fn unused(proxy: &FaultProxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).expect("the proxy listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("ten seconds are not none");
    stream
}

fn with_a_stream() -> (RedisServer, FaultProxy, TcpStream) {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(server.address());
    let stream = connected(&proxy);
    (server, proxy, stream)
}

/// How many connections the server has, but for the one that asks.
fn connections(server: &RedisServer) -> usize {
    server.command(&["CLIENT", "LIST"]).text().lines().count() - 1
}

fn wait_for_connections(server: &RedisServer, count: usize) {
    let started = std::time::Instant::now();
    while connections(server) != count {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "not {count} connections"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_reset_is_a_reset_on_both_sides() {
    let (server, proxy, mut stream) = with_a_stream();
    assert_eq!(connections(&server), 1);
    proxy.reset_all();
    assert_eq!(proxy.open_connections(), 0);
    let error = stream.read(&mut [0; 16]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    wait_for_connections(&server, 0);
    connected(&proxy);
}

#[test]
fn every_connection_has_ended_when_the_call_returns() {
    let (_server, proxy, _stream) = with_a_stream();
    for end in [FaultProxy::reset_all, FaultProxy::disconnect_all] {
        let streams: Vec<TcpStream> = (0..100).map(|_| connected(&proxy)).collect();
        end(&proxy);
        assert_eq!(proxy.open_connections(), 0, "of {}", streams.len());
    }
}

#[test]
fn a_disconnection_is_an_orderly_end() {
    let (server, proxy, mut stream) = with_a_stream();
    proxy.disconnect_all();
    assert_eq!(proxy.open_connections(), 0);
    assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0);
    wait_for_connections(&server, 0);
    connected(&proxy);
}

#[tokio::test]
async fn a_reply_that_was_held_is_lost_with_its_connection() {
    let (server, proxy, mut stream) = with_a_stream();
    let hold = proxy.hold(Direction::ToClient);
    stream
        .write_all(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n")
        .unwrap();
    hold.reached_with("OK").await;
    proxy.disconnect_all();
    hold.release();
    assert_eq!(
        stream.read(&mut [0; 16]).unwrap(),
        0,
        "the reply came through"
    );
    assert_eq!(server.command(&["GET", "a"]).text(), "1");
}

#[test]
fn a_reply_is_cut_within_and_the_next_connection_is_whole() {
    let (_server, proxy, mut stream) = with_a_stream();
    proxy.cut_after(3);
    stream.write_all(PING).unwrap();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert_eq!(got, b"+PO");
    connected(&proxy);
}

#[test]
fn each_connection_is_cut_until_it_heals() {
    let (_server, proxy, first) = with_a_stream();
    proxy.cut_each_after(3);
    let second = unused(&proxy);
    for mut stream in [first, second] {
        stream.write_all(PING).unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        assert_eq!(got, b"+PO");
    }
    proxy.heal();
    connected(&proxy);
}

#[test]
fn a_refusing_proxy_is_not_there_for_new_connections() {
    let (_server, proxy, mut stream) = with_a_stream();
    proxy.refuse();
    proxy.refuse();
    let error = TcpStream::connect(proxy.address()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    stream.write_all(PING).unwrap();
    assert_eq!(stream.read(&mut [0; 16]).unwrap(), 7, "the open one stays");

    proxy.accept();
    proxy.accept();
    connected(&proxy);
    proxy.refuse();
    proxy.heal();
    connected(&proxy);
}

#[test]
fn a_server_that_is_gone_is_a_connection_that_ends() {
    let (server, proxy, mut stream) = with_a_stream();
    server.kill();
    assert!(stream.read(&mut [0; 16]).is_ok_and(|count| count == 0));
    // The proxy takes it, but it may have ended before it is used.
    RedisClient::connect(proxy.address())
        .and_then(|mut client| client.command(&["PING"]))
        .unwrap_err();
    server.restart();
    connected(&proxy);
}

#[test]
fn a_proxy_can_lead_elsewhere() {
    let (first, proxy, _stream) = with_a_stream();
    let second = RedisServer::start();
    first.command(&["SET", "who", "first"]);
    second.command(&["SET", "who", "second"]);
    let mut before = RedisClient::connect(proxy.address()).unwrap();
    assert_eq!(before.command(&["GET", "who"]).unwrap().text(), "first");
    proxy.set_target(second.address());
    let mut after = RedisClient::connect(proxy.address()).unwrap();
    assert_eq!(after.command(&["GET", "who"]).unwrap().text(), "second");
    assert_eq!(before.command(&["GET", "who"]).unwrap().text(), "first");
}

#[test]
fn a_dropped_proxy_closes_what_is_open() {
    let (server, proxy, mut stream) = with_a_stream();
    let address = proxy.address();
    drop(proxy);
    assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0);
    TcpStream::connect(address).unwrap_err();
    wait_for_connections(&server, 0);
}
