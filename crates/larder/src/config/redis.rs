//! The Redis tier that the settings come to.

use std::fs;
use std::path::Path;

use larder_core::Result;
use secrecy::ExposeSecret;

use super::address::{is_bare_v6, split};
use super::model::{Config, RedisConfig, SentinelConfig, StartMode, TlsConfig, TlsFiles};
use super::tree::invalid;
use crate::{Credentials, Redis, RedisBuilder, Start, Tls};

/// Where a server is that nobody placed.
const DEFAULT_ADDRESS: &str = "localhost:6379";

/// Sentinel's port, which a node need not name.
const SENTINEL_PORT: &str = "26379";

/// The tier, but for the files of its encryption.
pub(super) fn tier(config: &Config) -> RedisBuilder {
    let redis = &config.redis;
    let mut builder = place(redis);
    if let Some(username) = &redis.username {
        builder = builder.username(username);
    }
    if let Some(password) = &redis.password {
        builder = builder.password(password.expose_secret());
    }
    if let Some(db) = redis.db {
        builder = builder.db(db);
    }
    if let Some(connections) = redis.pool_size {
        builder = builder.pool_size(connections);
    }
    if let Some(timeout) = redis.dial_timeout {
        builder = builder.dial_timeout(timeout);
    }
    if let Some(timeout) = redis.read_timeout.or(config.timeout) {
        builder = builder.read_timeout(timeout);
    }
    if let Some(timeout) = redis.write_timeout.or(config.timeout) {
        builder = builder.write_timeout(timeout);
    }
    if let Some(heartbeat) = redis.heartbeat {
        builder = builder.heartbeat(heartbeat);
    }
    if let Some(operations) = redis.max_in_flight {
        builder = builder.max_in_flight(operations);
    }
    if let Some(retries) = config.max_retries {
        builder = builder.max_retries(retries);
    }
    if let Some(delay) = config.retry_delay {
        builder = builder.retry_delay(delay);
    }
    match redis.start {
        Some(StartMode::Degraded) => builder.start(Start::Degraded),
        Some(StartMode::Connected) | None => builder,
    }
}

/// The tier, with the files of its encryption read.
pub(super) fn tier_with_files(config: &Config) -> Result<RedisBuilder> {
    let builder = tier(config);
    match &config.redis.tls {
        Some(TlsConfig::On(files)) => Ok(builder.tls(tls(files)?)),
        Some(TlsConfig::Off) | None => Ok(builder),
    }
}

fn place(redis: &RedisConfig) -> RedisBuilder {
    match (&redis.url, &redis.sentinel) {
        (Some(url), _) => Redis::builder(url.expose_secret()),
        (None, Some(sentinel)) => by_sentinels(sentinel),
        (None, None) => Redis::at(redis.addr.as_deref().unwrap_or(DEFAULT_ADDRESS)),
    }
}

fn by_sentinels(sentinel: &SentinelConfig) -> RedisBuilder {
    let nodes: Vec<String> = sentinel.nodes.iter().map(|node| with_port(node)).collect();
    // The builder takes the address for one of the sentinels; that there is one was checked.
    let first = nodes.first().cloned().unwrap_or_default();
    let master = sentinel.master.as_deref().unwrap_or_default();
    let builder = Redis::at(first).sentinel(master, nodes);
    let Some(password) = &sentinel.password else {
        return builder;
    };
    let password = password.expose_secret();
    builder.sentinel_credentials(match &sentinel.username {
        Some(username) => Credentials::new(username, password),
        None => Credentials::password(password),
    })
}

/// A sentinel's address with its port.
fn with_port(node: &str) -> String {
    match split(node) {
        (_, Some(_)) => node.to_owned(),
        (name, None) if is_bare_v6(name) => format!("[{name}]:{SENTINEL_PORT}"),
        (name, None) => format!("{name}:{SENTINEL_PORT}"),
    }
}

fn tls(files: &TlsFiles) -> Result<Tls> {
    let mut tls = Tls::default();
    if let Some(file) = &files.ca_file {
        tls = tls.root_certificates(read("ca_file", file)?);
    }
    if let (Some(chain), Some(key)) = (&files.cert_file, &files.key_file) {
        tls = tls.client_certificate(read("cert_file", chain)?, read("key_file", key)?);
    }
    Ok(tls)
}

fn read(name: &str, file: &Path) -> Result<String> {
    fs::read_to_string(file).map_err(|error| {
        let message = format!("redis.tls.{name}: {}: {error}", file.display());
        invalid(message).with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentinel_has_its_own_default_port() {
        for (node, whole) in [
            ("a", "a:26379"),
            ("a:1", "a:1"),
            ("[::1]", "[::1]:26379"),
            ("::1", "[::1]:26379"),
            ("[::1]:1", "[::1]:1"),
        ] {
            assert_eq!(with_port(node), whole);
        }
    }
}
