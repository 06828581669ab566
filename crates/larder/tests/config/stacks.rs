//! What the settings build.

use std::time::Duration;

use larder::config::Config;
use larder::{Cache, ErrorKind, Memory, Redis, TierLimits};

#[tokio::test]
async fn memory_alone_is_built_and_works() {
    let config = Config::from_yaml(
        "namespace: shop\ndefault_ttl: 10m\nmax_value_bytes: 4KiB\nmemory: {max_bytes: 1MiB}",
    );
    let cache = config.unwrap().build().await.unwrap();
    assert_eq!(cache.namespace().as_str(), "shop");
    cache.set("k", "v".to_owned()).await.unwrap();
    let value = cache.get::<String>("k").await.unwrap();
    assert_eq!(value.as_deref().map(String::as_str), Some("v"));
    let remaining = cache.ttl("k").await.unwrap();
    let larder::Remaining::For(left) = remaining else {
        panic!("the default time to live is lost: {remaining:?}");
    };
    assert!(left <= Duration::from_secs(600) && left > Duration::from_secs(500));
    assert!(cache.set("k", "v".repeat(5_000)).await.is_err());
}

#[test]
fn the_tiers_stand_in_order() {
    let yaml = "namespace: shop\ndriver: tiered\nmemory: {max_ttl: 60, policy: lru}\nredis: {addr: \"cache:7\"}";
    let builder = Config::from_yaml(yaml).unwrap().into_builder().unwrap();
    let shown = format!("{builder:?}");
    let memory = shown.find("MemoryBuilder").unwrap();
    let redis = shown.find("RedisBuilder").unwrap();
    assert!(memory < redis, "{shown}");
    assert!(
        shown.contains("60s") && shown.contains("cache:7"),
        "{shown}"
    );
}

/// Port 1 is nobody's: what asks there is refused at once, however long it might take.
fn nobody(start: &str) -> Config {
    let yaml = format!(
        "namespace: shop\ntimeout: 30s\nredis: {{addr: \"127.0.0.1:1\", dial_timeout: 30s, start: {start}}}"
    );
    Config::from_yaml(&yaml).unwrap()
}

#[tokio::test]
async fn a_cache_that_may_start_degraded_is_built_without_its_server() {
    let cache = nobody("degraded").build().await.unwrap();
    let loaded = cache
        .get_or_load("k", || async { Ok::<_, std::io::Error>(1u32) })
        .await;
    assert_eq!(*loaded.unwrap(), 1);
    let error = cache.set("k", 2u32).await.unwrap_err();
    assert!(error.is_temporary(), "{error}");
    cache.close(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test]
async fn a_cache_that_must_be_connected_is_not_built_without_its_server() {
    let error = nobody("connected").build().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[test]
fn code_writes_it_as_the_readme_does() {
    let builder = Cache::builder("airports")
        .tier(Memory::builder())
        .tier(Redis::builder("redis://127.0.0.1:6379"));
    assert!(format!("{builder:?}").contains("RedisBuilder"));
    let limits = TierLimits::default().with_max_ttl(Duration::from_secs(5));
    let builder = Cache::builder("airports")
        .tier_with(Memory::builder(), limits)
        .tier(Redis::at("127.0.0.1:6379"));
    assert!(format!("{builder:?}").contains("5s"));
}
