//! Calls: one load for many callers, then hits.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, LazyLock, Mutex};

use larder::{Cache, Space, cached};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::origin::Origin;

/// An origin that answers when it is let.
#[derive(Clone)]
struct Slow {
    origin: Origin,
    let_go: Arc<Semaphore>,
}

#[cached(cache = slow.origin.names, key = "{code}", ignore = [slow])]
async fn slow_name(slow: &Slow, code: &str) -> Result<String, Infallible> {
    let call = slow.origin.call();
    slow.let_go.acquire().await.expect("never closed").forget();
    Ok(format!("{code} {call}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_callers_make_one_call() {
    let cache = Cache::builder("test").build().await.unwrap();
    let slow = Slow {
        origin: Origin::of(&cache),
        let_go: Arc::new(Semaphore::new(0)),
    };
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let slow = slow.clone();
            tokio::spawn(async move { slow_name(&slow, "LHR").await.unwrap() })
        })
        .collect();
    while cache.stats().load_waits < 49 {
        tokio::task::yield_now().await;
    }
    slow.let_go.add_permits(2);
    for caller in callers {
        assert_eq!(caller.await.unwrap().as_str(), "LHR 1");
    }
    assert_eq!(slow.origin.calls(), 1);
    assert_eq!(slow_name(&slow, "JFK").await.unwrap().as_str(), "JFK 2");
}

#[tokio::test]
async fn a_hit_is_the_object_that_was_loaded() {
    let slow = Slow {
        origin: Origin::new().await,
        let_go: Arc::new(Semaphore::new(1)),
    };
    let loaded = slow_name(&slow, "LHR").await.unwrap();
    let again = slow_name(&slow, "LHR").await.unwrap();
    assert!(Arc::ptr_eq(&loaded, &again));
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_nothing() {
    let slow = Slow {
        origin: Origin::new().await,
        let_go: Arc::new(Semaphore::new(0)),
    };
    {
        let mut call = Box::pin(slow_name(&slow, "LHR"));
        tokio::select! {
            biased;
            _ = &mut call => panic!("nobody let it go"),
            () = tokio::task::yield_now() => {}
        }
    }
    slow.let_go.add_permits(1);
    assert_eq!(slow_name(&slow, "LHR").await.unwrap().as_str(), "LHR 1");
    assert_eq!(slow.origin.calls(), 1);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Airport {
    code: String,
    runways: u8,
}

static RUNTIME: LazyLock<Mutex<HashMap<&'static str, u32>>> = LazyLock::new(Mutex::default);

fn count(of: &'static str) -> u32 {
    let mut counts = RUNTIME.lock().unwrap();
    let count = counts.entry(of).or_default();
    *count += 1;
    *count
}

/// The accessor that the documentation shows: set once, when the program starts.
fn airports() -> &'static Space<Airport> {
    static AIRPORTS: LazyLock<Space<Airport>> = LazyLock::new(|| {
        let build = async { Cache::builder("static").build().await.unwrap() };
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let cache = std::thread::scope(|scope| {
            let built = scope.spawn(|| runtime.unwrap().block_on(build));
            built.join().unwrap()
        });
        cache.space("airport")
    });
    &AIRPORTS
}

#[cached(cache = airports(), key = "{code}")]
async fn airport(code: &str) -> Airport {
    Airport {
        code: code.to_owned(),
        runways: u8::try_from(count("airport")).expect("few"),
    }
}

#[tokio::test]
async fn a_function_that_cannot_fail_returns_its_value() {
    let first: larder::Result<Arc<Airport>> = airport("LHR").await;
    assert_eq!(first.unwrap().runways, 1);
    assert_eq!(airport("LHR").await.unwrap().runways, 1);
    assert_eq!(airport_uncached("LHR").await.runways, 2);
}

#[cached(cache = names, key = "pointed at", ignore = [names])]
async fn behind_a_pointer(names: &Arc<Space<String>>) -> String {
    format!("{names:?}").len().to_string()
}

#[cached(cache = names.clone().version(3), key = "made", ignore = [names])]
async fn made_for_the_call(names: &Space<String>) -> String {
    format!("{names:?}").len().to_string()
}

#[tokio::test]
async fn a_space_may_be_pointed_at_or_made_for_the_call() {
    let origin = Origin::new().await;
    behind_a_pointer(&Arc::new(origin.names.clone()))
        .await
        .unwrap();
    assert!(origin.has("pointed at").await);
    made_for_the_call(&origin.names).await.unwrap();
    let third = origin.names.clone().version(3);
    assert!(third.exists("made").await.unwrap());
}

#[cached(cache = origin.names, key = "own types", ignore = [origin])]
async fn with_types_of_its_own(origin: &Origin) -> Result<String, Infallible> {
    struct Call(u32);
    impl Call {
        fn of(origin: &Origin) -> Self {
            Self(origin.call())
        }
    }
    Ok(Call::of(origin).0.to_string())
}

#[tokio::test]
async fn a_body_may_have_types_of_its_own() {
    let origin = Origin::new().await;
    let value = with_types_of_its_own(&origin).await.unwrap();
    assert_eq!(value.as_str(), "1");
}

mod renamed {
    //! larder under another name.
    pub(crate) use larder as pantry;
}

#[cached(crate = renamed::pantry, cache = origin.names, key = "renamed", ignore = [origin])]
async fn by_another_name(origin: &Origin) -> Result<String, Infallible> {
    Ok(origin.call().to_string())
}

#[tokio::test]
async fn larder_may_have_another_name() {
    let origin = Origin::new().await;
    assert_eq!(by_another_name(&origin).await.unwrap().as_str(), "1");
    assert!(origin.has("renamed").await);
}

#[cached(cache = origin.names, key = "{code}", tags = ["country:{country}"], ignore = [origin])]
async fn tagged(origin: &Origin, code: &str, country: &str) -> Result<String, Infallible> {
    origin.call();
    Ok(format!("{code} in {country}"))
}

#[tokio::test]
async fn an_entry_falls_with_the_tag_that_its_template_names() {
    let cache = Cache::builder("test").build().await.unwrap();
    let origin = Origin::of(&cache);
    for (code, country) in [("LHR", "GB"), ("CDG", "FR")] {
        tagged(&origin, code, country).await.unwrap();
    }
    assert!(origin.has("LHR").await && origin.has("CDG").await);
    cache.invalidate_tag("country:GB").await.unwrap();
    assert!(!origin.has("LHR").await && origin.has("CDG").await);
}
