//! Loads of many keys: one look-up, one lease, one call of the loader with exactly what is missing.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use larder::{
    Cache, ErrorKind, Limits, LoadPolicy, Loaded, Memory, Operation, Redis, Source, Space,
};
use larder_testkit::{RecordingLayer, RedisServer};
use tokio::sync::Semaphore;

use crate::stacks::{Stack, all, memory_with, secs};

type Failure = std::io::Error;
type Found = Vec<(u32, Loaded<u32>)>;
type Finding = Pin<Box<dyn Future<Output = Result<Found, Failure>> + Send>>;

/// A database of tens: it writes down what it is asked for, and answers when it is let.
#[derive(Clone)]
struct Origin {
    asked: Arc<Mutex<Vec<Vec<u32>>>>,
    gate: Arc<Semaphore>,
}

impl Origin {
    /// Answers at once.
    fn open() -> Self {
        Self {
            asked: Arc::default(),
            gate: Arc::new(Semaphore::new(1_000)),
        }
    }

    /// Answers when it is told to.
    fn shut() -> Self {
        Self {
            gate: Arc::new(Semaphore::new(0)),
            ..Self::open()
        }
    }

    fn let_go(&self) {
        self.gate.add_permits(1_000);
    }

    fn loader(&self) -> impl Fn(Vec<u32>) -> Finding + Send + Sync + 'static {
        self.answering(|ids| Ok(tens(ids)))
    }

    fn answering(
        &self,
        answer: fn(Vec<u32>) -> Result<Found, Failure>,
    ) -> impl Fn(Vec<u32>) -> Finding + Send + Sync + 'static {
        let origin = self.clone();
        move |ids| {
            let origin = origin.clone();
            Box::pin(async move {
                origin.asked.lock().unwrap().push(ids.clone());
                let _pass = origin.gate.acquire().await.unwrap();
                answer(ids)
            })
        }
    }

    /// The load of one key.
    async fn one(self, space: Space<u32>, id: u32) -> u32 {
        let load = self.loader();
        let loader = move || async move {
            let found = load(vec![id]).await;
            found.map(|mut found| found.pop().expect("the one that was asked for").1)
        };
        *space.get_or_load(&id.to_string(), loader).await.unwrap()
    }

    fn spawn(
        &self,
        space: &Space<u32>,
        ids: impl IntoIterator<Item = u32> + Send + 'static,
    ) -> tokio::task::JoinHandle<Vec<Option<u32>>> {
        let (origin, space) = (self.clone(), space.clone());
        tokio::spawn(async move {
            let found = space.get_many_or_load(ids, origin.loader()).await;
            values(&found.unwrap())
        })
    }

    /// What it was asked for since the last time.
    fn asked(&self) -> Vec<Vec<u32>> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    async fn is_asked(&self, times: usize) {
        until(|| self.asked.lock().unwrap().len() == times).await;
    }
}

fn tens(ids: Vec<u32>) -> Found {
    let ten = |id| (id, Loaded::new(id * 10));
    ids.into_iter().map(ten).collect()
}

fn values(found: &[Option<Arc<u32>>]) -> Vec<Option<u32>> {
    found
        .iter()
        .map(|value| value.as_deref().copied())
        .collect()
}

fn down() -> Failure {
    Failure::other("the database is down")
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

/// What is in the cache, whoever put it there.
async fn stored(space: &Space<u32>, ids: &[u32]) -> Vec<Option<u32>> {
    let names: Vec<String> = ids.iter().map(u32::to_string).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    values(&space.get_many(&names).await.unwrap())
}

/// The cache is closed at once: a task that is under way would have to be stopped.
async fn nothing_is_left(stack: Stack) {
    let Stack { name, cache, .. } = stack;
    assert_eq!(cache.loads_in_progress(), 0, "{name}");
    let closed = cache.close(secs(0)).await.unwrap();
    assert_eq!(closed.loads_stopped, 0, "{name}");
}

/// Calls of a command since the counts began anew.
fn calls(server: &RedisServer, command: &str) -> u64 {
    let info = server.command(&["INFO", "commandstats"]).text();
    let begins = format!("cmdstat_{command}:calls=");
    let line = info.lines().find_map(|line| line.strip_prefix(&begins));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_batch_is_one_mget_one_lease_and_one_call_of_the_loader() {
    for before in [false, true] {
        let server = RedisServer::start();
        let redis = || Redis::builder(server.url()).heartbeat(secs(3_600));
        let other = Cache::builder("test").tier(redis()).build().await.unwrap();
        other.space("n").set("2", 2u32).await.unwrap();
        other.space("n").set("5", 5u32).await.unwrap();

        let (recording, origin) = (RecordingLayer::new(), Origin::open());
        let builder = Cache::builder("test");
        let builder = if before {
            builder.tier(Memory::builder())
        } else {
            builder
        };
        let builder = builder.tier(redis()).layer(recording.clone());
        let cache = builder.build().await.unwrap();
        let space = cache.space::<u32>("n");
        // The generation and the scripts are known from now on.
        space.get_many_or_load([9], origin.loader()).await.unwrap();
        assert_eq!(origin.asked(), [[9]]);
        recording.take();
        server.command(&["CONFIG", "RESETSTAT"]);

        let found = space.get_many_or_load(1..=6, origin.loader()).await;
        let found = values(&found.unwrap());
        assert_eq!(found, [10, 2, 30, 40, 5, 60].map(Some));
        assert_eq!(origin.asked(), [[1, 3, 4, 6]]);
        assert_eq!((calls(&server, "mget"), calls(&server, "get")), (1, 0));
        let operations = recording.take();
        let keys = |operation| {
            let mut asked = operations.iter().filter(|one| one.operation == operation);
            let first = asked.next().expect("there is such a call").keys.len();
            assert!(asked.next().is_none(), "{operation}: once");
            first
        };
        assert_eq!(keys(Operation::Batch), 6);
        assert_eq!(keys(Operation::Lease), 4);
        assert_eq!(keys(Operation::Fill), 4);
        assert_eq!(
            stored(&space, &[1, 3, 4, 6]).await,
            [10, 30, 40, 60].map(Some)
        );
    }
}

#[tokio::test]
async fn values_come_in_the_order_of_their_ids_and_each_is_loaded_once() {
    for stack in all().await {
        let (space, origin) = (stack.cache.space::<u32>("n"), Origin::open());
        space.set("2", 2u32).await.unwrap();
        let backwards = origin.answering(|mut ids| {
            ids.reverse();
            Ok(tens(ids))
        });
        let found = space.get_many_or_load([3, 1, 3, 2, 1, 2], backwards).await;
        let expected = [30, 10, 30, 2, 10, 2].map(Some);
        assert_eq!(values(&found.unwrap()), expected, "{}", stack.name);
        assert_eq!(origin.asked(), [[3, 1]], "{}", stack.name);
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn a_batch_of_hits_calls_no_loader_and_neither_does_an_empty_one() {
    for stack in all().await {
        let (space, origin) = (stack.cache.space::<u32>("n"), Origin::open());
        space.set_many([("1", 1u32), ("2", 2)]).await.unwrap();
        let found = space.get_many_or_load([2, 1], origin.loader()).await;
        assert_eq!(
            values(&found.unwrap()),
            [Some(2), Some(1)],
            "{}",
            stack.name
        );
        let none = space.get_many_or_load([], origin.loader()).await.unwrap();
        assert!(none.is_empty(), "{}", stack.name);
        assert_eq!(origin.asked().len(), 0, "{}", stack.name);
        let stats = stack.cache.stats();
        assert_eq!((stats.hits, stats.misses, stats.loads), (2, 0, 0));
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn an_id_that_the_loader_leaves_out_is_absent_and_that_is_remembered() {
    for stack in all().await {
        let name = stack.name;
        let (space, origin) = (stack.cache.space::<u32>("n"), Origin::open());
        let odd = |ids: Vec<u32>| Ok(tens(ids.into_iter().filter(|id| id % 2 == 1).collect()));
        let load = async || {
            let found = space.get_many_or_load(1..=3, origin.answering(odd)).await;
            assert_eq!(
                values(&found.unwrap()),
                [Some(10), None, Some(30)],
                "{name}"
            );
        };
        load().await;
        assert_eq!(origin.asked(), [[1, 2, 3]], "{name}");
        load().await;
        assert_eq!(origin.asked().len(), 0, "{name}: remembered");
        let outcomes = space.get_many_or_load([2], origin.loader()).each().await;
        let outcome = outcomes.unwrap().pop().unwrap().unwrap();
        assert!(outcome.value.is_none() && outcome.source != Source::Loader);
        assert!(!space.exists("2").await.unwrap(), "{name}: C8");
        assert_eq!(space.get("2").await.unwrap(), None, "{name}: C8");
        stack.clock.advance(LoadPolicy::DEFAULT_NEGATIVE_TTL);
        load().await;
        assert_eq!(origin.asked(), [[2]], "{name}: for a minute");
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn what_nobody_has_asked_for_is_ignored_and_counted() {
    for stack in all().await {
        let (space, origin) = (stack.cache.space::<u32>("n"), Origin::open());
        let more = origin.answering(|mut ids| {
            ids.extend([7, 8]);
            Ok(tens(ids))
        });
        let found = space.get_many_or_load([1, 2], more).await;
        assert_eq!(
            values(&found.unwrap()),
            [10, 20].map(Some),
            "{}",
            stack.name
        );
        assert_eq!(stack.cache.stats().extra_keys, 2, "{}", stack.name);
        let extra = stored(&space, &[7, 8]).await;
        assert_eq!(extra, [None, None], "{}", stack.name);
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn a_key_that_fails_alone_hides_no_other() {
    let bad = |ids: Vec<u32>| {
        let one = |id| match id {
            2 | 3 => (id, Loaded::failed(format!("row {id} is damaged"))),
            _ => (id, Loaded::new(id * 10)),
        };
        Ok(ids.into_iter().map(one).collect())
    };
    for stack in all().await {
        let name = stack.name;
        let (space, origin) = (stack.cache.space::<u32>("n"), Origin::open());
        let load = || space.get_many_or_load([1, 3, 2, 4], origin.answering(bad));
        let outcomes = load().each().await.unwrap();
        for (outcome, id) in outcomes.iter().zip([1, 3, 2, 4]) {
            match outcome {
                Ok(outcome) => {
                    assert_eq!(outcome.value.as_deref(), Some(&(id * 10)), "{name}");
                    assert_eq!(outcome.source, Source::Loader, "{name}");
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Load, "{name}");
                    assert_eq!(error.key(), Some(id.to_string().as_str()), "{name}");
                    let source = std::error::Error::source(error).unwrap();
                    assert_eq!(source.to_string(), format!("row {id} is damaged"));
                }
            }
        }
        let failed: Vec<bool> = outcomes.iter().map(Result::is_err).collect();
        assert_eq!(failed, [false, true, true, false], "{name}");
        let stats = stack.cache.stats();
        assert_eq!((stats.loads, stats.load_failures), (2, 2), "{name}");

        let error = load().await.unwrap_err();
        assert_eq!(error.key(), Some("3"), "{name}: the first");
        let asked = origin.asked();
        assert_eq!(asked[0], [1, 3, 2, 4], "{name}");
        assert_eq!(asked[1], [3, 2], "{name}: the others were stored");
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn a4_where_all_fail_each_key_falls_back_to_its_own_stale_value() {
    for stack in all().await {
        let name = stack.name;
        let space = stack.cache.space::<u32>("n").stale_for(secs(3_600));
        let origin = Origin::open();
        space.set("1", 1u32).ttl(secs(60)).await.unwrap();
        space.set("3", 3u32).ttl(secs(6_000)).await.unwrap();
        stack.clock.advance(secs(61));
        let load = || space.get_many_or_load(1..=3, origin.answering(|_| Err(down())));
        for round in 0..2 {
            let outcomes = load().each().await.unwrap();
            let [Ok(stale), Err(error), Ok(fresh)] = &outcomes[..] else {
                panic!("{name}: {outcomes:?}")
            };
            assert_eq!(stale.value.as_deref(), Some(&1), "{name}");
            assert_eq!(stale.stale, round == 0, "{name}: fresh for the throttle");
            assert_eq!(error.kind(), ErrorKind::Load, "{name}");
            let source = std::error::Error::source(error).unwrap();
            assert_eq!(source.to_string(), "the database is down", "{name}");
            assert_eq!((fresh.value.as_deref(), fresh.stale), (Some(&3), false));
        }
        assert_eq!(stack.cache.stats().stale_served, 1, "{name}");
        let asked = origin.asked();
        assert_eq!((&asked[0][..], &asked[1][..]), (&[1, 2][..], &[2][..]));
        assert_eq!(load().await.unwrap_err().key(), Some("2"), "{name}");
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn a3_batches_that_overlap_and_single_callers_load_each_key_once() {
    for stack in all().await {
        let (space, origin) = (stack.cache.space::<u32>("n"), Origin::shut());
        let two = tokio::spawn(origin.clone().one(space.clone(), 2));
        origin.is_asked(1).await;
        let first = origin.spawn(&space, 1..=4);
        origin.is_asked(2).await;
        let second = origin.spawn(&space, 3..=6);
        origin.is_asked(3).await;
        let singles: Vec<_> = [1, 3, 6]
            .map(|id| tokio::spawn(origin.clone().one(space.clone(), id)))
            .into();
        // One of the first batch, two of the second, and the three.
        until(|| stack.cache.stats().load_waits == 6).await;
        assert_eq!(stack.cache.loads_in_progress(), 6, "{}", stack.name);
        let asked = origin.asked();
        assert_eq!(asked, [&[2][..], &[1, 3, 4], &[5, 6]], "{}", stack.name);

        origin.let_go();
        assert_eq!(two.await.unwrap(), 20, "{}", stack.name);
        assert_eq!(first.await.unwrap(), [10, 20, 30, 40].map(Some));
        assert_eq!(second.await.unwrap(), [30, 40, 50, 60].map(Some));
        for (single, expected) in singles.into_iter().zip([10, 30, 60]) {
            assert_eq!(single.await.unwrap(), expected, "{}", stack.name);
        }
        assert_eq!(origin.asked().len(), 0, "{}: nothing twice", stack.name);
        assert_eq!(stack.cache.stats().loads, 6, "{}", stack.name);
        nothing_is_left(stack).await;
    }
}

/// Another cache on the same store, as another process would be.
async fn another(stack: &Stack) -> Cache {
    let builder = Cache::builder(stack.cache.namespace().as_str());
    let builder = builder.tier(stack.cache.store().clone());
    builder.clock(stack.clock.shared()).build().await.unwrap()
}

#[tokio::test]
async fn a3_what_another_cache_loads_is_waited_for_and_the_rest_is_loaded_meanwhile() {
    for fails in [false, true] {
        for stack in all().await {
            let (name, other) = (stack.name, another(&stack).await);
            let (held, origin) = (Origin::shut(), Origin::open());
            let there = tokio::spawn({
                let (space, held) = (stack.cache.space::<u32>("n"), held.clone());
                async move {
                    let answer = if fails {
                        |_| Err(down())
                    } else {
                        |ids| Ok(tens(ids))
                    };
                    space.get_many_or_load([1, 2], held.answering(answer)).await
                }
            });
            held.is_asked(1).await;
            let here = origin.spawn(&other.space("n"), [2, 3]);
            origin.is_asked(1).await;
            assert_eq!(origin.asked(), [[3]], "{name}: at once");
            assert!(!here.is_finished(), "{name}");
            held.let_go();
            assert_eq!(there.await.unwrap().is_err(), fails, "{name}");
            until(|| {
                // It asks again by this clock.
                stack.clock.advance(std::time::Duration::from_millis(1));
                here.is_finished()
            })
            .await;
            assert_eq!(here.await.unwrap(), [Some(20), Some(30)], "{name}");
            let again: &[[u32; 1]] = if fails { &[[2]] } else { &[] };
            assert_eq!(origin.asked(), again, "{name}");
            assert_eq!(other.loads_in_progress(), 0, "{name}");
            nothing_is_left(stack).await;
        }
    }
}

#[tokio::test]
async fn c1_what_is_deleted_or_set_during_the_load_is_not_stored_and_the_rest_is() {
    for stack in all().await {
        let name = stack.name;
        let (space, origin) = (stack.cache.space::<u32>("n"), Origin::shut());
        let load = origin.spawn(&space, 1..=5);
        origin.is_asked(1).await;
        space.delete("1").await.unwrap();
        space.set("2", 7u32).await.unwrap();
        space.invalidate("4").await.unwrap();
        let later = origin.spawn(&space, [1, 3]);
        origin.is_asked(2).await;
        assert_eq!(
            origin.asked()[1],
            [1],
            "{name}: who comes later joins nothing that may be older"
        );
        space.delete("1").await.unwrap();
        origin.let_go();
        assert_eq!(
            load.await.unwrap(),
            [10, 20, 30, 40, 50].map(Some),
            "{name}"
        );
        assert_eq!(later.await.unwrap(), [10, 30].map(Some), "{name}");
        let found = stored(&space, &[1, 2, 3, 4, 5]).await;
        let expected = [None, Some(7), Some(30), None, Some(50)];
        assert_eq!(found, expected, "{name}");
        assert_eq!(stack.cache.stats().fills_refused, 4, "{name}");
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn a3_a_loader_that_panics_is_an_error_of_each_key_and_the_next_load_works() {
    let late = |_: Vec<u32>| -> Result<Found, Failure> { panic!("the client has a bug") };
    for stack in all().await {
        let name = stack.name;
        let space = stack.cache.space::<u32>("n").stale_for(secs(3_600));
        let origin = Origin::open();
        let early = |_: Vec<u32>| -> Finding { panic!("the client has a bug") };
        space.set("1", 1u32).ttl(secs(60)).await.unwrap();
        stack.clock.advance(secs(61));
        let policy = || LoadPolicy::new().throttle(secs(0));
        let at_once = space.get_many_or_load(1..=3, early).policy(policy());
        let at_once = at_once.each().await.unwrap();
        let then = space.get_many_or_load(1..=3, origin.answering(late));
        let then = then.policy(policy()).each().await.unwrap();
        for outcomes in [at_once, then] {
            let [Ok(stale), failed @ ..] = &outcomes[..] else {
                panic!("{name}: {outcomes:?}")
            };
            assert!(stale.stale, "{name}");
            assert_eq!(failed.len(), 2, "{name}");
            for failed in failed {
                let error = failed.as_ref().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::LoadPanicked, "{name}");
                assert!(error.message().contains("has a bug"), "{name}: {error}");
            }
        }
        let found = space.get_many_or_load(1..=3, origin.loader()).await;
        assert_eq!(values(&found.unwrap()), [10, 20, 30].map(Some), "{name}");
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn a3_a_loader_that_hangs_ends_in_the_timeout() {
    for stack in all().await {
        let (space, origin) = (stack.cache.space::<u32>("n"), Origin::shut());
        let call = tokio::spawn({
            let (space, origin) = (space.clone(), origin.clone());
            async move { space.get_many_or_load([1, 2], origin.loader()).each().await }
        });
        // The caller, and the load itself.
        stack.clock.wait_for_sleepers(2).await;
        stack.clock.advance(secs(29));
        tokio::task::yield_now().await;
        assert!(!call.is_finished(), "{}", stack.name);
        stack.clock.advance(secs(1));
        for outcome in call.await.unwrap().unwrap() {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{}", stack.name);
        }
        origin.let_go();
        let found = space.get_many_or_load([1, 2], origin.loader()).await;
        assert_eq!(
            values(&found.unwrap()),
            [10, 20].map(Some),
            "{}",
            stack.name
        );
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn a3_a_caller_that_goes_away_ends_nothing() {
    for stack in all().await {
        let (space, origin) = (stack.cache.space::<u32>("n"), Origin::shut());
        let load = origin.spawn(&space, [1, 2]);
        origin.is_asked(1).await;
        load.abort();
        let _ = load.await;
        origin.let_go();
        until(|| stack.cache.loads_in_progress() == 0).await;
        assert_eq!(stored(&space, &[1, 2]).await, [10, 20].map(Some));
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn a3_a_loader_of_many_that_asks_for_one_of_them_is_a_cycle() {
    for stack in all().await {
        let space = stack.cache.space::<u32>("n");
        let inner = space.clone();
        let around = move |ids: Vec<u32>| {
            let inner = inner.clone();
            async move {
                let found = inner.get_many_or_load([9, 2], Origin::open().loader());
                let found = found.each().await.unwrap();
                let error = found[1].as_ref().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::LoadCycle);
                let message = error.message();
                assert!(message.ends_with("n:2 -> n:2"), "{message}");
                Ok::<_, Failure>(tens(ids))
            }
        };
        let found = space.get_many_or_load([1, 2], around).await;
        assert_eq!(
            values(&found.unwrap()),
            [10, 20].map(Some),
            "{}",
            stack.name
        );
        assert_eq!(stored(&space, &[9]).await, [Some(90)], "{}", stack.name);
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn a_batch_is_limited_and_a_bad_id_is_an_error_before_anything_is_loaded() {
    let limits = Limits::default().with_max_batch(3);
    let stack = memory_with(|builder| builder.limits(limits)).await;
    let (space, origin) = (stack.cache.space::<u32>("n"), Origin::open());
    let error = space.get_many_or_load(1..=4, origin.loader()).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::BatchTooLarge);
    let error = space.get_many_or_load(1..=4, origin.loader()).each().await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::BatchTooLarge);
    let found = space.get_many_or_load(1..=3, origin.loader()).await;
    assert_eq!(values(&found.unwrap()), [10, 20, 30].map(Some));
    origin.asked();

    let loader = |_: Vec<String>| async { Ok::<Vec<(String, u32)>, Failure>(Vec::new()) };
    let ids = ["fine".to_owned(), "x".repeat(100_000)];
    let error = space.get_many_or_load(ids, loader).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyTooLong);
    assert_eq!(error.operation(), Some(Operation::Load));
    let too_short = space.get_many_or_load(4..=4, origin.loader());
    let error = too_short.ttl(secs(0)).each().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TtlInvalid);
    assert_eq!(origin.asked().len(), 0);
    assert_eq!(stack.cache.stats().loads, 3);
    nothing_is_left(stack).await;
}

#[tokio::test]
async fn while_bypassed_all_are_loaded_for_each_caller_alone_and_none_is_stored() {
    for stack in all().await {
        let name = stack.name;
        let (space, origin) = (stack.cache.space::<u32>("n"), Origin::shut());
        space.set("1", 1u32).await.unwrap();
        stack.cache.bypass(true);
        let callers = [origin.spawn(&space, [1, 2]), origin.spawn(&space, [1, 2])];
        origin.is_asked(2).await;
        origin.let_go();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), [10, 20].map(Some), "{name}");
        }
        assert_eq!(origin.asked(), [[1, 2], [1, 2]], "{name}");
        assert_eq!(stack.cache.stats().bypassed, 4, "{name}");
        let failing = space.get_many_or_load([1, 2], origin.answering(|_| Err(down())));
        for outcome in failing.each().await.unwrap() {
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Load, "{name}");
        }
        stack.cache.bypass(false);
        assert_eq!(stored(&space, &[1, 2]).await, [Some(1), None], "{name}");
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn each_key_has_the_calls_options_or_its_loaders_own() {
    for stack in all().await {
        let name = stack.name;
        let (space, origin) = (stack.cache.space::<u32>("n"), Origin::open());
        let say = origin.answering(|ids| {
            let one = |id| match id {
                1 => (id, Loaded::new(10)),
                2 => (id, Loaded::new(20).ttl(secs(5))),
                _ => (id, Loaded::uncached(id * 10)),
            };
            Ok(ids.into_iter().map(one).collect())
        });
        let found = space.get_many_or_load(1..=3, say).ttl(secs(60)).await;
        assert_eq!(values(&found.unwrap()), [10, 20, 30].map(Some), "{name}");
        assert_eq!(stored(&space, &[1, 2, 3]).await, [Some(10), Some(20), None]);
        stack.clock.advance(secs(5));
        assert_eq!(stored(&space, &[1, 2]).await, [Some(10), None], "{name}");
        stack.clock.advance(secs(55));
        assert_eq!(stored(&space, &[1, 2]).await, [None, None], "{name}");
        nothing_is_left(stack).await;
    }
}

#[tokio::test]
async fn a4_what_is_due_or_stale_is_answered_at_once_and_refreshed_by_one_call_behind() {
    for revalidates in [false, true] {
        for stack in all().await {
            let name = stack.name;
            let policy = if revalidates {
                LoadPolicy::new().stale_while_revalidate()
            } else {
                LoadPolicy::new().eager_refresh(0.5)
            };
            let space = stack.cache.space::<u32>("n").load_policy(policy);
            let space = space.stale_for(secs(3_600));
            for (id, ttl) in [("1", 100), ("2", 1_000), ("3", 100)] {
                space.set(id, 1u32).ttl(secs(ttl)).await.unwrap();
            }
            let origin = Origin::shut();
            stack
                .clock
                .advance(secs(if revalidates { 101 } else { 51 }));
            let old = space.get_many_or_load(1..=3, origin.loader());
            let old = old.each().await.unwrap();
            let old: Vec<_> = old.into_iter().map(|one| one.unwrap().stale).collect();
            assert_eq!(old, [revalidates, false, revalidates], "{name}");
            origin.is_asked(1).await;
            assert_eq!(origin.asked(), [[1, 3]], "{name}");
            assert_eq!(stack.cache.stats().refreshes, 1, "{name}");
            origin.let_go();
            until(|| stack.cache.loads_in_progress() == 0).await;
            assert_eq!(stored(&space, &[1, 2, 3]).await, [10, 1, 30].map(Some));
            nothing_is_left(stack).await;
        }
    }
}
