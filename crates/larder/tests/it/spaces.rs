//! Spaces: types, versions, limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use larder::{Cache, Memory};

use crate::stacks::{all, memory, secs};

#[tokio::test]
async fn another_schema_version_is_a_miss_and_deleting_reaches_every_version() {
    for stack in all().await {
        let (one, two) = (
            stack.cache.space::<u8>("n").version(1),
            stack.cache.space::<u8>("n").version(2),
        );
        one.set("k", 1u8).await.unwrap();
        assert_eq!(two.get("k").await.unwrap(), None, "{}", stack.name);
        two.set("k", 2u8).await.unwrap();
        assert_eq!(one.get("k").await.unwrap(), None, "{}", stack.name);
        assert!(one.delete("k").await.unwrap().existed(), "{}", stack.name);
        assert_eq!(two.get("k").await.unwrap(), None, "{}", stack.name);
    }
}

#[tokio::test]
async fn a_load_never_replaces_a_newer_schema() {
    for stack in all().await {
        let (old, new) = (
            stack.cache.space::<u8>("n").version(1),
            stack.cache.space::<u8>("n").version(2),
        );
        new.set("k", 2u8).await.unwrap();
        let loaded = old
            .get_or_load("k", || async { Ok::<_, std::io::Error>(1u8) })
            .await
            .unwrap();
        assert_eq!(*loaded, 1, "{}: the caller gets its value", stack.name);
        assert_eq!(
            new.get("k").await.unwrap().as_deref(),
            Some(&2),
            "{}: and the newer one stays",
            stack.name
        );
    }
}

/// No serde, and not even `Clone`.
struct Connection(AtomicU32);

#[tokio::test]
async fn a_local_space_needs_no_serde() {
    let stack = memory().await;
    let space = stack
        .cache
        .local::<Connection>("connection")
        .weigh(|_| 1_000);
    space
        .set("db", Connection(AtomicU32::new(7)))
        .await
        .unwrap();
    let first = space.get("db").await.unwrap().unwrap();
    first.0.fetch_add(1, Ordering::Relaxed);
    assert_eq!(
        space
            .get("db")
            .await
            .unwrap()
            .unwrap()
            .0
            .load(Ordering::Relaxed),
        8
    );
    let loaded = space
        .get_or_load("other", || async {
            Ok::<_, std::io::Error>(Connection(AtomicU32::new(1)))
        })
        .await
        .unwrap();
    assert!(Arc::ptr_eq(
        &loaded,
        &space.get("other").await.unwrap().unwrap()
    ));
}

#[tokio::test]
async fn a_space_has_limits_of_its_own() {
    let stack = memory().await;
    let few = stack
        .cache
        .space::<u32>("few")
        .max_bytes(1 << 20)
        .max_entries(10);
    few.ready().unwrap();
    let many = stack.cache.space::<u32>("many");
    for n in 0..100u32 {
        few.set(&n.to_string(), n).await.unwrap();
        many.set(&n.to_string(), n).await.unwrap();
    }
    stack.cache.stats();
    let (few, many) = (
        few.keys("*").collect().await.unwrap(),
        many.keys("*").collect().await.unwrap(),
    );
    assert!(
        few.len() <= 10,
        "{} entries where 10 are allowed",
        few.len()
    );
    assert_eq!(many.len(), 100, "a limited space must not push out others");
}

#[tokio::test]
async fn a_limit_on_bytes_counts_what_values_weigh() {
    let stack = memory().await;
    let space = stack
        .cache
        .space::<Vec<u8>>("blob")
        .weigh(|_| 100_000)
        .max_bytes(1_000_000);
    for n in 0..100 {
        space.set(&n.to_string(), vec![0u8; 10]).await.unwrap();
    }
    stack.cache.stats();
    let left = space.keys("*").collect().await.unwrap().len();
    assert!(
        (1..=9).contains(&left),
        "{left} entries of 100 kB within 1 MB"
    );
}

#[tokio::test]
async fn the_nearest_default_wins() {
    let cache = Cache::builder("test")
        .tier(Memory::builder())
        .ttl(secs(10))
        .build()
        .await
        .unwrap();
    let space = cache.space::<u8>("n").default_ttl(secs(20));
    cache.set("k", 1u8).await.unwrap();
    space.set("k", 1u8).await.unwrap();
    space.set("l", 1u8).ttl(secs(30)).await.unwrap();
    space.set("m", 1u8).forever().await.unwrap();
    let seconds = async |key: &str| {
        cache
            .ttl(key)
            .await
            .unwrap()
            .duration()
            .map(|d| d.as_secs_f64().round())
    };
    assert_eq!(seconds("k").await, Some(10.0));
    assert_eq!(seconds("n:k").await, Some(20.0));
    assert_eq!(seconds("n:l").await, Some(30.0));
    assert_eq!(seconds("n:m").await, None);
}
