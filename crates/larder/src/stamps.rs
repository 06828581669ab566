//! Versions of tags, taken before their values are read from an origin.

use std::fmt;

use larder_core::{
    Backend, Entry, Error, ErrorKind, Marker, MarkerRead, ReadOptions, Result, Tag, TagName,
};

use crate::shared::Shared;

/// The versions that tags had at some time; see [`Cache::stamps`](crate::Cache::stamps).
#[derive(Clone)]
pub struct Stamps(Vec<Tag>);

impl Stamps {
    /// Takes the versions that tags have now. The store is asked: what is known may be out of date.
    pub(crate) async fn take(shared: &Shared, names: &[TagName]) -> Result<Self> {
        check(shared)?;
        if names.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let markers: Vec<_> = names
            .iter()
            .map(|name| Marker::tag(&shared.namespace, name.clone()))
            .collect();
        let options = ReadOptions::default();
        let versions = shared
            .store
            .markers(&markers, MarkerRead::OrCreate, &options)
            .await?;
        let tags = names.iter().cloned().zip(versions);
        Ok(Self(
            tags.map(|(name, version)| Tag { name, version }).collect(),
        ))
    }

    /// The tags with their versions.
    pub(crate) fn into_tags(self) -> Vec<Tag> {
        self.0
    }

    /// The entry with the versions from here; none if it has a tag that isn't here.
    pub(crate) fn on(&self, entry: &Entry) -> Option<Entry> {
        let stamp = |tag: &Tag| {
            if tag.version.is_some() {
                return Some(tag.clone());
            }
            self.0.iter().find(|stamp| stamp.name == tag.name).cloned()
        };
        let tags: Option<Vec<Tag>> = entry.head().tags().iter().map(stamp).collect();
        entry.clone().with_tags(tags?).ok()
    }
}

/// Whether this cache can do anything about tags.
pub(crate) fn check(shared: &Shared) -> Result<()> {
    if shared.capability.tags {
        Ok(())
    } else {
        Err(Error::new(
            ErrorKind::Unsupported,
            "there is no tag layer in this cache: the feature `tags` is off, or its store keeps no markers",
        ))
    }
}

/// Names of tags, checked.
pub(crate) fn names<S: AsRef<str>>(tags: impl IntoIterator<Item = S>) -> Result<Vec<TagName>> {
    tags.into_iter()
        .map(|tag| TagName::new(tag.as_ref()))
        .collect()
}

impl fmt::Debug for Stamps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|tag| &tag.name);
        f.debug_list().entries(names).finish()
    }
}
