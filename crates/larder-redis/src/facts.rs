//! What a server says about itself in `INFO`: managed servers forbid `CONFIG`.

use std::borrow::Cow;

use larder_core::{Error, ErrorKind, Result};

use crate::driver::{Command, Connection, Fault, Reply};

/// The answer to `INFO`, read where it is needed.
#[derive(Debug)]
pub(crate) struct Facts(String);

/// How a server makes room where its memory is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy<'a> {
    /// Any key, by chance.
    Random,
    /// Any key, by this rule.
    AnyKey(&'a str),
    /// It doesn't, and refuses writes.
    Never,
    /// Keys with an end alone.
    Suitable,
    /// The server doesn't say.
    Unknown,
}

impl Policy<'_> {
    /// What is to be said against it, with what to use; nothing of those that lose nothing.
    pub(crate) fn objection(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Random => Some(
                "maxmemory-policy allkeys-random drops hot keys as readily as cold ones, the markers of tags and of \
                 the generation among them: use volatile-lfu or volatile-lru (allkeys-lfu and allkeys-lru are \
                 accepted too)"
                    .into(),
            ),
            Self::AnyKey(policy) => Some(
                format!(
                    "maxmemory-policy {policy} may drop markers that nobody reads; their entries are then loaded \
                     anew (volatile-lfu and volatile-lru spare them)"
                )
                .into(),
            ),
            Self::Unknown => Some(
                "the server doesn't say which maxmemory-policy it has (INFO memory): see to it that it isn't \
                 allkeys-random, which drops markers"
                    .into(),
            ),
            Self::Never | Self::Suitable => None,
        }
    }
}

/// The oldest version that can do what is needed: `SET … NX GET` in one command.
const OLDEST: (u32, u32) = (7, 0);

impl Facts {
    pub(crate) async fn ask(
        connection: &Connection,
        timeout: std::time::Duration,
    ) -> std::result::Result<Self, Fault> {
        let asked = Command::fixed("INFO", &[]);
        Self::read(connection.call(asked, timeout).await?)
    }

    /// An answer to `INFO`.
    pub(crate) fn read(info: Reply) -> std::result::Result<Self, Fault> {
        let info = info.into_bytes()?.unwrap_or_default();
        Ok(Self(String::from_utf8_lossy(&info).into_owned()))
    }

    /// Whether the server follows another.
    pub(crate) fn is_replica(&self) -> bool {
        self.get("role").is_some_and(|role| role != "master")
    }

    /// The value of a fact.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .lines()
            .find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
    }

    /// The value of a fact that is a number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// The databases that hold keys.
    pub(crate) fn databases(&self) -> impl Iterator<Item = u8> {
        self.0.lines().filter_map(|line| {
            let (name, _) = line.split_once(':')?;
            name.strip_prefix("db")?.parse().ok()
        })
    }

    /// How the server makes room.
    pub(crate) fn policy(&self) -> Policy<'_> {
        match self.get("maxmemory_policy") {
            Some("allkeys-random") => Policy::Random,
            Some("noeviction") => Policy::Never,
            Some(policy) if policy.starts_with("allkeys-") => Policy::AnyKey(policy),
            Some(_) => Policy::Suitable,
            None => Policy::Unknown,
        }
    }

    /// What tells one run of one server from every other.
    pub(crate) fn run(&self) -> &str {
        self.get("run_id").unwrap_or_default()
    }

    pub(crate) fn version(&self) -> &str {
        self.get("redis_version").unwrap_or("unknown")
    }

    /// Whether this server will do.
    pub(crate) fn check(&self) -> Result<()> {
        let mut parts = self.version().split('.').map(str::parse::<u32>);
        let version = (parts.next(), parts.next());
        if let (Some(Ok(major)), Some(Ok(minor))) = version
            && (major, minor) < OLDEST
        {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "redis {} is too old: larder needs 7.0 or later, for leases that are granted in one \
                     command (SET … NX GET)",
                    self.version()
                ),
            ));
        }
        if self.get("redis_mode") == Some("cluster") {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "this server is a node of a cluster, which larder can't use yet",
            ));
        }
        if self.is_replica() {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "this server is a replica: name the primary, or the sentinels that know it",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(text: &str) -> Facts {
        Facts(text.replace('\n', "\r\n"))
    }

    #[test]
    fn an_old_server_a_node_of_a_cluster_and_a_replica_are_refused() {
        let kind = |text: &str| facts(text).check().map_err(|error| error.kind());
        assert_eq!(
            kind("redis_version:7.0.15\nredis_mode:standalone\nrole:master\n"),
            Ok(())
        );
        assert_eq!(kind("redis_version:6.2.14\n"), Err(ErrorKind::Unsupported));
        assert_eq!(
            kind("redis_version:7.2.4\nredis_mode:cluster\n"),
            Err(ErrorKind::Unsupported)
        );
        assert_eq!(
            kind("redis_version:8.2.3\nrole:slave\n"),
            Err(ErrorKind::Unavailable)
        );
        assert_eq!(kind("redis_version:255.255.255\n"), Ok(()));
    }

    #[test]
    fn a_fact_is_found_by_its_whole_name() {
        let facts = facts("# Memory\nused_memory_human:1M\nused_memory:1048576\n");
        assert_eq!(facts.number("used_memory"), Some(1_048_576));
        assert_eq!(facts.get("memory"), None);
    }
}
