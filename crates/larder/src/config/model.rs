//! The settings of a cache as data. Everything may be left out.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use larder_core::Ttl;
use secrecy::{ExposeSecret, SecretString};

/// Settings of a cache, read from a file and the environment or made by hand; see the [module](super).
///
/// What is left out (`None`) has the default that its field names.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Config {
    /// The namespace. Default: none; it must be said somewhere.
    pub namespace: Option<String>,
    /// Which tiers there are. Default: [`Driver::Tiered`] if the Redis section says where a server is,
    /// else [`Driver::Memory`].
    pub driver: Option<Driver>,
    /// How long look-ups return an entry; see [`CacheBuilder::ttl`](crate::CacheBuilder::ttl). Default:
    /// until it is deleted or evicted.
    pub default_ttl: Option<Ttl>,
    /// The most by which a time to live is shortened at random, 0 to 1. Default: 0.
    pub jitter: Option<f64>,
    /// How long an entry may stand in for a failing origin. Default: not at all.
    pub stale_for: Option<Duration>,
    /// How long a loader may take. Default: 30 seconds.
    pub load_timeout: Option<Duration>,
    /// How long an operation of a remote tier may take: its reads and its writes, unless they have their
    /// own. Default: 1 second.
    pub timeout: Option<Duration>,
    /// How often a remote read that failed for a moment is tried again. Default: 0.
    pub max_retries: Option<u32>,
    /// How long to wait before such a retry. Default: 50 ms.
    pub retry_delay: Option<Duration>,
    /// The most bytes that a value may have. Default: 16 MiB.
    pub max_value_bytes: Option<u64>,
    /// The most operations of a batch. Default: 10,000.
    pub max_batch: Option<usize>,
    /// The memory tier.
    pub memory: MemoryConfig,
    /// The Redis tier.
    pub redis: RedisConfig,
}

/// Which tiers a cache has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Driver {
    /// Memory alone.
    Memory,
    /// Redis alone.
    Redis,
    /// Memory in front of Redis.
    Tiered,
}

/// Settings of the memory tier; see [`MemoryBuilder`](crate::MemoryBuilder).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryConfig {
    /// The most bytes. Default: 128 MiB, unless the entries are limited.
    pub max_bytes: Option<u64>,
    /// The most entries. Default: no limit.
    pub max_entries: Option<u64>,
    /// Which entry goes when there is no room. Default: [`EvictionPolicy::TinyLfu`].
    pub policy: Option<EvictionPolicy>,
    /// Drops an entry that nobody has used for so long. Default: never.
    pub time_to_idle: Option<Duration>,
    /// The longest that an entry stays in this tier, where another is behind it. Default: as long as
    /// it lives.
    pub max_ttl: Option<Duration>,
}

/// Which entry goes when there is no room in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EvictionPolicy {
    /// What is asked for often stays.
    TinyLfu,
    /// What was used longest ago goes.
    Lru,
}

/// Settings of the Redis tier; see `RedisBuilder`. `Debug` shows no secret.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct RedisConfig {
    pub(super) url: Option<SecretString>,
    /// `host:port`. Default: `localhost:6379`, where neither a URL nor sentinels are named.
    pub addr: Option<String>,
    /// The user. Default: what the URL says, else the server's default user.
    pub username: Option<String>,
    pub(super) password: Option<SecretString>,
    /// The database, 0 to 255. Default: what the URL says, else 0.
    pub db: Option<u8>,
    /// How many connections. Default: 2.
    pub pool_size: Option<usize>,
    /// How many connections are kept open at least: all are, so this is only compared with
    /// `pool_size`. Default: all.
    pub min_idle_conns: Option<usize>,
    /// How long making a connection may take. Default: 2 seconds.
    pub dial_timeout: Option<Duration>,
    /// How long a read may take. Default: [`Config::timeout`].
    pub read_timeout: Option<Duration>,
    /// How long a write may take. Default: [`Config::timeout`].
    pub write_timeout: Option<Duration>,
    /// How often the connection that tells of changes is tried. Default: 1 second.
    pub heartbeat: Option<Duration>,
    /// How many operations may be under way at once. Default: 10,000.
    pub max_in_flight: Option<usize>,
    /// Whether connections are encrypted. Default: what the URL says, else not.
    pub tls: Option<TlsConfig>,
    /// The sentinels that know the server. Default: none.
    pub sentinel: Option<SentinelConfig>,
    /// What to do if the server can't be reached at the start. Default: [`StartMode::Connected`].
    pub start: Option<StartMode>,
    /// What was said later than the URL, and so wins over it.
    pub(super) later: LaterThanUrl,
}

/// Keys from a place that wins over the one that the URL is from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LaterThanUrl {
    pub(super) username: bool,
    pub(super) password: bool,
    pub(super) db: bool,
}

/// What to do if the server can't be reached when the cache is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StartMode {
    /// Building fails.
    Connected,
    /// The cache is built, and what needs the server fails until it is there.
    Degraded,
}

/// Whether and how connections are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsConfig {
    /// Not.
    Off,
    /// Yes; what isn't named in these files is as the system has it.
    On(TlsFiles),
}

/// PEM files for encrypted connections, read when the builder is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsFiles {
    /// The certificates to trust, and no others. Default: those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// The certificate chain to show. Default: none.
    pub cert_file: Option<PathBuf>,
    /// Its private key. Default: none.
    pub key_file: Option<PathBuf>,
}

/// The sentinels that know where the server is. `Debug` shows no secret.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct SentinelConfig {
    /// The name under which they know it. Must be said.
    pub master: Option<String>,
    /// Where they are: `host:port`, port 26379 if left out. At least one must be named.
    pub nodes: Vec<String>,
    /// The user that they know us by. Default: none.
    pub username: Option<String>,
    pub(super) password: Option<SecretString>,
}

impl Config {
    /// Every key of a file, sections joined by dots: for tools and tests.
    pub const KEYS: &'static [&'static str] = super::keys::KEYS;

    /// Sets the namespace.
    pub fn with_namespace(self, namespace: impl Into<String>) -> Self {
        Self {
            namespace: Some(namespace.into()),
            ..self
        }
    }

    /// The driver: the one named, or what the rest comes to.
    pub fn effective_driver(&self) -> Driver {
        self.driver.unwrap_or(if self.redis.has_place() {
            Driver::Tiered
        } else {
            Driver::Memory
        })
    }
}

impl Driver {
    pub(super) fn uses_memory(self) -> bool {
        !matches!(self, Self::Redis)
    }

    pub(super) fn uses_redis(self) -> bool {
        !matches!(self, Self::Memory)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
            Self::Tiered => "tiered",
        }
    }
}

impl RedisConfig {
    /// Sets the URL. It may hold a password, which is never shown.
    pub fn with_url(self, url: impl Into<String>) -> Self {
        Self {
            url: Some(url.into().into()),
            ..self
        }
    }

    /// Sets the password. An empty one is none.
    pub fn with_password(self, password: impl Into<String>) -> Self {
        let password = password.into();
        Self {
            password: (!password.is_empty()).then(|| password.into()),
            ..self
        }
    }

    /// Whether it is said where a server is.
    pub(super) fn has_place(&self) -> bool {
        self.url.is_some() || self.addr.is_some() || self.sentinel.is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        // Field by field, so that a new one isn't forgotten.
        let Self {
            url,
            addr,
            username,
            password,
            db,
            pool_size,
            min_idle_conns,
            dial_timeout,
            read_timeout,
            write_timeout,
            heartbeat,
            max_in_flight,
            tls,
            sentinel,
            start,
            later: _,
        } = self;
        let counts = [pool_size, min_idle_conns, max_in_flight];
        let durations = [dial_timeout, read_timeout, write_timeout, heartbeat];
        url.is_none()
            && addr.is_none()
            && username.is_none()
            && password.is_none()
            && db.is_none()
            && tls.is_none()
            && sentinel.is_none()
            && start.is_none()
            && counts.iter().all(|count| count.is_none())
            && durations.iter().all(|duration| duration.is_none())
    }
}

impl SentinelConfig {
    /// Sentinels at these places, which know the server by this name.
    pub fn new<S: Into<String>>(
        master: impl Into<String>,
        nodes: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            master: Some(master.into()),
            nodes: nodes.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// Sets the password that the sentinels know us by. An empty one is none.
    pub fn with_password(self, password: impl Into<String>) -> Self {
        let password = password.into();
        Self {
            password: (!password.is_empty()).then(|| password.into()),
            ..self
        }
    }
}

impl TlsFiles {
    /// Sets the file with the certificates to trust.
    pub fn with_ca_file(self, ca_file: impl Into<PathBuf>) -> Self {
        Self {
            ca_file: Some(ca_file.into()),
            ..self
        }
    }

    /// Sets the files with the certificate chain to show, and its private key.
    pub fn with_certificate(
        self,
        cert_file: impl Into<PathBuf>,
        key_file: impl Into<PathBuf>,
    ) -> Self {
        Self {
            cert_file: Some(cert_file.into()),
            key_file: Some(key_file.into()),
            ..self
        }
    }
}

/// What stands for a secret.
const HIDDEN: &str = "…";

/// An address as it may be shown: somebody may have put a password into it.
fn shown(address: &str) -> &str {
    if address.contains('@') {
        HIDDEN
    } else {
        address
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = |secret: &Option<SecretString>| secret.as_ref().map(|_| HIDDEN);
        f.debug_struct("RedisConfig")
            .field("url", &secret(&self.url))
            .field("addr", &self.addr.as_deref().map(shown))
            .field("username", &self.username)
            .field("password", &secret(&self.password))
            .field("db", &self.db)
            .field("pool_size", &self.pool_size)
            .field("min_idle_conns", &self.min_idle_conns)
            .field("dial_timeout", &self.dial_timeout)
            .field("read_timeout", &self.read_timeout)
            .field("write_timeout", &self.write_timeout)
            .field("heartbeat", &self.heartbeat)
            .field("max_in_flight", &self.max_in_flight)
            .field("tls", &self.tls)
            .field("sentinel", &self.sentinel)
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SentinelConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<_> = self.nodes.iter().map(|node| shown(node)).collect();
        f.debug_struct("SentinelConfig")
            .field("master", &self.master)
            .field("nodes", &nodes)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| HIDDEN))
            .finish()
    }
}

/// Whether two secrets are the same.
pub(super) fn same(one: &SecretString, other: &str) -> bool {
    one.expose_secret() == other
}
