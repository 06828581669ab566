//! Limits for a part of a store.

use crate::{Key, Namespace};

/// Limits for the keys under one prefix, apart from everything else in the store. Of several tiers the
/// nearest keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegionLimits {
    /// Only keys of this namespace.
    pub namespace: Namespace,
    /// The keys whose text begins with this prefix and a `:`.
    pub prefix: Box<str>,
    /// The most bytes, by the store's own measure; `None` for no limit.
    pub max_bytes: Option<u64>,
    /// The most entries; `None` for no limit.
    pub max_entries: Option<u64>,
}

impl RegionLimits {
    /// A region without limits yet.
    pub fn new(namespace: &Namespace, prefix: &str) -> Self {
        Self {
            namespace: namespace.clone(),
            prefix: prefix.into(),
            max_bytes: None,
            max_entries: None,
        }
    }

    /// Whether a key is one of those limited.
    pub fn covers(&self, key: &Key<'_>) -> bool {
        *key.namespace() == self.namespace && key.is_within(&self.prefix)
    }

    /// Limits the bytes.
    pub fn with_max_bytes(self, max_bytes: u64) -> Self {
        Self {
            max_bytes: Some(max_bytes),
            ..self
        }
    }

    /// Limits the entries.
    pub fn with_max_entries(self, max_entries: u64) -> Self {
        Self {
            max_entries: Some(max_entries),
            ..self
        }
    }
}
