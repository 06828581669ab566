//! `skip_if`: a value that is returned and not stored. By itself, because it needs `larder::Loaded`.

#![expect(clippy::unwrap_used, reason = "a test may")]
#![expect(clippy::unused_async, reason = "an origin in memory awaits nothing")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use larder::{Cache, Space, cached};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Airport {
    closed: bool,
    call: u32,
}

#[derive(Clone)]
struct Origin {
    airports: Space<Airport>,
    runways: Space<Option<u32>>,
    calls: Arc<AtomicU32>,
}

impl Origin {
    async fn new() -> Self {
        let cache = Cache::builder("test").build().await.unwrap();
        Self {
            airports: cache.space("airport"),
            runways: cache.space("runways"),
            calls: Arc::default(),
        }
    }

    fn call(&self) -> u32 {
        self.calls.fetch_add(1, Ordering::Relaxed) + 1
    }
}

#[cached(
    cache = origin.airports,
    key = "{closed}",
    skip_if = |airport: &Airport| airport.closed,
    ignore = [origin]
)]
async fn airport(origin: &Origin, closed: bool) -> Result<Airport, std::io::Error> {
    let call = origin.call();
    Ok(Airport { closed, call })
}

#[tokio::test]
async fn what_is_skipped_is_returned_and_not_stored() {
    let origin = Origin::new().await;
    assert_eq!(airport(&origin, true).await.unwrap().call, 1);
    assert_eq!(airport(&origin, true).await.unwrap().call, 2);
    assert!(!origin.airports.exists("true").await.unwrap());
}

#[tokio::test]
async fn what_is_not_skipped_is_stored() {
    let origin = Origin::new().await;
    assert_eq!(airport(&origin, false).await.unwrap().call, 1);
    assert_eq!(airport(&origin, false).await.unwrap().call, 1);
    assert!(origin.airports.exists("false").await.unwrap());
}

impl Origin {
    /// By a path, of a function that can't fail, with a value that is an option.
    #[cached(cache = self.runways, key = "{code}", skip_if = Option::is_none)]
    async fn runways_of(&self, code: &str) -> Option<u32> {
        let call = self.call();
        (!code.is_empty() && code != "none").then_some(call)
    }

    /// The type of a closure's argument may be left out.
    #[cached(cache = self.runways, key = "odd {code}", skip_if = |runways| runways.is_some_and(|n| n % 2 == 1))]
    async fn even(&self, code: u8) -> Result<Option<u32>, Infallible> {
        Ok(Some(u32::from(code) + 2 * self.call()))
    }
}

#[tokio::test]
async fn a_path_may_judge_and_the_value_may_be_an_option() {
    let origin = Origin::new().await;
    assert_eq!(*origin.runways_of("none").await.unwrap(), None);
    assert!(!origin.runways.exists("none").await.unwrap());
    assert_eq!(*origin.runways_of("LHR").await.unwrap(), Some(2));
    assert_eq!(*origin.runways_of("LHR").await.unwrap(), Some(2));
}

#[tokio::test]
async fn the_type_of_a_closures_argument_may_be_left_out() {
    let origin = Origin::new().await;
    assert_eq!(*origin.even(1).await.unwrap(), Some(3));
    assert_eq!(*origin.even(1).await.unwrap(), Some(5));
    assert_eq!(*origin.even(0).await.unwrap(), Some(6));
    assert_eq!(*origin.even(0).await.unwrap(), Some(6));
}

/// Without `skip_if` an option is a value like any other: `None` is stored.
#[cached(cache = origin.runways, key = "plain {code}", ignore = [origin])]
async fn plain(origin: &Origin, code: &str) -> Result<Option<u32>, Infallible> {
    origin.call();
    Ok((code == "LHR").then_some(1))
}

#[tokio::test]
async fn none_is_a_value() {
    let origin = Origin::new().await;
    assert_eq!(*plain(&origin, "none").await.unwrap(), None);
    assert_eq!(*plain(&origin, "none").await.unwrap(), None);
    assert_eq!(origin.calls.load(Ordering::Relaxed), 1);
}
