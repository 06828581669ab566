//! Wrong input: a clear error, or a counted outcome.

use std::sync::Arc;
use std::time::Duration;

use larder::{Backend, Cache, ErrorKind, Layer, Memory, Namespace, Store, Ttl};
use larder_testkit::PassThrough;
use serde::{Deserialize, Serialize, Serializer};

use crate::stacks::{all, memory, secs};

#[tokio::test]
async fn bad_keys_are_refused_by_every_operation() {
    for stack in all().await {
        let (cache, space) = (&stack.cache, stack.cache.space::<u8>("n"));
        for bad in ["", "line\nbreak", "nul\0", "del\u{7f}"] {
            let kinds = [
                space.get(bad).await.unwrap_err().kind(),
                space.set(bad, 1u8).await.unwrap_err().kind(),
                space.delete(bad).await.unwrap_err().kind(),
                space.exists(bad).await.unwrap_err().kind(),
                space.ttl(bad).await.unwrap_err().kind(),
                space.get_many(&["fine", bad]).await.unwrap_err().kind(),
                space
                    .set_many([("fine", 1u8), (bad, 1)])
                    .await
                    .unwrap_err()
                    .kind(),
                space.take(bad).await.unwrap_err().kind(),
                space
                    .get_or_load(bad, || async { Ok::<_, std::io::Error>(1u8) })
                    .await
                    .unwrap_err()
                    .kind(),
                cache.increment(bad, 1).await.unwrap_err().kind(),
            ];
            assert!(
                kinds.iter().all(|kind| *kind == ErrorKind::KeyInvalid),
                "{}: {bad:?}: {kinds:?}",
                stack.name
            );
        }
        assert_eq!(
            space.get("fine").await.unwrap(),
            None,
            "{}: a bad batch stores nothing",
            stack.name
        );
    }
}

#[tokio::test]
async fn a_space_with_a_bad_prefix_fails_at_everything() {
    let stack = memory().await;
    for bad in ["", "a\nb", &"x".repeat(129)] {
        let space = stack.cache.space::<u8>(bad);
        assert_eq!(
            space.ready().unwrap_err().kind(),
            ErrorKind::KeyInvalid,
            "{bad:?}"
        );
        assert_eq!(
            space.set("k", 1u8).await.unwrap_err().kind(),
            ErrorKind::KeyInvalid
        );
        assert_eq!(
            space.get("k").await.unwrap_err().kind(),
            ErrorKind::KeyInvalid
        );
        assert_eq!(
            space.keys("*").collect().await.unwrap_err().kind(),
            ErrorKind::KeyInvalid
        );
    }
}

#[tokio::test]
async fn a_ttl_that_cannot_be_stored_is_refused() {
    let stack = memory().await;
    let space = stack.cache.space::<u8>("n");
    for bad in [
        Duration::ZERO,
        Ttl::MAX + Duration::from_millis(1),
        Duration::MAX,
    ] {
        assert_eq!(
            space.set("k", 1u8).ttl(bad).await.unwrap_err().kind(),
            ErrorKind::TtlInvalid
        );
        assert_eq!(
            space.expire("k", bad).await.unwrap_err().kind(),
            ErrorKind::TtlInvalid
        );
        assert_eq!(
            space.increment("c", 1).ttl(bad).await.unwrap_err().kind(),
            ErrorKind::TtlInvalid
        );
        let load = space
            .get_or_load("k", || async { Ok::<_, std::io::Error>(1u8) })
            .ttl(bad)
            .await;
        assert_eq!(load.unwrap_err().kind(), ErrorKind::TtlInvalid);
        let built = Cache::builder("test").ttl(bad).build().await;
        assert_eq!(built.unwrap_err().kind(), ErrorKind::TtlInvalid);
        let defaulted = stack.cache.space::<u8>("m").default_ttl(bad);
        assert_eq!(defaulted.ready().unwrap_err().kind(), ErrorKind::TtlInvalid);
    }
    space
        .set("k", 1u8)
        .ttl(Ttl::MAX)
        .stale_for(Duration::MAX)
        .await
        .unwrap();
}

#[tokio::test]
async fn wrong_settings_are_refused_at_build() {
    for namespace in ["", "a:b", "a b", &"x".repeat(65)] {
        let error = Cache::builder(namespace).build().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::KeyInvalid, "{namespace:?}");
    }
    let kind = async |builder: larder::CacheBuilder| builder.build().await.unwrap_err().kind();
    let memory = || Cache::builder("test").tier(Memory::builder());
    assert_eq!(kind(memory().jitter(1.5)).await, ErrorKind::ConfigInvalid);
    assert_eq!(
        kind(memory().jitter(f64::NAN)).await,
        ErrorKind::ConfigInvalid
    );
    assert_eq!(
        kind(memory().load_timeout(Duration::ZERO)).await,
        ErrorKind::ConfigInvalid
    );
    for tier in [
        Memory::builder().max_bytes(0),
        Memory::builder().max_entries(0),
        Memory::builder().time_to_idle(Duration::ZERO),
        Memory::builder().time_to_idle(Duration::MAX),
    ] {
        assert_eq!(
            kind(Cache::builder("test").tier(tier)).await,
            ErrorKind::ConfigInvalid
        );
    }
}

/// A layer that claims to change bytes, or to guard a remote store.
#[derive(Debug)]
struct Claims(larder::LayerRole);

impl Layer for Claims {
    fn apply(&self, inner: Store) -> Arc<dyn Backend> {
        PassThrough.apply(inner)
    }

    fn role(&self) -> larder::LayerRole {
        self.0
    }
}

#[tokio::test]
async fn a_byte_layer_above_memory_is_refused_and_told_where_to_go() {
    let built = Cache::builder("test")
        .layer(Claims(larder::LayerRole::Bytes))
        .build()
        .await;
    let error = built.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.message().contains("below the memory tier"), "{error}");
}

#[tokio::test]
async fn s5_wrong_tags_are_refused() {
    for stack in all().await {
        let (cache, space) = (&stack.cache, stack.cache.space::<u8>("n"));
        let load = || space.get_or_load("k", || async { Ok::<_, std::io::Error>(1u8) });
        let (long, many) = ("x".repeat(257), || (0..33).map(|at| format!("t{at}")));
        for bad in ["", "a\tb", &long] {
            let errors = [
                space.set("k", 1u8).tags([bad]).await.unwrap_err(),
                load().tags([bad]).await.unwrap_err(),
                cache.invalidate_tag(bad).await.unwrap_err(),
                cache.expire_tags(["fine", bad]).await.unwrap_err(),
                cache.stamps([bad]).await.unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.kind(), ErrorKind::KeyInvalid, "{bad:?}");
            }
        }
        let errors = [
            space.set("k", 1u8).tags(many()).await.unwrap_err(),
            load().tags(many()).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::TooManyTags);
        }
        let batch = cache.invalidate_tags((0..100_000).map(|at| format!("t{at}")));
        assert_eq!(batch.await.unwrap_err().kind(), ErrorKind::BatchTooLarge);
        cache.invalidate_tags([""; 0]).await.unwrap();
    }
}

#[tokio::test]
async fn tags_without_markers_are_refused() {
    let clock = larder_testkit::ManualClock::new();
    let store = Store::new(Minimal(larder_testkit::ReferenceBackend::new(
        clock.shared(),
    )));
    let cache = Cache::builder("test").tier(store).clock(clock.shared());
    let cache = cache.build().await.unwrap();
    let space = cache.space::<u8>("n");
    let load = space
        .get_or_load("k", || async { Ok::<_, std::io::Error>(1u8) })
        .tags(["t"]);
    let errors = [
        load.await.unwrap_err(),
        space.set("k", 1u8).tags(["t"]).await.unwrap_err(),
        cache.invalidate_tag("t").await.unwrap_err(),
        cache.expire_tag("t").await.unwrap_err(),
        cache.stamps(["t"]).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}

#[derive(Debug, Deserialize)]
struct Stubborn;

impl Serialize for Stubborn {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("never"))
    }
}

#[tokio::test]
async fn a_type_that_fails_to_encode_stays_in_memory_and_is_counted() {
    let stack = memory().await;
    let space = stack.cache.space::<Stubborn>("n");
    let value = Arc::new(Stubborn);
    space.set("k", Arc::clone(&value)).await.unwrap();
    space.set("l", Stubborn).await.unwrap();
    assert!(Arc::ptr_eq(&space.get("k").await.unwrap().unwrap(), &value));
    assert_eq!(stack.cache.stats().encode_failures, 2);
    assert_eq!(
        space.get_raw("k").await.unwrap_err().kind(),
        ErrorKind::Encode
    );
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Full {
    name: String,
    age: u8,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct NameAlone {
    name: String,
}

#[tokio::test]
async fn s1_reading_as_another_type_converts_or_is_a_counted_miss() {
    for stack in all().await {
        let cache = &stack.cache;
        cache
            .set(
                "k",
                Full {
                    name: "Ada".into(),
                    age: 36,
                },
            )
            .await
            .unwrap();
        let name = cache.get::<NameAlone>("k").await.unwrap().unwrap();
        assert_eq!(*name, NameAlone { name: "Ada".into() }, "{}", stack.name);
        assert_eq!(
            cache.get::<Vec<u64>>("k").await.unwrap(),
            None,
            "{}",
            stack.name
        );
        // Bytes that nobody keeps decoded are decoded each time, as whatever is asked for.
        let converted = u64::from(stack.keeps_values());
        assert_eq!(
            (cache.stats().converted, cache.stats().unreadable),
            (converted, 1),
            "{}",
            stack.name
        );
        assert!(
            cache.get::<Full>("k").await.unwrap().is_some(),
            "{}: and it is still there",
            stack.name
        );
    }
}

#[tokio::test]
async fn joining_the_load_of_another_type_converts_or_is_an_error() {
    let stack = memory().await;
    let (full, other) = (
        stack.cache.space::<Full>("n"),
        stack.cache.space::<Vec<u64>>("n"),
    );
    let (leave, left) = tokio::sync::oneshot::channel::<()>();
    let loading = tokio::spawn(async move {
        let loader = || async {
            left.await.unwrap();
            Ok::<_, std::io::Error>(Full {
                name: "Ada".into(),
                age: 36,
            })
        };
        full.get_or_load("k", loader).await
    });
    stack.clock.wait_for_sleepers(1).await;
    let joining = tokio::spawn(async move {
        other
            .get_or_load("k", || async { Ok::<_, std::io::Error>(vec![1u64]) })
            .await
    });
    while stack.cache.stats().load_waits == 0 {
        tokio::task::yield_now().await;
    }
    leave.send(()).unwrap();
    assert_eq!(loading.await.unwrap().unwrap().name, "Ada");
    assert_eq!(joining.await.unwrap().unwrap_err().kind(), ErrorKind::Load);
}

#[cfg(feature = "bincode")]
#[tokio::test]
async fn a_codec_without_field_names_demands_a_version() {
    let stack = memory().await;
    let space = stack
        .cache
        .space::<Full>("n")
        .codec::<larder::codecs::Bincode>();
    let error = space.ready().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.message().contains(".version(1)"), "{error}");
    assert_eq!(
        space.get("k").await.unwrap_err().kind(),
        ErrorKind::ConfigInvalid
    );
    let space = space.version(1);
    space
        .set(
            "k",
            Full {
                name: "Ada".into(),
                age: 36,
            },
        )
        .await
        .unwrap();
    assert_eq!(space.get("k").await.unwrap().unwrap().age, 36);
}

#[tokio::test]
async fn a_backend_without_an_ability_says_so() {
    use larder_testkit::ManualClock;
    let clock = ManualClock::new();
    let store = Store::new(Minimal(larder_testkit::ReferenceBackend::new(
        clock.shared(),
    )));
    let cache = Cache::builder("test")
        .tier(store)
        .clock(clock.shared())
        .build()
        .await
        .unwrap();
    let space = cache.space::<u32>("n");
    space.set("k", 1u32).ttl(secs(10)).await.unwrap();
    assert_eq!(space.get("k").await.unwrap().as_deref(), Some(&1));
    let loaded = space
        .get_or_load("l", || async { Ok::<_, std::io::Error>(2u32) })
        .await
        .unwrap();
    assert_eq!(
        (*loaded, space.get("l").await.unwrap().as_deref()),
        (2, Some(&2))
    );
    assert_eq!(space.warm([("k", 5u32), ("m", 3)]).await.unwrap().stored, 1);
    let mut pipeline = cache.pipeline();
    let get = pipeline.get::<u32>("n:m");
    assert_eq!(
        pipeline
            .execute()
            .await
            .unwrap()
            .take(get)
            .unwrap()
            .as_deref(),
        Some(&3)
    );
    assert_eq!(
        space.increment("c", 1).await.unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    assert_eq!(
        space.set_if_absent("k", 1u32).await.unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    assert_eq!(
        space.expire("k", secs(1)).await.unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    assert_eq!(
        space.keys("*").collect().await.unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    assert_eq!(
        cache.clear().await.unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    assert_eq!(
        space.clone().max_entries(3).ready().unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    assert!(Namespace::new("test").is_ok());
}

/// The four methods that a backend must have, and nothing else.
#[derive(Debug)]
pub(crate) struct Minimal(pub(crate) larder_testkit::ReferenceBackend);

#[larder_core::async_trait]
impl Backend for Minimal {
    fn capability(&self) -> larder::Capability {
        larder::Capability::default()
    }

    async fn get(
        &self,
        key: &larder::Key<'_>,
        options: &larder_core::ReadOptions,
    ) -> larder::Result<Option<larder::Entry>> {
        self.0.get(key, options).await
    }

    async fn set(
        &self,
        key: &larder::Key<'_>,
        entry: larder::Entry,
        options: &larder_core::WriteOptions,
    ) -> larder::Result<()> {
        self.0.set(key, entry, options).await
    }

    async fn delete(
        &self,
        key: &larder::Key<'_>,
        options: &larder_core::WriteOptions,
    ) -> larder::Result<larder::Deletion> {
        self.0.delete(key, options).await
    }
}

#[tokio::test]
async fn an_unsound_space_answers_no_hit_either() {
    let stack = memory().await;
    stack.cache.space::<u8>("n").set("k", 1u8).await.unwrap();
    let unsound = stack.cache.space::<u8>("n").default_ttl(Duration::ZERO);
    assert_eq!(
        unsound.get("k").await.unwrap_err().kind(),
        ErrorKind::TtlInvalid
    );
    assert_eq!(unsound.get_local("k"), None);
    stack.cache.set("n:", 7u8).await.unwrap();
    let space = stack.cache.space::<u8>("n");
    assert_eq!(
        space.get("").await.unwrap_err().kind(),
        ErrorKind::KeyInvalid
    );
    assert_eq!(space.keys("*").collect().await.unwrap(), ["k"]);
}

/// Panics when it is written.
#[derive(Debug, Deserialize)]
struct Explosive;

impl Serialize for Explosive {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("not to be written")
    }
}

#[tokio::test]
async fn a3_a_loaded_value_that_panics_when_it_is_weighed_wedges_nothing() {
    for stack in all().await {
        let space = stack.cache.space::<Explosive>("n");
        let load = || async { Ok::<_, std::io::Error>(Explosive) };
        let error = space.get_or_load("k", load).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LoadPanicked, "{}", stack.name);
        let next = stack.cache.space::<u8>("n");
        let loaded = next
            .get_or_load("k", || async { Ok::<_, std::io::Error>(1u8) })
            .await;
        assert_eq!(
            *loaded.unwrap(),
            1,
            "{}: the lease was given back",
            stack.name
        );
    }
}
