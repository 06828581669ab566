//! What each operation does when all goes well.

use std::sync::Arc;

use bytes::Bytes;
use larder::{ErrorKind, Remaining};
use serde::{Deserialize, Serialize};

use crate::stacks::{all, memory, secs};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Airport {
    name: String,
    elevation: i32,
}

fn heathrow() -> Airport {
    Airport {
        name: "Heathrow".into(),
        elevation: 83,
    }
}

#[tokio::test]
async fn a_value_is_handed_out_as_the_arc_that_was_stored() {
    let stack = memory().await;
    let space = stack.cache.space::<Airport>("airport");
    let original = Arc::new(heathrow());
    space.set("LHR", Arc::clone(&original)).await.unwrap();
    let first = space.get("LHR").await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&first, &original), "memory must not copy");
    assert!(Arc::ptr_eq(&space.get_local("LHR").unwrap(), &original));
}

#[tokio::test]
async fn values_come_back_in_every_stack() {
    for stack in all().await {
        let space = stack.cache.space::<Airport>("airport");
        assert_eq!(space.get("LHR").await.unwrap(), None, "{}", stack.name);
        space.set("LHR", heathrow()).await.unwrap();
        assert_eq!(
            *space.get("LHR").await.unwrap().unwrap(),
            heathrow(),
            "{}",
            stack.name
        );
        let found = stack.cache.get::<Airport>("airport:LHR").await.unwrap();
        assert_eq!(*found.unwrap(), heathrow(), "{}", stack.name);
        assert!(
            space.delete("LHR").await.unwrap().existed(),
            "{}",
            stack.name
        );
        assert!(
            !space.delete("LHR").await.unwrap().existed(),
            "{}",
            stack.name
        );
        assert_eq!(space.get("LHR").await.unwrap(), None, "{}", stack.name);
    }
}

#[tokio::test]
async fn batches_answer_in_the_order_of_the_question() {
    for stack in all().await {
        let space = stack.cache.space::<String>("name");
        space
            .set_many([("a", "A".to_owned()), ("c", "C".to_owned())])
            .ttl(secs(9))
            .await
            .unwrap();
        let values = space.get_many(&["c", "b", "a"]).await.unwrap();
        let values: Vec<_> = values
            .iter()
            .map(|value| value.as_ref().map(|value| value.as_str()))
            .collect();
        assert_eq!(values, [Some("C"), None, Some("A")], "{}", stack.name);
        assert_eq!(
            space.ttl("a").await.unwrap(),
            Remaining::For(secs(9)),
            "{}",
            stack.name
        );
        assert_eq!(
            space.delete_many(&["a", "b", "c"]).await.unwrap(),
            2,
            "{}",
            stack.name
        );
        assert_eq!(
            space.get_many(&["a", "c"]).await.unwrap(),
            [None, None],
            "{}",
            stack.name
        );
    }
}

#[tokio::test]
async fn times_to_live_run_out_and_can_be_changed() {
    for stack in all().await {
        let (cache, name) = (&stack.cache, stack.name);
        cache.set("k", 1u8).ttl(secs(10)).await.unwrap();
        assert_eq!(
            cache.ttl("k").await.unwrap(),
            Remaining::For(secs(10)),
            "{name}"
        );
        stack.clock.advance(secs(4));
        assert_eq!(
            cache.ttl("k").await.unwrap(),
            Remaining::For(secs(6)),
            "{name}"
        );
        assert!(cache.expire("k", secs(20)).await.unwrap(), "{name}");
        stack.clock.advance(secs(19));
        assert_eq!(
            cache.get::<u8>("k").await.unwrap().as_deref(),
            Some(&1),
            "{name}"
        );
        stack.clock.advance(secs(1));
        assert_eq!(cache.get::<u8>("k").await.unwrap(), None, "{name}");
        assert_eq!(cache.ttl("k").await.unwrap(), Remaining::Absent, "{name}");
        assert!(!cache.expire("k", secs(20)).await.unwrap(), "{name}");
        assert!(!cache.persist("k").await.unwrap(), "{name}");

        cache.set("k", 2u8).ttl(secs(10)).await.unwrap();
        assert!(cache.persist("k").await.unwrap(), "{name}");
        stack.clock.advance(secs(1_000_000));
        assert_eq!(cache.ttl("k").await.unwrap(), Remaining::Forever, "{name}");
        assert_eq!(
            cache.get::<u8>("k").await.unwrap().as_deref(),
            Some(&2),
            "{name}"
        );
    }
}

#[tokio::test]
async fn jitter_only_shortens() {
    let stack = crate::stacks::memory_with(|builder| builder.ttl(secs(100)).jitter(0.5)).await;
    let mut different = std::collections::BTreeSet::new();
    for n in 0..50 {
        let name = n.to_string();
        stack.cache.set(&name, n).await.unwrap();
        let left = stack.cache.ttl(&name).await.unwrap().duration().unwrap();
        assert!((secs(50)..=secs(100)).contains(&left), "{left:?}");
        different.insert(left);
    }
    assert!(
        different.len() > 10,
        "what was stored together expires together: {different:?}"
    );
    stack.cache.expire("1", secs(100)).await.unwrap();
    assert_eq!(
        stack.cache.ttl("1").await.unwrap(),
        Remaining::For(secs(100)),
        "`expire` is exact"
    );
}

#[tokio::test]
async fn keys_are_listed_by_pattern_and_without_the_prefix() {
    for stack in all().await {
        let space = stack.cache.space::<u32>("n");
        // More than one page.
        let values: Vec<_> = (0..2_500).map(|n: u32| (n.to_string(), n)).collect();
        space.set_many(values).await.unwrap();
        stack.cache.set("other", 1u8).await.unwrap();
        let mut names = space.keys("1?").collect().await.unwrap();
        names.sort();
        assert_eq!(
            names,
            (10..20).map(|n| n.to_string()).collect::<Vec<_>>(),
            "{}",
            stack.name
        );
        assert_eq!(
            space.keys("*").collect().await.unwrap().len(),
            2_500,
            "{}",
            stack.name
        );
        assert_eq!(
            stack.cache.keys("*").collect().await.unwrap().len(),
            2_501,
            "{}",
            stack.name
        );
    }
}

#[tokio::test]
async fn invalidating_by_pattern_reaches_all_or_only_what_stays_for_ever() {
    for stack in all().await {
        let space = stack.cache.space::<u8>("n");
        space
            .set_many([("a1", 1u8), ("a2", 2), ("b1", 3)])
            .await
            .unwrap();
        space.set("a3", 4u8).ttl(secs(60)).await.unwrap();
        assert_eq!(
            space.invalidate_matching("a*").without_ttl().await.unwrap(),
            2,
            "{}",
            stack.name
        );
        let mut names = space.keys("*").collect().await.unwrap();
        names.sort();
        assert_eq!(names, ["a3", "b1"], "{}", stack.name);
        assert_eq!(
            space.invalidate_matching("*").await.unwrap(),
            2,
            "{}",
            stack.name
        );
    }
}

#[tokio::test]
async fn a_counter_is_a_value_and_an_i64_is_a_counter() {
    for stack in all().await {
        let (cache, name) = (&stack.cache, stack.name);
        assert_eq!(
            cache.increment("views", 5).ttl(secs(60)).await.unwrap(),
            5,
            "{name}"
        );
        assert_eq!(cache.decrement("views", 2).await.unwrap(), 3, "{name}");
        assert_eq!(
            cache.get::<i64>("views").await.unwrap().as_deref(),
            Some(&3),
            "{name}"
        );
        assert_eq!(
            cache.get::<u16>("views").await.unwrap().as_deref(),
            Some(&3),
            "{name}"
        );
        assert_eq!(
            cache.ttl("views").await.unwrap(),
            Remaining::For(secs(60)),
            "{name}"
        );
        cache.set("set", 40i64).await.unwrap();
        assert_eq!(cache.increment("set", 2).await.unwrap(), 42, "{name}");
    }
}

#[tokio::test]
async fn conditional_writes_tell_what_happened() {
    for stack in all().await {
        let (space, name) = (stack.cache.space::<u32>("n"), stack.name);
        assert!(space.set_if_absent("k", 1u32).await.unwrap(), "{name}");
        assert!(!space.set_if_absent("k", 2u32).await.unwrap(), "{name}");
        let (value, id) = space.get_with_id("k").await.unwrap().unwrap();
        assert_eq!(*value, 1, "{name}");
        assert!(
            space.replace_if("k", id, 3u32).ttl(secs(5)).await.unwrap(),
            "{name}"
        );
        assert!(!space.replace_if("k", id, 4u32).await.unwrap(), "{name}");
        assert_eq!(
            space.take("k").await.unwrap().as_deref(),
            Some(&3),
            "{name}"
        );
        assert_eq!(space.take("k").await.unwrap(), None, "{name}");
    }
}

#[tokio::test]
async fn raw_bytes_go_in_and_come_out_as_they_are() {
    for stack in all().await {
        let (cache, name) = (&stack.cache, stack.name);
        cache.set_raw("k", &b"\xff\x00raw"[..]).await.unwrap();
        assert_eq!(
            cache.get_raw("k").await.unwrap(),
            Some(Bytes::from_static(b"\xff\x00raw")),
            "{name}"
        );
        assert_eq!(
            cache.get::<String>("k").await.unwrap(),
            None,
            "{name}: bytes are no string"
        );
        cache.set("typed", "text".to_owned()).await.unwrap();
        let bytes = cache.get_raw("typed").await.unwrap().unwrap();
        assert_eq!(&bytes[..], b"\xa4text", "{name}: MessagePack");
    }
}

#[tokio::test]
async fn a_pipeline_goes_in_one_batch_and_answers_by_handle() {
    for stack in all().await {
        let (cache, name) = (&stack.cache, stack.name);
        let airports = cache.space::<Airport>("airport").version(3);
        cache.set("gone", 1u8).await.unwrap();

        let mut pipeline = cache.pipeline();
        let set = pipeline
            .within(&airports)
            .set_for("LHR", heathrow(), secs(30));
        let get = pipeline.within(&airports).get("LHR");
        let count = pipeline.increment("views", 2);
        let again = pipeline.increment("views", 40);
        let bad = pipeline.get::<u8>("");
        let taken = pipeline.within(&cache.space::<u8>("x")).take("none");
        let deleted = pipeline.delete("gone");
        let exists = pipeline.exists("gone");
        let expired = pipeline.expire("views", secs(7));
        let absent = pipeline.within(&airports).set_if_absent("LHR", heathrow());
        assert_eq!(pipeline.len(), 10);

        let mut replies = pipeline.execute().await.unwrap();
        replies.take(set).unwrap();
        assert_eq!(*replies.take(get).unwrap().unwrap(), heathrow(), "{name}");
        assert_eq!(
            (replies.take(count).unwrap(), replies.take(again).unwrap()),
            (2, 42),
            "{name}"
        );
        assert_eq!(
            replies.take(bad).unwrap_err().kind(),
            ErrorKind::KeyInvalid,
            "{name}"
        );
        assert_eq!(replies.take(taken).unwrap(), None, "{name}");
        assert!(replies.take(deleted).unwrap().existed(), "{name}");
        assert!(!replies.take(exists).unwrap(), "{name}");
        assert!(replies.take(expired).unwrap(), "{name}");
        assert!(!replies.take(absent).unwrap(), "{name}");
        assert_eq!(
            airports.ttl("LHR").await.unwrap(),
            Remaining::For(secs(30)),
            "{name}"
        );
        assert_eq!(
            cache.ttl("views").await.unwrap(),
            Remaining::For(secs(7)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn warming_stores_what_is_missing_and_leaves_what_is_fresh() {
    for stack in all().await {
        let (space, name) = (stack.cache.space::<u32>("n"), stack.name);
        space.set("5", 500u32).await.unwrap();
        let report = space
            .warm((0..2_500u32).map(|n| (n.to_string(), n)))
            .ttl(secs(60))
            .await
            .unwrap();
        assert_eq!(
            (report.stored, report.skipped, report.refused),
            (2_499, 1, 0),
            "{name}"
        );
        assert_eq!(
            space.get("5").await.unwrap().as_deref(),
            Some(&500),
            "{name}"
        );
        assert_eq!(space.get("6").await.unwrap().as_deref(), Some(&6), "{name}");
        assert_eq!(
            space.ttl("6").await.unwrap(),
            Remaining::For(secs(60)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn stats_count_each_look_up_once_by_its_outcome() {
    for stack in all().await {
        let (cache, name) = (&stack.cache, stack.name);
        let old = cache.space::<u8>("n").version(1);
        let space = cache.space::<u8>("n").version(2);
        old.set("outdated", 1u8).await.unwrap();
        space.set("hit", 1u8).await.unwrap();
        space
            .set("stale", 1u8)
            .ttl(secs(1))
            .stale_for(secs(100))
            .await
            .unwrap();
        stack.clock.advance(secs(2));
        cache.set_raw("n:unreadable", "bytes").await.unwrap();
        for key in ["hit", "hit", "miss", "stale", "outdated"] {
            let _ = space.get(key).await.unwrap();
        }
        assert_eq!(cache.get::<u8>("n:unreadable").await.unwrap(), None);
        assert_eq!(
            cache.get::<u16>("n:hit").await.unwrap().as_deref(),
            Some(&1)
        );
        let stats = cache.stats();
        assert_eq!(
            (
                stats.hits,
                stats.misses,
                stats.stale,
                stats.outdated,
                stats.unreadable,
                stats.converted
            ),
            (3, 1, 1, 1, 1, u64::from(stack.keeps_values())),
            "{name}"
        );
        assert_eq!(stats.requests(), 7, "{name}");
        assert!((stats.hit_ratio() - 3.0 / 7.0).abs() < 1e-9, "{name}");
        let counts = stack.server.is_none();
        assert_eq!(stats.entries(), counts.then_some(4), "{name}");
        assert_eq!(stats.sets, 4, "{name}");
        assert!(
            stats.bytes() > 0 || name == "reference" || name == "redis",
            "{name}"
        );
    }
}

#[tokio::test]
async fn check_reports_each_tier() {
    let stack = memory().await;
    let report = stack.cache.check().await.unwrap();
    assert!(report.is_healthy());
    assert_eq!(report.tiers[0].name, "memory");
    assert_eq!(report.findings().count(), 0);
}
