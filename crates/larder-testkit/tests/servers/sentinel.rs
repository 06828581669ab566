//! Sentinels that find each other, and what they do about a dead primary.

use larder_testkit::{RedisSentinel, RedisServer};

#[test]
fn a_replica_becomes_primary_when_the_primary_dies() {
    let group = RedisSentinel::start();
    assert_eq!(group.addresses().len(), 3);
    assert_eq!(group.master_name(), "primary");
    let first = &group.servers()[0];
    assert_eq!(group.primary().address(), first.address());
    first.command(&["SET", "a", "1"]);
    assert_eq!(first.command(&["WAIT", "1", "10000"]).integer(), 1);

    let old = group.kill_primary();
    assert_eq!(old, first.address());
    let new = group.wait_for_failover(old);
    assert_eq!(new, group.servers()[1].address());
    assert_eq!(group.primary().command(&["GET", "a"]).text(), "1");
    group.primary().command(&["SET", "a", "2"]);
}

#[test]
fn passwords_names_and_sizes_are_as_asked() {
    let group = RedisSentinel::builder()
        .master_name("shop")
        .replicas(2)
        .sentinels(1)
        .servers(RedisServer::builder().password("of the servers"))
        .sentinel_password("of the sentinels")
        .start();
    assert_eq!((group.servers().len(), group.addresses().len()), (3, 1));
    assert!(group.sentinels()[0].url().contains("of%20the%20sentinels"));
    assert!(group.primary().url().contains("of%20the%20servers"));
    let old = group.kill_primary();
    assert_ne!(group.wait_for_failover(old), old);
}
