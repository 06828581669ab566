//! A1: what a loader says becomes of its value, and what can't be kept is an answer all the same.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use larder::{Entry, ErrorKind, LoadContext, LoadPolicy, Loaded, Remaining, Space, Ttl};
use larder_core::Clock as _;
use tokio::sync::Semaphore;

use crate::origin::{Origin, quiet, soon, until};
use crate::stacks::{Stack, all, secs};

type Answer = larder::Result<Option<Arc<u32>>>;

fn space_of(stack: &Stack) -> Space<u32> {
    let space = stack.cache.space::<u32>("n");
    space.default_ttl(secs(100)).stale_for(secs(1_000))
}

/// Loads what the loader says.
async fn say(space: &Space<u32>, key: &str, said: Loaded<u32>) -> Answer {
    let loader = move || async move { Ok::<_, std::io::Error>(said) };
    space.get_or_load(key, loader).optional().await
}

/// Loads, and answers what the loader was told; the loader says something.
async fn told(space: &Space<u32>, key: &str, said: Loaded<u32>) -> (LoadContext<u32>, Answer) {
    let (tell, mut is_told) = tokio::sync::mpsc::unbounded_channel();
    let loader = move |context: LoadContext<u32>| async move {
        tell.send(context).unwrap();
        Ok::<_, std::io::Error>(said)
    };
    let answer = space.get_or_load_with(key, loader).optional().await;
    (is_told.try_recv().expect("the loader ran"), answer)
}

fn is(answer: &Answer, value: u32) -> bool {
    matches!(answer, Ok(Some(loaded)) if **loaded == value)
}

#[tokio::test]
async fn a1_a_loader_says_how_long_its_value_lives() {
    for stack in all().await {
        let (space, name) = (space_of(&stack), stack.name);
        assert!(is(
            &say(&space, "ttl", Loaded::new(1u32).ttl(secs(7))).await,
            1
        ));
        let left = space.ttl("ttl").await.unwrap();
        assert_eq!(left, Remaining::For(secs(7)), "{name}");

        assert!(is(
            &say(&space, "forever", Loaded::new(2u32).forever()).await,
            2
        ));
        assert_eq!(
            space.ttl("forever").await.unwrap(),
            Remaining::Forever,
            "{name}"
        );

        let brief = Loaded::new(3u32).ttl(secs(10)).stale_for(secs(20));
        assert!(is(&say(&space, "stale", brief).await, 3));
        stack.clock.advance(secs(29));
        let down = Origin::down();
        let policy = LoadPolicy::new().throttle(Duration::ZERO);
        let outcome = down.load(&space, "stale", policy.clone()).await.unwrap();
        assert_eq!(
            (outcome.value.as_deref(), outcome.stale),
            (Some(&3), true),
            "{name}"
        );
        stack.clock.advance(secs(1));
        let error = down.load(&space, "stale", policy).await.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::Load,
            "{name}: its stale_for is over"
        );
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn a1_what_a_loader_does_not_want_kept_is_returned_and_not_cached() {
    for stack in all().await {
        let (space, name) = (space_of(&stack), stack.name);
        for (case, loaded) in [
            ("zero", Loaded::new(1u32).ttl(Duration::ZERO)),
            ("uncached", Loaded::uncached(1u32)),
            ("both", Loaded::uncached(1u32).ttl(secs(5))),
        ] {
            assert!(is(&say(&space, case, loaded).await, 1), "{name}, {case}");
            assert_eq!(space.get(case).await.unwrap(), None, "{name}, {case}");
            assert!(
                is(&say(&space, case, Loaded::new(2u32)).await, 2),
                "{name}, {case}"
            );
            assert_eq!(space.get(case).await.unwrap().as_deref(), Some(&2));
        }
        assert_eq!(stack.cache.stats().errors, 0, "{name}: it was wanted");
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn a1_what_cannot_be_kept_is_returned_and_not_cached_and_counted() {
    for stack in all().await {
        let (space, name) = (space_of(&stack), stack.name);
        let long = vec![b'x'; Entry::MAX_ETAG_BYTES + 1];
        for (case, loaded) in [
            ("ttl", Loaded::new(1u32).ttl(Ttl::MAX + secs(1))),
            ("etag", Loaded::new(1u32).etag(long)),
            (
                "tags",
                Loaded::new(1u32).tags((0..33).map(|at| format!("t{at}"))),
            ),
            ("a tag's name", Loaded::new(1u32).tags([""])),
        ] {
            let before = stack.cache.stats();
            assert!(is(&say(&space, case, loaded).await, 1), "{name}, {case}");
            let stats = stack.cache.stats();
            assert_eq!(stats.errors - before.errors, 1, "{name}, {case}: counted");
            assert_eq!(stats.loads - before.loads, 1, "{name}, {case}: a good load");
            assert_eq!(stats.load_failures, 0, "{name}, {case}: a good load");
            assert_eq!(space.get(case).await.unwrap(), None, "{name}, {case}");
            assert!(
                is(&say(&space, case, Loaded::new(2u32)).await, 2),
                "{name}, {case}"
            );
            assert_eq!(space.get(case).await.unwrap().as_deref(), Some(&2));
        }
        let longest = vec![b'x'; Entry::MAX_ETAG_BYTES];
        let kept = Loaded::new(3u32).etag(longest).ttl(Ttl::MAX);
        assert!(is(&say(&space, "longest", kept).await, 3));
        assert_eq!(
            space.get("longest").await.unwrap().as_deref(),
            Some(&3),
            "{name}"
        );
        quiet(&stack).await;
    }
}

/// Asks every way but a load, none of which knows of an absence.
async fn knows_nothing(stack: &Stack, space: &Space<u32>) {
    let name = stack.name;
    assert_eq!(space.get("k").await.unwrap(), None, "{name}: get");
    assert_eq!(space.get_local("k"), None, "{name}: get_local");
    assert_eq!(
        space.get_many(&["k"]).await.unwrap(),
        [None],
        "{name}: get_many"
    );
    assert!(!space.exists("k").await.unwrap(), "{name}: exists");
    assert_eq!(
        space.ttl("k").await.unwrap(),
        Remaining::Absent,
        "{name}: ttl"
    );
    assert!(space.head("k").await.unwrap().is_none(), "{name}: head");
    let keys = space.keys("*").collect().await.unwrap();
    assert!(keys.is_empty(), "{name}: keys: {keys:?}");
}

#[tokio::test]
async fn c8_an_absence_is_remembered_and_nothing_but_loads_knows_of_it() {
    for stack in all().await {
        let (space, name) = (space_of(&stack), stack.name);
        let space = space.load_policy(LoadPolicy::new().negative_ttl(secs(30)));
        assert_eq!(
            say(&space, "k", Loaded::absent()).await.unwrap(),
            None,
            "{name}"
        );
        knows_nothing(&stack, &space).await;
        stack.clock.advance(secs(29));
        assert_eq!(
            say(&space, "k", Loaded::new(1u32)).await.unwrap(),
            None,
            "{name}"
        );
        let plain = space.get_or_load("k", || async { Ok::<_, std::io::Error>(1u32) });
        assert_eq!(plain.await.unwrap_err().kind(), ErrorKind::Absent, "{name}");
        knows_nothing(&stack, &space).await;
        stack.clock.advance(secs(1));
        assert!(
            is(&say(&space, "k", Loaded::new(1u32)).await, 1),
            "{name}: its time is over"
        );
        quiet(&stack).await;

        space.delete("k").await.unwrap();
        let none = || async { Ok::<_, std::io::Error>(None::<u32>) };
        let error = space.get_or_load("k", none).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Absent, "{name}");
        space.set("k", 4u32).await.unwrap();
        assert!(
            is(&say(&space, "k", Loaded::absent()).await, 4),
            "{name}: a set wins"
        );
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn c8_an_absence_lives_as_long_as_its_loader_says_and_not_at_all_if_that_is_zero() {
    for stack in all().await {
        let (space, name) = (space_of(&stack), stack.name);
        let never = space.clone();
        let never = never.load_policy(LoadPolicy::new().negative_ttl(Duration::ZERO));
        for (case, space, loaded) in [
            ("the policy's zero", &never, Loaded::absent()),
            (
                "the loader's zero",
                &space,
                Loaded::absent().ttl(Duration::ZERO),
            ),
        ] {
            assert_eq!(
                say(space, "k", loaded).await.unwrap(),
                None,
                "{name}, {case}"
            );
            assert!(
                is(&say(space, "k", Loaded::new(1u32)).await, 1),
                "{name}, {case}"
            );
            space.delete("k").await.unwrap();
        }
        let longer = Loaded::absent().ttl(secs(500));
        assert_eq!(say(&never, "k", longer).await.unwrap(), None);
        stack.clock.advance(secs(499));
        assert_eq!(
            say(&never, "k", Loaded::new(1u32)).await.unwrap(),
            None,
            "{name}"
        );
        stack.clock.advance(secs(1));
        assert!(is(&say(&never, "k", Loaded::new(1u32)).await, 1), "{name}");
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn a1_an_absence_replaces_what_was_stale_and_never_stands_in() {
    for stack in all().await {
        let (space, name) = (space_of(&stack), stack.name);
        space.set("k", 50u32).await.unwrap();
        stack.clock.advance(secs(100));
        assert_eq!(
            say(&space, "k", Loaded::absent().ttl(secs(10)))
                .await
                .unwrap(),
            None
        );
        stack.clock.advance(secs(10));
        let down = Origin::down().load(&space, "k", LoadPolicy::new()).await;
        assert_eq!(down.unwrap_err().kind(), ErrorKind::Load, "{name}");
        let (context, answer) = told(&space, "k", Loaded::new(2u32)).await;
        assert!(context.stale().is_none() && is(&answer, 2), "{name}");
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn a1_what_is_not_modified_lives_anew_and_the_loader_is_told_what_there_is() {
    for stack in all().await {
        let (space, name) = (space_of(&stack), stack.name);
        let (context, answer) = told(&space, "k", Loaded::new(50u32).etag("\"v7\"")).await;
        assert!(
            context.stale().is_none() && context.etag().is_none(),
            "{name}"
        );
        assert!(context.loaded_at().is_none() && is(&answer, 50), "{name}");
        let mut loaded_at = stack.clock.now();
        for round in 0..3 {
            stack.clock.advance(secs(100));
            assert_eq!(
                space.get("k").await.unwrap(),
                None,
                "{name}, {round}: stale"
            );
            let (context, answer) = told(&space, "k", Loaded::not_modified()).await;
            assert_eq!(
                context.stale().map(|stale| **stale),
                Some(50),
                "{name}, {round}"
            );
            assert_eq!(context.etag(), Some(&b"\"v7\""[..]), "{name}, {round}");
            assert_eq!(context.loaded_at(), Some(loaded_at), "{name}, {round}");
            assert!(is(&answer, 50), "{name}, {round}");
            let left = space.ttl("k").await.unwrap();
            assert_eq!(left, Remaining::For(secs(100)), "{name}, {round}");
            loaded_at = stack.clock.now();
        }
        // A failed load is no word on the value's age.
        stack.clock.advance(secs(100));
        let policy = LoadPolicy::new().throttle(secs(10));
        Origin::down().load(&space, "k", policy).await.unwrap();
        stack.clock.advance(secs(10));
        let (context, answer) = told(&space, "k", Loaded::not_modified().etag("\"v8\"")).await;
        assert_eq!(
            context.loaded_at(),
            Some(loaded_at),
            "{name}: after a failed load"
        );
        assert_eq!(
            context.etag(),
            Some(&b"\"v7\""[..]),
            "{name}: after a failed load"
        );
        assert!(is(&answer, 50), "{name}");
        stack.clock.advance(secs(100));
        let (context, _) = told(&space, "k", Loaded::not_modified().ttl(secs(5))).await;
        assert_eq!(context.etag(), Some(&b"\"v8\""[..]), "{name}: a new one");
        assert_eq!(
            space.ttl("k").await.unwrap(),
            Remaining::For(secs(5)),
            "{name}"
        );
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn a1_nothing_cannot_be_unmodified() {
    for stack in all().await {
        let (space, name) = (space_of(&stack), stack.name);
        let error = say(&space, "k", Loaded::not_modified()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Load, "{name}");
        assert_eq!(stack.cache.stats().load_failures, 1, "{name}");
        quiet(&stack).await;
        // What another version wrote can't be read, so it can't be unmodified either.
        space.clone().version(1).set("k", 1u32).await.unwrap();
        let newer = space.clone().version(2);
        let error = say(&newer, "k", Loaded::not_modified()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Load, "{name}: another version");
        assert!(is(&say(&newer, "k", Loaded::new(2u32)).await, 2), "{name}");
        quiet(&stack).await;
    }
}

/// An error that is the user's own.
#[derive(Debug, PartialEq)]
struct NoSuchTable(u32);

impl fmt::Display for NoSuchTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no table {}", self.0)
    }
}

impl std::error::Error for NoSuchTable {}

#[tokio::test]
async fn a1_all_who_wait_get_the_users_own_error_as_source() {
    for stack in all().await {
        let (space, gate) = (space_of(&stack), Arc::new(Semaphore::new(0)));
        let start = |table: u32| {
            let (space, gate) = (space.clone(), Arc::clone(&gate));
            tokio::spawn(async move {
                let loader = move || async move {
                    gate.acquire().await.unwrap().forget();
                    Err::<u32, _>(NoSuchTable(table))
                };
                space.get_or_load("k", loader).await
            })
        };
        let mut loads = vec![start(1)];
        until("it loads", || stack.cache.loads_in_progress() == 1).await;
        loads.extend((2..6).map(start));
        until("four wait", || stack.cache.stats().load_waits == 4).await;
        gate.add_permits(1);
        for load in loads {
            let error = soon("an error", load).await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Load, "{}", stack.name);
            let source = error.source().unwrap().downcast_ref::<NoSuchTable>();
            assert_eq!(source, Some(&NoSuchTable(1)), "{}", stack.name);
        }
        assert_eq!(stack.cache.stats().load_failures, 1, "{}", stack.name);
        quiet(&stack).await;
    }
}
