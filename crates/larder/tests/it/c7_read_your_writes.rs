//! C7: a completed write is seen by the next read.

use crate::stacks::{all, secs};

#[tokio::test]
async fn c7_every_completed_write_is_seen_by_every_kind_of_read() {
    for stack in all().await {
        let (space, name) = (stack.cache.space::<u32>("n"), stack.name);
        let seen = async || {
            let single = space.get("k").await.unwrap();
            let many = space.get_many(&["k"]).await.unwrap().remove(0);
            let loaded = stack.cache.get_raw("n:k").await.unwrap();
            assert_eq!(single, many, "{name}");
            assert_eq!(single.is_some(), loaded.is_some(), "{name}");
            single.map(|value| *value)
        };
        space.set("k", 1u32).await.unwrap();
        assert_eq!(seen().await, Some(1), "{name}");
        space.set_many([("k", 2u32)]).await.unwrap();
        assert_eq!(seen().await, Some(2), "{name}");
        space.delete("k").await.unwrap();
        assert_eq!(seen().await, None, "{name}");
        space.set_if_absent("k", 3u32).await.unwrap();
        assert_eq!(seen().await, Some(3), "{name}");
        space.take("k").await.unwrap();
        assert_eq!(seen().await, None, "{name}");
        space.warm([("k", 4u32)]).await.unwrap();
        assert_eq!(seen().await, Some(4), "{name}");
        space.invalidate("k").await.unwrap();
        assert_eq!(seen().await, None, "{name}");
        let mut pipeline = stack.cache.pipeline();
        pipeline.within(&space).set("k", 5u32);
        pipeline.execute().await.unwrap();
        assert_eq!(seen().await, Some(5), "{name}");
        stack.cache.clear().await.unwrap();
        assert_eq!(seen().await, None, "{name}");
        space.set("k", 6u32).await.unwrap();
        assert_eq!(seen().await, Some(6), "{name}");
        space.invalidate_matching("*").await.unwrap();
        assert_eq!(seen().await, None, "{name}");
        space
            .get_or_load("k", || async { Ok::<_, std::io::Error>(7u32) })
            .await
            .unwrap();
        assert_eq!(seen().await, Some(7), "{name}");
        space.expire("k", secs(5)).await.unwrap();
        stack.clock.advance(secs(5));
        assert_eq!(seen().await, None, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c7_concurrent_writers_each_see_their_own_or_a_later_write() {
    for stack in all().await {
        let space = stack.cache.space::<u64>("n");
        let writers: Vec<_> = (0..4u64)
            .map(|writer| {
                let space = space.clone();
                tokio::spawn(async move {
                    let name = writer.to_string();
                    for n in 0..500 {
                        space.set(&name, n).await.unwrap();
                        assert_eq!(space.get(&name).await.unwrap().as_deref(), Some(&n));
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
    }
}

#[tokio::test]
async fn c7_two_caches_on_one_store_see_each_others_writes_and_clears() {
    use larder::{Cache, Memory, Store};
    let store = Store::new(Memory::builder().build().unwrap());
    let a = Cache::builder("shared")
        .tier(store.clone())
        .build()
        .await
        .unwrap();
    let b = Cache::builder("shared").tier(store).build().await.unwrap();
    a.set("k", 1u8).await.unwrap();
    assert_eq!(b.get::<u8>("k").await.unwrap().as_deref(), Some(&1));
    b.clear().await.unwrap();
    assert_eq!(a.get::<u8>("k").await.unwrap(), None);
    a.set("k", 2u8).await.unwrap();
    assert_eq!(
        b.get::<u8>("k").await.unwrap().as_deref(),
        Some(&2),
        "a write after the clear carries its generation"
    );
}
