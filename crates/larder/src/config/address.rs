//! What addresses and URLs say, as far as it must be known before a backend reads them.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::quantity::Read;

/// Whether this can be an address. A URL has no place here, and what is wrong must not be quoted later: there
/// may be a password in it.
pub(super) fn check_address(address: &str) -> Read<()> {
    if address.contains("://") {
        return Err("write host:port here; a URL goes to redis.url".into());
    }
    if address.contains('@') {
        return Err("write host:port here; user and password have keys of their own".into());
    }
    let (name, port) = split(address);
    if name.is_empty()
        || name.contains(['/', ' '])
        || is_bare_v6(name) && !is_v6(name)
        || !port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
    {
        return Err("expected host:port".into());
    }
    Ok(())
}

/// The host, and the port if it is named.
pub(super) fn split(address: &str) -> (&str, Option<&str>) {
    match address.rsplit_once(':') {
        Some((name, port)) if !is_bare_v6(address) && !address.ends_with(']') => (name, Some(port)),
        _ => (address, None),
    }
}

/// Whether this is meant as an address of IPv6 without brackets, which can't name a port.
pub(super) fn is_bare_v6(address: &str) -> bool {
    address.matches(':').count() > 1 && !address.starts_with('[')
}

/// With or without a zone, as in `fe80::1%eth0`.
fn is_v6(name: &str) -> bool {
    let (address, _zone) = name.split_once('%').unwrap_or((name, ""));
    address.parse::<Ipv6Addr>().is_ok()
}

/// What a URL says that keys can say too.
#[derive(Default)]
pub(super) struct Said {
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) db: Option<u8>,
}

impl Said {
    pub(super) fn by(url: &str) -> Self {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Self::default();
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        let (username, password) = match user.split_once(':') {
            Some((username, password)) => (username, Some(decoded(password).into_owned())),
            None => (user, None),
        };
        let queried = query
            .split('&')
            .filter_map(|part| part.strip_prefix("db="))
            .next_back();
        let db = match queried {
            None if !scheme.ends_with("unix") => path.trim_matches('/'),
            other => other.unwrap_or_default(),
        };
        Self {
            username: (!username.is_empty()).then(|| decoded(username).into_owned()),
            password,
            db: db.parse().ok(),
        }
    }
}

/// Without percent signs; what isn't UTF-8 then is as it was, and refused by whoever reads the whole URL.
fn decoded(text: &str) -> Cow<'_, str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) if byte == b'%' => {
                bytes.push(decoded);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_says_is_known() {
        for (url, username, password, db) in [
            ("redis://cache", None, None, None),
            (
                "redis://me:p%40ss@cache:1/3",
                Some("me"),
                Some("p@ss"),
                Some(3),
            ),
            ("redis://:p:w@cache/?db=4", None, Some("p:w"), Some(4)),
            ("redis://me@cache/x", Some("me"), None, None),
            ("redis+unix:///run/7?db=2", None, None, Some(2)),
            ("redis+unix:///7", None, None, None),
            ("cache", None, None, None),
            ("redis://%zz:%@cache", Some("%zz"), Some("%"), None),
        ] {
            let said = Said::by(url);
            assert_eq!(said.username.as_deref(), username, "{url}");
            assert_eq!(said.password.as_deref(), password, "{url}");
            assert_eq!(said.db, db, "{url}");
        }
    }

    #[test]
    fn an_address_is_a_host_and_perhaps_a_port() {
        for address in [
            "a",
            "a:1",
            "10.0.0.1:6379",
            "::1",
            "fe80::1%eth0",
            "[::1]",
            "[::1]:1",
        ] {
            assert_eq!(check_address(address), Ok(()), "{address}");
        }
        for address in [
            "",
            ":1",
            "a:",
            "a:b",
            "a:0",
            "a:65536",
            "a/b",
            "a b",
            "me:x@a",
            "me:x:a",
            "me:x:1",
            "redis://a",
        ] {
            assert!(check_address(address).is_err(), "{address:?}");
        }
    }
}
