//! Entries: a value with its metadata, and the metadata alone.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;

use crate::marker::random_id;
use crate::{CodecId, Error, ErrorKind, Lifetime, Result, TagName, Timestamp, Value, Version};

/// What tells one write of a key from another: random, given when the entry is made, never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EntryId(NonZeroU64);

impl EntryId {
    /// A new random id.
    pub fn random() -> Self {
        Self(random_id())
    }

    /// An id that was stored; `None` for zero, which none is.
    pub fn from_u64(id: u64) -> Option<Self> {
        NonZeroU64::new(id).map(Self)
    }

    /// The number to store.
    pub fn as_u64(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What an entry stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EntryKind {
    /// A value.
    #[default]
    Value,
    /// A 64-bit counter.
    Counter,
    /// The knowledge that the origin has nothing under this key.
    Absent,
    /// A lease on a cold key: somebody is loading it. Absent for everybody else.
    Placeholder,
}

/// A tag of an entry with the version it was stamped with; `None` until the tag layer has done so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The tag's name.
    pub name: TagName,
    /// The version of the tag's marker when the entry was made.
    pub version: Option<Version>,
}

impl From<TagName> for Tag {
    fn from(name: TagName) -> Self {
        Self {
            name,
            version: None,
        }
    }
}

/// An entry's metadata: all that `exists`, `ttl` and `keys` need to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    id: EntryId,
    kind: EntryKind,
    lifetime: Lifetime,
    generation: Option<Version>,
    schema: u32,
    extra: Option<Arc<Extra>>,
}

/// What few entries have; kept apart so that the others don't pay for it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Extra {
    tags: Vec<Tag>,
    etag: Option<Bytes>,
    load_time: Option<Duration>,
}

impl Head {
    /// The entry's id.
    pub fn id(&self) -> EntryId {
        self.id
    }

    /// What the entry stands for.
    pub fn kind(&self) -> EntryKind {
        self.kind
    }

    /// The three times.
    #[inline]
    pub fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// The namespace's generation when the entry was made.
    #[inline]
    pub fn generation(&self) -> Option<Version> {
        self.generation
    }

    /// The version of the space's schema; 0 where none was stated.
    #[inline]
    pub fn schema(&self) -> u32 {
        self.schema
    }

    /// The tags.
    pub fn tags(&self) -> &[Tag] {
        self.extra.as_ref().map_or(&[], |extra| &extra.tags)
    }

    /// What the origin identifies this state of the value by.
    pub fn etag(&self) -> Option<&Bytes> {
        self.extra.as_ref()?.etag.as_ref()
    }

    /// How long the load took that made the entry.
    pub fn load_time(&self) -> Option<Duration> {
        self.extra.as_ref()?.load_time
    }

    /// Whether look-ups of this view return the entry's value at `now`: it is current, and not the
    /// record of an absence. What isn't visible is absent to `exists`, `ttl`, `keys`, counters and
    /// conditional writes as well.
    #[inline]
    pub fn is_visible(&self, view: View, now: Timestamp) -> bool {
        self.is_current(view, now) && self.kind != EntryKind::Absent
    }

    /// Whether a load has nothing to do at `now`: the entry is fresh, of the view's generation and
    /// schema, and not a placeholder. The record of an absence is current too.
    #[inline]
    pub fn is_current(&self, view: View, now: Timestamp) -> bool {
        self.lifetime.is_fresh(now) && view.admits(self) && self.kind != EntryKind::Placeholder
    }

    /// The same with other times.
    pub fn with_lifetime(self, lifetime: Lifetime) -> Self {
        Self { lifetime, ..self }
    }

    fn extra_mut(&mut self) -> &mut Extra {
        Arc::make_mut(self.extra.get_or_insert_default())
    }
}

/// What a caller counts as present: entries of this generation and schema. Anything else is absent to
/// look-ups, counters and conditional writes alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct View {
    /// The namespace's generation; `None` admits every one.
    pub generation: Option<Version>,
    /// The schema version; `None` admits every one.
    pub schema: Option<u32>,
}

impl View {
    /// Restricts the view to a generation.
    pub fn with_generation(self, generation: Option<Version>) -> Self {
        Self { generation, ..self }
    }

    /// Restricts the view to a schema version.
    pub fn with_schema(self, schema: Option<u32>) -> Self {
        Self { schema, ..self }
    }

    /// Whether an entry is of this view's generation and schema.
    #[inline]
    pub fn admits(self, head: &Head) -> bool {
        (self.generation.is_none() || self.generation == head.generation)
            && self.schema.is_none_or(|schema| schema == head.schema)
    }
}

/// A value with its metadata. Cheap to clone: one reference count.
///
/// ```
/// use std::time::Duration;
/// use larder_core::{Entry, Lifetime, Timestamp, Ttl, Value};
///
/// let now = Timestamp::from_millis(1_000);
/// let life = Lifetime::new(now, Ttl::after(Duration::from_secs(60))?, Duration::ZERO);
/// let entry = Entry::new(Value::raw("bytes".into()), life).with_schema(2);
/// assert_eq!(entry.head().schema(), 2);
/// # Ok::<_, larder_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Entry(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    head: Head,
    value: Value,
    slot: OnceLock<Arc<dyn std::any::Any + Send + Sync>>,
}

impl Entry {
    /// The most tags an entry may have.
    pub const MAX_TAGS: usize = 32;
    /// The longest etag in bytes.
    pub const MAX_ETAG_BYTES: usize = 1024;

    /// An entry with a new random id. Its kind follows from the value.
    pub fn new(value: Value, lifetime: Lifetime) -> Self {
        let kind = if value.codec() == CodecId::COUNTER {
            EntryKind::Counter
        } else {
            EntryKind::Value
        };
        let head = Head {
            id: EntryId::random(),
            kind,
            lifetime,
            generation: None,
            schema: 0,
            extra: None,
        };
        Self(Arc::new(Inner {
            head,
            value,
            slot: OnceLock::new(),
        }))
    }

    /// An entry that records that the origin has nothing.
    pub fn absent(lifetime: Lifetime) -> Self {
        Self::new(Value::empty(), lifetime).with_kind(EntryKind::Absent)
    }

    /// A placeholder: the lease on a cold key, under the entry's own key, its token in place of the id.
    pub fn placeholder(token: EntryId, lifetime: Lifetime) -> Self {
        Self::new(Value::empty(), lifetime)
            .with_kind(EntryKind::Placeholder)
            .with_id(token)
    }

    fn edit(mut self, edit: impl FnOnce(&mut Inner)) -> Self {
        edit(Arc::make_mut(&mut self.0));
        self
    }

    pub(crate) fn with_kind(self, kind: EntryKind) -> Self {
        self.edit(|inner| inner.head.kind = kind)
    }

    /// Gives the entry an id it already had elsewhere; for backends that read stored entries.
    pub fn with_id(self, id: EntryId) -> Self {
        self.edit(|inner| inner.head.id = id)
    }

    /// Replaces the times; the id stays.
    pub fn with_lifetime(self, lifetime: Lifetime) -> Self {
        self.edit(|inner| inner.head.lifetime = lifetime)
    }

    /// Stamps the namespace's generation.
    pub fn with_generation(self, generation: Option<Version>) -> Self {
        self.edit(|inner| inner.head.generation = generation)
    }

    /// States the schema version.
    pub fn with_schema(self, schema: u32) -> Self {
        self.edit(|inner| inner.head.schema = schema)
    }

    /// Replaces the tags.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooManyTags`] if there are more than [`Entry::MAX_TAGS`].
    pub fn with_tags(self, tags: Vec<Tag>) -> Result<Self> {
        if tags.len() > Self::MAX_TAGS {
            return Err(Error::new(
                ErrorKind::TooManyTags,
                format!(
                    "an entry has at most {} tags, this one has {}",
                    Self::MAX_TAGS,
                    tags.len()
                ),
            ));
        }
        Ok(if tags.is_empty() && self.head().tags().is_empty() {
            self
        } else {
            self.edit(|inner| {
                inner.head.extra_mut().tags = tags;
                // What a layer knew of the former ones.
                inner.slot = OnceLock::new();
            })
        })
    }

    /// Keeps what the origin identifies this state of the value by.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ValueTooLarge`] if it is longer than [`Entry::MAX_ETAG_BYTES`].
    pub fn with_etag(self, etag: Bytes) -> Result<Self> {
        if etag.len() > Self::MAX_ETAG_BYTES {
            return Err(Error::new(
                ErrorKind::ValueTooLarge,
                format!(
                    "an etag has at most {} bytes, this one has {}",
                    Self::MAX_ETAG_BYTES,
                    etag.len()
                ),
            ));
        }
        Ok(self.edit(|inner| inner.head.extra_mut().etag = Some(etag)))
    }

    /// Keeps how long the load took, to the microsecond.
    pub fn with_load_time(self, load_time: Duration) -> Self {
        let micros = u64::try_from(load_time.as_micros()).unwrap_or(u64::MAX);
        self.edit(|inner| inner.head.extra_mut().load_time = Some(Duration::from_micros(micros)))
    }

    /// The same entry with another value: what a byte layer hands to its inner store. The original
    /// keeps its decoded form. Whether the entry is a counter follows from the value.
    pub fn with_value(self, value: Value) -> Self {
        self.edit(|inner| {
            inner.head.kind = match inner.head.kind {
                _ if value.codec() == CodecId::COUNTER => EntryKind::Counter,
                EntryKind::Counter => EntryKind::Value,
                kind => kind,
            };
            inner.value = value;
        })
    }

    /// The entry with a counter's number for its value.
    pub fn with_counter(self, number: i64) -> Self {
        self.with_value(Value::counter(number))
    }

    /// The metadata.
    #[inline]
    pub fn head(&self) -> &Head {
        &self.0.head
    }

    /// The entry's id.
    pub fn id(&self) -> EntryId {
        self.0.head.id
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> &Value {
        &self.0.value
    }

    /// Where one layer may hang what it knows about the entry, such as the shared state of its tags;
    /// not stored, and lost when the entry leaves memory.
    pub fn slot(&self) -> &OnceLock<Arc<dyn std::any::Any + Send + Sync>> {
        &self.0.slot
    }

    /// Whether both are the same object in memory.
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("head", &self.0.head)
            .field("value", &self.0.value)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry::new(
            Value::raw(Bytes::from_static(b"x")),
            Lifetime::forever(Timestamp::EPOCH),
        )
    }

    #[test]
    fn s5_the_thirty_third_tag_is_refused() {
        let tags = |n: usize| {
            (0..n)
                .map(|i| TagName::new(&i.to_string()).unwrap().into())
                .collect::<Vec<Tag>>()
        };
        assert_eq!(entry().with_tags(tags(32)).unwrap().head().tags().len(), 32);
        assert_eq!(
            entry().with_tags(tags(33)).unwrap_err().kind(),
            ErrorKind::TooManyTags
        );
    }

    #[test]
    fn a_view_admits_its_generation_and_schema_alone() {
        let now = Timestamp::from_millis(1);
        let generation = Some(Version::random());
        let entry = entry().with_generation(generation).with_schema(3);
        let view = View::default();
        assert!(entry.head().is_visible(view, now));
        assert!(
            entry
                .head()
                .is_visible(view.with_generation(generation).with_schema(Some(3)), now)
        );
        assert!(
            !entry
                .head()
                .is_visible(view.with_generation(Some(Version::random())), now)
        );
        assert!(!entry.head().is_visible(view.with_schema(Some(2)), now));
    }

    #[test]
    fn a_placeholder_is_seen_by_nobody() {
        let lease = Entry::placeholder(EntryId::random(), Lifetime::forever(Timestamp::EPOCH));
        assert!(
            !lease
                .head()
                .is_visible(View::default(), Timestamp::from_millis(1))
        );
    }

    #[test]
    fn a_changed_copy_leaves_the_original_alone() {
        let original = entry();
        let copy = original.clone().with_schema(7);
        assert_eq!((original.head().schema(), copy.head().schema()), (0, 7));
        assert_eq!(original.id(), copy.id());
    }
}
