//! A tree to settings: each key is read here and nowhere else.

use larder_core::Result;
use serde::de::{Deserialize, Deserializer, Error as _};

use super::address::check_address;
use super::keys;
use super::model::{
    Config, Driver, EvictionPolicy, LaterThanUrl, MemoryConfig, RedisConfig, SentinelConfig,
    StartMode, TlsConfig, TlsFiles,
};
use super::quantity::{
    Read, boolean, count, duration, fraction, list, path, secret, size, text, ttl, whole, word,
};
use super::section::{Section, SectionOr, unknown};
use super::tree::{Node, Value};

/// The section under which a file may have everything.
const WRAPPER: &str = "cache";

/// Reads a whole tree.
pub(super) fn config(node: Node) -> Result<Config> {
    let mut top = Section::new("", unwrapped(node)?)?;
    let memory = memory(top.section("memory", "memory")?)?;
    let redis = redis(top.section("redis", "redis")?)?;
    Ok(Config {
        namespace: top.take("namespace", text)?,
        driver: top.take("driver", driver)?,
        default_ttl: top.take("default_ttl", ttl)?,
        jitter: top.take("jitter", fraction)?,
        stale_for: top.take("stale_for", duration)?,
        load_timeout: top.take("load_timeout", duration)?,
        timeout: top.take("timeout", duration)?,
        max_retries: top.take("max_retries", count)?,
        retry_delay: top.take("retry_delay", duration)?,
        max_value_bytes: top.take("max_value_bytes", size)?,
        max_batch: top.take("max_batch", count)?,
        memory,
        redis,
    })
}

/// The tree without the section around it.
fn unwrapped(mut node: Node) -> Result<Node> {
    let Value::Map(entries) = &mut node.value else {
        return Ok(node);
    };
    let Some(index) = entries.iter().position(|entry| entry.name == WRAPPER) else {
        return Ok(node);
    };
    let inner = entries.swap_remove(index).node;
    match entries.first() {
        None => Ok(inner),
        Some(beside) if keys::is_known(&beside.name) => Err(beside.origin.wrong(
            &beside.name,
            format_args!("stands beside `{WRAPPER}`, which has all settings below it"),
        )),
        Some(beside) => Err(unknown(&beside.name, &beside.origin)),
    }
}

fn memory(mut section: Section) -> Result<MemoryConfig> {
    Ok(MemoryConfig {
        max_bytes: section.take("max_bytes", size)?,
        max_entries: section.take("max_entries", count)?,
        policy: section.take("policy", policy)?,
        time_to_idle: section.take("time_to_idle", duration)?,
        max_ttl: section.take("max_ttl", duration)?,
    })
}

fn redis(mut section: Section) -> Result<RedisConfig> {
    section.take("cluster", cluster)?;
    section.take("max_ttl", no_limit)?;
    Ok(RedisConfig {
        url: section.take("url", secret)?.flatten(),
        addr: section.take("addr", address)?,
        username: section.take("username", username)?.flatten(),
        password: section.take("password", secret)?.flatten(),
        db: section.take("db", |node| whole(node, "a database, 0 to 255"))?,
        pool_size: section.take("pool_size", count)?,
        min_idle_conns: section.take("min_idle_conns", count)?,
        dial_timeout: section.take("dial_timeout", duration)?,
        read_timeout: section.take("read_timeout", duration)?,
        write_timeout: section.take("write_timeout", duration)?,
        heartbeat: section.take("heartbeat", duration)?,
        max_in_flight: section.take("max_in_flight", count)?,
        tls: tls(&mut section)?,
        sentinel: sentinel(&mut section)?,
        start: section.take("start", start)?,
        later: LaterThanUrl::default(),
    })
}

fn tls(section: &mut Section) -> Result<Option<TlsConfig>> {
    match section.section_or("tls", "redis.tls")? {
        None => Ok(None),
        Some(SectionOr::Section(mut files)) => Ok(Some(TlsConfig::On(TlsFiles {
            ca_file: files.take("ca_file", path)?,
            cert_file: files.take("cert_file", path)?,
            key_file: files.take("key_file", path)?,
        }))),
        Some(SectionOr::Value(node)) => match boolean(&node) {
            Ok(true) => Ok(Some(TlsConfig::On(TlsFiles::default()))),
            Ok(false) => Ok(Some(TlsConfig::Off)),
            Err(_) => Err(node.origin.wrong(
                "redis.tls",
                "write true, false, or a section with ca_file, cert_file, key_file",
            )),
        },
    }
}

fn sentinel(section: &mut Section) -> Result<Option<SentinelConfig>> {
    let mut section = section.section("sentinel", "redis.sentinel")?;
    if section.is_empty() {
        return Ok(None);
    }
    Ok(Some(SentinelConfig {
        master: section.take("master", text)?,
        nodes: section.take("nodes", nodes)?.unwrap_or_default(),
        username: section.take("username", username)?.flatten(),
        password: section.take("password", secret)?.flatten(),
    }))
}

fn driver(node: &Node) -> Read<Driver> {
    let drivers = [Driver::Memory, Driver::Redis, Driver::Tiered];
    let words = drivers.map(|driver| (driver.name(), driver));
    word(
        node,
        &words,
        "no such driver: write memory, redis or tiered",
    )
}

fn policy(node: &Node) -> Read<EvictionPolicy> {
    let words = [
        ("tinylfu", EvictionPolicy::TinyLfu),
        ("lru", EvictionPolicy::Lru),
    ];
    word(node, &words, "no such policy: write tinylfu or lru")
}

fn start(node: &Node) -> Read<StartMode> {
    let words = [
        ("connected", StartMode::Connected),
        ("degraded", StartMode::Degraded),
    ];
    word(node, &words, "write connected or degraded")
}

/// An empty one is none.
fn username(node: &Node) -> Read<Option<String>> {
    text(node).map(|name| Some(name).filter(|name| !name.is_empty()))
}

/// Only `false` can be honoured.
fn cluster(node: &Node) -> Read<()> {
    match boolean(node) {
        Ok(false) => Ok(()),
        _ => Err("Redis Cluster isn't there yet: name one server, or sentinels".into()),
    }
}

/// What would be cut short here would be cut short everywhere.
fn no_limit(_: &Node) -> Read<()> {
    Err(
        "Redis is the last tier, which can't have one: set default_ttl for every tier, or memory.max_ttl"
            .into(),
    )
}

fn address(node: &Node) -> Read<String> {
    let address = text(node)?;
    check_address(&address)?;
    Ok(address)
}

fn nodes(node: &Node) -> Read<Vec<String>> {
    let nodes = list(node)?;
    nodes.iter().try_for_each(|node| check_address(node))?;
    Ok(nodes)
}

impl<'de> Deserialize<'de> for Config {
    /// From any format: for settings that are a part of an application's own. Whatever is wrong is told
    /// with the key's path.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let node = Node::deserialize(deserializer)?;
        config(node).map_err(|error| D::Error::custom(error.message()))
    }
}
