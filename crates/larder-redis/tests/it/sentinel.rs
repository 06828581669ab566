//! A primary that the sentinels know, today here and tomorrow there.

use std::sync::Arc;

use larder_core::Namespace;
use larder_redis::{Credentials, Redis};
use larder_testkit::{RedisSentinel, RedisServer};

use crate::acl::COMMANDS;
use crate::harness::{Heard, Opened, eventually, hasty};
use crate::operations::{Operation, Worker};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_primary_is_found_and_after_a_failover_found_again() {
    // What the README says, and what it adds for sentinels.
    let rules = format!("resetchannels ~shop:* -@all +{} +role", COMMANDS.join(" +"));
    let servers = RedisServer::builder().password("the servers'");
    let servers = servers.user("shop", "the shop's", &rules);
    let group = tokio::task::spawn_blocking(|| {
        RedisSentinel::builder()
            .servers(servers)
            .sentinel_password("the sentinels'")
            .start()
    });
    let group = Arc::new(group.await.unwrap());
    let addresses = group.addresses();
    let builder = Redis::at(addresses[0].to_string())
        .sentinel(
            group.master_name(),
            addresses[1..].iter().map(ToString::to_string),
        )
        .username("shop")
        .password("the shop's")
        .sentinel_credentials(Credentials::password("the sentinels'"));
    let opened = Opened::within(builder, &Namespace::new("shop").unwrap()).await;
    opened.set("a", "x").await.unwrap();
    opened.hears_of_a_foreign_write(group.primary()).await;

    // As a URL says it.
    let nodes: Vec<String> = addresses[1..]
        .iter()
        .map(|node| format!("&node={node}"))
        .collect();
    let url = format!(
        "redis-sentinel://:the%20servers%27@{}?sentinelServiceName={}{}&sentinelPassword=the%20sentinels%27",
        addresses[0],
        group.master_name(),
        nodes.concat()
    );
    let by_url = Opened::within(hasty(url), &opened.namespace).await;
    assert_eq!(by_url.get("a").await.unwrap().as_deref(), Some("x"));

    opened.ear.forget();
    let new = tokio::task::spawn_blocking({
        let group = Arc::clone(&group);
        move || {
            let old = group.kill_primary();
            group.wait_for_failover(old)
        }
    });
    let new = new.await.unwrap();
    opened.ear.expect_a_new_link().await;
    for opened in [&opened, &by_url] {
        eventually("it works on the new primary", async || {
            opened.set("b", "y").await.is_ok()
        })
        .await;
        let mut worker = Worker::new(opened, "after");
        for operation in Operation::ALL {
            eventually("every operation works", async || {
                worker.perform(operation, None).await.is_ok()
            })
            .await;
        }
    }
    let primary = group
        .servers()
        .iter()
        .find(|server| server.address() == new);
    opened.hears_of_a_foreign_write(primary.unwrap()).await;
    assert!(opened.ear.all().contains(&Heard::LinkUp));
}
