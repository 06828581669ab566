//! Listing entries page by page.

use std::any::Any;
use std::fmt;

use crate::{Head, KeyBuf, Namespace, Pattern};

/// What to list.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ScanRequest {
    /// Only entries of this namespace.
    pub namespace: Namespace,
    /// Only keys whose text matches.
    pub pattern: Pattern,
    /// About how many entries a page holds. Default: 1,000.
    pub page_size: usize,
    /// Whether keys that are being loaded are listed too, under heads of the kind
    /// [`Placeholder`](crate::EntryKind::Placeholder): for an invalidation by pattern, which ends their
    /// leases. Default: no.
    pub placeholders: bool,
    /// Whether a tag layer lists what has fallen too, with what it can't tell apart: for whoever clears that away.
    /// Default: no.
    pub fallen: bool,
}

impl ScanRequest {
    /// All of a namespace that matches, in pages of about 1,000.
    pub fn new(namespace: Namespace, pattern: Pattern) -> Self {
        Self {
            namespace,
            pattern,
            page_size: 1_000,
            placeholders: false,
            fallen: false,
        }
    }

    /// Whether a key is of the namespace and matches.
    pub fn lists(&self, key: &KeyBuf) -> bool {
        *key.namespace() == self.namespace && self.pattern.matches(key.text())
    }

    /// Lists keys that are being loaded too.
    pub fn with_placeholders(self) -> Self {
        Self {
            placeholders: true,
            ..self
        }
    }

    /// Lists entries whose tags were invalidated too.
    pub fn with_fallen(self) -> Self {
        Self {
            fallen: true,
            ..self
        }
    }

    /// Sets about how many entries a page holds; at least 1.
    pub fn with_page_size(self, page_size: usize) -> Self {
        Self {
            page_size: page_size.max(1),
            ..self
        }
    }
}

/// Where the next page begins; opaque to all but the backend that made it.
pub struct Cursor(Box<dyn Any + Send>);

impl Cursor {
    /// Wraps a backend's own state.
    pub fn new<S: Any + Send>(state: S) -> Self {
        Self(Box::new(state))
    }

    /// The state, if it is an `S`.
    pub fn downcast<S: Any>(self) -> Option<S> {
        self.0.downcast().ok().map(|state| *state)
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cursor")
    }
}

/// One page of a listing. An entry that was there from the first page to the last is on exactly one;
/// entries written or removed meanwhile may or may not be. Expired entries are on none; stale entries
/// and those of other generations are, with heads that tell.
#[derive(Debug, Default)]
pub struct ScanPage {
    /// Keys with their metadata, in no order.
    pub entries: Vec<(KeyBuf, Head)>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
}
