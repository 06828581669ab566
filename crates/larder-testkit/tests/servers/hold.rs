//! Holding commands and replies: races without luck.

use larder_testkit::{Connections, Direction, RedisClient};

use crate::through_a_proxy;

#[tokio::test]
async fn a_held_command_is_not_done_until_it_is_released() {
    let (server, proxy, mut client) = through_a_proxy();
    let hold = proxy.hold(Direction::ToServer);
    client.send(&["SET", "a", "1"]).unwrap();
    assert_eq!(hold.reached_with("SET").await, 0);
    assert!(
        server.command(&["GET", "a"]).is_nil(),
        "it was done already"
    );
    hold.release();
    assert_eq!(client.receive().unwrap().text(), "OK");
    assert_eq!(server.command(&["GET", "a"]).text(), "1");
}

#[tokio::test]
async fn a_held_reply_is_of_a_command_that_was_done() {
    let (server, proxy, mut client) = through_a_proxy();
    server.command(&["SET", "a", "old"]);
    let hold = proxy.hold(Direction::ToClient);
    client.send(&["GET", "a"]).unwrap();
    hold.reached().await;
    server.command(&["SET", "a", "new"]);
    assert_eq!(hold.bytes(), b"$3\r\nold\r\n");
    hold.release();
    assert_eq!(client.receive().unwrap().text(), "old");
}

#[tokio::test]
async fn what_is_held_arrives_in_order() {
    let (_server, proxy, mut client) = through_a_proxy();
    let hold = proxy.hold(Direction::ToClient);
    for number in 0..100 {
        client.send(&["ECHO", &number.to_string()]).unwrap();
    }
    hold.reached_with("$2\r\n99\r\n").await;
    drop(hold);
    for number in 0..100 {
        assert_eq!(client.receive().unwrap().text(), number.to_string());
    }
}

#[tokio::test]
async fn one_connection_is_held_and_another_is_not() {
    let (_server, proxy, mut first) = through_a_proxy();
    let mut second = RedisClient::connect(proxy.address()).unwrap();
    second.command(&["PING"]).unwrap();
    assert_eq!(proxy.open_indexes(), [0, 1]);

    let hold = proxy.hold_on(Connections::Only(0), Direction::ToClient);
    first.send(&["ECHO", "held"]).unwrap();
    assert_eq!(hold.reached_with("held").await, 0);
    assert_eq!(second.command(&["PING"]).unwrap().text(), "PONG");
    hold.release();
    assert_eq!(first.receive().unwrap().text(), "held");
}

#[tokio::test]
async fn a_connection_can_be_held_before_it_is_made() {
    let (_server, proxy, _client) = through_a_proxy();
    let hold = proxy.hold_on(Connections::Only(proxy.accepted()), Direction::ToServer);
    let mut later = RedisClient::connect(proxy.address()).unwrap();
    later.send(&["PING"]).unwrap();
    assert_eq!(hold.reached_with("PING").await, 1);
    hold.release();
    assert_eq!(later.receive().unwrap().text(), "PONG");
}

#[tokio::test]
async fn what_two_hold_is_released_by_both() {
    let (_server, proxy, mut client) = through_a_proxy();
    let (all, one) = (
        proxy.hold(Direction::ToClient),
        proxy.hold_on(Connections::Only(0), Direction::ToClient),
    );
    client.send(&["PING"]).unwrap();
    one.reached_by(7).await;
    one.release();
    let delivered = proxy.bytes(Direction::ToClient);
    assert_eq!(all.bytes(), b"+PONG\r\n");
    assert_eq!(proxy.bytes(Direction::ToClient), delivered);
    all.release();
    assert_eq!(client.receive().unwrap().text(), "PONG");
}

#[tokio::test]
async fn more_is_held_than_a_network_would_take() {
    let (server, proxy, mut client) = through_a_proxy();
    let size = 4 * 1024 * 1024;
    server.command(&["SET", "a", &"x".repeat(size)]);
    let hold = proxy.hold(Direction::ToClient);
    client.send(&["GET", "a"]).unwrap();
    hold.reached_by(size).await;
    hold.release();
    assert_eq!(client.receive().unwrap().text().len(), size);
}

#[tokio::test]
async fn that_the_server_went_away_is_held_too() {
    let (server, proxy, mut client) = through_a_proxy();
    let hold = proxy.hold(Direction::ToClient);
    client.send(&["ECHO", "last"]).unwrap();
    hold.reached_with("last").await;
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    hold.release();
    assert_eq!(client.receive().unwrap().text(), "last");
    client.receive().unwrap_err();
    drop(client);
    proxy.wait_for_open(0).await;
}
