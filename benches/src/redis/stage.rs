//! The server, who talks to it, and what it holds.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fred::clients::Client;
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::RespVersion;
use fred::types::config::{Config, ConnectionConfig, PerformanceConfig, ServerConfig, TcpConfig};
use larder::{Cache, Memory, Redis, Space, Store};
use larder_core::Namespace;
use larder_testkit::RedisServer;
use tokio::runtime::{Builder, Runtime};

use crate::work::{CAPACITY, KEYS, PREFIX};

/// As long as [`PLAIN`].
const NAMESPACE: &str = "bench";
/// Before the names that the raw client writes: outside of larder's namespace, whose owner is told of changes.
const PLAIN: &str = "plain";

/// How long everything is kept.
pub(super) const TTL: Duration = Duration::from_secs(3_600);
/// Length of a value.
pub(super) const VALUE: usize = 500;

/// A server of our own, and its clients: larder with its default settings, which reads over one connection and
/// writes over another, and the raw client over one.
pub(super) struct Stage {
    pub(super) runtime: Runtime,
    pub(super) server: RedisServer,
    pub(super) raw: Client,
    /// The same, once more.
    pub(super) control: Client,
    pub(super) cache: Cache,
    /// Redis alone.
    pub(super) space: Space<String>,
    pub(super) names: Names,
}

/// Keys and values, by number.
#[derive(Clone)]
pub(super) struct Names(Arc<Inner>);

struct Inner {
    namespace: Namespace,
    names: Vec<String>,
    stored: Vec<String>,
    plain: Vec<String>,
    values: Vec<String>,
    /// What larder has stored for each value.
    entries: Vec<Bytes>,
}

impl Names {
    pub(super) fn namespace(&self) -> &Namespace {
        &self.0.namespace
    }

    /// A name in the space.
    pub(super) fn name(&self, number: usize) -> &str {
        &self.0.names[number % KEYS]
    }

    /// The name that the server knows it by.
    pub(super) fn stored(&self, number: usize) -> &str {
        &self.0.stored[number % KEYS]
    }

    /// A name as long, for the raw client's own writes.
    pub(super) fn plain(&self, number: usize) -> &str {
        &self.0.plain[number % KEYS]
    }

    /// The text.
    pub(super) fn text(&self, number: usize) -> &String {
        &self.0.values[number % KEYS]
    }

    /// Its bytes, which are not copied.
    pub(super) fn bytes(&self, number: usize) -> Bytes {
        let entry = &self.0.entries[number % KEYS];
        entry.slice(entry.len() - VALUE..)
    }

    /// The entry as larder has stored it.
    pub(super) fn entry(&self, number: usize) -> Bytes {
        self.0.entries[number % KEYS].clone()
    }
}

impl Stage {
    /// Starts the server and fills it.
    pub(super) fn set() -> Self {
        let server = RedisServer::start();
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime starts");
        let (raw, control, cache) = runtime.block_on(async {
            let tier = Redis::builder(server.url());
            let cache = Cache::builder(NAMESPACE).tier(tier).build().await;
            let cache = cache.expect("the server is there");
            (connect(&server).await, connect(&server).await, cache)
        });
        let space = cache.space::<String>(PREFIX);
        let mut inner = Inner::empty();
        runtime.block_on(async {
            for (name, text) in inner.names.iter().zip(&inner.values) {
                let stored = space.set_raw(name, text.clone()).ttl(TTL).await;
                stored.expect("the server takes it");
            }
            inner.entries = raw
                .mget(inner.stored.clone())
                .await
                .expect("they are there");
        });
        Self {
            runtime,
            server,
            raw,
            control,
            cache,
            space,
            names: Names(Arc::new(inner)),
        }
    }

    /// Memory over Redis, in the same namespace, with the memory tier itself.
    pub(super) fn tiered(&self) -> (Cache, Store) {
        let memory = Memory::builder().max_entries(CAPACITY).build();
        let memory = Store::new(memory.expect("the settings are sound"));
        let cache = Cache::builder(NAMESPACE)
            .tier(memory.clone())
            .tier(Redis::builder(self.server.url()));
        let cache = self.runtime.block_on(cache.build());
        (cache.expect("the server is there"), memory)
    }

    /// The server's name and version.
    pub(super) fn version(&self) -> String {
        version(&self.server)
    }
}

/// A server's name and version.
pub(crate) fn version(server: &RedisServer) -> String {
    let version = server.command(&["INFO", "server"]);
    let version = version.text();
    let version = version
        .lines()
        .find_map(|line| line.strip_prefix("redis_version:"));
    format!("Redis {}", version.unwrap_or("of unknown version"))
}

impl Inner {
    fn empty() -> Self {
        let names: Vec<String> = (0..KEYS).map(|at| format!("gate:{at:08}")).collect();
        let whole = |namespace: &str| {
            let whole = names.iter();
            whole
                .map(|name| format!("{namespace}:{PREFIX}:{name}"))
                .collect()
        };
        let mut random = fastrand::Rng::with_seed(5);
        Self {
            namespace: Namespace::new(NAMESPACE).expect("a name"),
            stored: whole(NAMESPACE),
            plain: whole(PLAIN),
            values: (0..KEYS)
                .map(|_| (0..VALUE).map(|_| random.alphanumeric()).collect())
                .collect(),
            entries: Vec::new(),
            names,
        }
    }
}

/// A raw client as one would set it up who thought about it: one connection, a limit on the time that a command
/// may take, everything else as larder has it too.
async fn connect(server: &RedisServer) -> Client {
    let address = server.address();
    let config = Config {
        server: ServerConfig::new_centralized(address.ip().to_string(), address.port()),
        version: RespVersion::RESP3,
        ..Config::default()
    };
    let performance = PerformanceConfig {
        default_command_timeout: Duration::from_secs(1),
        ..PerformanceConfig::default()
    };
    let connection = ConnectionConfig {
        tcp: TcpConfig {
            nodelay: Some(true),
            ..TcpConfig::default()
        },
        ..ConnectionConfig::default()
    };
    let client = Client::new(config, Some(performance), Some(connection), None);
    client.init().await.expect("the server is there");
    client
}
