//! One operation's view of the cache: the shared state, the space's settings, the value's type.

use std::any::{Any, TypeId};
use std::sync::Arc;
use std::time::Duration;

use larder_core::{
    Backend, Entry, EntryKind, Error, ErrorKind, Key, Lifetime, Operation, Peek, Read, ReadOptions,
    Result, Tag, TagName, Timestamp, Ttl, Value, ValueType, View, WriteOptions,
};

use crate::generation::Known;
use crate::load::{LoadPolicy, Policy};
use crate::shared::Shared;
use crate::sliding;
use crate::spec::Spec;
use crate::stamps;

/// What every operation works on.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) spec: &'a Arc<Spec>,
    pub(crate) value_type: &'static ValueType,
}

/// What memory says at once.
pub(crate) enum AtHand<T> {
    /// A visible value.
    Hit(Arc<T>),
    /// The origin has nothing: that is what is known. Counted.
    Absent,
    /// Nothing that counts, and what is there all the same; the outcome has been counted.
    Miss(Option<Entry>),
    /// Only an asynchronous look-up can tell; nothing has been counted.
    Unknown,
}

/// What an entry turned out to be.
pub(crate) enum Judged<T> {
    /// A visible value.
    Hit(Arc<T>),
    /// The record that the origin has nothing.
    Absent,
    /// Nothing that counts.
    Miss,
}

impl<T> Judged<T> {
    pub(crate) fn value(self) -> Option<Arc<T>> {
        match self {
            Self::Hit(value) => Some(value),
            Self::Absent | Self::Miss => None,
        }
    }
}

/// What an entry's caller asked for beside the value.
#[derive(Clone, Debug, Default)]
pub(crate) struct EntryOptions {
    pub(crate) ttl: Ttl,
    pub(crate) stale_for: Option<Duration>,
    pub(crate) tags: Vec<Tag>,
    /// The first option that was wrong.
    pub(crate) problem: Option<Error>,
}

impl EntryOptions {
    pub(crate) fn set_ttl(&mut self, ttl: Result<Ttl>) {
        match ttl {
            Ok(ttl) => self.ttl = ttl,
            Err(error) => self.fail(error),
        }
    }

    pub(crate) fn set_tags<S: AsRef<str>>(&mut self, tags: impl IntoIterator<Item = S>) {
        self.tags.clear();
        for tag in tags {
            match TagName::new(tag.as_ref()) {
                Ok(tag) => self.tags.push(tag.into()),
                Err(error) => self.fail(error),
            }
        }
        if self.tags.len() > Entry::MAX_TAGS {
            let message = format!("an entry has at most {} tags", Entry::MAX_TAGS);
            self.fail(Error::new(ErrorKind::TooManyTags, message));
        }
    }

    fn fail(&mut self, error: Error) {
        self.problem.get_or_insert(error);
    }
}

impl<'a> Scope<'a> {
    /// A valid key of this space, in a cache that is open and a space that is sound.
    pub(crate) fn key<'k>(&self, name: &'k str) -> Result<Key<'k>>
    where
        'a: 'k,
    {
        self.shared.open()?;
        self.ready()?;
        Key::new(&self.shared.namespace, &self.spec.prefix, name)
    }

    /// Whether [`Scope::ready`] would find nothing wrong.
    #[inline]
    fn is_sound(&self) -> bool {
        self.spec.problem().is_none()
            && (self.value_type.is_self_describing() || self.spec.schema_stated)
            && !(self.value_type.is_local() && self.shared.capability.needs_bytes)
    }

    /// Whether the space's settings are sound.
    pub(crate) fn ready(&self) -> Result<()> {
        if let Some(problem) = self.spec.problem() {
            return Err(problem.clone());
        }
        if !self.value_type.is_self_describing() && !self.spec.schema_stated {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                format!(
                    "{:?}: this codec writes no field names, so a changed struct would be read wrongly; use it in \
                     a space that states its version: .space::<T>(\"…\").version(1)",
                    self.value_type
                ),
            ));
        }
        if self.value_type.is_local() && self.shared.capability.needs_bytes {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                format!(
                    "{:?}: a local value never becomes bytes, but a tier of this cache needs them",
                    self.value_type
                ),
            ));
        }
        Ok(())
    }

    /// What this space counts as present.
    pub(crate) async fn view(&self) -> Result<View> {
        let generation = self.shared.generation().await?;
        Ok(View::default()
            .with_generation(generation)
            .with_schema(self.spec.schema))
    }

    pub(crate) async fn reading(&self) -> Result<ReadOptions> {
        Ok(ReadOptions::default().with_view(self.view().await?))
    }

    pub(crate) async fn writing(&self) -> Result<WriteOptions> {
        Ok(WriteOptions::default().with_view(self.view().await?))
    }

    /// The time that entries are judged by: the same for every kind of look-up.
    pub(crate) fn now(&self) -> Timestamp {
        self.shared.clock.recent()
    }

    /// Looks up a value without waiting. Counts the outcome unless it is unknown.
    #[inline]
    pub(crate) fn peek<T: Send + Sync + 'static>(&self, name: &str) -> AtHand<T> {
        self.peek_with(name, |_, _, _| {})
    }

    /// As [`Scope::peek`]; a hit's entry is shown first.
    #[inline]
    pub(crate) fn peek_with<T: Send + Sync + 'static>(
        &self,
        name: &str,
        hit: impl FnOnce(&Key<'_>, &Entry, Timestamp),
    ) -> AtHand<T> {
        let shared = self.shared;
        let generation = match shared.known_generation() {
            Known::Is(generation) => Some(generation),
            Known::None => None,
            Known::Changed => return AtHand::Unknown,
        };
        if shared.is_bypassed() || shared.is_closed() || name.is_empty() || !self.is_sound() {
            return AtHand::Unknown;
        }
        let now = shared.clock.recent();
        let key = Key::for_lookup(&shared.namespace, &self.spec.prefix, name);
        match shared.store.peek(&key, now) {
            Peek::Hit(entry) => {
                let view = View::default()
                    .with_generation(generation)
                    .with_schema(self.spec.schema);
                // What the nearest of several tiers has is not the last word on what it hasn't.
                if shared.capability.tiered && !entry.head().is_current(view, now) {
                    return AtHand::Unknown;
                }
                match self.judge(&entry, view, now) {
                    Judged::Hit(value) => {
                        if self.spec.sliding {
                            sliding::hit(*self, &key, &entry, now);
                        }
                        hit(&key, &entry, now);
                        AtHand::Hit(value)
                    }
                    Judged::Absent => AtHand::Absent,
                    Judged::Miss => AtHand::Miss(Some(entry)),
                }
            }
            Peek::Miss if key.validate().is_ok() => {
                shared.counters.misses.increment();
                AtHand::Miss(None)
            }
            Peek::Miss | Peek::Pending => AtHand::Unknown,
        }
    }

    /// The value of an entry, if it is visible and readable. Counts the outcome.
    #[inline]
    pub(crate) fn judge<T: Send + Sync + 'static>(
        &self,
        entry: &Entry,
        view: View,
        now: Timestamp,
    ) -> Judged<T> {
        if entry.head().is_visible(view, now)
            && let Read::Shared(value) = entry.value().read::<T>(self.value_type)
        {
            self.shared.counters.hits.increment();
            return Judged::Hit(value);
        }
        self.judge_rest(entry, view, now)
    }

    #[cold]
    #[inline(never)]
    fn judge_rest<T: Send + Sync + 'static>(
        &self,
        entry: &Entry,
        view: View,
        now: Timestamp,
    ) -> Judged<T> {
        let counters = &self.shared.counters;
        if entry.head().is_visible(view, now) {
            return match entry.value().read::<T>(self.value_type) {
                Read::Shared(value) => {
                    counters.hits.increment();
                    Judged::Hit(value)
                }
                Read::Converted(value) => {
                    counters.hits.increment();
                    counters.converted.increment();
                    Judged::Hit(value)
                }
                Read::Unreadable => {
                    counters.unreadable.increment();
                    Judged::Miss
                }
            };
        }
        if entry.head().is_current(view, now) {
            counters.absent.increment();
            return Judged::Absent;
        }
        if entry.head().lifetime().is_fresh(now) {
            counters.outdated.increment();
        } else {
            counters.stale.increment();
        }
        Judged::Miss
    }

    /// Judges what an asynchronous look-up found, and counts it.
    pub(crate) fn judge_found<T: Send + Sync + 'static>(
        &self,
        found: Option<&Entry>,
        view: View,
    ) -> Judged<T> {
        let Some(entry) = found else {
            self.shared.counters.misses.increment();
            return Judged::Miss;
        };
        self.judge(entry, view, self.now())
    }

    /// As [`Scope::judge_found`], for a look-up that makes an entry live on.
    pub(crate) fn judge_looked_up<T: Send + Sync + 'static>(
        &self,
        key: &Key<'_>,
        found: Option<&Entry>,
        view: View,
    ) -> Judged<T> {
        let judged = self.judge_found(found, view);
        if self.spec.sliding
            && let (Judged::Hit(_), Some(entry)) = (&judged, found)
        {
            sliding::hit(*self, key, entry, self.now());
        }
        judged
    }

    /// The value of an entry that may stand in for one that can't be had: of this generation and schema, readable, and
    /// not over.
    pub(crate) fn stand_in<T: Send + Sync + 'static>(
        &self,
        entry: &Entry,
        view: View,
    ) -> Option<Arc<T>> {
        let head = entry.head();
        let is_value = matches!(head.kind(), EntryKind::Value | EntryKind::Counter);
        let serves =
            is_value && view.admits(head) && !head.lifetime().is_expired(self.shared.clock.now());
        serves.then(|| entry.value().read::<T>(self.value_type).ok())?
    }

    /// How this call's loads behave: as it says, else as the space, else as the cache.
    pub(crate) fn policy(&self, call: Option<&LoadPolicy>) -> Result<Policy> {
        let defaults = &self.shared.defaults.policy;
        let policy = match (call, self.spec.policy.as_deref()) {
            (None, None) => return Ok(defaults.decided()),
            (Some(one), None) | (None, Some(one)) => one.clone().over(defaults.clone()),
            (Some(call), Some(space)) => call.clone().over(space.clone()).over(defaults.clone()),
        };
        policy.check()?;
        Ok(policy.decided())
    }

    /// A value as the store keeps it. An `i64` is always kept as a counter, so that `set` and
    /// `increment` meet in one form.
    pub(crate) fn value<T: Send + Sync + 'static>(&self, value: Arc<T>) -> Value {
        if !self.value_type.is_local() && TypeId::of::<T>() == TypeId::of::<i64>() {
            let integer: &(dyn Any + Send + Sync) = value.as_ref();
            return Value::counter(
                *integer
                    .downcast_ref::<i64>()
                    .expect("its type was compared"),
            );
        }
        let weight = self.spec.weigh.as_ref().map(|weigh| weigh(value.as_ref()));
        let made = Value::decoded(value, self.value_type);
        match weight {
            Some(weight) => made.with_weight(weight),
            None => made,
        }
    }

    /// Whether this cache can do what a call asks for.
    pub(crate) fn check_options(&self, options: &EntryOptions) -> Result<()> {
        if let Some(problem) = &options.problem {
            return Err(problem.clone());
        }
        if !options.tags.is_empty() {
            stamps::check(self.shared)?;
        }
        Ok(())
    }

    /// A new entry of this space, checked against the limits. Its generation is the one of `view`.
    pub(crate) fn entry(&self, value: Value, options: &EntryOptions, view: View) -> Result<Entry> {
        self.check_options(options)?;
        if let Err(error) = value.weigh() {
            self.shared.counters.encode_failures.increment();
            if self.spec.warn_once() {
                tracing::warn!(
                    cache = self.shared.namespace.as_str(),
                    space = &*self.spec.prefix,
                    value_type = self.value_type.type_name(),
                    %error,
                    "a value can't be encoded: it stays in memory, weighed by its size on the stack"
                );
            }
        }
        let entry = Entry::new(value, self.lifetime(options))
            .with_generation(view.generation)
            .with_schema(self.spec.schema.unwrap_or_default())
            .with_tags(options.tags.clone())?;
        self.shared.limits.check_value(&entry)?;
        Ok(entry)
    }

    /// From now for as long as call, space or cache say, less the jitter.
    pub(crate) fn lifetime(&self, options: &EntryOptions) -> Lifetime {
        let defaults = &self.shared.defaults;
        let ttl = options.ttl.or(self.spec.ttl).or(defaults.ttl);
        let ttl = match ttl.duration() {
            Some(duration) if defaults.jitter > 0.0 => {
                let kept = 1.0 - defaults.jitter * self.shared.random.fraction();
                Ttl::after(duration.mul_f64(kept).max(Duration::from_millis(1))).unwrap_or(ttl)
            }
            _ => ttl,
        };
        let stale_for = options
            .stale_for
            .or(self.spec.stale_for)
            .unwrap_or(defaults.stale_for);
        Lifetime::new(self.shared.clock.now(), ttl, stale_for)
    }

    /// Adds what every error of an operation says.
    pub(crate) fn explain<T>(result: Result<T>, operation: Operation, name: &str) -> Result<T> {
        result.map_err(|error| error.with_operation(operation).with_key(name))
    }
}
