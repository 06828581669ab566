//! Leases: the right to fill a key, given before the load begins and ended by whatever invalidates it.

use std::any::Any;
use std::sync::Arc;

use crate::{Entry, EntryId, Key, KeyBuf, Tag, Timestamp};

/// What `lease` answers for one key.
#[derive(Debug)]
#[non_exhaustive]
pub enum Lease {
    /// The caller may load and fill. `seen` is the entry that is there all the same: stale, of another
    /// generation or schema, or about to be refreshed.
    Granted {
        /// What `fill` and `release` want back.
        token: FillToken,
        /// The entry under the key, if any.
        seen: Option<Entry>,
    },
    /// Somebody else is loading; their lease ends by itself at this time.
    Held {
        /// When the holder's lease ends by itself.
        until: Timestamp,
    },
    /// A current entry is there ([`Head::is_current`](crate::Head::is_current)): a value, or the record
    /// of an absence.
    Present(Entry),
}

/// The right to fill one key once. Backends make it when they grant a lease, layers add what they must
/// remember between lease and fill, everybody else carries it.
#[derive(Debug)]
pub struct FillToken {
    key: KeyBuf,
    seen: EntryId,
    stamps: Vec<Tag>,
    fence: Option<u64>,
    begun: Option<u64>,
    extension: Option<Arc<dyn Any + Send + Sync>>,
}

impl FillToken {
    /// A token for a lease that was granted. For backends. `seen` is the id that must stand under the
    /// key when it is filled: that of the lease's placeholder, or of the stale entry.
    pub fn granted(key: &Key<'_>, seen: EntryId) -> Self {
        Self {
            key: key.to_buf(),
            seen,
            stamps: Vec::new(),
            fence: None,
            begun: None,
            extension: None,
        }
    }

    /// The key.
    pub fn key(&self) -> Key<'_> {
        self.key.as_key()
    }

    /// The id that must stand under the key when it is filled.
    pub fn seen(&self) -> EntryId {
        self.seen
    }

    /// Remembers versions of tags read before the load; for tag layers.
    pub fn with_stamps(self, stamps: Vec<Tag>) -> Self {
        Self { stamps, ..self }
    }

    /// The versions of tags read before the load.
    pub fn stamps(&self) -> &[Tag] {
        &self.stamps
    }

    /// Remembers a sample of the key's fence; for tiered backends.
    pub fn with_fence(self, epoch: u64) -> Self {
        Self {
            fence: Some(epoch),
            ..self
        }
    }

    /// The sample of the key's fence.
    pub fn fence(&self) -> Option<u64> {
        self.fence
    }

    /// Remembers how far a tag layer had counted when the lease was given: what it has heard of since is younger than
    /// the load.
    pub fn with_begun(self, begun: u64) -> Self {
        Self {
            begun: Some(begun),
            ..self
        }
    }

    /// How far the tag layer had counted.
    pub fn begun(&self) -> Option<u64> {
        self.begun
    }

    /// Remembers something of the backend's own, such as where its lease is kept.
    pub fn with_extension(self, extension: Arc<dyn Any + Send + Sync>) -> Self {
        Self {
            extension: Some(extension),
            ..self
        }
    }

    /// What the backend remembered.
    pub fn extension(&self) -> Option<&Arc<dyn Any + Send + Sync>> {
        self.extension.as_ref()
    }
}

/// A loaded entry on its way to the store.
#[derive(Debug)]
pub struct Fill {
    /// The lease it was loaded under.
    pub token: FillToken,
    /// The entry.
    pub entry: Entry,
}

/// What became of a fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// It is stored.
    Stored,
    /// The lease had ended, or something newer is there: nothing was stored.
    Refused,
    /// The entry has a tag that was not known before the load, and that this process had not followed since then: an
    /// invalidation may have come in between, so nothing was stored. The lease has ended.
    LateTag,
}
