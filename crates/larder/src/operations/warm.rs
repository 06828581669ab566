//! Filling a cache before anybody asks.

use std::fmt;
use std::future::{IntoFuture, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use larder_core::{
    Backend, Error, ErrorKind, Fill, Filled, Head, Key, Lease, LeaseOptions, Operation,
    ReadOptions, Result, Sleep, Ttl, Value, WriteOptions,
};
use tokio::task::yield_now;

use crate::load::{LeaseEnd, LoadPolicy, Loaded, Outcome, Source};
use crate::operations::{Boxed, GetManyOrLoad, Id, entry_options};
use crate::scope::{EntryOptions, Scope};

/// A warm-up; see [`Space::warm`](crate::Space::warm), [`Space::warm_stream`](crate::Space::warm_stream) and
/// [`Space::warm_keys`](crate::Space::warm_keys). Nothing happens until it is awaited.
#[must_use = "futures do nothing unless awaited"]
pub struct Warm<'a> {
    scope: Scope<'a>,
    draw: Draw<'a>,
    options: EntryOptions,
    concurrency: usize,
    per_second: Option<u32>,
    progress: Option<Box<dyn FnMut(WarmReport) + Send + 'a>>,
}

/// What a warm-up did, or has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WarmReport {
    /// Values stored.
    pub stored: u64,
    /// Values skipped because a fresh one was there, or was being loaded.
    pub skipped: u64,
    /// Values not stored because the key was invalidated meanwhile, or because of an error.
    pub refused: u64,
}

impl WarmReport {
    /// Values that were dealt with: stored, skipped or refused.
    pub fn done(&self) -> u64 {
        self.stored + self.skipped + self.refused
    }

    fn add(&mut self, batch: Self) {
        self.stored += batch.stored;
        self.skipped += batch.skipped;
        self.refused += batch.refused;
    }
}

/// Values are stored, and keys loaded, in batches of no more than this many: with the default concurrency a thousand
/// are on their way. More would queue behind each other on a store's connection while their leases run out.
const CHUNK: usize = 250;

/// How long a batch may take until its leases end.
const LEASE: Duration = Duration::from_secs(10);

/// The default of [`Warm::concurrency`].
const CONCURRENCY: usize = 4;

/// A rate is kept by so many batches a second, rather than by one burst.
const BATCHES_A_SECOND: u32 = 10;

/// Draws the next batch, of so many keys at most, and begins it; `None` after the last.
type Draw<'a> = Box<
    dyn FnMut(&mut Context<'_>, usize, &Arc<EntryOptions>) -> Poll<Option<Batch<'a>>> + Send + 'a,
>;

/// Keys that are stored or loaded together.
struct Batch<'a> {
    keys: usize,
    work: Boxed<'a, Result<Stored>>,
}

/// What became of a batch.
#[derive(Default)]
struct Stored {
    report: WarmReport,
    /// Why a key could not be loaded.
    failure: Option<Error>,
}

/// What a warm-up does next.
enum Step<'a> {
    Begun(Batch<'a>),
    AllDrawn,
    Ended(Result<Stored>),
    Over,
}

impl<'a> Warm<'a> {
    /// Stores what an iterator has.
    pub(crate) fn new<T, K, V, I>(scope: Scope<'a>, values: I) -> Self
    where
        T: Send + Sync + 'static,
        K: Into<String>,
        V: Into<Arc<T>>,
        I: IntoIterator<Item = (K, V)>,
        I::IntoIter: Send + 'a,
    {
        let mut values = values.into_iter();
        Self::of_pairs::<T, K, V>(scope, move |_| Poll::Ready(values.next()))
    }

    /// Stores what a stream has.
    pub(crate) fn of_stream<T, K, V, S>(scope: Scope<'a>, values: S) -> Self
    where
        T: Send + Sync + 'static,
        K: Into<String>,
        V: Into<Arc<T>>,
        S: Stream<Item = (K, V)> + Send + 'a,
    {
        let mut values = Box::pin(values);
        Self::of_pairs::<T, K, V>(scope, move |context| values.as_mut().poll_next(context))
    }

    fn of_pairs<T, K, V>(
        scope: Scope<'a>,
        mut next: impl FnMut(&mut Context<'_>) -> Poll<Option<(K, V)>> + Send + 'a,
    ) -> Self
    where
        T: Send + Sync + 'static,
        K: Into<String>,
        V: Into<Arc<T>>,
    {
        let mut over = false;
        Self::drawing(scope, move |context, most, options| {
            let mut values = Vec::new();
            while !over && values.len() < most {
                match next(context) {
                    Poll::Ready(Some((name, value))) => {
                        values.push((name.into(), scope.value(value.into())));
                    }
                    Poll::Ready(None) => over = true,
                    // What is at hand is stored before it gets old.
                    Poll::Pending if values.is_empty() => return Poll::Pending,
                    Poll::Pending => break,
                }
            }
            let options = Arc::clone(options);
            Poll::Ready((!values.is_empty()).then(|| Batch {
                keys: values.len(),
                work: Box::pin(async move { store(scope, &values, &options).await }),
            }))
        })
    }

    /// Loads what is missing.
    pub(crate) fn of_keys<T, K, I, F, Fut, R, V, E>(scope: Scope<'a>, ids: I, loader: F) -> Self
    where
        T: Send + Sync + 'static,
        K: Id,
        I: IntoIterator<Item = K>,
        I::IntoIter: Send + 'a,
        F: Fn(Vec<K>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = std::result::Result<R, E>> + Send + 'static,
        R: IntoIterator<Item = (K, V)> + 'static,
        V: Into<Loaded<T>> + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let (mut ids, loader) = (ids.into_iter().fuse(), Arc::new(loader));
        Self::drawing(scope, move |_, most, options| {
            let batch: Vec<K> = ids.by_ref().take(most).collect();
            let (loader, options) = (Arc::clone(&loader), Arc::clone(options));
            Poll::Ready((!batch.is_empty()).then(|| Batch {
                keys: batch.len(),
                work: Box::pin(async move {
                    yield_now().await;
                    // Trouble with the cache must not have the origin asked for what nobody can store.
                    scope.view().await?;
                    if scope.shared.is_bypassed() {
                        return Ok(refused(batch.len()));
                    }
                    let loading = GetManyOrLoad::new(scope, batch, move |ids| (*loader)(ids));
                    Ok(counted(with(loading, &options).each().await?))
                }),
            }))
        })
    }

    fn drawing(
        scope: Scope<'a>,
        draw: impl FnMut(&mut Context<'_>, usize, &Arc<EntryOptions>) -> Poll<Option<Batch<'a>>>
        + Send
        + 'a,
    ) -> Self {
        Self {
            scope,
            draw: Box::new(draw),
            options: EntryOptions::default(),
            concurrency: CONCURRENCY,
            per_second: None,
            progress: None,
        }
    }

    entry_options!();

    /// How many batches are stored or loaded at once: each has 250 keys at most, or as many as the cache's
    /// [batches](crate::Limits::max_batch) may have if those are fewer. Not zero. Default: 4.
    pub fn concurrency(mut self, batches: usize) -> Self {
        if batches == 0 {
            self.fail("a warm-up needs a concurrency of at least 1");
        }
        self.concurrency = batches;
        self
    }

    /// How many keys are drawn in a second at most, by the cache's clock, whatever becomes of them: a tenth of them
    /// every 100 ms. What a slow origin has left unused is not made up for. Not zero. Default: no limit.
    pub fn per_second(mut self, keys: u32) -> Self {
        if keys == 0 {
            self.fail("a warm-up needs a rate of at least 1 key a second");
        }
        self.per_second = Some(keys);
        self
    }

    /// Called after each batch, with what was done so far; the last call is told the warm-up's whole report. It runs in
    /// the task that awaits the warm-up, so it should be quick. Default: nobody is told.
    pub fn progress(mut self, progress: impl FnMut(WarmReport) + Send + 'a) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    fn fail(&mut self, message: &'static str) {
        self.options
            .problem
            .get_or_insert_with(|| Error::new(ErrorKind::ConfigInvalid, message));
    }

    async fn run(self) -> Result<WarmReport> {
        let Self {
            scope,
            mut draw,
            options,
            concurrency,
            per_second,
            mut progress,
        } = self;
        scope.check_options(&options)?;
        let (options, clock) = (Arc::new(options), &scope.shared.clock);
        let mut most = CHUNK.min(scope.shared.limits.max_batch.max(1));
        if let Some(rate) = per_second {
            most = most.min(rate.div_ceil(BATCHES_A_SECOND) as usize);
        }
        let mut running: Vec<Boxed<'a, Result<Stored>>> = Vec::new();
        let (mut all_drawn, mut warned, mut failed) = (false, false, None);
        let (mut next, mut pause) = (clock.now(), None::<Sleep>);
        let mut report = WarmReport::default();
        loop {
            let step = poll_fn(|context| {
                for at in 0..running.len() {
                    if let Poll::Ready(ended) = running[at].as_mut().poll(context) {
                        drop(running.swap_remove(at));
                        return Poll::Ready(Step::Ended(ended));
                    }
                }
                if all_drawn && running.is_empty() {
                    return Poll::Ready(Step::Over);
                }
                if all_drawn || running.len() >= concurrency {
                    return Poll::Pending;
                }
                if let Some(sleep) = &mut pause {
                    ready!(sleep.as_mut().poll(context));
                    pause = None;
                }
                let drawn = draw(context, most, &options);
                drawn.map(|drawn| drawn.map_or(Step::AllDrawn, Step::Begun))
            });
            match step.await {
                Step::Begun(batch) => {
                    if let Some(rate) = per_second {
                        let keys = u32::try_from(batch.keys).unwrap_or(u32::MAX);
                        let takes = Duration::from_secs(1) * keys / rate;
                        next = next.max(clock.now()).saturating_add(takes);
                        pause = Some(clock.sleep_until(next));
                    }
                    running.push(batch.work);
                }
                Step::AllDrawn => all_drawn = true,
                Step::Ended(Ok(Stored {
                    report: batch,
                    failure,
                })) => {
                    report.add(batch);
                    if let Some(error) = failure.filter(|_| !warned) {
                        warned = true;
                        tracing::warn!(
                            cache = scope.shared.namespace.as_str(),
                            space = &*scope.spec.prefix,
                            %error,
                            "a warm-up goes on without keys that can't be loaded; this is the first"
                        );
                    }
                    if let Some(progress) = &mut progress {
                        progress(report);
                    }
                }
                // What was begun is finished, so that no leases are left behind.
                Step::Ended(Err(error)) => {
                    failed.get_or_insert(error);
                    all_drawn = true;
                }
                Step::Over => return failed.map_or(Ok(report), Err),
            }
        }
    }
}

impl<'a> IntoFuture for Warm<'a> {
    type Output = Result<WarmReport>;
    type IntoFuture = Boxed<'a, Result<WarmReport>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

fn refused(keys: usize) -> Stored {
    let mut stored = Stored::default();
    stored.report.refused = keys as u64;
    stored
}

/// A load with the warm-up's options. It waits to its end, whatever the space says: a stale value is at hand for those
/// who ask, not for those who warm.
fn with<'a, T, K, F>(
    loading: GetManyOrLoad<'a, T, K, F>,
    options: &EntryOptions,
) -> GetManyOrLoad<'a, T, K, F> {
    let mut loading = loading.policy(LoadPolicy::new().soft_timeout(Duration::MAX));
    loading = match options.ttl {
        Ttl::Default => loading,
        Ttl::Forever => loading.forever(),
        Ttl::After(ttl) => loading.ttl(ttl.duration()),
    };
    if let Some(stale_for) = options.stale_for {
        loading = loading.stale_for(stale_for);
    }
    if options.tags.is_empty() {
        return loading;
    }
    loading.tags(options.tags.iter().map(|tag| tag.name.as_str()))
}

/// What became of keys that were to be loaded.
fn counted<T>(outcomes: Vec<Result<Outcome<T>>>) -> Stored {
    let mut stored = Stored::default();
    for outcome in outcomes {
        match outcome {
            Ok(outcome) if outcome.stale => stored.report.refused += 1,
            Ok(outcome) if outcome.source == Source::Loader && !outcome.waited => {
                stored.report.stored += 1;
            }
            Ok(_) => stored.report.skipped += 1,
            Err(error) => {
                stored.report.refused += 1;
                stored.failure.get_or_insert(error);
            }
        }
    }
    stored
}

/// Stores by lease and fill where the store has them, so that nothing fresh is replaced and no system
/// of record is written; else only where nothing is there.
async fn store(
    scope: Scope<'_>,
    chunk: &[(String, Value)],
    options: &EntryOptions,
) -> Result<Stored> {
    // A store that never waits would let nobody else have a turn.
    yield_now().await;
    let shared = scope.shared;
    let mut stored = Stored::default();
    let report = &mut stored.report;
    let writing = scope.writing().await?;
    let mut keys: Vec<Key<'_>> = Vec::with_capacity(chunk.len());
    let mut entries = Vec::with_capacity(chunk.len());
    for (name, value) in chunk {
        keys.push(Scope::explain(scope.key(name), Operation::Fill, name)?);
        entries.push(Scope::explain(
            scope.entry(value.clone(), options, writing.view),
            Operation::Fill,
            name,
        )?);
    }
    if shared.is_bypassed() {
        return Ok(refused(chunk.len()));
    }
    if !shared.capability.lease {
        let reading = ReadOptions::default().with_view(writing.view);
        for (key, entry) in keys.iter().zip(entries) {
            let found = shared.store.head(key, &reading).await;
            let is_there = |head: &Head| head.is_visible(writing.view, scope.now());
            let set = match found {
                Ok(Some(head)) if is_there(&head) => {
                    report.skipped += 1;
                    continue;
                }
                Ok(_) => shared.store.set(key, entry, &writing).await,
                Err(error) => Err(error),
            };
            if let Err(error) = set {
                shared.counters.error(Operation::Set, error.kind());
                report.refused += 1;
            } else {
                report.stored += 1;
            }
        }
        return Ok(stored);
    }
    let leasing = LeaseOptions::until(scope.now().saturating_add(LEASE)).with_view(writing.view);
    // All of a warm-up have the same tags.
    let leasing = match entries.first() {
        Some(first) if !first.head().tags().is_empty() => leasing.with_template(first.clone()),
        _ => leasing,
    };
    // Given back if this is dropped before they are filled.
    let (mut fills, mut ends) = (Vec::with_capacity(keys.len()), Vec::new());
    for (lease, entry) in shared
        .store
        .lease(&keys, &leasing)
        .await
        .into_iter()
        .zip(entries)
    {
        match lease {
            Ok(Lease::Granted { token, .. }) => {
                ends.push(LeaseEnd::new(&shared.store, Some(&token)));
                fills.push(Fill { token, entry });
            }
            Ok(_) => report.skipped += 1,
            Err(error) => {
                shared.counters.error(Operation::Lease, error.kind());
                report.refused += 1;
            }
        }
    }
    let filled = shared.store.fill(fills, &WriteOptions::default()).await;
    for (filled, end) in filled.into_iter().zip(&mut ends) {
        if filled.is_ok() {
            end.ended();
        }
        match filled {
            Ok(Filled::Stored) => {
                shared.counters.fills.increment();
                report.stored += 1;
            }
            Ok(Filled::Refused | Filled::LateTag) => {
                shared.counters.fills_refused.increment();
                report.refused += 1;
            }
            Err(error) => {
                shared.counters.error(Operation::Fill, error.kind());
                report.refused += 1;
            }
        }
    }
    Ok(stored)
}

impl fmt::Debug for Warm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warm")
            .field("options", &self.options)
            .field("concurrency", &self.concurrency)
            .field("per_second", &self.per_second)
            .finish_non_exhaustive()
    }
}
