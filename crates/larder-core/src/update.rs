//! Counters and conditional writes: operations that decide and write in one step, on the
//! authoritative tier.

use crate::{Entry, EntryId, Lifetime};

/// One atomic operation on one key. *Present* means visible to the call's [`View`](crate::View).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Update {
    /// Adds to a counter. Absent: begins at `by` with everything else of `template`, whose value is not
    /// looked at. Present: keeps its times and gets the template's id.
    Increment {
        /// What to add; negative to subtract.
        by: i64,
        /// The entry to begin with.
        template: Entry,
    },
    /// Stores the entry if the key is absent.
    SetIfAbsent(Entry),
    /// Stores the entry if the key's entry has this id.
    ReplaceIf {
        /// The id that the present entry must have.
        id: EntryId,
        /// What replaces it.
        entry: Entry,
    },
    /// Removes the entry and answers it.
    Take,
}

/// What an [`Update`] did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Updated {
    /// The counter's new value.
    Counter(i64),
    /// The entry was stored.
    Stored,
    /// The condition didn't hold; nothing was written.
    Refused,
    /// What was taken, or `None` if the key was absent.
    Taken(Option<Entry>),
}

/// New times for an entry: what [`Backend::expire`](crate::Backend::expire) sets. The time of creation
/// and the id stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry(Lifetime);

impl Expiry {
    /// Takes `fresh_until` and `expires_at` from `lifetime`.
    pub fn new(lifetime: Lifetime) -> Self {
        Self(lifetime)
    }

    /// The entry's times after the change.
    pub fn apply(self, entry: Lifetime) -> Lifetime {
        Lifetime {
            created: entry.created,
            ..self.0
        }
    }
}

/// How far a `delete` or `invalidate` has got, and whether there was something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deletion {
    /// The authoritative tier has done it.
    Delivered {
        /// Whether an entry was there, of any generation and schema, fresh or not.
        existed: bool,
    },
    /// The authoritative tier can't be reached: it is queued and will be repeated until delivered.
    Queued,
}

impl Deletion {
    /// Whether an entry is known to have been there.
    pub fn existed(self) -> bool {
        matches!(self, Self::Delivered { existed: true })
    }
}
