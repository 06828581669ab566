//! Markers: 16 hexadecimal digits under a name of their own, without an end.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use larder_core::{Change, Error, Marker, MarkerRead, Result, Timestamp, Version};

use crate::driver::{Command, Fault, Reply, fixed};
use crate::finish::{Forget, finish};
use crate::shared::Shared;

/// The version that stored bytes stand for; `None` for what is none.
pub(crate) fn parse(stored: &[u8]) -> Option<Version> {
    let digits = std::str::from_utf8(stored)
        .ok()
        .filter(|text| text.len() == 16)?;
    Version::from_u64(u64::from_str_radix(digits, 16).ok()?)
}

fn format(version: Version) -> Bytes {
    format!("{:016x}", version.as_u64()).into()
}

fn name(marker: &Marker) -> Bytes {
    marker.stored_name().into()
}

impl Shared {
    /// The versions of markers; those that aren't there are made if asked for.
    pub(crate) async fn markers(
        self: &Arc<Self>,
        markers: &[Marker],
        read: MarkerRead,
        deadline: Option<Timestamp>,
    ) -> Result<Vec<Option<Version>>> {
        if markers.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<Bytes> = markers.iter().map(name).collect();
        let found = self.ask(deadline, Command::new("MGET", names)).await?;
        let mut versions = Vec::with_capacity(markers.len());
        for found in found.into_list()? {
            let stored = found?.into_bytes()?;
            versions.push(stored.as_deref().and_then(parse));
        }
        let missing: Vec<Marker> = markers
            .iter()
            .zip(&versions)
            .filter(|(_, version)| version.is_none())
            .map(|(marker, _)| marker.clone())
            .collect();
        if read == MarkerRead::Existing || missing.is_empty() {
            return Ok(versions);
        }
        let shared = Arc::clone(self);
        let within = deadline.map(|_| self.budget(deadline, self.settings.write_timeout));
        let made = finish(async move { shared.make(missing).await }, within, Forget).await?;
        for (marker, version) in markers.iter().zip(&mut versions) {
            if version.is_none() {
                *version = made.get(marker).copied();
            }
        }
        Ok(versions)
    }

    /// Makes markers that aren't there. What somebody else has made meanwhile is as good.
    async fn make(&self, markers: Vec<Marker>) -> Result<HashMap<Marker, Version>> {
        let _permit = self.permit(self.settings.write_timeout).await?;
        let primary = self.primary()?;
        let fresh: Vec<Version> = markers.iter().map(|_| Version::random()).collect();
        let commands = markers
            .iter()
            .zip(&fresh)
            .map(|(marker, version)| {
                let arguments = [name(marker), format(*version), fixed("NX"), fixed("GET")];
                Command::new("SET", arguments)
            })
            .collect();
        let replies = match self.write_all(&primary, commands).await {
            Ok(replies) => replies,
            Err(fault) => {
                self.uncertain(&markers);
                return Err(fault.into());
            }
        };
        let mut made = HashMap::new();
        for ((marker, version), reply) in markers.into_iter().zip(fresh).zip(replies) {
            let there = match reply {
                // Something that is no string is no version either.
                Err(fault) if fault.is_wrong_type() => Some(None),
                reply => reply?.into_bytes()?.as_deref().map(parse),
            };
            let version = match there {
                // U54: created, an own write. Whoever believed another version must ask again.
                None => {
                    self.bumped(&marker);
                    version
                }
                Some(Some(there)) => there,
                // Not a version, so nothing carries it: it is replaced.
                Some(None) => self.replace(&primary, &marker).await?,
            };
            made.insert(marker, version);
        }
        Ok(made)
    }

    async fn replace(&self, primary: &crate::shared::Primary, marker: &Marker) -> Result<Version> {
        let version = Version::random();
        let command = Command::new("SET", [name(marker), format(version)]);
        let replaced = self.write(primary, command).await;
        self.bumped(marker);
        replaced.map(|_| version).map_err(Error::from)
    }

    /// Gives markers new versions, whatever is there (1.5.2).
    pub(crate) async fn bump(&self, markers: Vec<Marker>) -> Result<Vec<Version>> {
        let _permit = self.permit(self.settings.write_timeout).await?;
        let primary = self.primary()?;
        let fresh: Vec<Version> = markers.iter().map(|_| Version::random()).collect();
        let commands = markers
            .iter()
            .zip(&fresh)
            .map(|(marker, version)| Command::new("SET", [name(marker), format(*version)]))
            .collect();
        let replies = self.write_all(&primary, commands).await;
        // Also where the outcome is unknown: asking again is always right.
        self.uncertain(&markers);
        let outcome: std::result::Result<Vec<Reply>, Fault> =
            replies.and_then(|replies| replies.into_iter().collect());
        outcome.map(|_| fresh).map_err(Error::from)
    }

    fn uncertain(&self, markers: &[Marker]) {
        for marker in markers {
            self.bumped(marker);
        }
    }

    fn bumped(&self, marker: &Marker) {
        if *marker == Marker::generation(&self.namespace) {
            self.canary.told();
        }
        self.changes.publish(&Change::Marker(marker));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_stored_as_sixteen_digits() {
        let version = Version::from_u64(0xBEEF).unwrap();
        assert_eq!(format(version), "000000000000beef");
        assert_eq!(parse(&format(version)), Some(version));
        for other in ["", "0", "0000000000000000", "xyz", "1234567890abcdefg"] {
            assert_eq!(parse(other.as_bytes()), None, "{other}");
        }
    }
}
