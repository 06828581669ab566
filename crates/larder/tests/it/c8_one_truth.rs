//! C8: what `get` would not return, nothing else knows.

use larder::{Remaining, Space};

use crate::stacks::{Stack, all, secs};

/// Asks every other way, and compares with `get`.
async fn agree(stack: &Stack, space: &Space<u32>, key: &str, case: &str) -> bool {
    let (name, whole) = (stack.name, format!("n:{key}"));
    let got = space.get(key).await.unwrap().is_some();
    assert_eq!(
        space.exists(key).await.unwrap(),
        got,
        "{name}, {case}: exists"
    );
    assert_eq!(
        space.ttl(key).await.unwrap() != Remaining::Absent,
        got,
        "{name}, {case}: ttl"
    );
    assert_eq!(
        space.head(key).await.unwrap().is_some(),
        got,
        "{name}, {case}: head"
    );
    assert_eq!(
        space.get_many(&[key]).await.unwrap()[0].is_some(),
        got,
        "{name}, {case}: get_many"
    );
    assert_eq!(
        space.get_with_id(key).await.unwrap().is_some(),
        got,
        "{name}, {case}: get_with_id"
    );
    assert_eq!(
        space.get_raw(key).await.unwrap().is_some(),
        got,
        "{name}, {case}: get_raw"
    );
    let listed = space.keys("*").collect().await.unwrap();
    assert_eq!(
        listed.contains(&key.to_owned()),
        got,
        "{name}, {case}: keys"
    );
    let mut pipeline = stack.cache.pipeline();
    let (get, exists) = (
        pipeline.within(space).get(key),
        pipeline.within(space).exists(key),
    );
    let mut replies = pipeline.execute().await.unwrap();
    assert_eq!(
        replies.take(get).unwrap().is_some(),
        got,
        "{name}, {case}: pipeline get of {whole}"
    );
    assert_eq!(
        replies.take(exists).unwrap(),
        got,
        "{name}, {case}: pipeline exists"
    );
    // Last, because it may change the answer.
    assert_eq!(
        space.expire(key, secs(1_000)).await.unwrap(),
        got,
        "{name}, {case}: expire"
    );
    got
}

#[tokio::test]
async fn c8_every_way_to_ask_agrees_with_get() {
    for stack in all().await {
        let space = stack.cache.space::<u32>("n").version(2);
        assert!(!agree(&stack, &space, "absent", "absent").await);
        space.set("present", 1u32).await.unwrap();
        assert!(agree(&stack, &space, "present", "present").await);
        space.increment("counter", 1).await.unwrap();
        assert!(agree(&stack, &space, "counter", "a counter").await);
        space.set("deleted", 1u32).await.unwrap();
        space.delete("deleted").await.unwrap();
        assert!(!agree(&stack, &space, "deleted", "deleted").await);
        stack
            .cache
            .space::<u32>("n")
            .version(1)
            .set("outdated", 1u32)
            .await
            .unwrap();
        assert!(!agree(&stack, &space, "outdated", "another schema version").await);
        space
            .set("stale", 1u32)
            .ttl(secs(5))
            .stale_for(secs(500))
            .await
            .unwrap();
        space.set("expired", 1u32).ttl(secs(5)).await.unwrap();
        stack.clock.advance(secs(6));
        assert!(!agree(&stack, &space, "stale", "stale").await);
        assert!(!agree(&stack, &space, "expired", "expired").await);
        space.set("cleared", 1u32).await.unwrap();
        stack.cache.clear().await.unwrap();
        assert!(!agree(&stack, &space, "cleared", "cleared").await);
    }
}

#[tokio::test]
async fn c8_a_key_being_loaded_is_absent() {
    for stack in all().await {
        let space = stack.cache.space::<u32>("n");
        let (started, entered) = tokio::sync::oneshot::channel();
        let (leave, left) = tokio::sync::oneshot::channel();
        let loading = space.clone();
        let load = tokio::spawn(async move {
            loading
                .get_or_load("k", || async {
                    started.send(()).unwrap();
                    left.await.unwrap();
                    Ok::<_, std::io::Error>(1u32)
                })
                .await
        });
        entered.await.unwrap();
        assert!(!agree(&stack, &space, "k", "being loaded").await);
        leave.send(()).unwrap();
        assert_eq!(*load.await.unwrap().unwrap(), 1);
        // `expire` on an absent key changes nothing, so the load was free to store.
        assert!(agree(&stack, &space, "k", "loaded").await);
    }
}

#[tokio::test]
async fn c8_a_large_cache_is_empty_once_it_is_cleared() {
    let stack = crate::stacks::memory().await;
    let space = stack.cache.space::<u32>("n");
    for chunk in 0..5u32 {
        let values = (0..10_000).map(|n| (format!("{chunk}:{n}"), n));
        space.set_many(values).await.unwrap();
    }
    stack.cache.clear().await.unwrap();
    assert_eq!(stack.cache.stats().entries(), Some(0));
}

#[tokio::test]
async fn c8_counts_agree_with_listings() {
    for stack in all().await {
        let space = stack.cache.space::<u32>("n");
        space
            .set_many((0..100u32).map(|n| (n.to_string(), n)))
            .await
            .unwrap();
        space.delete("7").await.unwrap();
        space.set("8", 80u32).await.unwrap();
        // A server can't count one namespace's entries for free.
        let counted = stack.cache.stats().entries();
        let counts = stack.server.is_none();
        assert_eq!(counted, counts.then_some(99), "{}", stack.name);
        assert_eq!(
            space.keys("*").collect().await.unwrap().len(),
            99,
            "{}",
            stack.name
        );
        if stack.name == "memory" {
            stack.cache.clear().await.unwrap();
            assert_eq!(
                stack.cache.stats().entries(),
                Some(0),
                "a clear gives the room back"
            );
        }
    }
}
