//! Arguments: what is borrowed is cloned for the load, what is given moves into it.

use std::convert::Infallible;
use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use larder::{Space, cached};

use crate::origin::Origin;

#[cached(
    cache = origin.names,
    key = "{code}:{ids:?}:{path:?}:{owned}:{shared}:{limit}",
    ignore = [origin, _unused]
)]
#[expect(clippy::too_many_arguments, reason = "one of each kind")]
async fn of_every_kind<'a>(
    origin: &Origin,
    code: &'a str,
    ids: &'a [u32],
    path: &Path,
    mut owned: String,
    shared: Arc<str>,
    limit: &'static str,
    _unused: Option<PathBuf>,
) -> Result<String, Infallible> {
    origin.call();
    owned.push('!');
    Ok(format!(
        "{code} {ids:?} {} {owned} {shared} {limit}",
        path.display()
    ))
}

#[tokio::test]
async fn arguments_of_every_kind_reach_the_body() {
    let origin = Origin::new().await;
    let code = String::from("LHR");
    let call = || {
        of_every_kind(
            &origin,
            &code,
            &[1, 2],
            Path::new("/x"),
            "mine".to_owned(),
            Arc::from("ours"),
            "all",
            None,
        )
    };
    for _ in 0..2 {
        let value = call().await.unwrap();
        assert_eq!(value.as_str(), "LHR [1, 2] /x mine! ours all");
    }
    assert_eq!(origin.calls(), 1);
}

/// Names that the generated code might have for variables of its own.
#[cached(
    cache = space,
    key = "{key}:{call}:{value}",
    ttl = std::time::Duration::from_secs(ttl),
    ignore = [space, ttl]
)]
async fn names_that_collide(
    space: &Space<String>,
    key: &str,
    call: &str,
    value: u8,
    ttl: u64,
) -> Result<String, Infallible> {
    let (owned_key, this, loader) = (key, call, value);
    assert!(ttl > 0, "{space:?}");
    Ok(format!("{owned_key} {this} {loader}"))
}

#[tokio::test]
async fn names_of_arguments_collide_with_nothing() {
    let origin = Origin::new().await;
    let value = names_that_collide(&origin.names, "k", "c", 1, 60).await;
    assert_eq!(value.unwrap().as_str(), "k c 1");
    assert!(origin.has("k:c:1").await);
    names_that_collide_invalidate(&origin.names, "k", "c", 1)
        .await
        .unwrap();
    assert!(!origin.has("k:c:1").await);
}

#[cached(cache = origin.names, key = "{id}:{N}", ignore = [origin, T])]
async fn generic<T, const N: usize>(origin: &Origin, id: &T) -> Result<String, Infallible>
where
    T: Display + Debug + Clone + Hash + Send + Sync + 'static,
{
    origin.call();
    Ok(format!("{:?}", vec![id; N]))
}

#[tokio::test]
async fn a_function_may_be_generic() {
    let origin = Origin::new().await;
    let value = generic::<_, 2>(&origin, &7u8).await.unwrap();
    assert_eq!(value.as_str(), "[7, 7]");
    let value = generic::<_, 1>(&origin, &"x".to_owned()).await.unwrap();
    assert_eq!(value.as_str(), "[\"x\"]");
    assert!(origin.has("7:2").await && origin.has("x:1").await);
    generic_invalidate::<_, 2>(&origin, &7u8).await.unwrap();
    assert!(!origin.has("7:2").await && origin.has("x:1").await);
}

/// What is chosen by its type alone.
trait Kind: Send + Sync + 'static {
    const NAME: &'static str;
}

struct Sea;
struct Land;

impl Kind for Sea {
    const NAME: &'static str = "sea";
}

impl Kind for Land {
    const NAME: &'static str = "land";
}

#[cached(cache = origin.names, key = "{id}", ignore = [origin, K])]
async fn of_a_kind<K: Kind>(origin: &Origin, id: u8) -> Result<String, Infallible> {
    Ok(format!("{} {id} {}", K::NAME, origin.call()))
}

#[tokio::test]
async fn what_is_ignored_shares_an_entry() {
    let origin = Origin::new().await;
    let sea = of_a_kind::<Sea>(&origin, 1).await.unwrap();
    assert_eq!(sea.as_str(), "sea 1 1");
    assert_eq!(of_a_kind::<Land>(&origin, 1).await.unwrap(), sea);
}
