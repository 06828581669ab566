//! Settings that contradict each other.

use larder::config::{Config, Driver, RedisConfig};

use crate::{assert_refused, with_env};

/// What contradicts, and what is said of it.
const CONTRADICTIONS: &[(&str, &[&str])] = &[
    (
        "redis: {url: redis://a, addr: a}",
        &["redis.url and redis.addr"],
    ),
    (
        "redis: {url: redis://a, sentinel: {master: m, nodes: [a]}}",
        &["redis.url and redis.sentinel"],
    ),
    (
        "redis: {addr: a, sentinel: {master: m, nodes: [a]}}",
        &["redis.addr and redis.sentinel"],
    ),
    (
        "driver: memory\nredis: {addr: a}",
        &["driver: memory contradicts"],
    ),
    (
        "driver: redis\nmemory: {max_entries: 5}",
        &["driver: redis contradicts", "tiered"],
    ),
    ("redis: {pool_size: 5}", &["say where the server is"]),
    ("memory: {max_ttl: 5}", &["memory.max_ttl", "default_ttl"]),
    (
        "driver: tiered\nmemory: {max_ttl: 0}",
        &["memory.max_ttl", "more than zero"],
    ),
    (
        "redis: {url: redis://me:one@a, password: two}",
        &["redis.password and redis.url"],
    ),
    (
        "redis: {url: redis://me:one@a, username: you}",
        &["redis.username and redis.url"],
    ),
    (
        "redis: {url: redis://a/1, db: 2}",
        &["redis.db and redis.url"],
    ),
    (
        "redis: {url: rediss://a, tls: false}",
        &["redis.tls is false"],
    ),
    (
        "redis: {url: redis+unix:///s, tls: true}",
        &["unix socket isn't encrypted"],
    ),
    (
        "redis: {addr: a, tls: {cert_file: x}}",
        &["redis.tls.key_file is missing"],
    ),
    (
        "redis: {addr: a, tls: {key_file: x}}",
        &["redis.tls.cert_file is missing"],
    ),
    (
        "redis: {addr: a, pool_size: 2, min_idle_conns: 3}",
        &["min_idle_conns is 3", "pool_size is 2"],
    ),
    (
        "redis: {addr: a, min_idle_conns: 3}",
        &["min_idle_conns is 3", "pool_size is 2"],
    ),
    (
        "timeout: 1s\nredis: {addr: a, read_timeout: 2s}",
        &["redis.read_timeout is longer"],
    ),
    (
        "timeout: 1s\nredis: {addr: a, write_timeout: 2s}",
        &["redis.write_timeout is longer"],
    ),
    (
        "timeout: 0\nredis: {addr: a}",
        &["timeout: from a millisecond"],
    ),
    (
        "timeout: 2h\nredis: {addr: a}",
        &["timeout: from a millisecond"],
    ),
    (
        "max_value_bytes: 1GiB\nredis: {addr: a}",
        &["max_value_bytes", "512 MiB"],
    ),
    (
        "redis: {addr: a, username: me}",
        &["a user needs a password"],
    ),
    (
        "redis: {sentinel: {master: m}}",
        &["redis.sentinel.nodes is missing"],
    ),
    (
        "redis: {sentinel: {nodes: [a]}}",
        &["redis.sentinel.master is missing"],
    ),
    (
        "redis: {sentinel: {master: m, nodes: [a], username: u}}",
        &["redis.sentinel.password is missing"],
    ),
    (
        "redis: {sentinel: {master: m, nodes: [\"redis://a\"]}}",
        &["redis.sentinel.nodes"],
    ),
];

#[test]
fn what_contradicts_is_refused() {
    for (yaml, parts) in CONTRADICTIONS {
        assert_refused(&format!("namespace: shop\n{yaml}"), parts);
    }
}

#[test]
fn what_only_seems_to_contradict_is_taken() {
    for yaml in [
        "redis: {url: \"redis://me:p%40ss@a/3\", username: me, password: p@ss, db: 3}",
        "redis: {url: redis://a, username: me, password: x, db: 3}",
        "redis: {addr: a, min_idle_conns: 2}",
        "redis: {url: redis://a, tls: false}",
        "timeout: 1s\nredis: {addr: a, read_timeout: 1s, write_timeout: 500ms}",
        // Memory always answers in time, and never fails for a moment.
        "driver: memory\ntimeout: 5s\nmax_retries: 3\nretry_delay: 1s",
        "driver: tiered",
        "redis: {sentinel: {master: m, nodes: \"a, b:1 ,[::1]:2\"}}",
    ] {
        Config::from_yaml(yaml)
            .unwrap_or_else(|error| panic!("{yaml}: {error}"))
            .validate()
            .unwrap_or_else(|error| panic!("{yaml}: {error}"));
    }
}

#[test]
fn settings_made_in_code_are_held_to_the_same() {
    let mut config = Config::default().with_namespace("shop");
    config.redis = RedisConfig::default()
        .with_url("redis://me:one@a")
        .with_password("two");
    assert!(
        config
            .validate()
            .unwrap_err()
            .message()
            .contains("redis.password and redis.url")
    );
    config.redis = config.redis.with_password("one");
    config.validate().unwrap();
    config.driver = Some(Driver::Memory);
    assert!(
        config
            .validate()
            .unwrap_err()
            .message()
            .contains("contradicts")
    );
    config.redis = RedisConfig::default().with_password("");
    config.validate().unwrap();
}

#[test]
fn a_later_key_wins_over_an_earlier_url_and_is_no_contradiction() {
    let file = || Config::from_yaml("redis: {url: redis://me:one@a/1}").unwrap();
    let config = with_env(
        file(),
        &[
            ("REDIS_PASSWORD", "two"),
            ("LARDER__REDIS__DB", "2"),
            ("LARDER__REDIS__USERNAME", "you"),
        ],
    )
    .unwrap();
    config.validate().unwrap();
    // In one place it stays one.
    for variables in [
        [("REDIS_URL", "redis://a/1"), ("LARDER__REDIS__URL", "")],
        [
            ("LARDER__REDIS__URL", "redis://a/1"),
            ("LARDER__REDIS__DB", "2"),
        ],
    ] {
        let config = with_env(file(), &variables).unwrap();
        assert_eq!(config.validate().is_err(), variables[1].1 == "2");
    }
}

#[cfg(not(feature = "redis-tls"))]
#[test]
fn encryption_that_is_not_in_the_build_names_its_feature() {
    for redis in ["addr: a, tls: true", "url: rediss://a"] {
        assert_refused(
            &format!("redis: {{{redis}}}"),
            &["needs the feature `redis-tls`"],
        );
    }
}

#[cfg(feature = "redis-tls")]
#[test]
fn a_certificate_that_can_not_be_read_is_named_by_key_and_path() {
    assert_refused(
        "namespace: shop\nredis: {addr: a, tls: {ca_file: /nowhere/ca.pem}}",
        &["redis.tls.ca_file: /nowhere/ca.pem"],
    );
}
