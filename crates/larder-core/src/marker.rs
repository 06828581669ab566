//! Markers: random versions kept beside the entries, one for the namespace's generation and one per tag.

use std::cell::RefCell;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::num::NonZeroU64;
use std::sync::Arc;

use crate::key::{escape, hash_bytes, unescape};
use crate::{Error, ErrorKind, Namespace, Result};

/// A version: random, never reused, never zero. An entry that carries another one is invalid, for ever.
///
/// The upper 44 bits are the version's identity. The lower 20 count how often it was made to expire
/// ([`Version::expired`]): an entry that carries the same identity with another count is stale instead of invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version(NonZeroU64);

impl Version {
    /// A new random version.
    pub fn random() -> Self {
        Self(random_id())
    }

    /// A version that was stored; `None` for zero, which none is.
    pub fn from_u64(version: u64) -> Option<Self> {
        NonZeroU64::new(version).map(Self)
    }

    /// The number to store.
    pub fn as_u64(self) -> u64 {
        self.0.get()
    }

    /// The version after this one that makes what carries this one stale, and leaves it servable where a stale
    /// value may stand in.
    pub fn expired(self) -> Self {
        let version = self.as_u64();
        let next = (version & !COUNT) | (version.wrapping_add(1) & COUNT);
        // Only an identity of zero, which is drawn once in 2^44, could come to zero.
        Self::from_u64(next).unwrap_or_else(Self::random)
    }

    /// Whether one of both has become of the other by [`Version::expired`], or they are the same.
    pub fn is_kin(self, other: Self) -> bool {
        self.as_u64() & !COUNT == other.as_u64() & !COUNT
    }
}

/// The bits of a version that count how often it was made to expire.
const COUNT: u64 = (1 << 20) - 1;

thread_local! {
    /// Seeded by the system: the library's own seed is the time and the thread's number, which two
    /// machines may share.
    static RANDOM: RefCell<fastrand::Rng> =
        RefCell::new(fastrand::Rng::with_seed(RandomState::new().build_hasher().finish()));
}

/// Random and not zero: entry ids, lease tokens and versions.
pub(crate) fn random_id() -> NonZeroU64 {
    let id = RANDOM.with_borrow_mut(|random| random.u64(1..));
    NonZeroU64::new(id).expect("drawn from 1 upwards")
}

/// A tag's name: 1 to 256 bytes without control characters. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TagName(Arc<str>);

impl TagName {
    /// The longest name in bytes.
    pub const MAX_BYTES: usize = 256;

    /// Checks a name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::KeyInvalid`] if it is empty, too long, or has a control character.
    pub fn new(name: &str) -> Result<Self> {
        if name.is_empty() || name.len() > Self::MAX_BYTES || name.chars().any(char::is_control) {
            return Err(Error::new(
                ErrorKind::KeyInvalid,
                "a tag is 1 to 256 bytes without control characters",
            )
            .with_key(name));
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Which marker: the namespace's generation, or a tag's version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Marker {
    namespace: Namespace,
    tag: Option<TagName>,
}

impl Marker {
    /// The marker whose change clears the namespace.
    pub fn generation(namespace: &Namespace) -> Self {
        Self {
            namespace: namespace.clone(),
            tag: None,
        }
    }

    /// The marker whose change invalidates a tag's entries.
    pub fn tag(namespace: &Namespace, tag: TagName) -> Self {
        Self {
            namespace: namespace.clone(),
            tag: Some(tag),
        }
    }

    /// The marker that a stored name stands for, if it is one of this namespace: the inverse of
    /// [`Marker::stored_name`].
    pub fn from_stored_name(namespace: &Namespace, stored: &str) -> Option<Self> {
        let internal = stored
            .strip_prefix(namespace.as_str())?
            .strip_prefix(":~")?;
        if internal == "g" {
            return Some(Self::generation(namespace));
        }
        let tag = unescape(internal.strip_prefix("t:")?)?;
        let marker = Self::tag(namespace, TagName::new(&tag).ok()?);
        (marker.stored_name() == stored).then_some(marker)
    }

    /// The namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The tag, or `None` for the generation.
    pub fn tag_name(&self) -> Option<&TagName> {
        self.tag.as_ref()
    }

    /// Picks the fence stripe; differs from process to process.
    pub fn hash64(&self) -> u64 {
        hash_bytes(self.stored_name().as_bytes())
    }

    /// The name under which a shared store keeps the marker. No key has it, because a key's leading
    /// `~` is escaped.
    pub fn stored_name(&self) -> String {
        match &self.tag {
            None => format!("{}:~g", self.namespace),
            Some(tag) => {
                let mut stored = format!("{}:~t:", self.namespace);
                escape(tag.as_str(), &mut stored);
                stored
            }
        }
    }
}

/// What [`Backend::bump`](crate::Backend::bump) does to what carries a marker's version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Bump {
    /// Gives the marker a new random version: what carries another one is gone.
    #[default]
    Invalidate,
    /// Gives it [the version after its own](Version::expired): what carries that one is stale, and may stand in for
    /// what can't be loaded. A marker that isn't there gets a random version. A backend that doesn't know how may
    /// invalidate instead: that is safe.
    Expire,
}

/// What [`Backend::markers`](crate::Backend::markers) does about a marker that isn't there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MarkerRead {
    /// Answers `None`: what judges an entry must not create what it judges by.
    Existing,
    /// Creates it with a new random version: what stamps an entry.
    OrCreate,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;

    #[test]
    fn s4_no_key_has_the_name_of_a_marker() {
        let ns = Namespace::new("app").unwrap();
        for marker in [
            Marker::generation(&ns),
            Marker::tag(&ns, TagName::new("country:GB").unwrap()),
        ] {
            let stored = marker.stored_name();
            let text = stored.strip_prefix("app:").unwrap();
            assert_ne!(Key::new(&ns, "", text).unwrap().stored_name(), stored);
        }
    }

    #[test]
    fn s4_a_stored_name_leads_back_to_its_marker_and_nothing_else_does() {
        let ns = Namespace::new("app").unwrap();
        for tag in ["country:GB", "~g", "100%", "a}b", "{a}", "größe"] {
            let marker = Marker::tag(&ns, TagName::new(tag).unwrap());
            let back = Marker::from_stored_name(&ns, &marker.stored_name());
            assert_eq!(back, Some(marker));
        }
        let generation = Marker::generation(&ns);
        let back = Marker::from_stored_name(&ns, &generation.stored_name());
        assert_eq!(back, Some(generation));
        for other in [
            "app:g",
            "app:~",
            "app:~gg",
            "app:~t:",
            "app:~t:a%7Eb",
            "app:~l:{app:a}",
            "ap:~g",
            "app2:~g",
        ] {
            assert_eq!(Marker::from_stored_name(&ns, other), None, "{other}");
        }
    }

    #[test]
    fn a_version_that_expires_keeps_its_identity() {
        let version = Version::random();
        let expired = version.expired();
        assert_ne!(version, expired);
        assert!(version.is_kin(expired) && expired.is_kin(version));
        assert!(!version.is_kin(Version::random()));
        let last = Version::from_u64(version.as_u64() | COUNT).unwrap();
        assert_eq!(last.expired().as_u64(), version.as_u64() & !COUNT);
        assert_ne!(Version::from_u64(COUNT).unwrap().expired().as_u64(), 0);
    }

    #[test]
    fn s5_a_tag_is_checked() {
        for bad in ["", "a\tb", &"x".repeat(257)] {
            assert_eq!(TagName::new(bad).unwrap_err().kind(), ErrorKind::KeyInvalid);
        }
    }
}
