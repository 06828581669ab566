//! Warm-ups: by an iterator, a stream, or a loader.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use larder::{Cache, ErrorKind, Limits, Loaded, Operation, Redis, Remaining, Warm};
use larder_testkit::RedisServer;
use tokio::sync::{Semaphore, mpsc};

use crate::stacks::{Stack, all, chaos, memory, memory_with, secs};

const MILLI: Duration = Duration::from_millis(1);

/// Rows as they come from a query.
struct Rows(mpsc::UnboundedReceiver<(String, u32)>);

impl futures_core::Stream for Rows {
    type Item = (String, u32);

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

fn rows() -> (mpsc::UnboundedSender<(String, u32)>, Rows) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, Rows(receiver))
}

fn named(id: u32) -> (String, u32) {
    (id.to_string(), id)
}

async fn until(mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(secs(20), wait)
        .await
        .expect("it never came about");
}

/// Whatever can be done without the clock is done.
async fn settled() {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

/// Stored, skipped, refused.
async fn counts(warm: Warm<'_>) -> [u64; 3] {
    let report = warm.await.unwrap();
    assert_eq!(
        report.done(),
        report.stored + report.skipped + report.refused
    );
    [report.stored, report.skipped, report.refused]
}

type Failure = std::io::Error;
type Finding = Pin<Box<dyn Future<Output = Result<Vec<(u32, Loaded<u32>)>, Failure>> + Send>>;

/// A database that answers each id with itself, but for those whose hundreds say otherwise.
#[derive(Clone)]
struct Origin {
    asked: Arc<Mutex<Vec<Vec<u32>>>>,
    gate: Arc<Semaphore>,
}

impl Origin {
    fn open() -> Self {
        Self {
            asked: Arc::default(),
            gate: Arc::new(Semaphore::new(100_000)),
        }
    }

    fn shut() -> Self {
        Self {
            gate: Arc::new(Semaphore::new(0)),
            ..Self::open()
        }
    }

    fn let_go(&self) {
        self.gate.add_permits(100_000);
    }

    fn loader(&self) -> impl Fn(Vec<u32>) -> Finding + Send + Sync + 'static {
        let origin = self.clone();
        move |ids| {
            let origin = origin.clone();
            Box::pin(async move {
                origin.asked.lock().unwrap().push(ids.clone());
                let _pass = origin.gate.acquire().await.unwrap();
                if ids.contains(&666) {
                    return Err(Failure::other("the database is down"));
                }
                let there = ids.into_iter().filter(|id| *id != 404);
                let found = there.map(|id| match id {
                    500 => (id, Loaded::failed("this row is damaged")),
                    _ => (id, Loaded::new(id)),
                });
                Ok(found.collect())
            })
        }
    }

    fn calls(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// How many ids each call has asked for.
    fn sizes(&self) -> Vec<usize> {
        self.asked.lock().unwrap().iter().map(Vec::len).collect()
    }
}

async fn nothing_is_left(stack: Stack) {
    let Stack { name, cache, .. } = stack;
    assert_eq!(cache.loads_in_progress(), 0, "{name}");
    let closed = cache.close(secs(0)).await.unwrap();
    assert_eq!(closed.loads_stopped, 0, "{name}");
}

#[tokio::test]
async fn a_stream_stores_what_is_missing_and_leaves_what_is_fresh() {
    for stack in all().await {
        let (space, name) = (stack.cache.space::<u32>("n"), stack.name);
        space.set("5", 500u32).await.unwrap();
        let (sender, rows) = rows();
        (0..2_500).for_each(|id| sender.send(named(id)).unwrap());
        drop(sender);
        let warm = space.warm_stream(rows).ttl(secs(60));
        assert_eq!(counts(warm).await, [2_499, 1, 0], "{name}");
        for (id, expected) in [("5", 500), ("6", 6), ("2499", 2_499)] {
            let found = space.get(id).await.unwrap();
            assert_eq!(found.as_deref(), Some(&expected), "{name}");
        }
        let left = space.ttl("6").await.unwrap();
        assert_eq!(left, Remaining::For(secs(60)), "{name}");
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn what_a_stream_has_at_hand_is_stored_before_more_comes() {
    for stack in all().await {
        let (space, name) = (stack.cache.space::<u32>("n"), stack.name);
        let (sender, rows) = rows();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let warming = tokio::spawn({
            let (space, seen) = (space.clone(), Arc::clone(&seen));
            async move {
                let progress = |so_far: larder::WarmReport| seen.lock().unwrap().push(so_far);
                space.warm_stream(rows).progress(progress).await.unwrap()
            }
        });
        for id in 0..3 {
            sender.send(named(id)).unwrap();
            until(|| seen.lock().unwrap().len() == id as usize + 1).await;
            let found = space.get(&id.to_string()).await.unwrap();
            assert_eq!(found.as_deref(), Some(&id), "{name}");
        }
        assert!(!warming.is_finished(), "{name}");
        drop(sender);
        let report = warming.await.unwrap();
        let done: Vec<u64> = seen
            .lock()
            .unwrap()
            .iter()
            .map(larder::WarmReport::done)
            .collect();
        assert_eq!(done, [1, 2, 3], "{name}");
        assert_eq!(seen.lock().unwrap().last(), Some(&report), "{name}");
    }
}

#[tokio::test]
async fn no_more_batches_are_under_way_than_the_concurrency_says() {
    for (concurrency, expected) in [(None, 4), (Some(1), 1), (Some(6), 6)] {
        let (stack, chaos) = chaos().await;
        let space = stack.cache.space::<u32>("n");
        let gates: Vec<_> = (0..8)
            .map(|_| chaos.block_before(Operation::Lease))
            .collect();
        let drawn = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&drawn);
        let values = (0..1_900).inspect(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let warming = tokio::spawn(async move {
            let warm = space.warm(values.map(named));
            counts(match concurrency {
                Some(batches) => warm.concurrency(batches),
                None => warm,
            })
            .await
        });
        until(|| gates.iter().filter(|gate| gate.is_reached()).count() == expected).await;
        settled().await;
        let reached = gates.iter().filter(|gate| gate.is_reached()).count();
        assert_eq!(reached, expected);
        assert_eq!(drawn.load(Ordering::SeqCst), expected * 250);
        drop(gates);
        assert_eq!(warming.await.unwrap(), [1_900, 0, 0]);
    }
}

#[tokio::test]
async fn keys_are_loaded_in_batches_and_what_is_fresh_is_not() {
    for stack in all().await {
        let (space, name) = (stack.cache.space::<u32>("n"), stack.name);
        let origin = Origin::open();
        let fresh = (1_250..1_500)
            .chain([1_005])
            .map(|id| (id.to_string(), 0u32));
        space.set_many(fresh).await.unwrap();
        let warm = space.warm_keys(1_000..1_600, origin.loader()).ttl(secs(60));
        assert_eq!(counts(warm).await, [349, 251, 0], "{name}");
        let mut asked = origin.asked.lock().unwrap().clone();
        asked.sort();
        assert_eq!(asked.len(), 2, "{name}: the batch between is fresh");
        let first = (1_000..1_250).filter(|id| *id != 1_005);
        assert!(asked[0].iter().copied().eq(first), "{name}");
        assert!(asked[1].iter().copied().eq(1_500..1_600), "{name}");
        assert_eq!(space.get("1599").await.unwrap().as_deref(), Some(&1_599));
        let left = space.ttl("1599").await.unwrap();
        assert_eq!(left, Remaining::For(secs(60)), "{name}: the options count");
        let again = space.warm_keys(1_000..1_600, origin.loader());
        assert_eq!(counts(again).await, [0, 600, 0], "{name}");
        assert_eq!(origin.calls(), 2, "{name}");
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn no_more_batches_of_keys_are_loaded_at_once_than_the_concurrency_says() {
    let limits = Limits::default().with_max_batch(10);
    let stack = memory_with(|builder| builder.limits(limits)).await;
    for (concurrency, from) in [(None, 1_000), (Some(2), 2_000)] {
        let (space, origin) = (stack.cache.space::<u32>("n"), Origin::shut());
        let (loader, expected) = (origin.loader(), concurrency.unwrap_or(4));
        let warming = tokio::spawn(async move {
            let warm = space.warm_keys(from..from + 55, loader);
            counts(match concurrency {
                Some(batches) => warm.concurrency(batches),
                None => warm,
            })
            .await
        });
        until(|| origin.calls() == expected).await;
        settled().await;
        assert_eq!(origin.calls(), expected);
        origin.let_go();
        assert_eq!(warming.await.unwrap(), [55, 0, 0]);
        assert_eq!(origin.sizes(), [10, 10, 10, 10, 10, 5]);
    }
    nothing_is_left(stack).await;
}

#[tokio::test]
async fn a3_a_warm_up_and_callers_load_a_key_once() {
    for stack in all().await {
        let (space, name) = (stack.cache.space::<u32>("n"), stack.name);
        let origin = Origin::shut();
        let caller = |id: u32| {
            let (space, origin) = (space.clone(), origin.clone());
            tokio::spawn(async move {
                let load = origin.loader();
                let loader =
                    move || async move { Ok::<_, Failure>(load(vec![id]).await?.remove(0).1) };
                *space.get_or_load(&id.to_string(), loader).await.unwrap()
            })
        };
        let before = caller(2);
        until(|| origin.calls() == 1).await;
        let warming = tokio::spawn({
            let (space, loader) = (space.clone(), origin.loader());
            async move { counts(space.warm_keys([1, 2, 3, 1], loader)).await }
        });
        until(|| origin.calls() == 2).await;
        let behind = caller(3);
        // The warm-up for 2, the caller for 3.
        until(|| stack.cache.stats().load_waits == 2).await;
        origin.let_go();
        assert_eq!(warming.await.unwrap(), [2, 2, 0], "{name}");
        assert_eq!((before.await.unwrap(), behind.await.unwrap()), (2, 3));
        let asked = origin.asked.lock().unwrap().clone();
        assert_eq!(asked, [vec![2], vec![1, 3]], "{name}");
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn what_cannot_be_loaded_is_refused_and_the_warm_up_goes_on() {
    for stack in all().await {
        let name = stack.name;
        let space = stack.cache.space::<u32>("n").stale_for(secs(3_600));
        space.set("667", 0u32).ttl(secs(1)).await.unwrap();
        stack.clock.advance(secs(2));
        let origin = Origin::open();
        let warm = space.warm_keys([404, 1, 500], origin.loader());
        assert_eq!(counts(warm).await, [2, 0, 1], "{name}: one is damaged");
        let warm = space.warm_keys([666, 667], origin.loader());
        assert_eq!(counts(warm).await, [0, 0, 2], "{name}: one is stale");
        let found = space.get_or_load("404", || async { Ok::<_, Failure>(1u32) });
        let found = found.optional().await.unwrap();
        assert_eq!(found, None, "{name}: an absence is remembered");
        assert_eq!(space.get("500").await.unwrap(), None, "{name}");
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn a_batch_that_fails_ends_no_warm_up() {
    let limits = Limits::default().with_max_batch(2);
    let stack = memory_with(|builder| builder.limits(limits)).await;
    let (space, origin) = (stack.cache.space::<u32>("n"), Origin::open());
    let mut last = None;
    let warm = space.warm_keys([1, 2, 666, 3, 4], origin.loader());
    let report = warm.progress(|so_far| last = Some(so_far)).await.unwrap();
    assert_eq!((report.stored, report.skipped, report.refused), (3, 0, 2));
    assert_eq!(last, Some(report));
    assert_eq!(origin.sizes(), [2, 2, 1]);
    nothing_is_left(stack).await;
}

#[tokio::test]
async fn a_rate_is_kept_by_the_clock() {
    for stack in all().await {
        let (space, name) = (stack.cache.space::<u32>("n"), stack.name);
        let (origin, drawn) = (Origin::open(), Arc::new(AtomicUsize::new(0)));
        let done = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&drawn);
        let ids = (1_000..1_070).inspect(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let warming = tokio::spawn({
            let (space, loader, done) = (space.clone(), origin.loader(), Arc::clone(&done));
            async move {
                let progress = |_| {
                    done.fetch_add(1, Ordering::SeqCst);
                };
                let warm = space.warm_keys(ids, loader).per_second(100);
                counts(warm.progress(progress)).await
            }
        });
        let loaded = async |batches| {
            until(|| done.load(Ordering::SeqCst) == batches).await;
            settled().await;
            let drawn = drawn.load(Ordering::SeqCst);
            assert_eq!(drawn, batches * 10, "{name}: a tenth of a second's");
        };
        for batches in 1..=4 {
            loaded(batches).await;
            stack.clock.advance(99 * MILLI);
            loaded(batches).await;
            stack.clock.advance(MILLI);
        }
        loaded(5).await;
        // An hour in which nothing was asked for is not made up for.
        stack.clock.advance(secs(3_600));
        loaded(6).await;
        stack.clock.advance(100 * MILLI);
        loaded(7).await;
        stack.clock.advance(100 * MILLI);
        assert_eq!(warming.await.unwrap(), [70, 0, 0], "{name}");
        assert_eq!(origin.sizes(), [10; 7], "{name}");
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn a_rate_counts_what_is_fresh_too_and_holds_for_values_as_well() {
    let stack = memory().await;
    let space = stack.cache.space::<u32>("n");
    space.set("0", 0u32).await.unwrap();
    let (sender, rows) = rows();
    (0..3).for_each(|id| sender.send(named(id)).unwrap());
    drop(sender);
    let done = Arc::new(AtomicUsize::new(0));
    let warming = tokio::spawn({
        let done = Arc::clone(&done);
        async move {
            let progress = |_| {
                done.fetch_add(1, Ordering::SeqCst);
            };
            let warm = space.warm_stream(rows).per_second(2);
            counts(warm.progress(progress)).await
        }
    });
    for batches in 1..=3 {
        until(|| done.load(Ordering::SeqCst) == batches).await;
        stack.clock.wait_for_sleepers(1).await;
        stack.clock.advance(499 * MILLI);
        settled().await;
        assert_eq!(done.load(Ordering::SeqCst), batches);
        stack.clock.advance(MILLI);
    }
    assert_eq!(warming.await.unwrap(), [2, 1, 0]);
}

#[tokio::test]
async fn a_wrong_option_is_an_error_before_anything_is_drawn() {
    let stack = memory().await;
    let (space, origin) = (stack.cache.space::<u32>("n"), Origin::open());
    let draws = || -> (String, u32) { panic!("nothing is to be drawn") };
    let warm = || space.warm(std::iter::from_fn(move || Some(draws())));
    let keys = || space.warm_keys([1], origin.loader());
    let many = || (0..33).map(|at| format!("t{at}"));
    let wrong = [
        (warm().concurrency(0), ErrorKind::ConfigInvalid),
        (warm().per_second(0), ErrorKind::ConfigInvalid),
        (warm().ttl(secs(0)), ErrorKind::TtlInvalid),
        (warm().tags(many()), ErrorKind::TooManyTags),
        (keys().concurrency(0), ErrorKind::ConfigInvalid),
        (keys().ttl(secs(0)), ErrorKind::TtlInvalid),
        (keys().tags(many()), ErrorKind::TooManyTags),
    ];
    for (warm, expected) in wrong {
        assert_eq!(warm.await.unwrap_err().kind(), expected);
    }
    assert_eq!(origin.calls(), 0);
}

#[tokio::test]
async fn a_bad_name_ends_the_warm_up_after_what_was_begun() {
    for stack in all().await {
        let (space, name) = (stack.cache.space::<u32>("n"), stack.name);
        let (sender, rows) = rows();
        let warming = tokio::spawn({
            let space = space.clone();
            async move { space.warm_stream(rows).await }
        });
        sender.send(("x".repeat(100_000), 2)).unwrap();
        let error = warming.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::KeyTooLong, "{name}");
        assert!(sender.send(named(3)).is_err(), "{name}: no more is drawn");

        let origin = Origin::open();
        let (load, asked) = (origin.loader(), Arc::clone(&origin.asked));
        let loader = move |ids: Vec<String>| {
            let found = load(ids.iter().map(|id| id.parse().unwrap()).collect());
            async move {
                let found = found.await?.into_iter();
                Ok::<Vec<_>, Failure>(found.map(|(id, value)| (id.to_string(), value)).collect())
            }
        };
        let good = (2_000..2_250).map(|id: u32| id.to_string());
        let ids = good.chain(["y".repeat(100_000)]);
        let error = space.warm_keys(ids, loader).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::KeyTooLong, "{name}");
        assert_eq!(asked.lock().unwrap().len(), 1, "{name}");
        let found = space.get("2249").await.unwrap();
        assert_eq!(found.as_deref(), Some(&2_249), "{name}: it was finished");
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn c1_what_is_deleted_while_it_is_loaded_is_not_stored() {
    for stack in all().await {
        let (space, name) = (stack.cache.space::<u32>("n"), stack.name);
        let origin = Origin::shut();
        let warming = tokio::spawn({
            let (space, loader) = (space.clone(), origin.loader());
            async move { counts(space.warm_keys([1, 2], loader)).await }
        });
        until(|| origin.calls() == 1).await;
        space.delete("1").await.unwrap();
        origin.let_go();
        warming.await.unwrap();
        assert_eq!(space.get("1").await.unwrap(), None, "{name}");
        assert_eq!(space.get("2").await.unwrap().as_deref(), Some(&2), "{name}");
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn a_warm_up_that_is_dropped_finishes_what_it_has_begun() {
    for stack in all().await {
        let (space, name) = (stack.cache.space::<u32>("n"), stack.name);
        let origin = Origin::shut();
        let warming = tokio::spawn({
            let (space, loader) = (space.clone(), origin.loader());
            async move {
                let warm = space.warm_keys(1_000..2_000, loader);
                counts(warm.concurrency(1)).await
            }
        });
        until(|| origin.calls() == 1).await;
        warming.abort();
        assert!(warming.await.unwrap_err().is_cancelled());
        origin.let_go();
        until(|| stack.cache.loads_in_progress() == 0).await;
        assert_eq!(space.get("1249").await.unwrap().as_deref(), Some(&1_249));
        assert_eq!(origin.calls(), 1, "{name}: no more is begun");
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn while_bypassed_all_keys_are_refused_and_none_is_loaded() {
    for stack in all().await {
        let (space, name) = (stack.cache.space::<u32>("n"), stack.name);
        let origin = Origin::open();
        let (sender, rows) = rows();
        (0..3).for_each(|id| sender.send(named(id)).unwrap());
        drop(sender);
        stack.cache.bypass(true);
        let keys = space.warm_keys(1_000..2_500, origin.loader());
        assert_eq!(counts(keys).await, [0, 0, 1_500], "{name}");
        assert_eq!(counts(space.warm_stream(rows)).await, [0, 0, 3], "{name}");
        stack.cache.bypass(false);
        assert_eq!(origin.calls(), 0, "{name}");
        assert_eq!(space.get("1").await.unwrap(), None, "{name}");
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn without_the_cache_the_origin_is_left_alone() {
    let server = RedisServer::start();
    let cache = Cache::builder("test").tier(Redis::builder(server.url()));
    let cache = cache.build().await.unwrap();
    let (space, origin) = (cache.space::<u32>("n"), Origin::open());
    server.kill();
    let lost = async { while space.get("k").await.is_ok() {} };
    tokio::time::timeout(secs(20), lost).await.unwrap();
    let error = space.warm_keys([1, 2], origin.loader()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(origin.calls(), 0);
}
