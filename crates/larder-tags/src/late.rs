//! Fills: what was loaded gets the versions that its tags had before the load.

use std::sync::atomic::Ordering;

use larder_core::{
    Backend, Entry, Fill, FillToken, Filled, Marker, MarkerRead, ReadOptions, Result, Tag,
    Timestamp, WriteOptions,
};

use crate::backend::Tagged;

impl Tagged {
    /// The entry with the stamps from before its load; none if it has a tag that was named too late (1.2.6).
    fn with_stamps_of(&self, token: &FillToken, entry: &Entry) -> Option<Entry> {
        let stamp = |tag: &Tag| {
            if tag.version.is_some() {
                return Some(tag.clone());
            }
            let before = token.stamps().iter().find(|stamp| stamp.name == tag.name);
            if let Some(before) = before {
                return Some(before.clone());
            }
            // Followed since before the load, and unchanged: the version of then is that of now.
            let marker = Marker::tag(token.key().namespace(), tag.name.clone());
            let version = self.states.of(&marker).known_before(token.begun()?)?;
            Some(Tag {
                name: tag.name.clone(),
                version: Some(version),
            })
        };
        let stamps: Option<Vec<Tag>> = entry.head().tags().iter().map(stamp).collect();
        entry.clone().with_tags(stamps?).ok()
    }

    pub(crate) async fn fill_stamped(
        &self,
        fills: Vec<Fill>,
        options: &WriteOptions,
    ) -> Vec<Result<Filled>> {
        let mut is_late = Vec::with_capacity(fills.len());
        let (mut stamped, mut late, mut markers) = (Vec::new(), Vec::new(), Vec::new());
        for Fill { token, entry } in fills {
            let ready = if entry.head().tags().is_empty() {
                Some(entry.clone())
            } else {
                self.with_stamps_of(&token, &entry)
            };
            is_late.push(ready.is_none());
            if let Some(entry) = ready {
                stamped.push(Fill { token, entry });
            } else {
                let key = token.key();
                let tags = entry.head().tags().iter();
                markers.extend(tags.map(|tag| Marker::tag(key.namespace(), tag.name.clone())));
                late.push(token);
            }
        }
        let filled = if stamped.is_empty() {
            Vec::new()
        } else {
            self.inner.fill(stamped, options).await
        };
        if late.is_empty() {
            return filled;
        }
        self.states
            .late
            .fetch_add(late.len() as u64, Ordering::Relaxed);
        let released = self.inner.release(late, options).await;
        self.follow(&markers, options.deadline).await;
        let mut filled = filled.into_iter();
        let answer = |is_late| {
            if is_late {
                released.clone().map(|()| Filled::LateTag)
            } else {
                filled.next().unwrap_or(Ok(Filled::Refused))
            }
        };
        is_late.into_iter().map(answer).collect()
    }

    /// Learns the versions of tags, so that the next load that names them can be stored.
    async fn follow(&self, markers: &[Marker], deadline: Option<Timestamp>) {
        let mut options = ReadOptions::default();
        options.deadline = deadline;
        // One that is made is not believed at once (U54), so it is asked for again.
        for read in [MarkerRead::OrCreate, MarkerRead::Existing] {
            let is_unknown = |marker: &&Marker| self.states.of(marker).known().is_none();
            let unknown: Vec<Marker> = markers.iter().filter(is_unknown).cloned().collect();
            if unknown.is_empty() || self.ask(&unknown, read, &options).await.is_err() {
                return;
            }
        }
    }
}
