//! Whether entries stand: whether each of their tags still has the version that they carry.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use larder_core::{
    Backend, Entry, Head, Key, Lifetime, Marker, MarkerRead, Namespace, ReadOptions, Result, Tag,
    Timestamp, Version,
};

use smallvec::SmallVec;

use crate::backend::Tagged;
use crate::state::State;
use crate::states::States;

/// How an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Valid,
    /// A tag was made to expire: stale, and may stand in.
    Expired,
    /// A tag was invalidated, or is lost.
    Fallen,
}

/// What hangs on an entry in memory: its tags' states, and the versions that it carries.
struct Carried {
    /// Whose states they are: several stacks may share one memory.
    owner: Arc<States>,
    /// In place where they are few, because a hit reads them.
    tags: SmallVec<[(Arc<State>, u64); 2]>,
}

fn number(tag: &Tag) -> u64 {
    tag.version.map_or(0, Version::as_u64)
}

impl Tagged {
    /// As [`Tagged::accepts`], where something hangs on the entry already; `None` where nothing does.
    #[inline]
    pub(crate) fn accepts_at_once(&self, entry: &Entry) -> Option<bool> {
        let carried = entry.slot().get()?.downcast_ref::<Carried>()?;
        if !Arc::ptr_eq(&carried.owner, &self.states) {
            return None;
        }
        let mut tags = carried.tags.iter();
        Some(tags.all(|(state, version)| state.accepts(*version)))
    }

    /// Whether all of an entry's tags are known to have the versions that it carries.
    pub(crate) fn accepts(&self, key: &Key<'_>, entry: &Entry) -> bool {
        entry
            .slot()
            .get_or_init(|| self.carried(key.namespace(), entry.head()));
        self.accepts_at_once(entry)
            .unwrap_or_else(|| self.accepts_head(key, entry.head()))
    }

    /// As [`Tagged::accepts`], where nothing hangs on the entry.
    fn accepts_head(&self, key: &Key<'_>, head: &Head) -> bool {
        let mut tags = head.tags().iter();
        tags.all(|tag| {
            let marker = Marker::tag(key.namespace(), tag.name.clone());
            self.states.of(&marker).accepts(number(tag))
        })
    }

    #[cold]
    fn carried(&self, namespace: &Namespace, head: &Head) -> Arc<dyn std::any::Any + Send + Sync> {
        let tags = head.tags().iter();
        let states = tags.map(|tag| {
            let marker = Marker::tag(namespace, tag.name.clone());
            (self.states.of(&marker), number(tag))
        });
        Arc::new(Carried {
            owner: Arc::clone(&self.states),
            tags: states.collect(),
        })
    }

    /// As [`Tagged::judge`], of a store that answers at once.
    pub(crate) fn judge_now(&self, key: &Key<'_>, head: &Head) -> Option<Standing> {
        let options = ReadOptions::default();
        let heads = [(*key, head)];
        let judging = pin!(self.judge(&heads, &options));
        match judging.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(standings)) => standings.first().copied(),
            Poll::Ready(Err(_)) | Poll::Pending => None,
        }
    }

    /// How entries stand. What is known of a tag may accept; to reject, the store is asked (R4, U50), once for all
    /// of them.
    pub(crate) async fn judge(
        &self,
        heads: &[(Key<'_>, &Head)],
        options: &ReadOptions,
    ) -> Result<Vec<Standing>> {
        let mut unknown: HashMap<Marker, Option<Version>> = HashMap::new();
        for (key, head) in heads {
            for tag in head.tags() {
                let marker = Marker::tag(key.namespace(), tag.name.clone());
                if !self.states.of(&marker).accepts(number(tag)) {
                    unknown.insert(marker, None);
                }
            }
        }
        if !unknown.is_empty() {
            let markers: Vec<Marker> = unknown.keys().cloned().collect();
            let versions = self.ask(&markers, MarkerRead::Existing, options).await?;
            unknown.extend(markers.into_iter().zip(versions));
        }
        let standing = |(key, head): &(Key<'_>, &Head)| {
            let mut standing = Standing::Valid;
            for tag in head.tags() {
                let marker = Marker::tag(key.namespace(), tag.name.clone());
                let Some(current) = unknown.get(&marker) else {
                    continue;
                };
                match (tag.version, *current) {
                    (Some(carried), Some(current)) if carried == current => {}
                    (Some(carried), Some(current)) if carried.is_kin(current) => {
                        standing = Standing::Expired;
                    }
                    _ => return Standing::Fallen,
                }
            }
            standing
        };
        Ok(heads.iter().map(standing).collect())
    }

    /// The versions of tags as the store has them; believed where nothing changes meanwhile.
    pub(crate) async fn ask(
        &self,
        markers: &[Marker],
        read: MarkerRead,
        options: &ReadOptions,
    ) -> Result<Vec<Option<Version>>> {
        let asked: Vec<_> = markers
            .iter()
            .map(|marker| self.states.ask(self.states.of(marker)))
            .collect();
        let mut reading = ReadOptions::default();
        reading.deadline = options.deadline;
        let versions = self.inner.markers(markers, read, &reading).await?;
        for (asked, version) in asked.iter().zip(&versions) {
            self.states.answered(asked, *version);
        }
        Ok(versions)
    }

    /// How one head stands, without asking where it has no tags.
    pub(crate) async fn stands(
        &self,
        key: &Key<'_>,
        head: &Head,
        options: &ReadOptions,
    ) -> Result<Standing> {
        if head.tags().is_empty() {
            return Ok(Standing::Valid);
        }
        let standings = self.judge(&[(*key, head)], options).await?;
        Ok(standings.first().copied().unwrap_or(Standing::Fallen))
    }

    /// The entry as its caller may have it. One that has fallen is removed, if it is still that one.
    pub(crate) async fn judged(
        &self,
        key: &Key<'_>,
        entry: Option<Entry>,
        options: &ReadOptions,
    ) -> Result<Option<Entry>> {
        let Some(entry) = entry else { return Ok(None) };
        if entry.head().tags().is_empty() || self.accepts(key, &entry) {
            return Ok(Some(entry));
        }
        match self.stands(key, entry.head(), options).await? {
            Standing::Valid => Ok(Some(entry)),
            Standing::Expired => Ok(Some(stale(entry))),
            Standing::Fallen => {
                self.remove_fallen(&[(*key, entry.id())], options.deadline)
                    .await;
                Ok(None)
            }
        }
    }
}

/// The entry without its fresh time: what may stand in, and nothing else.
pub(crate) fn stale(entry: Entry) -> Entry {
    let lifetime = ended(entry.head().lifetime());
    entry.with_lifetime(lifetime)
}

/// A head as [`stale`] makes its entry's.
pub(crate) fn stale_head(head: Head) -> Head {
    let lifetime = ended(head.lifetime());
    head.with_lifetime(lifetime)
}

fn ended(lifetime: Lifetime) -> Lifetime {
    Lifetime {
        fresh_until: Timestamp::EPOCH,
        ..lifetime
    }
}
