//! Markers: 16 hexadecimal digits under a name of their own, without an end.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use larder_core::{Bump, Change, Error, Marker, MarkerRead, Result, Timestamp, Version};

use crate::driver::{Command, Reply};
use crate::finish::{Forget, finish};
use crate::keep::Keep;
use crate::limit::Claimed;
use crate::script::{Call, Script};
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
        let mut versions = Vec::with_capacity(markers.len());
        for stored in self.read_all(deadline, names).await? {
            versions.push(stored?.as_deref().and_then(parse));
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
        let within = self.within(deadline);
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
        let claims = markers.iter().zip(&fresh);
        let claims =
            claims.map(|(marker, version)| (name(marker), format(*version), Keep::Forever));
        let claimed = match self.claim_all(&primary, claims).await {
            Ok(claimed) => claimed,
            Err(fault) => {
                self.uncertain(&markers);
                return Err(fault.into());
            }
        };
        let mut made = HashMap::new();
        for ((marker, version), claimed) in markers.into_iter().zip(fresh).zip(claimed) {
            let there = match claimed {
                Ok(Claimed::Stored) => {
                    // U54: created, an own write. Whoever believed another version must ask again.
                    self.bumped(&marker);
                    Some(version)
                }
                Ok(Claimed::Met(stored)) => stored.as_deref().and_then(parse),
                Err(fault) if fault.is_wrong_type() => None,
                Err(fault) => return Err(fault.into()),
            };
            let version = match there {
                Some(there) => there,
                // Not a version, so nothing carries it: it is replaced.
                None => self.replace(&primary, &marker).await?,
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
    pub(crate) async fn bump(&self, markers: Vec<Marker>, bump: Bump) -> Result<Vec<Version>> {
        let _permit = self.permit(self.settings.write_timeout).await?;
        let primary = self.primary()?;
        let fresh: Vec<Version> = markers.iter().map(|_| Version::random()).collect();
        let mut by_text = true;
        let commands = markers.iter().zip(&fresh).map(|(marker, version)| {
            let (name, version) = (name(marker), format(*version));
            // A generation has no stale entries.
            if bump == Bump::Invalidate || marker.tag_name().is_none() {
                return Command::new("SET", [name, version]);
            }
            let call = Call {
                script: Script::ExpireMarker,
                keys: vec![name],
                arguments: vec![version],
            };
            // The first carries its text, so that a server that had forgotten it knows it for the others.
            primary.scripts.call(&call, std::mem::take(&mut by_text))
        });
        let commands = commands.collect();
        let replies = self.write_all(&primary, commands).await;
        // Also where the outcome is unknown: asking again is always right.
        self.uncertain(&markers);
        let mut versions = Vec::with_capacity(fresh.len());
        for (reply, fresh) in replies?.into_iter().zip(fresh) {
            versions.push(match reply? {
                Reply::Bytes(stored) => parse(&stored).unwrap_or(fresh),
                _ => fresh,
            });
        }
        Ok(versions)
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
