//! C4: tags fail closed, need no clock, and cost one step.

use larder::{Cache, ErrorKind, LoadPolicy, Loaded, Remaining, Space};
use larder_core::{Backend, Marker, MarkerRead, ReadOptions, TagName};

use crate::origin::{Origin, quiet, soon, until, value};
use crate::stacks::{Stack, all, secs};

fn numbers(stack: &Stack) -> Space<u32> {
    stack.cache.space::<u32>("n").stale_for(secs(1_000))
}

/// A second cache on the same store.
async fn beside(stack: &Stack) -> Cache {
    let builder = Cache::builder(stack.cache.namespace().as_str());
    let store = stack.cache.store().clone();
    let cache = builder.tier(store).clock(stack.clock.shared());
    cache.build().await.unwrap()
}

#[tokio::test]
async fn c4_an_invalidated_tag_fells_its_entries_and_no_others_whoever_asks() {
    for stack in all().await {
        let (cache, space, name) = (&stack.cache, numbers(&stack), stack.name);
        let other = beside(&stack).await;
        let theirs = other.space::<u32>("n");
        space.set("a", 1u32).tags(["red"]).await.unwrap();
        space.set("b", 2u32).tags(["red", "blue"]).await.unwrap();
        space.set("c", 3u32).tags(["blue"]).await.unwrap();
        space.set("d", 4u32).await.unwrap();
        for key in ["a", "b", "c", "d"] {
            assert!(space.get(key).await.unwrap().is_some(), "{name}: {key}");
            assert!(theirs.get(key).await.unwrap().is_some(), "{name}: {key}");
        }
        cache.invalidate_tag("red").await.unwrap();
        for space in [&space, &theirs] {
            let found = space.get_many(&["a", "b", "c", "d"]).await.unwrap();
            let found: Vec<_> = found
                .iter()
                .map(|found| found.as_deref().copied())
                .collect();
            assert_eq!(found, [None, None, Some(3), Some(4)], "{name}");
            for gone in ["a", "b"] {
                assert_eq!(space.get(gone).await.unwrap(), None, "{name}: {gone}");
                assert!(!space.exists(gone).await.unwrap(), "{name}: {gone}");
                assert_eq!(
                    space.ttl(gone).await.unwrap(),
                    Remaining::Absent,
                    "{name}: {gone}"
                );
            }
            for stays in ["c", "d"] {
                assert!(space.exists(stays).await.unwrap(), "{name}: {stays}");
            }
        }
        let mut keys = cache.keys("*").collect().await.unwrap();
        keys.sort();
        assert_eq!(keys, ["n:c", "n:d"], "{name}");
        assert_eq!(space.take("a").await.unwrap(), None, "{name}");
        cache.invalidate_tags(["blue", "green"]).await.unwrap();
        assert_eq!(space.get("c").await.unwrap(), None, "{name}");
        assert_eq!(space.get("d").await.unwrap().as_deref(), Some(&4), "{name}");
        assert_eq!(cache.stats().tag_invalidations, 3, "{name}");
    }
}

#[tokio::test]
async fn c4_what_is_tagged_anew_is_found_though_its_tag_had_fallen() {
    for stack in all().await {
        let (space, name) = (numbers(&stack), stack.name);
        for round in 1..=3u32 {
            space.set("k", round).tags(["red"]).await.unwrap();
            let found = space.get("k").await.unwrap();
            assert_eq!(found.as_deref(), Some(&round), "{name}");
            stack.cache.invalidate_tag("red").await.unwrap();
            assert_eq!(space.get("k").await.unwrap(), None, "{name}");
        }
        let origin = Origin::open().tagging("red");
        for round in 1..=3 {
            let loaded = origin.load(&space, "k", LoadPolicy::new()).await;
            assert_eq!(value(loaded), round, "{name}");
            let again = origin.load(&space, "k", LoadPolicy::new()).await;
            assert_eq!((value(again), origin.calls()), (round, round), "{name}");
            stack.cache.invalidate_tag("red").await.unwrap();
        }
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn c4_an_expired_tag_makes_stale_what_may_stand_in() {
    for stack in all().await {
        let (space, name) = (numbers(&stack), stack.name);
        space.set("k", 50u32).tags(["red"]).await.unwrap();
        assert!(space.get("k").await.unwrap().is_some(), "{name}");
        stack.cache.expire_tag("red").await.unwrap();
        assert_eq!(space.get("k").await.unwrap(), None, "{name}: it is stale");
        assert!(!space.exists("k").await.unwrap(), "{name}: it is stale");
        let down = Origin::down().tagging("red");
        let outcome = down.load(&space, "k", LoadPolicy::new()).await.unwrap();
        assert!(outcome.stale, "{name}: it stands in");
        assert_eq!(outcome.value.as_deref(), Some(&50), "{name}");
        // Once more within the throttle: the origin is left alone.
        let outcome = down.load(&space, "k", LoadPolicy::new()).await.unwrap();
        assert_eq!(
            (outcome.value.as_deref(), down.calls()),
            (Some(&50), 1),
            "{name}"
        );
        stack.clock.advance(secs(60));
        let origin = Origin::open().tagging("red");
        let loaded = origin.load(&space, "k", LoadPolicy::new()).await;
        assert_eq!(value(loaded), 1, "{name}");
        assert_eq!(space.get("k").await.unwrap().as_deref(), Some(&1), "{name}");
        stack.cache.invalidate_tag("red").await.unwrap();
        let down = Origin::down().tagging("red");
        let lost = down.load(&space, "k", LoadPolicy::new()).await;
        assert_eq!(
            lost.unwrap_err().kind(),
            ErrorKind::Load,
            "{name}: it is gone"
        );
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn c4_a_confirmed_entry_is_fresh_again_after_its_tag_expired() {
    for stack in all().await {
        let (space, name) = (numbers(&stack), stack.name);
        space.set("k", 50u32).tags(["red"]).await.unwrap();
        stack.cache.expire_tag("red").await.unwrap();
        let confirm = |_| async { Ok::<_, std::io::Error>(Loaded::<u32>::not_modified()) };
        let call = space.get_or_load_with("k", confirm).tags(["red"]);
        assert_eq!(*call.await.unwrap(), 50, "{name}");
        assert_eq!(
            space.get("k").await.unwrap().as_deref(),
            Some(&50),
            "{name}"
        );
        stack.cache.invalidate_tag("red").await.unwrap();
        assert_eq!(space.get("k").await.unwrap(), None, "{name}");
    }
}

#[tokio::test]
async fn c4_a_tag_that_only_the_loader_names_is_stored_once_it_is_followed() {
    for stack in all().await {
        let (space, name) = (numbers(&stack), stack.name);
        let load = |key: &'static str| {
            let loader = || async { Ok::<_, std::io::Error>(Loaded::new(1u32).tags(["late"])) };
            space.get_or_load(key, loader)
        };
        assert_eq!(*load("a").await.unwrap(), 1, "{name}");
        let stats = stack.cache.stats();
        assert_eq!((stats.late_tags, stats.errors), (1, 0), "{name}");
        assert_eq!(
            space.get("a").await.unwrap(),
            None,
            "{name}: it came too late"
        );
        assert_eq!(*load("a").await.unwrap(), 1, "{name}");
        assert_eq!(stack.cache.stats().late_tags, 1, "{name}: it was followed");
        assert!(space.get("a").await.unwrap().is_some(), "{name}");
        stack.cache.invalidate_tag("late").await.unwrap();
        assert_eq!(space.get("a").await.unwrap(), None, "{name}");
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn c1_a_late_tag_that_is_invalidated_during_the_load_is_not_stored() {
    for stack in all().await {
        let (space, name) = (numbers(&stack), stack.name);
        let first = || async { Ok::<_, std::io::Error>(Loaded::new(0u32).tags(["late"])) };
        for key in ["follow", "it"] {
            space.get_or_load(key, first).await.unwrap();
        }
        let origin = Origin::held();
        let own = origin.clone();
        let loading = {
            let space = space.clone();
            tokio::spawn(async move {
                let loader = move || async move {
                    let value = own.loader().await?;
                    Ok::<_, std::io::Error>(Loaded::new(value).tags(["late"]))
                };
                space.get_or_load("k", loader).await
            })
        };
        until(name, || origin.calls() == 1).await;
        stack.cache.invalidate_tag("late").await.unwrap();
        // Whoever comes now doesn't join what began before.
        let next = Origin::open().after(100);
        let later = soon(name, next.load(&space, "k", LoadPolicy::new())).await;
        assert_eq!(value(later), 101, "{name}");
        origin.let_all_go();
        assert_eq!(*soon(name, loading).await.unwrap().unwrap(), 1, "{name}");
        let found = space.get("k").await.unwrap();
        assert_eq!(found.as_deref(), Some(&101), "{name}: a late fill");
        quiet(&stack).await;
    }
}

#[tokio::test]
async fn c4_a_lost_marker_invalidates() {
    for stack in all().await {
        let Some(server) = &stack.server else {
            continue;
        };
        let (space, name) = (numbers(&stack), stack.name);
        space.set("k", 1u32).tags(["red"]).await.unwrap();
        assert!(space.get("k").await.unwrap().is_some(), "{name}");
        let marker = Marker::tag(
            stack.cache.namespace(),
            TagName::new("red").expect("a sound tag"),
        );
        server.command(&["DEL", &marker.stored_name()]);
        let gone = async {
            while space.get("k").await.unwrap().is_some() {
                tokio::task::yield_now().await;
            }
        };
        soon(name, gone).await;
        // Made anew, it is another one.
        space.set("other", 1u32).tags(["red"]).await.unwrap();
        assert_eq!(space.get("k").await.unwrap(), None, "{name}");
        assert!(space.get("other").await.unwrap().is_some(), "{name}");
    }
}

#[tokio::test]
async fn c4_a_set_with_stamps_from_before_an_invalidation_is_dead_on_arrival() {
    for stack in all().await {
        let (cache, space, name) = (&stack.cache, numbers(&stack), stack.name);
        let stamps = cache.stamps(["red", "blue"]).await.unwrap();
        space.set("a", 1u32).stamps(stamps.clone()).await.unwrap();
        assert!(space.get("a").await.unwrap().is_some(), "{name}");
        cache.invalidate_tag("blue").await.unwrap();
        space.set("b", 1u32).stamps(stamps.clone()).await.unwrap();
        assert_eq!(space.get("b").await.unwrap(), None, "{name}");
        let set = space.set("b", 1u32).stamps(stamps).verified().await;
        assert_eq!(set.unwrap_err().kind(), ErrorKind::Overtaken, "{name}");
        let set = space.set("b", 1u32).tags(["red", "blue"]).verified();
        set.await.unwrap();
        assert!(space.get("b").await.unwrap().is_some(), "{name}");
    }
}

#[tokio::test]
async fn c6_counters_and_conditions_do_not_see_what_has_fallen() {
    for stack in all().await {
        let (cache, space, name) = (&stack.cache, numbers(&stack), stack.name);
        let counts = cache.space::<i64>("c");
        for key in ["a", "b", "c", "d", "e"] {
            space.set(key, 1u32).tags(["red"]).await.unwrap();
        }
        counts.set("k", 40i64).tags(["red"]).await.unwrap();
        assert_eq!(counts.increment("k", 1).await.unwrap(), 41, "{name}");
        let (_, id) = space.get_with_id("d").await.unwrap().unwrap();
        cache.invalidate_tag("red").await.unwrap();
        assert_eq!(counts.increment("k", 1).await.unwrap(), 1, "{name}");
        assert_eq!(counts.increment("k", 1).await.unwrap(), 2, "{name}");
        assert!(space.set_if_absent("a", 2u32).await.unwrap(), "{name}");
        assert_eq!(space.get("a").await.unwrap().as_deref(), Some(&2), "{name}");
        assert!(!space.set_if_absent("a", 3u32).await.unwrap(), "{name}");
        assert_eq!(space.take("b").await.unwrap(), None, "{name}");
        assert!(!space.expire("c", secs(10)).await.unwrap(), "{name}");
        assert!(!space.replace_if("d", id, 5u32).await.unwrap(), "{name}");
        let mut pipeline = cache.pipeline();
        let count = pipeline.increment("n:e", 7);
        let found = pipeline.get::<u32>("n:a");
        let mut replies = pipeline.execute().await.unwrap();
        assert_eq!(replies.take(count).unwrap(), 7, "{name}");
        assert_eq!(replies.take(found).unwrap().as_deref(), Some(&2), "{name}");
    }
}

#[tokio::test]
async fn c4_one_invalidation_is_one_round_trip_and_tags_are_stamped_in_one() {
    for stack in all().await {
        let Some(server) = &stack.server else {
            continue;
        };
        let (cache, space, name) = (&stack.cache, numbers(&stack), stack.name);
        let tags: Vec<String> = (0..32).map(|at| format!("t{at}")).collect();
        space.set("k", 1u32).tags(&tags).await.unwrap();
        let found = space.get("k").await.unwrap();
        assert_eq!(found.as_deref(), Some(&1), "{name}");
        let marker = |tag: &String| Marker::tag(cache.namespace(), TagName::new(tag).unwrap());
        let markers: Vec<_> = tags.iter().map(marker).collect();
        let options = ReadOptions::default();
        let existing = cache
            .store()
            .markers(&markers, MarkerRead::Existing, &options);
        assert!(
            existing.await.unwrap().iter().all(Option::is_some),
            "{name}"
        );
        cache.invalidate_tags(&tags).await.unwrap();
        assert_eq!(space.get("k").await.unwrap(), None, "{name}");
        let _ = server;
    }
}
