//! The handle to a cache.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use larder_core::{
    Backend, Bump, CloseReport, Marker, Namespace, ReadOptions, Result, Store, Ttl, ValueType,
    WriteOptions,
};

use crate::builder::CacheBuilder;
use crate::codec::{CacheValue, DefaultCodec};
use crate::counters::Counters;
use crate::generation::Known;
use crate::limits::Limits;
use crate::load::{LoadContext, LoadPolicy, RefreshLimits, Simple, WithContext};
use crate::null::Null;
use crate::operations::{Get, GetOrLoad, Pipeline, Set, SetIfAbsent, Sweep, many, tags, update};
use crate::scope::{AtHand, Scope};
use crate::shared::{Defaults, Shared};
use crate::space::Space;
use crate::stamps::{self, Stamps};
use crate::stats::{CacheStats, CheckReport, Closed};
use crate::untyped::untyped_operations;

/// A cache. Cheap to clone; when the last handle and the last [`Space`] are dropped, every task it
/// has started is stopped.
///
/// Operations on the cache itself take whole keys and see every schema version; a [`Space`] has a
/// prefix, a type and a version of its own.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use larder::Cache;
///
/// let cache = Cache::builder("shop").build().await?;
/// cache.set("greeting", "hello".to_owned()).await?;
/// assert_eq!(cache.get::<String>("greeting").await?.unwrap().as_str(), "hello");
/// assert_eq!(cache.increment("views", 1).await?, 1);
/// # Ok::<_, larder::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Cache {
    shared: Arc<Shared>,
}

/// The part of the time for closing that is kept for what is left to do after the loads.
const LAST_PART: u32 = 10;

impl Cache {
    /// Starts a cache in a namespace: 1 to 64 of `A-Z a-z 0-9 _ . -`. The namespace is also the label
    /// of its metrics.
    pub fn builder(namespace: &str) -> CacheBuilder {
        CacheBuilder::new(namespace)
    }

    /// A cache that keeps nothing, for tests and for switching caching off: look-ups miss, loads always
    /// load, writes succeed, counters begin anew.
    ///
    /// # Panics
    ///
    /// Never: the namespace it uses is a valid one.
    pub fn disabled() -> Self {
        let namespace = Namespace::new("disabled").expect("a namespace by the rules");
        let counters = Arc::new(Counters::new(&namespace));
        let clock = crate::builder::system_clock();
        let defaults = Defaults {
            ttl: Ttl::Forever,
            jitter: 0.0,
            stale_for: Duration::ZERO,
            policy: LoadPolicy::new(),
            refresh_limits: RefreshLimits::default(),
            seed: None,
            codec: DefaultCodec::default(),
        };
        let store = Store::new(Null);
        Self::from_shared(Shared::new(
            namespace,
            store,
            clock,
            Limits::default(),
            defaults,
            Known::None,
            counters,
        ))
    }

    pub(crate) fn from_shared(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }

    #[inline]
    fn typed<T: CacheValue>(&self) -> Scope<'_> {
        Scope {
            shared: &self.shared,
            spec: &self.shared.root,
            value_type: self.shared.defaults.codec.value_type::<T>(),
        }
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            shared: &self.shared,
            spec: &self.shared.root,
            value_type: ValueType::none(),
        }
    }

    /// The namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.shared.namespace
    }

    /// A typed part of the cache: the keys that begin with `prefix` and a `:`.
    pub fn space<T: CacheValue>(&self, prefix: &str) -> Space<T> {
        Space::new(
            Arc::clone(&self.shared),
            prefix,
            self.shared.defaults.codec.value_type::<T>(),
        )
    }

    /// A typed part of the cache whose values never become bytes, so that their type needs no serde.
    /// Refused (by [`Space::ready`] and every operation) if a tier needs bytes.
    pub fn local<T: Send + Sync + 'static>(&self, prefix: &str) -> Space<T> {
        Space::new(Arc::clone(&self.shared), prefix, ValueType::local::<T>())
    }

    /// Looks up a value by its whole key; see [`Space::get`].
    ///
    /// # Errors
    ///
    /// As [`Space::get`].
    #[inline]
    pub fn get<'a, T: CacheValue>(&'a self, key: &'a str) -> Get<'a, T> {
        Get::new(self.typed::<T>(), key)
    }

    /// Looks up a value in memory, without `await`; see [`Space::get_local`].
    #[inline]
    pub fn get_local<T: CacheValue>(&self, key: &str) -> Option<Arc<T>> {
        match self.typed::<T>().peek(key) {
            AtHand::Hit(value) => Some(value),
            AtHand::Absent | AtHand::Miss(_) | AtHand::Unknown => None,
        }
    }

    /// Looks up values in one round trip; see [`Space::get_many`].
    ///
    /// # Errors
    ///
    /// As [`Space::get_many`].
    pub async fn get_many<T: CacheValue>(&self, keys: &[&str]) -> Result<Vec<Option<Arc<T>>>> {
        many::get_many(self.typed::<T>(), keys).await
    }

    /// Looks up a value, or loads and stores it; see [`Space::get_or_load`].
    ///
    /// # Errors
    ///
    /// As [`Space::get_or_load`].
    #[inline]
    pub fn get_or_load<'a, T: CacheValue, F>(
        &'a self,
        key: &'a str,
        loader: F,
    ) -> GetOrLoad<'a, T, Simple<F>> {
        GetOrLoad::new(self.typed::<T>(), key, Simple(loader))
    }

    /// Looks up a value, or loads and stores it, with a loader that is told what the cache still has; see
    /// [`Space::get_or_load_with`].
    ///
    /// # Errors
    ///
    /// As [`Space::get_or_load`].
    pub fn get_or_load_with<'a, T, F, Fut>(
        &'a self,
        key: &'a str,
        loader: F,
    ) -> GetOrLoad<'a, T, WithContext<F>>
    where
        T: CacheValue,
        F: FnOnce(LoadContext<T>) -> Fut,
    {
        GetOrLoad::new(self.typed::<T>(), key, WithContext(loader))
    }

    /// Stores a value; see [`Space::set`].
    ///
    /// # Errors
    ///
    /// As [`Space::set`].
    pub fn set<'a, T: CacheValue>(&'a self, key: &'a str, value: T) -> Set<'a> {
        Set::new(self.typed::<T>(), key, Arc::new(value))
    }

    /// Stores a value if the key is absent; see [`Space::set_if_absent`].
    ///
    /// # Errors
    ///
    /// As [`Space::set_if_absent`].
    pub fn set_if_absent<'a, T: CacheValue>(&'a self, key: &'a str, value: T) -> SetIfAbsent<'a> {
        SetIfAbsent::new(self.typed::<T>(), key, Arc::new(value))
    }

    /// Removes a value and answers it; see [`Space::take`].
    ///
    /// # Errors
    ///
    /// As [`Space::take`].
    pub async fn take<T: CacheValue>(&self, key: &str) -> Result<Option<Arc<T>>> {
        update::take(self.typed::<T>(), key).await
    }

    untyped_operations!();

    /// Collects operations that go to the store together.
    pub fn pipeline(&self) -> Pipeline {
        Pipeline::new(Arc::clone(&self.shared))
    }

    /// Invalidates every entry that has this tag, on every node, in one step whatever their number: they are not found
    /// any more, and no load that began before stores or answers what it found. There is no telling which they were, nor how many.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::KeyInvalid`](crate::ErrorKind::KeyInvalid) for a tag that breaks the rules,
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where the store keeps no markers, a closed cache, or the store's
    /// trouble: the entries may then be there still.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the tag is invalidated or not.
    pub async fn invalidate_tag(&self, tag: impl AsRef<str>) -> Result<()> {
        tags::bump(&self.shared, [tag], Bump::Invalidate).await
    }

    /// Invalidates several tags in one round trip; see [`Cache::invalidate_tag`]. At most as many as a batch may have.
    ///
    /// # Errors
    ///
    /// As [`Cache::invalidate_tag`]; some of them may then have been invalidated.
    pub async fn invalidate_tags<S: AsRef<str>>(
        &self,
        tags: impl IntoIterator<Item = S>,
    ) -> Result<()> {
        tags::bump(&self.shared, tags, Bump::Invalidate).await
    }

    /// Makes every entry that has this tag stale: the next look-up loads it anew, and until the end of the entry's
    /// time it may stand in for a slow or failing origin, as any stale value may. As [`Cache::invalidate_tag`]
    /// otherwise.
    ///
    /// # Errors
    ///
    /// As [`Cache::invalidate_tag`].
    pub async fn expire_tag(&self, tag: impl AsRef<str>) -> Result<()> {
        tags::bump(&self.shared, [tag], Bump::Expire).await
    }

    /// Makes the entries of several tags stale in one round trip; see [`Cache::expire_tag`].
    ///
    /// # Errors
    ///
    /// As [`Cache::invalidate_tags`].
    pub async fn expire_tags<S: AsRef<str>>(
        &self,
        tags: impl IntoIterator<Item = S>,
    ) -> Result<()> {
        tags::bump(&self.shared, tags, Bump::Expire).await
    }

    /// The versions that tags have now, for a caller who reads the origin itself and stores what it found by
    /// [`Set::stamps`](crate::Set::stamps): an invalidation between the two then wins. Take them *before* the origin is read.
    ///
    /// # Errors
    ///
    /// As [`Cache::invalidate_tag`].
    pub async fn stamps<S: AsRef<str>>(&self, tags: impl IntoIterator<Item = S>) -> Result<Stamps> {
        self.shared.open()?;
        Stamps::take(&self.shared, &stamps::names(tags)?).await
    }

    /// Forgets everything in the namespace, in one step whatever the number of entries: the
    /// namespace's generation changes, and entries of an older one are not found any more.
    ///
    /// A store without generations is cleared entry by entry.
    ///
    /// # Errors
    ///
    /// A closed cache, [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported), or the store's
    /// trouble.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the cache is cleared or not.
    pub async fn clear(&self) -> Result<()> {
        let shared = &self.shared;
        shared.open()?;
        shared.counters.clears.increment();
        if !shared.capability.markers {
            self.invalidate_matching("*").await?;
            return Ok(());
        }
        let marker = [Marker::generation(&shared.namespace)];
        shared.forget_generation();
        let bumped = shared.store.bump(&marker, &WriteOptions::default()).await;
        // After the reply, whatever it says: what was read before is not believed any more.
        shared.forget_generation();
        bumped?;
        shared.generation().await?;
        tracing::info!(cache = shared.namespace.as_str(), "cleared");
        Ok(())
    }

    /// Removes from the store what no look-up would find again: entries whose tags were invalidated, and those from before a
    /// [`clear`](Self::clear). They would go by their time to live, or when they are read; this gives back their room sooner. At a limited rate,
    /// once through the whole namespace; repeat it as often as its room is worth.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where the store can't list its entries, a closed cache, or the store's trouble.
    ///
    /// # Cancel safety
    ///
    /// Dropped, what was removed is removed.
    pub fn sweep(&self) -> Sweep<'_> {
        Sweep::new(&self.shared)
    }

    /// Numbers since the cache was built.
    pub fn stats(&self) -> CacheStats {
        CacheStats::new(&self.shared.counters, self.shared.store.stats())
    }

    /// Tries every tier.
    ///
    /// # Errors
    ///
    /// A closed cache. What is wrong with a tier is a finding, not an error.
    pub async fn check(&self) -> Result<CheckReport> {
        self.shared.open()?;
        Ok(CheckReport {
            tiers: self.shared.store.check(&ReadOptions::default()).await,
        })
    }

    /// While bypassed, look-ups find nothing, loads always load, each caller for itself, and store
    /// nothing, and writes only invalidate, so that nothing older is found afterwards. Counters,
    /// conditional writes, deletions and invalidations work as ever. Answers what it was before.
    pub fn bypass(&self, bypass: bool) -> bool {
        let before = self.shared.bypass(bypass);
        if before != bypass {
            tracing::info!(
                cache = self.shared.namespace.as_str(),
                bypass,
                "bypass switched"
            );
        }
        before
    }

    /// Whether the cache is bypassed.
    pub fn is_bypassed(&self) -> bool {
        self.shared.is_bypassed()
    }

    /// Whether the cache takes calls: cheap enough for a readiness probe. [`Cache::check`] looks deeper.
    pub fn is_open(&self) -> bool {
        !self.shared.is_closed()
    }

    /// Takes no more calls, waits for running loads and what the store has accepted, at most this
    /// long, and stops every task. Every later call fails with
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed); closing twice is no error.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the cache takes no more calls, and closing it again goes on with the rest.
    ///
    /// # Errors
    ///
    /// The store's trouble.
    pub async fn close(&self, within: Duration) -> Result<Closed> {
        let shared = &self.shared;
        shared.close();
        let now = shared.clock.now();
        let deadline = now.saturating_add(within);
        // The rest is for giving back the leases of loads that are stopped.
        let loads_end = now.saturating_add(within.saturating_sub(within / LAST_PART));
        let loads_stopped = shared.tasks.drain(loads_end, &*shared.clock).await;
        let CloseReport { undelivered, .. } = shared.store.close(deadline).await?;
        tracing::info!(
            cache = shared.namespace.as_str(),
            undelivered,
            loads_stopped,
            "closed"
        );
        Ok(Closed {
            undelivered,
            loads_stopped,
        })
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Waits for so long, by the cache's clock.
    pub(crate) async fn pause(&self, pause: Duration) {
        let clock = &self.shared.clock;
        clock.sleep_until(clock.now().saturating_add(pause)).await;
    }

    /// Loads in progress.
    pub fn loads_in_progress(&self) -> usize {
        self.shared.flights().len()
    }

    /// The store beneath, for diagnostics and tests.
    pub fn store(&self) -> &Store {
        &self.shared.store
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}
