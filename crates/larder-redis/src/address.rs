//! Where the server is: addresses, and the URLs that name them.

use std::fmt;
use std::path::PathBuf;

use larder_core::{Error, ErrorKind, Result};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// Redis' port.
const DEFAULT_PORT: u16 = 6379;
/// Sentinel's port.
const DEFAULT_SENTINEL_PORT: u16 = 26379;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) port: u16,
}

impl Host {
    /// `host`, `host:port`, or `[v6]:port`.
    pub(crate) fn parse(text: &str, default_port: u16) -> Result<Self> {
        // Not quoted: it may be a URL's beginning, with a password.
        let wrong = || invalid("this is no address: write host:port");
        let bare_v6 = text.matches(':').count() > 1 && !text.starts_with('[');
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !bare_v6 && !text.ends_with(']') => {
                (name, port.parse().map_err(|_unreadable| wrong())?)
            }
            _ => (text, default_port),
        };
        let name = name.trim_start_matches('[').trim_end_matches(']');
        // Several colons are an address of IPv6, or a user and a password.
        let (v6, _zone) = name.split_once('%').unwrap_or((name, ""));
        let is_no_v6 = name.contains(':') && v6.parse::<std::net::Ipv6Addr>().is_err();
        if name.is_empty() || name.contains(['/', '@', ' ']) || is_no_v6 || port == 0 {
            return Err(wrong());
        }
        Ok(Self {
            name: name.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

/// How to reach the primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// At a fixed place.
    Tcp(Host),
    /// Through a socket on this machine.
    Unix(PathBuf),
    /// Wherever the sentinels say that it is.
    Sentinel { master: String, nodes: Vec<Host> },
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host) => host.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
            Self::Sentinel { master, nodes } => {
                write!(f, "{master} by the sentinels")?;
                nodes.iter().try_for_each(|node| write!(f, " {node}"))
            }
        }
    }
}

/// What a URL says. What it leaves out is `None`.
#[derive(Clone, Debug)]
pub(crate) struct Parsed {
    pub(crate) address: Address,
    pub(crate) tls: bool,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<SecretString>,
    pub(crate) db: Option<u8>,
    pub(crate) sentinel_username: Option<String>,
    pub(crate) sentinel_password: Option<SecretString>,
}

impl Parsed {
    /// An address without anything else.
    pub(crate) fn bare(address: Address) -> Self {
        Self {
            address,
            tls: false,
            username: None,
            password: None,
            db: None,
            sentinel_username: None,
            sentinel_password: None,
        }
    }
}

const FORMS: &str = "a Redis URL is redis://[user:password@]host[:port][/db], rediss:// for TLS, \
    redis+unix:///path/to/socket[?db=n], or redis-sentinel://host:port[/db]?sentinelServiceName=name[&node=host:port]";

/// Reads a URL. Errors never quote it: it may hold a password.
pub(crate) fn parse(url: &SecretString) -> Result<Parsed> {
    let wrong = |why: &str| invalid(format!("{why}; {FORMS}"));
    let url = Url::parse(url.expose_secret()).map_err(|error| wrong(&error.to_string()))?;
    if url.fragment().is_some() {
        return Err(wrong(
            "a # in a URL begins what no server gets: write %23 in a password",
        ));
    }
    let (scheme, tls) = match url.scheme() {
        "redis" | "valkey" => (Scheme::Tcp, false),
        "rediss" | "valkeys" => (Scheme::Tcp, true),
        "redis+unix" | "unix" => (Scheme::Unix, false),
        "redis-sentinel" => (Scheme::Sentinel, false),
        "rediss-sentinel" => (Scheme::Sentinel, true),
        "redis-cluster" | "rediss-cluster" => {
            return Err(invalid(
                "Redis Cluster isn't there yet: name one server, or sentinels".to_owned(),
            ));
        }
        _ => return Err(wrong("this is no scheme of Redis")),
    };
    let mut parsed = Parsed::bare(match scheme {
        Scheme::Unix => {
            let path = decoded(url.path())?;
            if path.is_empty() || path == "/" {
                return Err(wrong("there is no path to a socket"));
            }
            Address::Unix(path.into())
        }
        Scheme::Tcp => Address::Tcp(host(&url, DEFAULT_PORT)?),
        Scheme::Sentinel => Address::Sentinel {
            master: String::new(),
            nodes: vec![host(&url, DEFAULT_SENTINEL_PORT)?],
        },
    });
    parsed.tls = tls;
    parsed.username = some(decoded(url.username())?);
    parsed.password = url.password().map(decoded).transpose()?.map(Into::into);
    if !matches!(scheme, Scheme::Unix) {
        let path = url.path().trim_matches('/');
        parsed.db = some(path.to_owned()).map(|db| number(&db)).transpose()?;
    }
    for (name, value) in url.query_pairs() {
        match (&*name, &mut parsed.address) {
            ("db", _) => parsed.db = Some(number(&value)?),
            ("sentinelServiceName", Address::Sentinel { master, .. }) => {
                *master = value.into_owned();
            }
            ("node", Address::Sentinel { nodes, .. }) => {
                let node = Host::parse(&value, DEFAULT_SENTINEL_PORT);
                nodes.push(node.map_err(|_error| wrong("a node is no address: write host:port"))?);
            }
            ("sentinelUsername", Address::Sentinel { .. }) => {
                parsed.sentinel_username = Some(value.into_owned());
            }
            ("sentinelPassword", Address::Sentinel { .. }) => {
                parsed.sentinel_password = Some(value.into_owned().into());
            }
            // Not named: it may be the rest of a password with a question mark that wasn't escaped.
            _ => {
                return Err(wrong(
                    "there is a setting in it that isn't one of a Redis URL",
                ));
            }
        }
    }
    if let Address::Sentinel { master, .. } = &parsed.address
        && master.is_empty()
    {
        return Err(wrong("sentinelServiceName is missing"));
    }
    Ok(parsed)
}

#[derive(Clone, Copy)]
enum Scheme {
    Tcp,
    Unix,
    Sentinel,
}

fn host(url: &Url, default_port: u16) -> Result<Host> {
    let name = url.host_str().unwrap_or_default();
    let name = name.trim_start_matches('[').trim_end_matches(']');
    if name.is_empty() {
        return Err(invalid(format!("the host is missing; {FORMS}")));
    }
    Ok(Host {
        name: decoded(name)?,
        port: url.port().unwrap_or(default_port),
    })
}

fn number(db: &str) -> Result<u8> {
    // Not quoted: it may be the rest of a password with a slash that wasn't escaped.
    db.parse()
        .map_err(|_error| invalid("the URL's database is no number: write 0 to 255".to_owned()))
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn decoded(text: &str) -> Result<String> {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
    decoded
        .map(std::borrow::Cow::into_owned)
        .map_err(|_unreadable| invalid("a part of the URL is no UTF-8".to_owned()))
}

fn invalid(message: impl fmt::Display) -> Error {
    Error::new(ErrorKind::ConfigInvalid, format!("redis: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Parsed> {
        parse(&url.to_owned().into())
    }

    #[test]
    fn urls_name_servers_sockets_and_sentinels() {
        for (url, address) in [
            ("redis://cache", "cache:6379"),
            ("redis://cache:7000/", "cache:7000"),
            ("redis://[::1]:7000", "[::1]:7000"),
            ("redis+unix:///run/redis.sock", "/run/redis.sock"),
            ("unix:///run/my%20redis.sock?db=2", "/run/my redis.sock"),
            (
                "redis-sentinel://a?sentinelServiceName=main&node=b:1",
                "main by the sentinels a:26379 b:1",
            ),
        ] {
            assert_eq!(read(url).unwrap().address.to_string(), address, "{url}");
        }
        let parsed = read("rediss://me:p%40ss@cache/3").unwrap();
        assert!(parsed.tls);
        assert_eq!(parsed.username.as_deref(), Some("me"));
        assert_eq!(parsed.password.unwrap().expose_secret(), "p@ss");
        assert_eq!(parsed.db, Some(3));
    }

    #[test]
    fn s3_a_wrong_url_is_not_quoted() {
        for url in [
            "redis:/me:hunter2@cache",
            "http://me:hunter2@cache",
            "redis://me:hunter2@",
            "redis://me:hunter2@cache/first",
            "redis://me:hunter2@cache?pool=3",
            "redis://me:12/hunter2@cache",
            "redis://me:12#hunter2@cache",
            "redis://me:hunter2@cache#0",
            "redis://me:12?hunter2@cache",
            "redis-sentinel://a?sentinelServiceName=main&node=me:hunter2@b",
            "redis://me:hunter2@cache:99999",
            "redis-sentinel://me:hunter2@cache",
            "redis-cluster://me:hunter2@cache",
            "me:hunter2@cache:6379",
            "",
        ] {
            let error = read(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{url}");
            assert!(!format!("{error:?} {error}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn addresses_have_a_host_and_a_port() {
        for (text, host) in [
            ("localhost:6379", "localhost:6379"),
            ("localhost", "localhost:6379"),
            ("[::1]:7", "[::1]:7"),
            ("::1", "[::1]:6379"),
            ("fe80::1%eth0", "[fe80::1%eth0]:6379"),
        ] {
            assert_eq!(Host::parse(text, DEFAULT_PORT).unwrap().to_string(), host);
        }
        for text in [
            "",
            ":6379",
            "a:b",
            "redis://a",
            "a:0",
            "me@a:1",
            "me:hunter2:a",
            "me:hunter2@a:1",
            "me:hunter2:1",
        ] {
            let error = Host::parse(text, DEFAULT_PORT).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "S3: {error}");
        }
    }
}
