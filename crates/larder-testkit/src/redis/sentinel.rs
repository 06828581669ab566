//! A primary, its replicas, and the sentinels that watch over them.

use std::net::SocketAddr;
use std::time::Duration;

use super::builder::{Mode, quoted};
use super::process;
use super::{RedisBuilder, RedisServer, Reply};

/// What sentinels wait for before they take the primary for dead, in milliseconds.
const DOWN_AFTER: u32 = 400;
/// What they wait for before they try a failover again, in milliseconds.
const FAILOVER_TIMEOUT: u32 = 5_000;

/// What sentinels do is given so long: one that was stalled for two seconds acts on nothing for the next thirty
/// (Redis' "tilt mode").
const PATIENCE: Duration = Duration::from_secs(90);

/// Settings of a [`RedisSentinel`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct SentinelBuilder {
    master_name: String,
    replicas: usize,
    sentinels: usize,
    server: RedisBuilder,
    sentinel_password: Option<String>,
}

/// A primary with replicas, and sentinels that make one of them primary when it dies. All are stopped when
/// this is dropped.
///
/// Starting takes some three seconds and a failover one or two: so long sentinels take to hear of each other
/// and to agree.
///
/// ```no_run
/// use larder_testkit::RedisSentinel;
///
/// let group = RedisSentinel::start();
/// let old = group.kill_primary();
/// let new = group.wait_for_failover(old);
/// assert_ne!(new, old);
/// ```
#[derive(Debug)]
pub struct RedisSentinel {
    master_name: String,
    servers: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
}

impl SentinelBuilder {
    /// What the sentinels call the primary. Default: `primary`.
    pub fn master_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.master_name);
        self
    }

    /// How many replicas there are. Default: 1.
    pub fn replicas(mut self, count: usize) -> Self {
        self.replicas = count;
        self
    }

    /// How many sentinels there are; more than half of them have to agree. Default: 3.
    pub fn sentinels(mut self, count: usize) -> Self {
        self.sentinels = count;
        self
    }

    /// The password of the sentinels' default user. Default: none.
    pub fn sentinel_password(mut self, password: &str) -> Self {
        self.sentinel_password = Some(password.to_owned());
        self
    }

    /// What the primary and the replicas are started with; they and the sentinels get the password too.
    /// Default: nothing.
    pub fn servers(mut self, settings: RedisBuilder) -> Self {
        self.server = settings;
        self
    }

    /// Starts everything; returns when each sentinel knows all the others and every replica.
    ///
    /// # Panics
    ///
    /// As [`RedisBuilder::start`], or if they don't find each other within ninety seconds.
    pub fn start(self) -> RedisSentinel {
        let settings = || {
            let settings = self.server.clone();
            // So that a replica has everything as soon as it is connected.
            let settings = settings.argument("repl-diskless-sync-delay", "0");
            match self.server.default_password() {
                Some(password) => settings.argument("masterauth", &quoted(password)),
                None => settings,
            }
        };
        let primary = settings().start();
        let port = primary.port();
        let replica_of = format!("127.0.0.1 {port}");
        let replicas =
            (0..self.replicas).map(|_| settings().argument("replicaof", &replica_of).start());
        let servers: Vec<RedisServer> = std::iter::once(primary)
            .chain(replicas.collect::<Vec<_>>())
            .collect();
        let linked = process::until(|| servers[1..].iter().all(is_linked));
        assert!(
            linked,
            "the replicas don't find their primary:\n{}",
            servers[0].log()
        );

        // Sentinels that start now see every replica at their first look; the next comes ten seconds later.
        let sentinels = (0..self.sentinels).map(|_| self.sentinel(port).start());
        let group = RedisSentinel {
            sentinels: sentinels.collect(),
            servers,
            master_name: self.master_name,
        };
        let known = process::within(PATIENCE, || {
            group
                .sentinels
                .iter()
                .all(|sentinel| group.knows_all(sentinel))
        });
        assert!(
            known,
            "the sentinels don't find each other:\n{}",
            group.sentinels[0].log()
        );
        group
    }

    fn sentinel(&self, port: u16) -> RedisBuilder {
        let name = &self.master_name;
        let quorum = self.sentinels / 2 + 1;
        let mut settings = RedisServer::builder()
            .mode(Mode::Sentinel)
            .argument(
                "sentinel monitor",
                &format!("{name} 127.0.0.1 {port} {quorum}"),
            )
            .argument(
                "sentinel down-after-milliseconds",
                &format!("{name} {DOWN_AFTER}"),
            )
            .argument(
                "sentinel failover-timeout",
                &format!("{name} {FAILOVER_TIMEOUT}"),
            );
        if let Some(password) = self.server.default_password() {
            let value = format!("{name} {}", quoted(password));
            settings = settings.argument("sentinel auth-pass", &value);
        }
        match &self.sentinel_password {
            // Sentinels speak with each other too.
            Some(password) => settings
                .password(password)
                .argument("sentinel sentinel-pass", &quoted(password)),
            None => settings,
        }
    }
}

impl RedisSentinel {
    /// A primary, one replica and three sentinels without passwords.
    ///
    /// # Panics
    ///
    /// As [`SentinelBuilder::start`].
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// The settings of a group.
    pub fn builder() -> SentinelBuilder {
        SentinelBuilder {
            master_name: "primary".to_owned(),
            replicas: 1,
            sentinels: 3,
            server: RedisServer::builder(),
            sentinel_password: None,
        }
    }

    /// What the sentinels call the primary.
    pub fn master_name(&self) -> &str {
        &self.master_name
    }

    /// Where the sentinels are.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sentinels.iter().map(RedisServer::address).collect()
    }

    /// The sentinels.
    pub fn sentinels(&self) -> &[RedisServer] {
        &self.sentinels
    }

    /// The first primary and the replicas, in the order in which they were started.
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// The server that the sentinels call primary now, alive or not.
    ///
    /// # Panics
    ///
    /// If no sentinel runs.
    pub fn primary(&self) -> &RedisServer {
        let primary = self
            .running()
            .find_map(|sentinel| self.primary_by(sentinel));
        let address = primary.expect("a sentinel runs and knows the primary");
        let mut servers = self.servers.iter();
        servers
            .find(|server| server.address() == address)
            .expect("the primary is one of ours")
    }

    /// Kills the primary and says where it was. Blocks before that while a running sentinel acts on nothing,
    /// because it was stalled: none would find a replica good enough afterwards.
    ///
    /// # Panics
    ///
    /// If no sentinel runs, or one acts on nothing for ninety seconds.
    pub fn kill_primary(&self) -> SocketAddr {
        let heeding = process::within(PATIENCE, || self.running().all(is_heeding));
        assert!(heeding, "a sentinel stays in tilt mode");
        let primary = self.primary();
        primary.kill();
        primary.address()
    }

    /// Blocks until every running sentinel knows another primary than `old`, and that one takes writes;
    /// where it is.
    ///
    /// # Panics
    ///
    /// If that isn't so within ninety seconds.
    pub fn wait_for_failover(&self, old: SocketAddr) -> SocketAddr {
        let over = process::within(PATIENCE, || {
            let primary = self.primary();
            primary.address() != old
                && role(primary).as_deref() == Some("master")
                && self
                    .running()
                    .all(|sentinel| self.primary_by(sentinel) == Some(primary.address()))
        });
        assert!(over, "no failover from {old}:\n{}", self.sentinels[0].log());
        self.primary().address()
    }

    fn running(&self) -> impl Iterator<Item = &RedisServer> {
        self.sentinels
            .iter()
            .filter(|sentinel| sentinel.is_running())
    }

    fn primary_by(&self, sentinel: &RedisServer) -> Option<SocketAddr> {
        let asked = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", &self.master_name];
        let reply = sentinel.try_client().ok()?.command(&asked).ok()?;
        let Reply::Array(_) = reply else { return None };
        let address = reply.texts().join(":");
        address.parse().ok()
    }

    /// Whether a sentinel is ready for a failover.
    fn knows_all(&self, sentinel: &RedisServer) -> bool {
        let master = sentinel.command(&["SENTINEL", "MASTER", &self.master_name]);
        let replicas = sentinel.command(&["SENTINEL", "REPLICAS", &self.master_name]);
        let is = |name, value: usize| master.clone().value_of(name) == Some(value.to_string());
        is_heeding(sentinel)
            && is("num-slaves", self.servers.len() - 1)
            && is("num-other-sentinels", self.sentinels.len() - 1)
            && master.clone().value_of("flags").as_deref() == Some("master")
            && replicas.array().into_iter().all(|replica| {
                replica.clone().value_of("flags").as_deref() == Some("slave")
                    && replica.value_of("master-link-status").as_deref() == Some("ok")
            })
    }
}

/// Whether a replica has all that its primary has.
fn is_linked(replica: &RedisServer) -> bool {
    says(replica, "replication", "master_link_status:up")
}

/// Whether a sentinel acts on what it sees.
fn is_heeding(sentinel: &RedisServer) -> bool {
    says(sentinel, "sentinel", "sentinel_tilt:0")
}

fn says(server: &RedisServer, section: &str, wanted: &str) -> bool {
    let info = server.command(&["INFO", section]).text();
    info.lines().any(|line| line == wanted)
}

/// `master` or `slave`, if the server answers.
fn role(server: &RedisServer) -> Option<String> {
    let reply = server.try_client().ok()?.command(&["ROLE"]).ok()?;
    match reply {
        Reply::Array(parts) => parts.into_iter().next().map(Reply::text),
        _ => None,
    }
}
