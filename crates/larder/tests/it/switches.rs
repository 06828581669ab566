//! Bypass, and a cache that is switched off.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use larder::Cache;

use crate::stacks::all;

#[tokio::test]
async fn a_bypassed_cache_finds_nothing_and_leaves_nothing_older_behind() {
    for stack in all().await {
        let (space, name) = (stack.cache.space::<u32>("n"), stack.name);
        space.set("kept", 1u32).await.unwrap();
        space.set("written", 1u32).await.unwrap();
        space.set("batched", 1u32).await.unwrap();
        assert!(!stack.cache.bypass(true), "{name}: answers what it was");
        assert_eq!(space.get("kept").await.unwrap(), None, "{name}");
        assert_eq!(space.get_local("kept"), None, "{name}");
        assert_eq!(space.get_many(&["kept"]).await.unwrap(), [None], "{name}");
        assert_eq!(space.get_raw("kept").await.unwrap(), None, "{name}");
        space.set("written", 2u32).await.unwrap();
        space.set_many([("batched", 2u32)]).await.unwrap();
        let loaded = space
            .get_or_load("kept", || async { Ok::<_, std::io::Error>(9u32) })
            .await
            .unwrap();
        assert_eq!(*loaded, 9, "{name}: loads always load");
        assert_eq!(
            space.increment("counter", 1).await.unwrap(),
            1,
            "{name}: counters work as ever"
        );
        assert!(stack.cache.stats().bypassed >= 4, "{name}");
        assert!(stack.cache.bypass(false), "{name}");
        assert_eq!(
            space.get("kept").await.unwrap().as_deref(),
            Some(&1),
            "{name}: nothing was stored"
        );
        assert_eq!(
            space.get("written").await.unwrap(),
            None,
            "{name}: what a write replaced is gone"
        );
        assert_eq!(space.get("batched").await.unwrap(), None, "{name}");
    }
}

#[tokio::test]
async fn a_disabled_cache_fails_at_nothing_and_keeps_nothing() {
    let cache = Cache::disabled();
    let space = cache.space::<u32>("n").max_entries(5);
    let calls = Arc::new(AtomicU32::new(0));
    for _ in 0..3 {
        let calls = Arc::clone(&calls);
        let loaded = space
            .get_or_load("k", move || async move {
                Ok::<_, std::io::Error>(calls.fetch_add(1, Ordering::SeqCst))
            })
            .await;
        loaded.unwrap();
    }
    assert_eq!(calls.load(Ordering::SeqCst), 3, "loads always load");
    space.set("k", 1u32).await.unwrap();
    assert_eq!(space.get("k").await.unwrap(), None);
    assert_eq!(
        (
            space.increment("n", 4).await.unwrap(),
            space.increment("n", 4).await.unwrap()
        ),
        (4, 4)
    );
    assert!(space.set_if_absent("k", 1u32).await.unwrap());
    assert_eq!(space.take("k").await.unwrap(), None);
    assert!(!space.delete("k").await.unwrap().existed());
    assert_eq!(space.warm([("k", 1u32)]).await.unwrap().refused, 0);
    assert!(cache.keys("*").collect().await.unwrap().is_empty());
    cache.clear().await.unwrap();
    assert!(cache.check().await.unwrap().is_healthy());
}

#[tokio::test]
async fn a_load_that_ends_while_the_cache_is_bypassed_stores_nothing() {
    for stack in all().await {
        let space = stack.cache.space::<u32>("n");
        let (started, entered) = tokio::sync::oneshot::channel();
        let (leave, left) = tokio::sync::oneshot::channel();
        let loading = tokio::spawn({
            let space = space.clone();
            let loader = || async {
                started.send(()).unwrap();
                Ok::<u32, std::io::Error>(left.await.unwrap())
            };
            async move { space.get_or_load("k", loader).await }
        });
        entered.await.unwrap();
        stack.cache.bypass(true);
        leave.send(5).unwrap();
        assert_eq!(*loading.await.unwrap().unwrap(), 5, "{}", stack.name);
        stack.cache.bypass(false);
        assert_eq!(space.get("k").await.unwrap(), None, "{}", stack.name);
    }
}
