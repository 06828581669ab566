//! Spaces: typed parts of a cache.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use larder_core::{
    Backend, Codec, EntryId, Error, ErrorKind, RegionLimits, Result, Store, Ttl, ValueType,
};

use crate::codec::CacheValue;
use crate::load::{LoadContext, LoadPolicy, Loaded, Simple, WithContext};
use crate::operations::{
    Get, GetManyOrLoad, GetOrLoad, Id, ReplaceIf, Set, SetIfAbsent, SetMany, Warm, get, many,
    update,
};
use crate::scope::{AtHand, Scope};
use crate::shared::Shared;
use crate::spec::Spec;
use crate::untyped::untyped_operations;

/// A typed part of a cache: a key prefix, a value type, a schema version, defaults and limits of its
/// own. Cheap to clone; made by [`Cache::space`](crate::Cache::space) or
/// [`Cache::local`](crate::Cache::local).
///
/// A setting that is wrong makes every operation fail with it; [`Space::ready`] tells at once.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use std::time::Duration;
/// let cache = larder::Cache::builder("shop").build().await?;
///
/// let names = cache.space::<String>("name").version(1).default_ttl(Duration::from_secs(60));
/// names.set("LHR", "Heathrow".to_owned()).await?;
/// assert_eq!(names.get("LHR").await?.unwrap().as_str(), "Heathrow");
/// assert!(cache.exists("name:LHR").await?);
/// # Ok::<_, larder::Error>(()) }).unwrap();
/// ```
pub struct Space<T> {
    shared: Arc<Shared>,
    spec: Arc<Spec>,
    value_type: &'static ValueType,
    /// Limits asked for so far.
    limits: Option<RegionLimits>,
    of: PhantomData<fn() -> T>,
}

impl<T: Send + Sync + 'static> Space<T> {
    pub(crate) fn new(shared: Arc<Shared>, prefix: &str, value_type: &'static ValueType) -> Self {
        Self {
            shared,
            spec: Arc::new(Spec::new(prefix)),
            value_type,
            limits: None,
            of: PhantomData,
        }
    }

    #[inline]
    fn scope(&self) -> Scope<'_> {
        Scope {
            shared: &self.shared,
            spec: &self.spec,
            value_type: self.value_type,
        }
    }

    pub(crate) fn spec(&self) -> Arc<Spec> {
        Arc::clone(&self.spec)
    }

    pub(crate) fn value_type(&self) -> &'static ValueType {
        self.value_type
    }

    fn edit(mut self, edit: impl FnOnce(&mut Spec)) -> Self {
        edit(Arc::make_mut(&mut self.spec));
        self
    }

    /// Sets the version of the value's schema. An entry of another version is a counted miss, and is
    /// replaced by the next write; deleting and invalidating reach every version. Default: 0.
    pub fn version(self, version: u32) -> Self {
        self.edit(|spec| {
            spec.schema = Some(version);
            spec.schema_stated = true;
        })
    }

    /// How long look-ups return an entry of this space. Default: the cache's.
    pub fn default_ttl(self, ttl: Duration) -> Self {
        self.edit(|spec| spec.set(Ttl::after(ttl), |spec, ttl| spec.ttl = ttl))
    }

    /// Keeps entries of this space until they are deleted or evicted, whatever the cache's default.
    pub fn forever(self) -> Self {
        self.edit(|spec| spec.ttl = Ttl::Forever)
    }

    /// How long after its time to live an entry of this space may stand in for a failing origin.
    /// Default: the cache's.
    pub fn stale_for(self, stale_for: Duration) -> Self {
        self.edit(|spec| spec.stale_for = Some(stale_for))
    }

    /// Entries of this space live on when they are asked for: each hit gives them the space's time to live anew, in
    /// every tier, behind the caller. A hit counts once a tenth of that time is over, so an entry may end that much
    /// earlier than after its last hit, and costs no more than ten writes in that time; it ends a refresh that is under
    /// way. Needs a finite [`Space::default_ttl`], or the cache's. Default: off.
    pub fn sliding(self) -> Self {
        self.edit(|spec| spec.sliding = true)
    }

    /// How loads of this space behave. What it doesn't say is as the cache says.
    pub fn load_policy(self, policy: LoadPolicy) -> Self {
        let checked = policy.check();
        self.edit(|spec| spec.set(checked, |spec, ()| spec.policy = Some(Arc::new(policy))))
    }

    /// What a value weighs in memory, in bytes. Default: its encoded length, counted once when it is
    /// stored; for a local space its size on the stack, which leaves out what it points to.
    pub fn weigh(self, weigh: impl Fn(&T) -> u64 + Send + Sync + 'static) -> Self {
        let weigh = move |value: &(dyn Any + Send + Sync)| value.downcast_ref().map_or(0, &weigh);
        self.edit(|spec| spec.weigh = Some(Arc::new(weigh)))
    }

    /// The most bytes that the entries of this space may take in memory, apart from everything else.
    /// Entries that are there move along, which holds up whoever writes meanwhile: do it before the
    /// cache fills. Default: entries share the limit of the memory tier.
    pub fn max_bytes(self, max_bytes: u64) -> Self {
        self.reserve(|limits| limits.with_max_bytes(max_bytes))
    }

    /// The most entries of this space in memory, apart from everything else. See
    /// [`Space::max_bytes`].
    pub fn max_entries(self, max_entries: u64) -> Self {
        self.reserve(|limits| limits.with_max_entries(max_entries))
    }

    fn reserve(mut self, limit: impl FnOnce(RegionLimits) -> RegionLimits) -> Self {
        let limits = limit(
            self.limits
                .take()
                .unwrap_or_else(|| RegionLimits::new(&self.shared.namespace, &self.spec.prefix)),
        );
        let reserved = if self.shared.capability.regions {
            self.shared.store.reserve(&limits)
        } else {
            Err(Error::new(
                ErrorKind::Unsupported,
                "no tier of this cache can give a space limits of its own",
            ))
        };
        self.limits = Some(limits);
        self.edit(|spec| spec.set(reserved, |_, ()| {}))
    }

    /// Whether every setting is sound; operations of an unsound space fail with the same error.
    ///
    /// # Errors
    ///
    /// The first setting that is wrong.
    pub fn ready(&self) -> Result<()> {
        self.scope().ready()
    }

    /// Looks up a value.
    ///
    /// A stale entry, one of another schema version, or bytes that aren't a `T` are counted misses.
    ///
    /// # Errors
    ///
    /// A bad name, a closed cache, or the store's trouble. A miss is `Ok(None)`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    #[inline]
    pub fn get<'a>(&'a self, name: &'a str) -> Get<'a, T> {
        Get::new(self.scope(), name)
    }

    /// Looks up a value in memory, without `await`; `None` also where only another tier can tell.
    #[inline]
    pub fn get_local(&self, name: &str) -> Option<Arc<T>> {
        match self.scope().peek(name) {
            AtHand::Hit(value) => Some(value),
            AtHand::Absent | AtHand::Miss(_) | AtHand::Unknown => None,
        }
    }

    /// Looks up a value with what it takes to replace it: see [`Space::replace_if`].
    ///
    /// # Errors
    ///
    /// As [`Space::get`].
    pub async fn get_with_id(&self, name: &str) -> Result<Option<(Arc<T>, EntryId)>> {
        get::with_id(self.scope(), name).await
    }

    /// Looks up values in one round trip, in the order of their names.
    ///
    /// # Errors
    ///
    /// As [`Space::get`], and [`ErrorKind::BatchTooLarge`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn get_many(&self, names: &[&str]) -> Result<Vec<Option<Arc<T>>>> {
        many::get_many(self.scope(), names).await
    }

    /// Looks up a value, or loads and stores it: once, however many ask for it meanwhile.
    ///
    /// The load runs in a task of its own on the caller's tokio runtime, which needs its timer
    /// (`enable_time`): a caller that goes away ends nothing. A value that was loaded before the key was written or invalidated is returned to those
    /// who waited, and not stored. If the load fails and a stale entry is there, that is returned.
    /// Trouble with the cache never fails a load. [`LoadPolicy`] has the rest: timeouts, stand-ins, refreshes before the
    /// time is over.
    ///
    /// The loader returns a `T`, an `Arc<T>`, an `Option<T>` or a [`Loaded<T>`](crate::Loaded), which says more: how
    /// long it lives, its tags, that it is not to be stored, that there is nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Absent`] if the origin has nothing (see [`GetOrLoad::optional`]),
    /// [`ErrorKind::LoadCycle`] if a loader waits for itself, [`ErrorKind::Rejected`] if too many wait,
    /// [`ErrorKind::Load`] with the loader's error as source, [`ErrorKind::LoadPanicked`],
    /// [`ErrorKind::Timeout`] after the cache's load timeout, [`ErrorKind::LoadCancelled`] if the
    /// runtime went away, [`ErrorKind::RuntimeGone`] outside of one; a bad name, a closed cache. All
    /// who wait get the same.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the load goes on and its value is stored.
    ///
    /// # Examples
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let cache = larder::Cache::builder("shop").build().await?;
    /// let names = cache.space::<String>("name");
    ///
    /// let name = names.get_or_load("LHR", || async { std::fs::read_to_string("/no/such/file") }).await;
    /// assert_eq!(name.unwrap_err().kind(), larder::ErrorKind::Load);
    ///
    /// let name = names.get_or_load("LHR", || async { Ok::<_, std::io::Error>("Heathrow".to_owned()) }).await?;
    /// assert_eq!(name.as_str(), "Heathrow");
    /// # Ok::<_, larder::Error>(()) }).unwrap();
    /// ```
    #[inline]
    pub fn get_or_load<'a, F>(&'a self, name: &'a str, loader: F) -> GetOrLoad<'a, T, Simple<F>> {
        GetOrLoad::new(self.scope(), name, Simple(loader))
    }

    /// As [`Space::get_or_load`], with a loader that is told what the cache still has, so that it can ask the origin
    /// whether that has changed.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// # let cache = larder::Cache::builder("shop").build().await?;
    /// use larder::Loaded;
    /// # struct Answer { status: u16, etag: String, body: String }
    /// # async fn fetch(_: &str, _: Option<&[u8]>) -> Result<Answer, std::io::Error> {
    /// #     Ok(Answer { status: 200, etag: "v1".into(), body: "text".into() }) }
    ///
    /// let pages = cache.space::<String>("page");
    /// let page = pages.get_or_load_with("/", |context| async move {
    ///     let answer = fetch("/", context.etag()).await?;
    ///     Ok::<_, std::io::Error>(match answer.status {
    ///         304 => Loaded::not_modified(),
    ///         404 => Loaded::absent(),
    ///         _ => Loaded::new(answer.body).etag(answer.etag),
    ///     })
    /// }).await?;
    /// # Ok::<_, larder::Error>(()) }).unwrap();
    /// ```
    pub fn get_or_load_with<'a, F, Fut>(
        &'a self,
        name: &'a str,
        loader: F,
    ) -> GetOrLoad<'a, T, WithContext<F>>
    where
        F: FnOnce(LoadContext<T>) -> Fut,
    {
        GetOrLoad::new(self.scope(), name, WithContext(loader))
    }

    /// Looks up values by ids, in the ids' order, or loads and stores them: what memory doesn't know is asked for in
    /// one batch, and what isn't there either is loaded by *one* call of the loader, with exactly those ids. A key that
    /// somebody loads already, one by one or in a batch that overlaps, is not loaded again.
    ///
    /// An id's name is what it displays; the loader gets the ids themselves. It returns pairs of id and value, whatever
    /// converts into a [`Loaded`](crate::Loaded), in any order: an id that it leaves out is
    /// [absent](crate::Loaded::absent), one that fails alone is [`Loaded::failed`](crate::Loaded::failed), and one
    /// that it adds is ignored and counted. Where another process loads some of the keys and fails, the loader is
    /// called again for those.
    ///
    /// # Errors
    ///
    /// As [`Space::get_or_load`], and [`ErrorKind::BatchTooLarge`]. The first key that fails;
    /// [`GetManyOrLoad::each`] answers each one's.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the load goes on and its values are stored.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// # let cache = larder::Cache::builder("shop").build().await?;
    /// let names = cache.space::<String>("name");
    /// names.set("2", "two".to_owned()).await?;
    ///
    /// let found = names.get_many_or_load([1_u32, 2, 3], |missing| async move {
    ///     assert_eq!(missing, [1, 3]);
    ///     Ok::<_, std::io::Error>([(1_u32, "one".to_owned())])
    /// }).await?;
    /// let found: Vec<_> = found.iter().map(|name| name.as_deref().map(String::as_str)).collect();
    /// assert_eq!(found, [Some("one"), Some("two"), None]);
    /// # Ok::<_, larder::Error>(()) }).unwrap();
    /// ```
    pub fn get_many_or_load<K, F, Fut>(
        &self,
        ids: impl IntoIterator<Item = K>,
        loader: F,
    ) -> GetManyOrLoad<'_, T, K, F>
    where
        K: Id,
        F: Fn(Vec<K>) -> Fut + Send + Sync + 'static,
    {
        GetManyOrLoad::new(self.scope(), ids.into_iter().collect(), loader)
    }

    /// Stores a value, replacing whatever is there. Takes a `T` or an `Arc<T>`.
    ///
    /// While the cache is bypassed the key is invalidated instead.
    ///
    /// # Errors
    ///
    /// A bad name or time to live, [`ErrorKind::ValueTooLarge`], tags without a tag layer, a closed
    /// cache, or the store's trouble.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the value is stored or not, never half.
    pub fn set<'a>(&'a self, name: &'a str, value: impl Into<Arc<T>>) -> Set<'a> {
        Set::new(self.scope(), name, value.into())
    }

    /// Stores values in one round trip. All are tried; the first error is answered.
    ///
    /// # Errors
    ///
    /// As [`Space::set`], and [`ErrorKind::BatchTooLarge`]. A bad name or value stores nothing at all.
    pub fn set_many<K, V>(&self, values: impl IntoIterator<Item = (K, V)>) -> SetMany<'_>
    where
        K: Into<String>,
        V: Into<Arc<T>>,
    {
        SetMany::new(self.scope(), values)
    }

    /// Stores a value if the key is absent, in one step with finding that out; answers whether it was.
    ///
    /// # Errors
    ///
    /// As [`Space::set`], and [`ErrorKind::Unsupported`].
    pub fn set_if_absent<'a>(&'a self, name: &'a str, value: impl Into<Arc<T>>) -> SetIfAbsent<'a> {
        SetIfAbsent::new(self.scope(), name, value.into())
    }

    /// Stores a value if the entry is the one with this id, in one step with finding that out; answers
    /// whether it was.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # let cache = larder::Cache::builder("shop").build().await?;
    /// # let stock = cache.space::<u32>("stock");
    /// stock.set("LHR", 3u32).await?;
    /// let (count, id) = stock.get_with_id("LHR").await?.unwrap();
    /// assert!(stock.replace_if("LHR", id, *count - 1).await?);
    /// assert!(!stock.replace_if("LHR", id, 0u32).await?, "the entry is another one by now");
    /// # Ok::<_, larder::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Space::set`], and [`ErrorKind::Unsupported`].
    pub fn replace_if<'a>(
        &'a self,
        name: &'a str,
        id: EntryId,
        value: impl Into<Arc<T>>,
    ) -> ReplaceIf<'a> {
        ReplaceIf::new(self.scope(), name, value.into(), id)
    }

    /// Removes a value and answers it; exactly one of several callers gets it. A value that isn't a `T` is
    /// removed as well, and answered as a counted miss.
    ///
    /// # Errors
    ///
    /// As [`Space::get`], and [`ErrorKind::Unsupported`].
    pub async fn take(&self, name: &str) -> Result<Option<Arc<T>>> {
        update::take(self.scope(), name).await
    }

    /// Stores values that nobody has asked for yet, in batches; what is fresh already is left alone, and
    /// a system of record is not written.
    ///
    /// A value is as old as its drawing from the iterator: up to 250 are drawn for a batch before they are stored, and
    /// one whose key is invalidated in between is stored all the same. Where that matters, give the values a short time
    /// to live, or let [`Space::warm_keys`] load them. By default four batches are stored at once, as fast as they can
    /// be: [`Warm::concurrency`], [`Warm::per_second`].
    ///
    /// # Errors
    ///
    /// A bad name, value or option, a closed cache, or trouble with the cache as a whole ends the warm-up once the
    /// batches that were begun have ended; what was stored stays. Trouble with one key is counted
    /// ([`WarmReport::refused`](crate::WarmReport::refused)).
    ///
    /// # Cancel safety
    ///
    /// Dropped, each value of the batches that were begun is stored or not, never half, and no more are drawn.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # let cache = larder::Cache::builder("shop").build().await?;
    /// let names = cache.space::<String>("name");
    /// names.set("LHR", "Heathrow".to_owned()).await?;
    ///
    /// let airports = [("LHR", "London"), ("ZRH", "Zürich")].map(|(code, name)| (code, name.to_owned()));
    /// let report = names.warm(airports).await?;
    /// assert_eq!((report.stored, report.skipped), (1, 1));
    /// assert_eq!(names.get("LHR").await?.unwrap().as_str(), "Heathrow");
    /// # Ok::<_, larder::Error>(()) }).unwrap();
    /// ```
    pub fn warm<'a, K, V, I>(&'a self, values: I) -> Warm<'a>
    where
        K: Into<String>,
        V: Into<Arc<T>>,
        I: IntoIterator<Item = (K, V)>,
        I::IntoIter: Send + 'a,
    {
        Warm::new(self.scope(), values)
    }

    /// As [`Space::warm`], with the values of a stream: the rows of a query, say. What the stream has at hand is stored
    /// together, up to 250 values, and it is asked for no more while the batches under way are as many as
    /// [`Warm::concurrency`] says.
    ///
    /// # Errors
    ///
    /// As [`Space::warm`]. A stream whose own items may fail is to be ended, or its errors put aside, before it gets
    /// here.
    ///
    /// # Cancel safety
    ///
    /// As [`Space::warm`]; the stream is dropped.
    ///
    /// ```
    /// # use std::pin::Pin;
    /// # use std::task::{Context, Poll};
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # let cache = larder::Cache::builder("shop").build().await?;
    /// /// What a database's client may answer a query with.
    /// struct Rows(Vec<(u32, &'static str)>);
    ///
    /// impl futures_core::Stream for Rows {
    ///     type Item = (String, String);
    ///
    ///     fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
    ///         let row = self.0.pop();
    ///         Poll::Ready(row.map(|(id, name)| (id.to_string(), name.to_owned())))
    ///     }
    /// }
    ///
    /// let names = cache.space::<String>("name");
    /// let rows = Rows(vec![(1, "one"), (2, "two")]);
    /// let report = names.warm_stream(rows).progress(|so_far| assert!(so_far.done() <= 2)).await?;
    /// assert_eq!(report.stored, 2);
    /// # Ok::<_, larder::Error>(()) }).unwrap();
    /// ```
    pub fn warm_stream<'a, K, V, S>(&'a self, values: S) -> Warm<'a>
    where
        K: Into<String>,
        V: Into<Arc<T>>,
        S: Stream<Item = (K, V)> + Send + 'a,
    {
        Warm::of_stream(self.scope(), values)
    }

    /// Loads what isn't there yet, in batches of up to 250 ids, each by
    /// [`Space::get_many_or_load`]: the loader is called with exactly the ids that are missing and that nobody loads
    /// already, by default for four batches at once; no batch that is fresh as a whole calls it. A key that is
    /// invalidated while it is loaded is not stored.
    ///
    /// Among what the report calls [`stored`](crate::WarmReport::stored) are all values that the loader has returned,
    /// and the ids that it has left out, whose [absence](crate::Loaded::absent) is remembered; also those that were
    /// invalidated meanwhile, or that are [not to be stored](crate::Loaded::uncached). A key that can't be loaded is
    /// [`refused`](crate::WarmReport::refused), whether or not a stale value is there, and the warm-up goes on: the first
    /// of those errors is a warning in the log. While the cache is bypassed all keys are refused, and none is loaded.
    ///
    /// # Errors
    ///
    /// A bad id or option, a closed cache, trouble with the cache as a whole, or
    /// [`ErrorKind::RuntimeGone`] outside of a tokio runtime ends the warm-up once the batches that were begun have
    /// ended; what was stored stays.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the loads that were begun go on and their values are stored; no more are begun.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// # let cache = larder::Cache::builder("shop").build().await?;
    /// let squares = cache.space::<u64>("square");
    /// squares.set("3", 9_u64).await?;
    ///
    /// let load = |missing: Vec<u64>| async move {
    ///     assert!(!missing.contains(&3));
    ///     Ok::<_, std::io::Error>(missing.into_iter().map(|id| (id, id * id)))
    /// };
    /// let report = squares.warm_keys(0..50, load).concurrency(2).per_second(5_000).await?;
    /// assert_eq!((report.stored, report.skipped), (49, 1));
    /// # Ok::<_, larder::Error>(()) }).unwrap();
    /// ```
    pub fn warm_keys<'a, K, F, Fut, R, V, E, I>(&'a self, ids: I, loader: F) -> Warm<'a>
    where
        K: Id,
        I: IntoIterator<Item = K>,
        I::IntoIter: Send + 'a,
        F: Fn(Vec<K>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = std::result::Result<R, E>> + Send + 'static,
        R: IntoIterator<Item = (K, V)> + 'static,
        V: Into<Loaded<T>> + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        Warm::of_keys(self.scope(), ids, loader)
    }

    untyped_operations!();
}

impl<T: CacheValue> Space<T> {
    /// Uses another codec than the cache's. One that isn't self-describing needs
    /// [`Space::version`] as well.
    pub fn codec<C: Codec>(self) -> Self {
        Self {
            value_type: ValueType::of::<T, C>(),
            ..self
        }
    }
}

impl<T> Space<T> {
    /// The store beneath, for diagnostics and tests.
    pub fn store(&self) -> &Store {
        &self.shared.store
    }
}

impl<T> Clone for Space<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            spec: Arc::clone(&self.spec),
            value_type: self.value_type,
            limits: self.limits.clone(),
            of: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Space<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Space")
            .field("namespace", &self.shared.namespace)
            .field("spec", &self.spec)
            .field("value_type", &self.value_type)
            .finish_non_exhaustive()
    }
}
