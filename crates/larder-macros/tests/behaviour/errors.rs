//! Errors: the function's own is the source of larder's.

use std::error::Error as _;
use std::fmt;

use larder::{ErrorKind, cached};

use crate::origin::Origin;

/// An error of the user's.
#[derive(Debug, PartialEq)]
struct DbError {
    line: u32,
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)
    }
}

impl std::error::Error for DbError {}

#[cached(cache = origin.names, key = "{line}", ignore = [origin])]
async fn failing(origin: &Origin, line: u32) -> Result<String, DbError> {
    origin.call();
    Err(DbError { line })
}

#[tokio::test]
async fn an_error_keeps_its_source() {
    let origin = Origin::new().await;
    let error = failing(&origin, 7).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Load);
    let source = error.source().unwrap().downcast_ref::<DbError>();
    assert_eq!(source, Some(&DbError { line: 7 }));
}

#[tokio::test]
async fn an_error_is_not_stored() {
    let origin = Origin::new().await;
    failing(&origin, 7).await.unwrap_err();
    failing(&origin, 7).await.unwrap_err();
    assert_eq!(origin.calls(), 2);
    assert!(!origin.has("7").await);
}

/// A `Result` with one parameter, and `?` in the body.
#[cached(cache = origin.names, key = "{path}", ignore = [origin])]
async fn read(origin: &Origin, path: &str) -> std::io::Result<String> {
    origin.call();
    let text = std::fs::read_to_string(path)?;
    Ok(text)
}

#[tokio::test]
async fn an_alias_of_result_is_a_result() {
    let origin = Origin::new().await;
    let error = read(&origin, "/no/such/file").await.unwrap_err();
    let source = error.source().unwrap().downcast_ref::<std::io::Error>();
    assert_eq!(source.unwrap().kind(), std::io::ErrorKind::NotFound);
}

type Boxed = Box<dyn std::error::Error + Send + Sync>;

#[cached(cache = origin.names, key = "boxed", ignore = [origin])]
async fn boxed(origin: &Origin) -> Result<String, Boxed> {
    origin.call();
    Err("no such thing".into())
}

#[tokio::test]
async fn an_error_may_be_boxed() {
    let error = boxed(&Origin::new().await).await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "no such thing");
}

#[cached(cache = origin.names, key = "{code}", ignore = [origin])]
async fn named(origin: &Origin, code: &str) -> Result<String, DbError> {
    origin.call();
    Ok(code.to_owned())
}

#[tokio::test]
async fn a_name_that_cannot_be_a_key_is_an_error_of_the_cache() {
    let origin = Origin::new().await;
    let error = named(&origin, "").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyInvalid);
    assert_eq!(origin.calls(), 0);
}
