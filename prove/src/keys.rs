//! The keys that everybody works on, and what may be done to each.

use crate::moment::{Moment, millis};

/// A key's place in [`KEYS`].
pub(crate) type KeyIndex = u8;

/// The namespace of the caches.
pub(crate) const NAMESPACE: &str = "prove";

/// One key.
#[derive(Debug)]
pub(crate) struct Spec {
    /// The space that it lives in: `long` or `short`, after the time to live, or `eager`, whose entries are
    /// refreshed before their short time is over.
    pub(crate) space: &'static str,
    pub(crate) name: &'static str,
    /// How its writers make the cache follow the origin: by `set`, or by invalidations alone.
    pub(crate) is_set: bool,
}

/// Longer than a run's calm, so that what is wrong stays to be seen.
pub(crate) const LONG: Moment = millis(30_000);
/// Shorter than a calm, so that entries end by themselves.
pub(crate) const SHORT: Moment = millis(500);

const fn key(space: &'static str, name: &'static str, is_set: bool) -> Spec {
    Spec {
        space,
        name,
        is_set,
    }
}

/// All of them.
pub(crate) const KEYS: [Spec; 8] = [
    key("long", "a", false),
    key("long", "b", false),
    key("long", "s", true),
    key("long", "t", true),
    key("short", "a", false),
    key("short", "s", true),
    key("eager", "a", false),
    key("eager", "s", true),
];

impl Spec {
    /// The name in Redis.
    pub(crate) fn stored_name(&self) -> String {
        format!("{NAMESPACE}:{}:{}", self.space, self.name)
    }

    /// The time to live.
    pub(crate) fn ttl(&self) -> Moment {
        if self.space == "long" { LONG } else { SHORT }
    }
}

/// Every key's index.
pub(crate) fn indexes() -> impl Iterator<Item = KeyIndex> {
    (0..).take(KEYS.len())
}

/// What is behind an index.
pub(crate) fn spec(key: KeyIndex) -> &'static Spec {
    &KEYS[usize::from(key)]
}
