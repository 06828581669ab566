//! How a call ended, in a word.

use std::fmt;

use larder_core::{BatchReply, Deletion, ErrorKind, Filled, Lease, Result, Updated};

/// How a recorded call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It did what its name says.
    Done,
    /// An entry was found: by a read, a `take`, or a lease that wasn't needed.
    Hit,
    /// Nothing was found: to read, to delete, to expire, to take.
    Miss,
    /// A condition or a lease did not hold.
    Refused,
    /// A lease was granted.
    Granted,
    /// A lease is held by another.
    Held,
    /// A counter has this value.
    Counted(i64),
    /// A page lists so many entries.
    Listed(usize),
    /// A deletion will be repeated until it is delivered.
    Queued,
    /// It failed.
    Failed(ErrorKind),
}

impl Outcome {
    pub(super) fn of<T>(reply: &Result<T>, done: impl FnOnce(&T) -> Self) -> Self {
        match reply {
            Ok(reply) => done(reply),
            Err(error) => Self::Failed(error.kind()),
        }
    }

    pub(super) fn found(found: bool) -> Self {
        if found { Self::Hit } else { Self::Miss }
    }

    pub(super) fn done(done: bool) -> Self {
        if done { Self::Done } else { Self::Miss }
    }

    pub(super) fn of_deletion(deletion: Deletion) -> Self {
        match deletion {
            Deletion::Queued => Self::Queued,
            other => Self::done(other.existed()),
        }
    }

    pub(super) fn of_update(updated: &Updated) -> Self {
        match updated {
            Updated::Counter(value) => Self::Counted(*value),
            Updated::Refused => Self::Refused,
            Updated::Taken(taken) => Self::found(taken.is_some()),
            _ => Self::Done,
        }
    }

    pub(super) fn of_reply(reply: &BatchReply) -> Self {
        match reply {
            BatchReply::Entry(entry) => Self::found(entry.is_some()),
            BatchReply::Head(head) => Self::found(head.is_some()),
            BatchReply::Deleted(deletion) => Self::of_deletion(*deletion),
            BatchReply::Expired(expired) => Self::done(*expired),
            BatchReply::Updated(updated) => Self::of_update(updated),
            _ => Self::Done,
        }
    }

    pub(super) fn of_lease(lease: &Lease) -> Self {
        match lease {
            Lease::Granted { .. } => Self::Granted,
            Lease::Held { .. } => Self::Held,
            _ => Self::Hit,
        }
    }

    pub(super) fn of_fill(filled: Filled) -> Self {
        match filled {
            Filled::Stored => Self::Done,
            Filled::Refused | Filled::LateTag => Self::Refused,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Hit => f.write_str("hit"),
            Self::Miss => f.write_str("miss"),
            Self::Refused => f.write_str("refused"),
            Self::Granted => f.write_str("granted"),
            Self::Held => f.write_str("held"),
            Self::Counted(value) => write!(f, "counted({value})"),
            Self::Listed(count) => write!(f, "listed({count})"),
            Self::Queued => f.write_str("queued"),
            Self::Failed(kind) => write!(f, "failed({kind})"),
        }
    }
}
