//! S2 and S4: nothing that a user names leaves its namespace, or is read under another name.

use larder::{Backend, Cache, Memory, Store};
use proptest::prelude::*;

use crate::stacks::secs;

#[tokio::test]
async fn s4_two_namespaces_on_one_store_do_not_meet() {
    let store = Store::new(Memory::builder().build().unwrap());
    let a = Cache::builder("a")
        .tier(store.clone())
        .build()
        .await
        .unwrap();
    let b = Cache::builder("b").tier(store).build().await.unwrap();
    for key in ["k", "b:k", "*", "[a-z]", "~g", "{x}"] {
        a.set(key, 1u8).await.unwrap();
        b.set(key, 2u8).await.unwrap();
        assert_eq!(
            a.get::<u8>(key).await.unwrap().as_deref(),
            Some(&1),
            "{key}"
        );
    }
    assert_eq!(a.invalidate_matching("*").await.unwrap(), 6);
    assert_eq!(
        b.keys("*").collect().await.unwrap().len(),
        6,
        "a pattern stays in its namespace"
    );
    a.set("k", 1u8).await.unwrap();
    a.clear().await.unwrap();
    assert_eq!(
        b.get::<u8>("k").await.unwrap().as_deref(),
        Some(&2),
        "a clear stays in its namespace"
    );
}

#[tokio::test]
async fn s4_a_spaces_limits_are_those_of_its_namespace_alone() {
    let store = Store::new(Memory::builder().build().unwrap());
    let a = Cache::builder("a")
        .tier(store.clone())
        .build()
        .await
        .unwrap();
    let b = Cache::builder("b").tier(store).build().await.unwrap();
    let (a, b) = (
        a.space::<u32>("user").max_entries(100),
        b.space::<u32>("user").max_entries(5),
    );
    for n in 0..100u32 {
        a.set(&n.to_string(), n).await.unwrap();
    }
    for n in 0..100u32 {
        b.set(&n.to_string(), n).await.unwrap();
    }
    a.store().stats();
    assert_eq!(a.keys("*").collect().await.unwrap().len(), 100);
    assert!(b.keys("*").collect().await.unwrap().len() <= 5);
}

#[tokio::test]
async fn s4_a_pattern_of_a_space_stays_in_the_space() {
    let cache = Cache::builder("test").build().await.unwrap();
    let (odd, other) = (cache.space::<u8>("a*"), cache.space::<u8>("ab"));
    odd.set("k", 1u8).await.unwrap();
    other.set("k", 2u8).await.unwrap();
    assert_eq!(odd.keys("*").collect().await.unwrap(), ["k"]);
    assert_eq!(odd.invalidate_matching("*").await.unwrap(), 1);
    assert_eq!(other.get("k").await.unwrap().as_deref(), Some(&2));
}

fn name() -> impl Strategy<Value = String> {
    let parts = prop_oneof![
        Just(":"),
        Just("*"),
        Just("~"),
        Just("%7E"),
        Just("{"),
        Just("}"),
        Just("%"),
        Just("a"),
        Just("é")
    ];
    proptest::collection::vec(parts, 1..6).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn s2_no_value_is_read_under_another_name(names in proptest::collection::hash_set(name(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let cache = Cache::builder("test").ttl(secs(60)).build().await.unwrap();
            for name in &names {
                cache.set(name, name.clone()).await.unwrap();
            }
            for name in &names {
                let value = cache.get::<String>(name).await.unwrap();
                assert_eq!(value.as_deref(), Some(name));
            }
            assert_eq!(cache.keys("*").collect().await.unwrap().len(), names.len());
        });
    }
}
