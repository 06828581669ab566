//! C1, on each route that a load may take: what was loaded before an invalidation is never seen after it.

use larder::{Cache, LoadPolicy, Space};

use crate::origin::{Load, Origin, a_while, quiet, soon, until, value};
use crate::stacks::{Stack, all, secs};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Route {
    Foreground,
    Refresh,
    Eager,
    StaleWhileRevalidate,
    SoftTimeout,
    FailSafe,
    MemoryOnly,
}

const ROUTES: [Route; 7] = [
    Route::Foreground,
    Route::Refresh,
    Route::Eager,
    Route::StaleWhileRevalidate,
    Route::SoftTimeout,
    Route::FailSafe,
    Route::MemoryOnly,
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    Delete,
    Set,
    Invalidate,
    SetAndExpire,
    Clear,
    InvalidateMatching,
    InvalidateTag,
    ExpireTag,
}

const CHANGES: [Change; 8] = [
    Change::Delete,
    Change::Set,
    Change::Invalidate,
    Change::SetAndExpire,
    Change::Clear,
    Change::InvalidateMatching,
    Change::InvalidateTag,
    Change::ExpireTag,
];

impl Change {
    async fn make(self, cache: &Cache, space: &Space<u32>, key: &str) {
        match self {
            Self::Delete => drop(space.delete(key).await.unwrap()),
            Self::Set => space.set(key, 7u32).await.unwrap(),
            Self::Invalidate => drop(space.invalidate(key).await.unwrap()),
            Self::SetAndExpire => {
                space.set(key, 7u32).await.unwrap();
                assert!(space.expire(key, secs(500)).await.unwrap());
            }
            Self::Clear => cache.clear().await.unwrap(),
            Self::InvalidateMatching => drop(space.invalidate_matching("*").await.unwrap()),
            Self::InvalidateTag => cache.invalidate_tag("red").await.unwrap(),
            Self::ExpireTag => cache.expire_tag("red").await.unwrap(),
        }
    }

    fn leaves(self) -> Option<u32> {
        matches!(self, Self::Set | Self::SetAndExpire).then_some(7)
    }
}

/// Brings a load of the key into its loader; the caller that waits for it, if one does.
async fn enter(stack: &Stack, space: &Space<u32>, route: Route, origin: &Origin) -> Option<Load> {
    let (key, policy) = ("k", LoadPolicy::new());
    let there = match route {
        Route::Foreground | Route::MemoryOnly => None,
        Route::Refresh => Some(0),
        Route::Eager => Some(90),
        Route::StaleWhileRevalidate | Route::SoftTimeout | Route::FailSafe => Some(100),
    };
    if let Some(passed) = there {
        space.set(key, 50u32).tags(origin.tags()).await.unwrap();
        stack.clock.advance(secs(passed));
    }
    let waiting = match route {
        Route::Foreground | Route::FailSafe => Some(origin.start(space, key, policy)),
        Route::SoftTimeout => {
            let policy = policy.soft_timeout(secs(1));
            let load = origin.start(space, key, policy);
            until("it loads", || origin.calls() == 1).await;
            stack.clock.advance(secs(1));
            assert_eq!(value(soon("what is stale", load).await.unwrap()), 50);
            None
        }
        Route::Eager | Route::StaleWhileRevalidate => {
            let policy = policy.eager_refresh(0.9).stale_while_revalidate();
            let load = origin.load(space, key, policy);
            assert_eq!(value(soon("what is there", load).await), 50);
            None
        }
        Route::Refresh | Route::MemoryOnly => {
            let (space, own) = (space.clone(), origin.clone());
            Some(tokio::spawn(async move {
                let tags = own.tags();
                let call = space.get_or_load(key, move || own.loader()).tags(tags);
                let call = match route {
                    Route::Refresh => call.refresh(),
                    _ => call.memory_only(),
                };
                call.detailed().await
            }))
        }
    };
    until("it loads", || origin.calls() == 1).await;
    waiting
}

#[tokio::test]
async fn c1_no_change_is_survived_by_a_load_that_began_before_it_on_any_route() {
    for stack in all().await {
        for route in ROUTES {
            for change in CHANGES {
                no_late_fill(&stack, route, change).await;
            }
        }
    }
}

/// Waits for the fill of a load that nobody waits for and that is in no table any more.
async fn behind(stack: &Stack, space: &Space<u32>, before: u64) {
    until(stack.name, || stack.cache.stats().loads > before).await;
    // The fill is under way once the load is counted: what is asked after it is answered after it.
    for _ in 0..10 {
        space.exists("another").await.unwrap();
        a_while().await;
    }
}

async fn no_late_fill(stack: &Stack, route: Route, change: Change) {
    let case = format!("{}, {route:?}, {change:?}", stack.name);
    let (space, origin) = (stack.cache.space::<u32>("n"), Origin::held().tagging("red"));
    let space = space.default_ttl(secs(100)).stale_for(secs(1_000));
    let waiting = enter(stack, &space, route, &origin).await;
    change.make(&stack.cache, &space, "k").await;
    let before = stack.cache.stats().loads;
    origin.set_down(route == Route::FailSafe);
    origin.let_one_go();
    match (waiting, route) {
        (Some(load), Route::FailSafe) => {
            match (soon(&case, load).await.unwrap(), change.leaves()) {
                (Ok(outcome), left) => {
                    assert_eq!(outcome.value.as_deref().copied(), left, "{case}");
                }
                (Err(_), _) => {}
            }
        }
        (Some(load), _) => {
            let loaded = value(soon(&case, load).await.unwrap());
            assert_eq!(loaded, 1, "{case}: who waited gets the value");
        }
        (None, _) => {
            behind(stack, &space, before).await;
        }
    }
    let found = space.get("k").await.unwrap();
    assert_eq!(
        found.as_deref().copied(),
        change.leaves(),
        "{case}: a late fill"
    );
    // What has merely expired may stand in for a failing origin, which is then left alone.
    let rests = (route, change) == (Route::FailSafe, Change::ExpireTag);
    if change.leaves().is_none() && !rests {
        let next = Origin::open();
        let call = next.load(&space, "k", LoadPolicy::new());
        let outcome = soon(&case, call).await.unwrap();
        assert_eq!(
            (outcome.value.as_deref(), next.calls()),
            (Some(&1), 1),
            "{case}"
        );
        assert!(
            !outcome.stale,
            "{case}: what was invalidated stands in for nothing"
        );
    }
    quiet(stack).await;
    space.delete("k").await.unwrap();
    // The origin that has failed may be called again.
    stack.clock.advance(secs(60));
}

#[tokio::test]
async fn c1_nobody_joins_a_load_that_a_change_has_overtaken_on_any_route() {
    for stack in all().await {
        for route in ROUTES {
            for change in [
                Change::Delete,
                Change::Clear,
                Change::InvalidateMatching,
                Change::InvalidateTag,
                Change::ExpireTag,
            ] {
                let case = format!("{}, {route:?}, {change:?}", stack.name);
                let (space, origin) =
                    (stack.cache.space::<u32>("n"), Origin::held().tagging("red"));
                let space = space.default_ttl(secs(100)).stale_for(secs(1_000));
                let waiting = enter(&stack, &space, route, &origin).await;
                change.make(&stack.cache, &space, "k").await;
                let next = Origin::open().after(100);
                let later = next.load(&space, "k", LoadPolicy::new());
                let later = soon(&case, later).await.unwrap();
                assert!(
                    !later.waited && next.calls() == 101,
                    "{case}: it joined the older load"
                );
                let before = stack.cache.stats().loads;
                origin.let_one_go();
                if let Some(load) = waiting {
                    soon(&case, load).await.unwrap().unwrap();
                } else {
                    behind(&stack, &space, before).await;
                }
                assert_eq!(
                    space.get("k").await.unwrap().as_deref(),
                    Some(&101),
                    "{case}"
                );
                quiet(&stack).await;
                space.delete("k").await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn c1_a_change_by_another_cache_on_the_same_store_counts_on_every_route() {
    for stack in all().await {
        let other = Cache::builder(stack.cache.namespace().as_str())
            .tier(stack.cache.store().clone())
            .clock(stack.clock.shared());
        let other = other.build().await.unwrap();
        let theirs = other.space::<u32>("n").default_ttl(secs(100));
        for route in ROUTES {
            for change in [
                Change::Delete,
                Change::Set,
                Change::Invalidate,
                Change::InvalidateMatching,
                Change::InvalidateTag,
                Change::ExpireTag,
            ] {
                if (route, change) == (Route::MemoryOnly, Change::InvalidateMatching) {
                    // Without a lease the other cache's listing has nothing to find.
                    continue;
                }
                let case = format!("{}, {route:?}, {change:?}", stack.name);
                let (space, origin) =
                    (stack.cache.space::<u32>("n"), Origin::held().tagging("red"));
                let space = space.default_ttl(secs(100)).stale_for(secs(1_000));
                let waiting = enter(&stack, &space, route, &origin).await;
                change.make(&other, &theirs, "k").await;
                let before = stack.cache.stats().loads;
                origin.let_one_go();
                if let Some(load) = waiting {
                    soon(&case, load).await.unwrap().unwrap();
                } else {
                    behind(&stack, &space, before).await;
                }
                let found = space.get("k").await.unwrap();
                assert_eq!(
                    found.as_deref().copied(),
                    change.leaves(),
                    "{case}: a late fill"
                );
                quiet(&stack).await;
                space.delete("k").await.unwrap();
            }
        }
    }
}
