//! How a Redis store is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use larder_core::{Error, ErrorKind, Result, Store, Tier, TierContext, async_trait};
use secrecy::SecretString;

use crate::Redis;
use crate::address::{self, Address, Host, Parsed};
use crate::credentials::{CredentialProvider, Credentials, Fixed};
use crate::limit::LONGEST;
use crate::tls::{Connector, Tls};
use crate::write::HEAD;

/// What to do if the server can't be reached when the store is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Start {
    /// Opening fails.
    #[default]
    Connected,
    /// The store opens all the same, each operation fails until the server is there, and it is tried
    /// again and again. Wrong settings, wrong credentials and an unsuitable server still fail.
    Degraded,
}

/// Settings of a [`Redis`] store; made by [`Redis::builder`] or [`Redis::at`].
#[derive(Clone)]
#[must_use]
pub struct RedisBuilder {
    place: Place,
    username: Option<String>,
    password: Option<SecretString>,
    provider: Option<Arc<dyn CredentialProvider>>,
    db: Option<u8>,
    tls: Option<Tls>,
    sentinel: Option<(String, Vec<String>)>,
    sentinel_credentials: Option<Credentials>,
    pool_size: usize,
    dial_timeout: Duration,
    read_timeout: Duration,
    write_timeout: Duration,
    heartbeat: Duration,
    max_in_flight: usize,
    max_value_bytes: usize,
    max_retries: u32,
    retry_delay: Duration,
    start: Start,
}

#[derive(Clone)]
enum Place {
    Url(SecretString),
    Address(String),
}

/// What a store is made with, once it has been checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) address: Address,
    pub(crate) credentials: Arc<dyn CredentialProvider>,
    pub(crate) sentinel_credentials: Credentials,
    pub(crate) db: u8,
    #[cfg_attr(
        not(feature = "tls"),
        expect(dead_code, reason = "there is never one in a build that can't encrypt")
    )]
    pub(crate) tls: Option<Connector>,
    pub(crate) pool_size: usize,
    pub(crate) dial_timeout: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) heartbeat: Duration,
    pub(crate) max_in_flight: usize,
    pub(crate) max_value_bytes: usize,
    pub(crate) max_retries: u32,
    pub(crate) retry_delay: Duration,
    pub(crate) start: Start,
}

/// No Redis has more.
const MAX_POOL: usize = 1_024;

impl RedisBuilder {
    pub(crate) fn from_url(url: impl Into<String>) -> Self {
        Self::new(Place::Url(url.into().into()))
    }

    pub(crate) fn from_address(address: impl Into<String>) -> Self {
        Self::new(Place::Address(address.into()))
    }

    fn new(place: Place) -> Self {
        Self {
            place,
            username: None,
            password: None,
            provider: None,
            db: None,
            tls: None,
            sentinel: None,
            sentinel_credentials: None,
            pool_size: 2,
            dial_timeout: Duration::from_secs(2),
            read_timeout: Duration::from_secs(1),
            write_timeout: Duration::from_secs(1),
            heartbeat: Duration::from_secs(1),
            max_in_flight: 10_000,
            max_value_bytes: LONGEST,
            max_retries: 0,
            retry_delay: Duration::from_millis(50),
            start: Start::Connected,
        }
    }

    /// The user. Default: what the URL says, else the server's default user.
    pub fn username(self, username: impl Into<String>) -> Self {
        Self {
            username: Some(username.into()),
            ..self
        }
    }

    /// The password. Default: what the URL says, else none.
    pub fn password(self, password: impl Into<String>) -> Self {
        Self {
            password: Some(password.into().into()),
            ..self
        }
    }

    /// Where credentials come from that change. Together with a fixed user or password it is refused.
    /// Default: none.
    pub fn credentials(self, provider: impl CredentialProvider) -> Self {
        Self {
            provider: Some(Arc::new(provider)),
            ..self
        }
    }

    /// The database, 0 to 255. Default: what the URL says, else 0. The server tells of changes by the name
    /// of the key alone, so two databases that share a namespace disturb each other's memory tiers.
    pub fn db(self, db: u8) -> Self {
        Self {
            db: Some(db),
            ..self
        }
    }

    /// Encrypts the connection, for addresses and for `redis://` URLs; for `rediss://` it says how.
    /// Needs the feature `tls`. Default: what the URL says.
    pub fn tls(self, tls: Tls) -> Self {
        Self {
            tls: Some(tls),
            ..self
        }
    }

    /// Asks these sentinels, `host:port` each, where the primary of this name is. The address given before is one
    /// of them. Default: what the URL says.
    pub fn sentinel<S: Into<String>>(
        self,
        master: impl Into<String>,
        nodes: impl IntoIterator<Item = S>,
    ) -> Self {
        let nodes = nodes.into_iter().map(Into::into).collect();
        Self {
            sentinel: Some((master.into(), nodes)),
            ..self
        }
    }

    /// Who we are to the sentinels. Default: what the URL says, else nobody.
    pub fn sentinel_credentials(self, credentials: Credentials) -> Self {
        Self {
            sentinel_credentials: Some(credentials),
            ..self
        }
    }

    /// How many connections, 1 to 1,024: one that carries every write and tells of changes, the others for
    /// reads. Commands share a connection, so few are enough. Default: 2.
    pub fn pool_size(self, pool_size: usize) -> Self {
        Self { pool_size, ..self }
    }

    /// How long making a connection may take, handshakes included. Default: 2 seconds.
    pub fn dial_timeout(self, dial_timeout: Duration) -> Self {
        Self {
            dial_timeout,
            ..self
        }
    }

    /// How long a read may take unless its caller gives it less. Default: 1 second.
    pub fn read_timeout(self, read_timeout: Duration) -> Self {
        Self {
            read_timeout,
            ..self
        }
    }

    /// How long a write may take unless its caller gives it less. A write that takes longer breaks the
    /// connection, because nobody can tell what became of it. Default: 1 second.
    pub fn write_timeout(self, write_timeout: Duration) -> Self {
        Self {
            write_timeout,
            ..self
        }
    }

    /// How often the connection that tells of changes is tried, and how long an answer may take: a dead one
    /// is noticed within twice this. Default: 1 second.
    pub fn heartbeat(self, heartbeat: Duration) -> Self {
        Self { heartbeat, ..self }
    }

    /// How many operations may be under way at once; more wait, within their deadline. Default: 10,000.
    pub fn max_in_flight(self, max_in_flight: usize) -> Self {
        Self {
            max_in_flight,
            ..self
        }
    }

    /// The most bytes of a stored entry that are read: one that is longer, whoever wrote it, is a counted miss of
    /// which no more than this many bytes and one are received. At least 128. Default: 512 MiB, the longest string of
    /// Redis. Below that, entries are read by `GETRANGE`, batches by one for each key instead of one `MGET`, which
    /// costs the server and us about twice as much.
    pub fn max_value_bytes(self, max_value_bytes: usize) -> Self {
        Self {
            max_value_bytes,
            ..self
        }
    }

    /// How often a read that failed for a moment is tried again, within its deadline. Writes are never
    /// repeated blindly. Default: 0.
    pub fn max_retries(self, max_retries: u32) -> Self {
        Self {
            max_retries,
            ..self
        }
    }

    /// How long to wait before a retry. Default: 50 ms.
    pub fn retry_delay(self, retry_delay: Duration) -> Self {
        Self {
            retry_delay,
            ..self
        }
    }

    /// What to do if the server can't be reached when the store is opened. Default: [`Start::Connected`].
    pub fn start(self, start: Start) -> Self {
        Self { start, ..self }
    }

    /// Connects, for one namespace: changes are told of its keys.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConfigInvalid`] for wrong settings, the server's `maxmemory-policy` among them;
    /// [`ErrorKind::Unsupported`] for a server that can't do what is needed, or whose changes aren't told;
    /// [`ErrorKind::Unavailable`] if it can't be reached, refuses the credentials or forbids what is needed.
    pub async fn connect(self, context: &TierContext) -> Result<Redis> {
        Redis::open(self.settings()?, context).await
    }

    /// Whether the settings make sense, without connecting.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConfigInvalid`], naming the setting.
    pub fn validate(&self) -> Result<()> {
        self.clone().settings().map(drop)
    }

    pub(crate) fn settings(self) -> Result<Settings> {
        let mut parsed = match &self.place {
            Place::Url(url) => address::parse(url)?,
            Place::Address(text) => Parsed::bare(Address::Tcp(Host::parse(text, 6379)?)),
        };
        if let Some((master, nodes)) = self.sentinel {
            parsed.address = by_sentinels(parsed.address, master, &nodes)?;
        }
        for (name, duration) in [
            ("dial_timeout", self.dial_timeout),
            ("read_timeout", self.read_timeout),
            ("write_timeout", self.write_timeout),
            ("heartbeat", self.heartbeat),
        ] {
            if duration < Duration::from_millis(1) {
                return Err(invalid(format!("{name} must be at least a millisecond")));
            }
            if duration > Duration::from_secs(3_600) {
                return Err(invalid(format!("{name} can't be over an hour")));
            }
        }
        if !(1..=MAX_POOL).contains(&self.pool_size) {
            return Err(invalid(format!("pool_size is 1 to {MAX_POOL}")));
        }
        if self.max_in_flight == 0 {
            return Err(invalid("max_in_flight can't be zero"));
        }
        if self.max_value_bytes < HEAD {
            return Err(invalid(format!(
                "max_value_bytes is at least {HEAD}: an entry has a head"
            )));
        }
        let fixed = Credentials {
            username: self.username.or(parsed.username),
            password: self.password.or(parsed.password),
        };
        if fixed.username.is_some() && fixed.password.is_none() && self.provider.is_none() {
            return Err(invalid("a user needs a password".to_owned()));
        }
        let credentials: Arc<dyn CredentialProvider> = match self.provider {
            Some(_) if fixed.password.is_some() => {
                return Err(invalid(
                    "a password and a provider of credentials contradict each other".to_owned(),
                ));
            }
            Some(provider) => provider,
            None => Arc::new(Fixed(fixed)),
        };
        let tls = match self.tls {
            Some(tls) => Some(tls),
            None => parsed.tls.then(Tls::default),
        };
        if tls.is_some() && matches!(parsed.address, Address::Unix(_)) {
            return Err(invalid("a unix socket isn't encrypted"));
        }
        let tls = tls.map(|tls| tls.connector()).transpose()?;
        Ok(Settings {
            address: parsed.address,
            credentials,
            sentinel_credentials: self.sentinel_credentials.unwrap_or(Credentials {
                username: parsed.sentinel_username,
                password: parsed.sentinel_password,
            }),
            db: self.db.or(parsed.db).unwrap_or(0),
            tls,
            pool_size: self.pool_size,
            dial_timeout: self.dial_timeout,
            read_timeout: self.read_timeout,
            write_timeout: self.write_timeout,
            heartbeat: self.heartbeat,
            max_in_flight: self.max_in_flight,
            max_value_bytes: self.max_value_bytes,
            max_retries: self.max_retries,
            retry_delay: self.retry_delay,
            start: self.start,
        })
    }
}

/// The sentinels at the address given and at those named.
fn by_sentinels(address: Address, master: String, nodes: &[String]) -> Result<Address> {
    if master.is_empty() {
        return Err(invalid("the sentinels' master has no name".to_owned()));
    }
    let mut all = match address {
        Address::Tcp(host) => vec![host],
        Address::Sentinel { nodes, .. } => nodes,
        Address::Unix(_) => {
            return Err(invalid(
                "a unix socket and sentinels contradict each other".to_owned(),
            ));
        }
    };
    for node in nodes {
        let node = Host::parse(node, 26379)?;
        if !all.contains(&node) {
            all.push(node);
        }
    }
    Ok(Address::Sentinel { master, nodes: all })
}

fn invalid(message: impl fmt::Display) -> Error {
    Error::new(ErrorKind::ConfigInvalid, format!("redis: {message}"))
}

#[async_trait]
impl Tier for RedisBuilder {
    async fn open(self: Box<Self>, context: &TierContext) -> Result<Store> {
        Ok(Store::new(self.connect(context).await?))
    }
}

impl fmt::Debug for RedisBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RedisBuilder");
        match &self.place {
            // A URL may hold a password, and so may one that can't be read.
            Place::Url(url) => match address::parse(url) {
                Ok(parsed) => shown.field("address", &parsed.address.to_string()),
                Err(_) => shown.field("address", &"not readable"),
            },
            Place::Address(address) => shown.field("address", address),
        };
        shown
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("provider", &self.provider)
            .field("db", &self.db)
            .field("tls", &self.tls)
            .field("sentinel", &self.sentinel)
            .field("pool_size", &self.pool_size)
            .field("dial_timeout", &self.dial_timeout)
            .field("read_timeout", &self.read_timeout)
            .field("write_timeout", &self.write_timeout)
            .field("heartbeat", &self.heartbeat)
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}
