//! Settings over settings: what wins, and what it takes with it.

use super::model::{
    Config, LaterThanUrl, MemoryConfig, RedisConfig, SentinelConfig, TlsConfig, TlsFiles,
};

/// Lays settings over others, key by key. A driver takes the sections of the others with it that it has no
/// use for; an address, URL or sentinels take the other ways to say where the server is.
pub(super) fn overlay(upper: Config, mut base: Config) -> Config {
    if let Some(driver) = upper.driver {
        if !driver.uses_redis() {
            base.redis = RedisConfig::default();
            base.memory.max_ttl = None;
        }
        if !driver.uses_memory() {
            base.memory = MemoryConfig::default();
        }
    }
    Config {
        namespace: upper.namespace.or(base.namespace),
        driver: upper.driver.or(base.driver),
        default_ttl: upper.default_ttl.or(base.default_ttl),
        jitter: upper.jitter.or(base.jitter),
        stale_for: upper.stale_for.or(base.stale_for),
        load_timeout: upper.load_timeout.or(base.load_timeout),
        timeout: upper.timeout.or(base.timeout),
        max_retries: upper.max_retries.or(base.max_retries),
        retry_delay: upper.retry_delay.or(base.retry_delay),
        max_value_bytes: upper.max_value_bytes.or(base.max_value_bytes),
        max_batch: upper.max_batch.or(base.max_batch),
        memory: memory(&upper.memory, &base.memory),
        redis: redis(upper.redis, base.redis),
    }
}

fn memory(upper: &MemoryConfig, base: &MemoryConfig) -> MemoryConfig {
    MemoryConfig {
        max_bytes: upper.max_bytes.or(base.max_bytes),
        max_entries: upper.max_entries.or(base.max_entries),
        policy: upper.policy.or(base.policy),
        time_to_idle: upper.time_to_idle.or(base.time_to_idle),
        max_ttl: upper.max_ttl.or(base.max_ttl),
    }
}

fn redis(upper: RedisConfig, mut base: RedisConfig) -> RedisConfig {
    if upper.url.is_some() {
        // Nothing of the old place goes to the new one, the password least of all.
        base = RedisConfig {
            addr: None,
            username: None,
            password: None,
            db: None,
            sentinel: None,
            ..base
        };
    } else if upper.addr.is_some() {
        base.url = None;
        base.sentinel = None;
    } else if upper.sentinel.as_ref().is_some_and(names_a_place) {
        base.url = None;
        base.addr = None;
    }
    let later = if base.url.is_some() && upper.url.is_none() {
        LaterThanUrl {
            username: base.later.username || upper.username.is_some(),
            password: base.later.password || upper.password.is_some(),
            db: base.later.db || upper.db.is_some(),
        }
    } else {
        upper.later
    };
    RedisConfig {
        url: upper.url.or(base.url),
        addr: upper.addr.or(base.addr),
        username: upper.username.or(base.username),
        password: upper.password.or(base.password),
        db: upper.db.or(base.db),
        pool_size: upper.pool_size.or(base.pool_size),
        min_idle_conns: upper.min_idle_conns.or(base.min_idle_conns),
        dial_timeout: upper.dial_timeout.or(base.dial_timeout),
        read_timeout: upper.read_timeout.or(base.read_timeout),
        write_timeout: upper.write_timeout.or(base.write_timeout),
        heartbeat: upper.heartbeat.or(base.heartbeat),
        max_in_flight: upper.max_in_flight.or(base.max_in_flight),
        tls: tls(upper.tls, base.tls),
        sentinel: sentinel(upper.sentinel, base.sentinel),
        start: upper.start.or(base.start),
        later,
    }
}

fn names_a_place(sentinel: &SentinelConfig) -> bool {
    sentinel.master.is_some() || !sentinel.nodes.is_empty()
}

fn tls(upper: Option<TlsConfig>, base: Option<TlsConfig>) -> Option<TlsConfig> {
    match (upper, base) {
        (Some(TlsConfig::On(upper)), Some(TlsConfig::On(base))) => Some(TlsConfig::On(TlsFiles {
            ca_file: upper.ca_file.or(base.ca_file),
            cert_file: upper.cert_file.or(base.cert_file),
            key_file: upper.key_file.or(base.key_file),
        })),
        (upper, base) => upper.or(base),
    }
}

fn sentinel(upper: Option<SentinelConfig>, base: Option<SentinelConfig>) -> Option<SentinelConfig> {
    let (Some(upper), Some(base)) = (&upper, &base) else {
        return upper.or(base);
    };
    let nodes = if upper.nodes.is_empty() {
        &base.nodes
    } else {
        &upper.nodes
    };
    Some(SentinelConfig {
        master: upper.master.clone().or_else(|| base.master.clone()),
        nodes: nodes.clone(),
        username: upper.username.clone().or_else(|| base.username.clone()),
        password: upper.password.clone().or_else(|| base.password.clone()),
    })
}
