//! The siblings: one that goes past the cache, one that forgets.

use std::convert::Infallible;
use std::sync::Arc;

use larder::cached;
use tokio::sync::Semaphore;

use crate::origin::Origin;

#[cached(cache = origin.names, key = "{code}", ignore = [origin, verbose])]
async fn name(origin: &Origin, code: &str, verbose: bool) -> Result<String, Infallible> {
    Ok(format!("{code} {verbose} {}", origin.call()))
}

#[tokio::test]
async fn uncached_neither_asks_the_cache_nor_stores() {
    let origin = Origin::new().await;
    let Ok(value) = name_uncached(&origin, "LHR", true).await;
    assert_eq!(value, "LHR true 1");
    assert!(!origin.has("LHR").await);
    name(&origin, "LHR", true).await.unwrap();
    let Ok(value) = name_uncached(&origin, "LHR", false).await;
    assert_eq!(value, "LHR false 3");
}

#[tokio::test]
async fn invalidate_takes_what_the_key_and_the_space_need() {
    let origin = Origin::new().await;
    name(&origin, "LHR", true).await.unwrap();
    name(&origin, "JFK", true).await.unwrap();
    assert!(name_invalidate(&origin, "LHR").await.unwrap().existed());
    assert!(!name_invalidate(&origin, "LHR").await.unwrap().existed());
    assert!(!origin.has("LHR").await);
    assert!(origin.has("JFK").await);
}

/// An origin that answers when it is let, and tells that it was asked.
#[derive(Clone)]
struct Slow {
    origin: Origin,
    asked: Arc<Semaphore>,
    let_go: Arc<Semaphore>,
}

#[cached(cache = slow.origin.names, key = "slow", ignore = [slow])]
async fn slow_name(slow: &Slow) -> Result<String, Infallible> {
    let call = slow.origin.call();
    slow.asked.add_permits(1);
    slow.let_go.acquire().await.expect("never closed").forget();
    Ok(call.to_string())
}

#[tokio::test]
async fn an_invalidation_wins_over_a_load_that_began_before() {
    let slow = Slow {
        origin: Origin::new().await,
        asked: Arc::new(Semaphore::new(0)),
        let_go: Arc::new(Semaphore::new(0)),
    };
    let load = tokio::spawn({
        let slow = slow.clone();
        async move { slow_name(&slow).await }
    });
    slow.asked.acquire().await.unwrap().forget();
    slow_name_invalidate(&slow).await.unwrap();
    slow.let_go.add_permits(2);
    assert_eq!(load.await.unwrap().unwrap().as_str(), "1");
    assert_eq!(slow_name(&slow).await.unwrap().as_str(), "2");
}

/// Compiles because the condition, which stands below `#[cached]`, is handed to all three.
#[cached(cache = nowhere(), key = "absent")]
#[cfg(any())]
async fn absent(argument: NoSuchType) -> NoSuchType {
    argument
}
