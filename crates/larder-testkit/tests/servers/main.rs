//! Each ability of the servers and of the proxy, shown on a real Redis.

mod cuts;
mod glob;
mod hold;
mod sentinel;
mod server;
mod slow;
mod tls;

use larder_testkit::{FaultProxy, RedisClient, RedisServer};

/// A server, a proxy that leads to it, and a client of the proxy that has been answered once.
fn through_a_proxy() -> (RedisServer, FaultProxy, RedisClient) {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(server.address());
    let mut client = RedisClient::connect(proxy.address()).expect("the proxy listens");
    let answer = client.command(&["PING"]).expect("the server answers");
    assert_eq!(answer.text(), "PONG");
    (server, proxy, client)
}
