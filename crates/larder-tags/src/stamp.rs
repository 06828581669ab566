//! Stamps: the versions that an entry's tags have when it is made, or, for a load, before it began.

use larder_core::{
    Entry, Marker, MarkerRead, Namespace, ReadOptions, Result, Tag, TagName, Timestamp, Update,
};

use crate::backend::Tagged;

impl Tagged {
    /// Tags with their versions. What is known is taken as it is: should it be out of date, the entry is dead on arrival
    /// (U44). What isn't is asked for, once for all of them, and made if it isn't there.
    pub(crate) async fn stamps(
        &self,
        namespace: &Namespace,
        tags: &[Tag],
        deadline: Option<Timestamp>,
    ) -> Result<Vec<Tag>> {
        let mut stamps = tags.to_vec();
        let mut unknown = Vec::new();
        for stamp in &mut stamps {
            if stamp.version.is_some() {
                continue;
            }
            let marker = Marker::tag(namespace, stamp.name.clone());
            stamp.version = self.states.of(&marker).known();
            if stamp.version.is_none() && !unknown.contains(&marker) {
                unknown.push(marker);
            }
        }
        if unknown.is_empty() {
            return Ok(stamps);
        }
        let mut options = ReadOptions::default();
        options.deadline = deadline;
        let versions = self.ask(&unknown, MarkerRead::OrCreate, &options).await?;
        for (marker, version) in unknown.iter().zip(versions) {
            let is_it = |name: &TagName| marker.tag_name() == Some(name);
            let mine = stamps
                .iter_mut()
                .filter(|stamp| stamp.version.is_none() && is_it(&stamp.name));
            for stamp in mine {
                stamp.version = version;
            }
        }
        Ok(stamps)
    }

    /// The entry with its tags stamped. Those that its writer has stamped stay as they are.
    pub(crate) async fn stamped(
        &self,
        namespace: &Namespace,
        entry: Entry,
        deadline: Option<Timestamp>,
    ) -> Result<Entry> {
        if is_stamped(&entry) {
            return Ok(entry);
        }
        let stamps = self
            .stamps(namespace, entry.head().tags(), deadline)
            .await?;
        entry.with_tags(stamps)
    }

    /// The update with its entry's tags stamped.
    pub(crate) async fn stamped_update(
        &self,
        namespace: &Namespace,
        update: Update,
        deadline: Option<Timestamp>,
    ) -> Result<Update> {
        Ok(match update {
            Update::SetIfAbsent(entry) => {
                Update::SetIfAbsent(self.stamped(namespace, entry, deadline).await?)
            }
            Update::ReplaceIf { id, entry } => Update::ReplaceIf {
                id,
                entry: self.stamped(namespace, entry, deadline).await?,
            },
            Update::Increment { by, template } => Update::Increment {
                by,
                template: self.stamped(namespace, template, deadline).await?,
            },
            other => other,
        })
    }
}

/// Whether every tag has a version.
pub(crate) fn is_stamped(entry: &Entry) -> bool {
    entry.head().tags().iter().all(|tag| tag.version.is_some())
}
