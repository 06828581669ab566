//! What a loader is told, and what it may say.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use larder_core::{Entry, Error, ErrorKind, Result, TagName, Timestamp, Ttl, View};

use crate::scope::Scope;

/// What a loader returns: a value, and what is to become of it. A plain `T`, an `Arc<T>` and an `Option<T>`, whose
/// `None` is [`Loaded::absent`], convert into it.
///
/// ```
/// use std::time::Duration;
/// use larder::Loaded;
///
/// let page = Loaded::new("text".to_owned()).ttl(Duration::from_secs(60)).etag("\"v7\"");
/// let nothing = Loaded::<String>::from(None::<String>);
/// assert_eq!(nothing.value(), None);
/// assert_eq!(page.value().map(String::as_str), Some("text"));
/// ```
#[must_use]
pub struct Loaded<T> {
    pub(crate) what: What<T>,
    pub(crate) say: Say,
}

/// What there is.
pub(crate) enum What<T> {
    Value(Arc<T>),
    /// What the cache had is still right.
    NotModified,
    Absent,
    Failed(Error),
}

/// What is to become of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Say {
    /// Zero: returned, not stored.
    pub(crate) ttl: Option<Duration>,
    pub(crate) forever: bool,
    pub(crate) stale_for: Option<Duration>,
    /// Instead of the call's.
    pub(crate) tags: Option<Result<Vec<TagName>>>,
    pub(crate) etag: Option<Bytes>,
    pub(crate) uncached: bool,
}

impl Say {
    /// The time to live, if it says one.
    pub(crate) fn ttl(&self) -> Result<Option<Ttl>> {
        match self.ttl {
            _ if self.forever => Ok(Some(Ttl::Forever)),
            Some(ttl) if !ttl.is_zero() => Ttl::after(ttl).map(Some),
            _ => Ok(None),
        }
    }

    /// Whether it is returned and not stored.
    pub(crate) fn is_uncached(&self) -> bool {
        self.uncached || (self.ttl == Some(Duration::ZERO) && !self.forever)
    }
}

impl<T> Loaded<T> {
    /// A value. Takes a `T` or an `Arc<T>`.
    pub fn new(value: impl Into<Arc<T>>) -> Self {
        Self::of(What::Value(value.into()))
    }

    /// A value that is returned to everybody who waits, and not stored.
    pub fn uncached(value: impl Into<Arc<T>>) -> Self {
        let mut loaded = Self::new(value);
        loaded.say.uncached = true;
        loaded
    }

    /// The origin has no such value. That is stored as well, for the
    /// [negative time to live](crate::LoadPolicy::negative_ttl), and answered as [`ErrorKind::Absent`], or as `None`
    /// where that is asked for.
    pub fn absent() -> Self {
        Self::of(What::Absent)
    }

    /// What the cache has ([`LoadContext::stale`]) is still right, and lives anew. Where it had nothing, the load fails.
    pub fn not_modified() -> Self {
        Self::of(What::NotModified)
    }

    /// This key's load failed; for loaders of many keys. A stale value stands in, as for any load that fails.
    pub fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::of(What::Failed(
            Error::new(ErrorKind::Load, "the loader failed").with_source(error),
        ))
    }

    fn of(what: What<T>) -> Self {
        Self {
            what,
            say: Say::default(),
        }
    }

    /// How long look-ups return the entry, in place of what the call, the space and the cache say; for an absence, of
    /// the negative time to live. Zero: it is returned and not stored.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.say.ttl = Some(ttl);
        self
    }

    /// Keeps the entry until it is deleted or evicted.
    pub fn forever(mut self) -> Self {
        self.say.forever = true;
        self
    }

    /// How long after its time to live the entry may stand in for a failing origin, in place of what the call, the
    /// space and the cache say.
    pub fn stale_for(mut self, stale_for: Duration) -> Self {
        self.say.stale_for = Some(stale_for);
        self
    }

    /// Tags the entry, in place of the call's tags. Without a tag layer the value is returned and not stored.
    pub fn tags<S: AsRef<str>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        let tags = tags.into_iter().map(|tag| TagName::new(tag.as_ref()));
        self.say.tags = Some(tags.collect());
        self
    }

    /// What the origin identifies this state by: an `ETag`, or a `Last-Modified`, as it wrote it; at most
    /// [`Entry::MAX_ETAG_BYTES`](crate::Entry::MAX_ETAG_BYTES). The next load gets it by [`LoadContext::etag`].
    pub fn etag(mut self, etag: impl Into<Bytes>) -> Self {
        self.say.etag = Some(etag.into());
        self
    }

    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match &self.what {
            What::Value(value) => Some(value),
            _ => None,
        }
    }
}

impl<T> From<T> for Loaded<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T> From<Arc<T>> for Loaded<T> {
    fn from(value: Arc<T>) -> Self {
        Self::new(value)
    }
}

impl<T> From<Option<T>> for Loaded<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or_else(Self::absent, Self::new)
    }
}

impl<T> From<Option<Arc<T>>> for Loaded<T> {
    fn from(value: Option<Arc<T>>) -> Self {
        value.map_or_else(Self::absent, Self::new)
    }
}

impl<T> fmt::Debug for Loaded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match &self.what {
            What::Value(_) => "a value",
            What::NotModified => "not modified",
            What::Absent => "absent",
            What::Failed(_) => "failed",
        };
        f.debug_struct("Loaded")
            .field("what", &what)
            .field("say", &self.say)
            .finish()
    }
}

/// What a loader is told of what the cache still has: enough to ask the origin whether it has changed.
#[derive(Debug)]
pub struct LoadContext<T> {
    pub(crate) stale: Option<Arc<T>>,
    pub(crate) etag: Option<Bytes>,
    pub(crate) created: Option<Timestamp>,
}

impl<T> Clone for LoadContext<T> {
    fn clone(&self) -> Self {
        Self {
            stale: self.stale.clone(),
            etag: self.etag.clone(),
            created: self.created,
        }
    }
}

impl<T> Default for LoadContext<T> {
    fn default() -> Self {
        Self {
            stale: None,
            etag: None,
            created: None,
        }
    }
}

impl<T: Send + Sync + 'static> LoadContext<T> {
    /// What the loader is told of this entry: nothing, if it couldn't stand in either.
    pub(crate) fn of(scope: Scope<'_>, seen: Option<&Entry>, view: View) -> Self {
        let readable = seen.and_then(|entry| Some((entry, scope.stand_in::<T>(entry, view)?)));
        readable.map_or_else(Self::default, |(entry, value)| Self {
            stale: Some(value),
            etag: entry.head().etag().cloned(),
            created: Some(entry.head().lifetime().created),
        })
    }
}

impl<T> LoadContext<T> {
    /// The value that is to be replaced, if it can be read: stale, or refreshed before its time. Only where this is
    /// `Some` may the loader answer [`Loaded::not_modified`].
    pub fn stale(&self) -> Option<&Arc<T>> {
        self.stale.as_ref()
    }

    /// What the loader said about that value's state: [`Loaded::etag`].
    pub fn etag(&self) -> Option<&[u8]> {
        self.etag.as_deref()
    }

    /// When that value was loaded, or last found to be unmodified.
    pub fn loaded_at(&self) -> Option<Timestamp> {
        self.created
    }
}
