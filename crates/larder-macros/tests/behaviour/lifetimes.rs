//! How long values live, by a clock that is moved by hand.

use std::time::Duration;

use larder::cached;
use larder_testkit::ManualClock;

use crate::origin::Origin;

#[cached(cache = origin.names, key = "for {id}", ttl = "1m 30s", ignore = [origin])]
async fn for_a_while(origin: &Origin, id: u8) -> Result<String, std::io::Error> {
    Ok(format!("{id}:{}", origin.call()))
}

#[tokio::test]
async fn a_ttl_in_quotes_expires() {
    let clock = ManualClock::new();
    let origin = Origin::with_clock(&clock).await;
    assert_eq!(for_a_while(&origin, 1).await.unwrap().as_str(), "1:1");
    clock.advance(Duration::from_millis(89_999));
    assert_eq!(for_a_while(&origin, 1).await.unwrap().as_str(), "1:1");
    clock.advance(Duration::from_millis(1));
    assert_eq!(for_a_while(&origin, 1).await.unwrap().as_str(), "1:2");
}

const SHORT: Duration = Duration::from_secs(10);

#[cached(cache = origin.names, key = "short", ttl = SHORT / 2, ignore = [origin])]
async fn computed(origin: &Origin) -> Result<String, std::io::Error> {
    Ok(origin.call().to_string())
}

#[tokio::test]
async fn a_ttl_may_be_an_expression() {
    let clock = ManualClock::new();
    let origin = Origin::with_clock(&clock).await;
    assert_eq!(computed(&origin).await.unwrap().as_str(), "1");
    clock.advance(Duration::from_millis(4_999));
    assert_eq!(computed(&origin).await.unwrap().as_str(), "1");
    clock.advance(Duration::from_millis(1));
    assert_eq!(computed(&origin).await.unwrap().as_str(), "2");
}

#[cached(cache = origin.names, key = "stale", ttl = "1s", stale_for = "1h", ignore = [origin])]
async fn fails_later(origin: &Origin) -> Result<String, std::io::Error> {
    match origin.call() {
        1 => Ok("good".to_owned()),
        _ => Err(std::io::Error::other("gone")),
    }
}

#[tokio::test]
async fn a_stale_value_stands_in_for_as_long_as_stated() {
    let clock = ManualClock::new();
    let origin = Origin::with_clock(&clock).await;
    fails_later(&origin).await.unwrap();
    clock.advance(Duration::from_secs(60));
    let stale = fails_later(&origin).await.unwrap();
    assert_eq!((stale.as_str(), origin.calls()), ("good", 2));
    clock.advance(Duration::from_secs(3600));
    assert!(fails_later(&origin).await.is_err(), "past its stale time");
}
