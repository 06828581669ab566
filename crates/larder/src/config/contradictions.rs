//! Which settings contradict each other, and which need what this build doesn't have.

use std::time::Duration;

use larder_core::{Namespace, Result, Ttl};
use secrecy::ExposeSecret;

use super::address::{Said, check_address};
use super::model::{
    Config, Driver, MemoryConfig, RedisConfig, SentinelConfig, TlsConfig, TlsFiles, same,
};
use super::tree::invalid;

/// The longest deadline of a remote operation.
const MAX_TIMEOUT: Duration = Duration::from_secs(3_600);

/// Redis' longest string.
const MAX_REDIS_VALUE: u64 = 512 << 20;

/// How many connections a Redis tier has by itself.
const DEFAULT_POOL_SIZE: usize = 2;

pub(super) fn check(config: &Config) -> Result<()> {
    let driver = config.effective_driver();
    built_in(driver)?;
    sections(config, driver)?;
    if let Some(namespace) = &config.namespace
        && Namespace::new(namespace).is_err()
    {
        return wrong("namespace: 1 to 64 of the characters A-Z a-z 0-9 _ . -");
    }
    if config
        .memory
        .max_ttl
        .is_some_and(|max_ttl| Ttl::after(max_ttl).is_err())
    {
        return wrong("memory.max_ttl: more than zero, and at most 34 years");
    }
    if driver.uses_redis() {
        timeouts(config)?;
        redis(&config.redis)?;
        if config
            .max_value_bytes
            .is_some_and(|bytes| bytes > MAX_REDIS_VALUE)
        {
            return wrong("max_value_bytes: a value in Redis has at most 512 MiB");
        }
    }
    Ok(())
}

fn wrong<T>(message: impl Into<String>) -> Result<T> {
    Err(invalid(message.into()))
}

/// Whether this build has what the driver needs.
fn built_in(driver: Driver) -> Result<()> {
    let name = driver.name();
    for (used, there, feature) in [
        (driver.uses_memory(), cfg!(feature = "memory"), "memory"),
        (driver.uses_redis(), cfg!(feature = "redis"), "redis"),
    ] {
        if used && !there {
            return wrong(format!(
                "driver: {name} needs the feature `{feature}` of larder, which is off in this build"
            ));
        }
    }
    Ok(())
}

fn sections(config: &Config, driver: Driver) -> Result<()> {
    if !driver.uses_redis() && !config.redis.is_empty() {
        return wrong(if config.driver.is_some() {
            "driver: memory contradicts the settings in redis; leave one of them out"
        } else {
            "redis: say where the server is (url, addr or sentinel), or name the driver"
        });
    }
    if !driver.uses_memory() && config.memory != MemoryConfig::default() {
        return wrong("driver: redis contradicts the settings in memory; write tiered for both");
    }
    if driver == Driver::Memory && config.memory.max_ttl.is_some() {
        return wrong(
            "memory.max_ttl is for memory in front of another tier; where it is alone, set default_ttl",
        );
    }
    Ok(())
}

fn timeouts(config: &Config) -> Result<()> {
    let Some(timeout) = config.timeout else {
        return Ok(());
    };
    if !(Duration::from_millis(1)..=MAX_TIMEOUT).contains(&timeout) {
        return wrong("timeout: from a millisecond to an hour");
    }
    for (name, own) in [
        ("read_timeout", config.redis.read_timeout),
        ("write_timeout", config.redis.write_timeout),
    ] {
        if own.is_some_and(|own| own > timeout) {
            return wrong(format!(
                "redis.{name} is longer than timeout, which is for the whole operation"
            ));
        }
    }
    Ok(())
}

fn redis(redis: &RedisConfig) -> Result<()> {
    let places = [
        (redis.url.is_some(), "url"),
        (redis.addr.is_some(), "addr"),
        (redis.sentinel.is_some(), "sentinel"),
    ];
    let mut named = places.iter().filter(|(named, _)| *named);
    if let (Some((_, one)), Some((_, other))) = (named.next(), named.next()) {
        return wrong(format!(
            "redis.{one} and redis.{other} both say where the server is; leave one of them out"
        ));
    }
    if let Some(addr) = &redis.addr {
        address("redis.addr", addr)?;
    }
    if let Some(sentinel) = &redis.sentinel {
        sentinels(sentinel)?;
    }
    url(redis)?;
    if let Some(idle) = redis.min_idle_conns {
        let pool = redis.pool_size.unwrap_or(DEFAULT_POOL_SIZE);
        if idle > pool {
            return wrong(format!(
                "redis.min_idle_conns is {idle}, and redis.pool_size is {pool}: no more can be kept open \
                 than there are"
            ));
        }
    }
    tls(redis)
}

fn sentinels(sentinel: &SentinelConfig) -> Result<()> {
    if sentinel.master.as_deref().is_none_or(str::is_empty) {
        return wrong(
            "redis.sentinel.master is missing: the name under which they know the server",
        );
    }
    if sentinel.nodes.is_empty() {
        return wrong("redis.sentinel.nodes is missing: name at least one sentinel, as host:port");
    }
    if sentinel.username.is_some() && sentinel.password.is_none() {
        return wrong("redis.sentinel.password is missing: a user needs one");
    }
    let mut nodes = sentinel.nodes.iter();
    nodes.try_for_each(|node| address("redis.sentinel.nodes", node))
}

fn address(path: &str, address: &str) -> Result<()> {
    check_address(address).or_else(|message| wrong(format!("{path}: {message}")))
}

/// What the URL says may be said again, in the same words.
fn url(redis: &RedisConfig) -> Result<()> {
    let Some(url) = &redis.url else {
        return Ok(());
    };
    let said = Said::by(url.expose_secret());
    let username = redis.username.as_deref().zip(said.username.as_deref());
    let username = username.is_some_and(|(key, url)| key != url);
    let password = redis.password.as_ref().zip(said.password.as_deref());
    let password = password.is_some_and(|(key, url)| !same(key, url));
    let db = redis.db.zip(said.db).is_some_and(|(key, url)| key != url);
    for (differs, later, name) in [
        (username, redis.later.username, "username"),
        (password, redis.later.password, "password"),
        (db, redis.later.db, "db"),
    ] {
        if differs && !later {
            return wrong(format!(
                "redis.{name} and redis.url say different things; leave one of them out"
            ));
        }
    }
    Ok(())
}

fn tls(redis: &RedisConfig) -> Result<()> {
    let scheme = redis.url.as_ref().and_then(|url| {
        let (scheme, _) = url.expose_secret().split_once(':')?;
        Some(scheme.to_ascii_lowercase())
    });
    let scheme = scheme.as_deref().unwrap_or_default();
    let encrypted_url = ["rediss", "valkeys", "rediss-sentinel"].contains(&scheme);
    let files = match &redis.tls {
        None | Some(TlsConfig::Off) if !encrypted_url => return Ok(()),
        Some(TlsConfig::Off) => {
            return wrong("redis.tls is false, and redis.url asks for encryption");
        }
        None => &TlsFiles::default(),
        Some(TlsConfig::On(files)) => files,
    };
    if ["unix", "redis+unix"].contains(&scheme) {
        return wrong("redis.tls: a unix socket isn't encrypted");
    }
    match (&files.cert_file, &files.key_file) {
        (Some(_), None) => {
            return wrong("redis.tls.key_file is missing: a certificate needs its key");
        }
        (None, Some(_)) => {
            return wrong("redis.tls.cert_file is missing: a key needs its certificate");
        }
        _ => {}
    }
    if !cfg!(feature = "redis-tls") {
        return wrong(
            "redis.tls needs the feature `redis-tls` of larder, which is off in this build",
        );
    }
    Ok(())
}
