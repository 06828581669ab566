//! Versions of generations and tags, for stacks where memory is the authority.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use larder_core::{Bump, Marker, MarkerRead, Version};

/// Tags beyond this many cost another tag its version, which invalidates its entries: fail closed.
const MAX_TAGS: usize = 1 << 20;

#[derive(Default)]
pub(crate) struct Markers(Mutex<HashMap<Marker, Version>>);

impl Markers {
    pub(crate) fn read(&self, markers: &[Marker], read: MarkerRead) -> Vec<Option<Version>> {
        let mut versions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        markers
            .iter()
            .map(|marker| match (versions.get(marker), read) {
                (Some(version), _) => Some(*version),
                (None, MarkerRead::Existing) => None,
                (None, MarkerRead::OrCreate) => Some(renew(&mut versions, marker)),
            })
            .collect()
    }

    pub(crate) fn bump(&self, marker: &Marker, bump: Bump) -> Version {
        let mut versions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (versions.get_mut(marker), bump) {
            (Some(version), Bump::Expire) => {
                *version = version.expired();
                *version
            }
            _ => renew(&mut versions, marker),
        }
    }
}

fn renew(versions: &mut HashMap<Marker, Version>, marker: &Marker) -> Version {
    if versions.len() >= MAX_TAGS && !versions.contains_key(marker) {
        // Any tag will do: a tag without a version is invalid, never valid again.
        if let Some(victim) = versions
            .keys()
            .find(|marker| marker.tag_name().is_some())
            .cloned()
        {
            versions.remove(&victim);
        }
    }
    let version = Version::random();
    versions.insert(marker.clone(), version);
    version
}
