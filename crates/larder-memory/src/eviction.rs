//! What is told of entries that leave.

use std::sync::Arc;

use larder_core::KeyBuf;
use moka::notification::RemovalCause;

/// Why an entry left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EvictionCause {
    /// Its time was over, or nobody used it for too long.
    Expired,
    /// There was no room.
    Size,
    /// It was deleted, invalidated or cleared.
    Removed,
    /// Another entry took its place.
    Replaced,
}

impl From<RemovalCause> for EvictionCause {
    fn from(cause: RemovalCause) -> Self {
        match cause {
            RemovalCause::Expired => Self::Expired,
            RemovalCause::Size => Self::Size,
            RemovalCause::Explicit => Self::Removed,
            RemovalCause::Replaced => Self::Replaced,
        }
    }
}

/// An entry has left.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Eviction<'a> {
    /// Its key.
    pub key: &'a KeyBuf,
    /// Why it left.
    pub cause: EvictionCause,
}

pub(crate) type Listener = Arc<dyn Fn(&Eviction<'_>) + Send + Sync>;
