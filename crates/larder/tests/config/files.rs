//! What a file may say, and what is answered to a wrong one.

use std::time::Duration;

use larder::Ttl;
use larder::config::{Config, Driver, EvictionPolicy, StartMode, TlsConfig, TlsFiles};

use crate::assert_refused;

#[test]
fn the_usual_file_loads() {
    let yaml = "cache: {driver: redis, redis: {addr: localhost:6379, password: \"\", db: 0, pool_size: 10, \
        min_idle_conns: 2}, default_ttl: 600, timeout: 5s}";
    let toml = r#"
        [cache]
        driver = "redis"
        default_ttl = 600
        timeout = "5s"
        [cache.redis]
        addr = "localhost:6379"
        password = ""
        db = 0
        pool_size = 10
        min_idle_conns = 2
    "#;
    for config in [
        Config::from_yaml(yaml).unwrap(),
        Config::from_toml(toml).unwrap(),
    ] {
        assert_eq!(config.driver, Some(Driver::Redis));
        assert_eq!(
            config.default_ttl.unwrap(),
            Ttl::after(Duration::from_secs(600)).unwrap()
        );
        assert_eq!(config.timeout, Some(Duration::from_secs(5)));
        assert_eq!(config.redis.addr.as_deref(), Some("localhost:6379"));
        assert_eq!(config.redis.db, Some(0));
        assert_eq!(config.redis.pool_size, Some(10));
        assert_eq!(config.redis.min_idle_conns, Some(2));
        let builder = config.with_namespace("shop").into_builder().unwrap();
        let shown = format!("{builder:?}");
        // The password is none, the deadline is that of reads and of writes.
        for part in [
            "password: None",
            "read_timeout: 5s",
            "write_timeout: 5s",
            "pool_size: 10",
            "600s",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
}

#[test]
fn every_key_is_read() {
    let yaml = r#"
namespace: shop
driver: tiered
default_ttl: forever
jitter: 0.25
stale_for: 1h
load_timeout: 10
timeout: 2s
max_retries: 3
retry_delay: 20ms
max_value_bytes: 1 MiB
max_batch: 50
memory: {max_bytes: 64 MB, max_entries: 1000, policy: lru, time_to_idle: 5m, max_ttl: 60}
redis:
  username: me
  password: secret
  db: 3
  pool_size: 4
  min_idle_conns: 4
  dial_timeout: 1.5
  read_timeout: 1s
  write_timeout: 1500ms
  heartbeat: 2s
  max_in_flight: 500
  start: degraded
  cluster: false
  tls: {ca_file: ca.pem, cert_file: cert.pem, key_file: key.pem}
  sentinel: {master: main, nodes: [a, "b:1"], username: us, password: them}
"#;
    let config = Config::from_yaml(yaml).unwrap();
    assert_eq!(config.namespace.as_deref(), Some("shop"));
    assert_eq!(config.driver, Some(Driver::Tiered));
    assert_eq!(config.default_ttl, Some(Ttl::Forever));
    assert_eq!(config.jitter, Some(0.25));
    assert_eq!(config.stale_for, Some(Duration::from_secs(3_600)));
    assert_eq!(config.load_timeout, Some(Duration::from_secs(10)));
    assert_eq!(config.timeout, Some(Duration::from_secs(2)));
    assert_eq!(config.max_retries, Some(3));
    assert_eq!(config.retry_delay, Some(Duration::from_millis(20)));
    assert_eq!(config.max_value_bytes, Some(1 << 20));
    assert_eq!(config.max_batch, Some(50));
    assert_eq!(config.memory.max_bytes, Some(64_000_000));
    assert_eq!(config.memory.max_entries, Some(1_000));
    assert_eq!(config.memory.policy, Some(EvictionPolicy::Lru));
    assert_eq!(config.memory.time_to_idle, Some(Duration::from_secs(300)));
    assert_eq!(config.memory.max_ttl, Some(Duration::from_secs(60)));
    let redis = &config.redis;
    assert_eq!(redis.username.as_deref(), Some("me"));
    assert_eq!(redis.db, Some(3));
    assert_eq!(redis.pool_size, Some(4));
    assert_eq!(redis.min_idle_conns, Some(4));
    assert_eq!(redis.dial_timeout, Some(Duration::from_millis(1_500)));
    assert_eq!(redis.read_timeout, Some(Duration::from_secs(1)));
    assert_eq!(redis.write_timeout, Some(Duration::from_millis(1_500)));
    assert_eq!(redis.heartbeat, Some(Duration::from_secs(2)));
    assert_eq!(redis.max_in_flight, Some(500));
    assert_eq!(redis.start, Some(StartMode::Degraded));
    let files = TlsFiles::default()
        .with_ca_file("ca.pem")
        .with_certificate("cert.pem", "key.pem");
    assert_eq!(redis.tls, Some(TlsConfig::On(files)));
    let sentinel = redis.sentinel.as_ref().unwrap();
    assert_eq!(sentinel.master.as_deref(), Some("main"));
    assert_eq!(sentinel.nodes, ["a", "b:1"]);
    assert_eq!(sentinel.username.as_deref(), Some("us"));
    let shown = format!("{config:?}");
    assert_eq!(shown.matches("password: Some(\"…\")").count(), 2, "{shown}");
}

#[test]
fn saying_nothing_is_allowed() {
    for yaml in [
        "",
        "# nothing but this\n",
        "{}",
        "cache:",
        "cache: {}",
        "memory:\nredis: {}\n",
        "default_ttl: ~",
    ] {
        let config = Config::from_yaml(yaml).unwrap();
        assert_eq!(config.effective_driver(), Driver::Memory, "{yaml:?}");
        config.validate().unwrap();
    }
    Config::from_toml("").unwrap().validate().unwrap();
}

#[test]
fn the_driver_follows_from_where_the_server_is() {
    for (yaml, driver) in [
        ("redis: {addr: a}", Driver::Tiered),
        ("redis: {url: redis://a}", Driver::Tiered),
        ("redis: {sentinel: {master: m, nodes: [a]}}", Driver::Tiered),
        ("driver: redis", Driver::Redis),
        ("memory: {max_entries: 5}", Driver::Memory),
    ] {
        let config = Config::from_yaml(yaml).unwrap();
        assert_eq!(config.effective_driver(), driver, "{yaml}");
        config.validate().unwrap();
    }
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_one() {
    for (yaml, parts) in [
        (
            "drivr: memory",
            &[
                "line 1, column 1: drivr: no such setting",
                "did you mean driver?",
            ][..],
        ),
        (
            "cache:\n  redis:\n    adr: x",
            &["line 3, column 5: redis.adr:", "did you mean redis.addr?"],
        ),
        (
            "redis: {poolSize: 3}",
            &["redis.poolSize", "did you mean redis.pool_size?"],
        ),
        (
            "redis: {sentinel: {node: [a]}}",
            &["redis.sentinel.node:", "redis.sentinel.nodes?"],
        ),
        (
            "redis: {tls: {ca: x}}",
            &["redis.tls.ca:", "redis.tls.ca_file?"],
        ),
        ("addr: x", &["addr:", "did you mean redis.addr?"]),
        ("ttl: 5", &["ttl:", "did you mean default_ttl?"]),
        ("redis.addr: x", &["redis.addr: no such setting"]),
        (
            "colour: red",
            &["line 1, column 1: colour: no such setting"],
        ),
        (
            "cache: {}\ndriver: memory",
            &["line 2, column 1: driver: stands beside `cache`"],
        ),
        (
            "cache: {}\nserver: {}",
            &["line 2, column 1: server: no such setting"],
        ),
        ("cache: {cache: {}}", &["cache: no such setting"]),
    ] {
        assert_refused(yaml, parts);
    }
    assert!(!crate::refused("colour: red").contains("did you mean"));
    let toml = Config::from_toml("[cache.redis]\nadr = \"x\"").unwrap_err();
    let message = toml.message();
    assert!(
        message.starts_with("line 2, column 1: redis.adr: no such setting"),
        "{message}"
    );
}

#[test]
fn a_wrong_value_is_told_with_its_place_and_what_to_write() {
    for (yaml, parts) in [
        (
            "driver: mongo",
            &["line 1, column 9: driver:", "memory, redis or tiered"][..],
        ),
        (
            "default_ttl: 0",
            &["default_ttl", "write forever, or leave the key out"],
        ),
        (
            "default_ttl: 0s",
            &["default_ttl", "write forever, or leave the key out"],
        ),
        ("default_ttl: soon", &["default_ttl", "1h 30m, or forever"]),
        ("default_ttl: -5", &["default_ttl", "number of seconds"]),
        ("default_ttl: 100y", &["default_ttl", "34 years"]),
        ("default_ttl: [1]", &["default_ttl", "found a list"]),
        ("jitter: 2", &["jitter", "0 to 1"]),
        ("jitter: .nan", &["jitter", "0 to 1"]),
        ("jitter: much", &["jitter", "0 to 1"]),
        ("load_timeout: 0", &["load_timeout can't be zero"]),
        ("max_batch: 0", &["zero"]),
        ("max_batch: -1", &["max_batch", "zero or more"]),
        ("max_batch: 1.5", &["max_batch", "found a number"]),
        ("max_retries: many", &["max_retries", "a whole number"]),
        ("max_value_bytes: 64M", &["max_value_bytes", "64MiB"]),
        ("namespace: a:b", &["namespace", "1 to 64"]),
        ("namespace: 5", &["namespace", "write it in quotes"]),
        ("memory: 5", &["memory: expected a section"]),
        (
            "memory: {policy: fifo}",
            &["memory.policy", "tinylfu or lru"],
        ),
        ("memory: {max_entries: 0}", &["max_entries can't be zero"]),
        ("redis: {db: 256}", &["redis.db", "0 to 255"]),
        ("redis: {db: first}", &["redis.db", "0 to 255"]),
        (
            "redis: {addr: \"redis://a\"}",
            &["redis.addr", "a URL goes to redis.url"],
        ),
        (
            "redis: {addr: \"me:x@a:1\"}",
            &["redis.addr", "keys of their own"],
        ),
        ("redis: {addr: \"a:b\"}", &["redis.addr", "host:port"]),
        ("redis: {url: \"http://a\"}", &["scheme"]),
        ("redis: {addr: a, pool_size: 0}", &["pool_size"]),
        ("redis: {addr: a, read_timeout: 0}", &["read_timeout"]),
        (
            "redis: {addr: a, start: soon}",
            &["redis.start", "connected or degraded"],
        ),
        (
            "redis: {addr: a, tls: maybe}",
            &["redis.tls", "true, false, or a section"],
        ),
        (
            "redis: {cluster: true}",
            &["redis.cluster", "isn't there yet"],
        ),
        (
            "redis: {cluster: {nodes: [a]}}",
            &["redis.cluster", "isn't there yet"],
        ),
        (
            "redis: {max_ttl: 60}",
            &["redis.max_ttl", "the last tier", "memory.max_ttl"],
        ),
        (
            "redis: {sentinel: {master: m, nodes: 5}}",
            &["redis.sentinel.nodes", "a list"],
        ),
        ("- a", &["expected a section of settings, found a list"]),
        ("driver: memory\ndriver: redis", &["line 2"]),
        ("driver: [memory", &["YAML"]),
        ("1: 2", &["text"]),
    ] {
        assert_refused(yaml, parts);
    }
    for (toml, part) in [
        ("driver = ", "line 1"),
        ("\ndriver = \"redis\"\ndriver = \"memory\"", "line 3"),
        ("default_ttl = 1979-05-27", "found a date"),
        (
            "max_batch = 0x10000000000000000000000000000000000",
            "found a number that is far too large",
        ),
    ] {
        let error = Config::from_toml(toml).unwrap_err();
        assert!(error.message().contains(part), "{toml}: {error}");
    }
}

#[test]
fn a_namespace_is_needed_to_build_and_not_to_validate() {
    let config = Config::from_yaml("driver: memory").unwrap();
    config.validate().unwrap();
    let error = config.clone().into_builder().unwrap_err();
    assert!(
        error.message().starts_with("namespace is missing"),
        "{error}"
    );
    drop(config.with_namespace("shop").into_builder().unwrap());
}
