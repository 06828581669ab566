//! Keys: what a template makes of arguments.

use std::convert::Infallible;

use larder::cached;

use crate::origin::Origin;

#[cached(cache = origin.names, key = "{{{code}}}:{id:08}:{pair:?}", ignore = [origin])]
async fn formatted(
    origin: &Origin,
    code: &str,
    id: u32,
    pair: (u8, bool),
) -> Result<String, Infallible> {
    origin.call();
    Ok(format!("{code} {id} {pair:?}"))
}

#[tokio::test]
async fn a_key_is_formatted_as_by_format() {
    let origin = Origin::new().await;
    let value = formatted(&origin, "LHR", 42, (7, true)).await.unwrap();
    assert_eq!(value.as_str(), "LHR 42 (7, true)");
    assert!(origin.has("{LHR}:00000042:(7, true)").await);
}

#[cached(cache = origin.names, key = "{r#type}:{r#type:>4}", ignore = [origin])]
async fn raw(origin: &Origin, r#type: &str) -> Result<String, Infallible> {
    origin.call();
    Ok(r#type.to_owned())
}

#[tokio::test]
async fn a_keyword_may_be_an_argument() {
    let origin = Origin::new().await;
    raw(&origin, "A").await.unwrap();
    assert!(origin.has("A:   A").await);
}

/// An argument that can't be printed.
#[derive(Clone, Hash)]
struct Query {
    text: String,
    page: usize,
    offset: isize,
}

#[cached(cache = origin.names, key = "q:{query:hash}", ignore = [origin])]
async fn found(origin: &Origin, query: &Query) -> Result<String, Infallible> {
    origin.call();
    Ok(format!("{} {} {}", query.text, query.page, query.offset))
}

#[cached(cache = origin.names, key = "{bytes:hash}", ignore = [origin])]
async fn hashed_text(origin: &Origin, bytes: &str) -> Result<String, Infallible> {
    origin.call();
    Ok(bytes.to_owned())
}

/// FNV-1a by its definition, of bytes that are spelled out.
fn fnv(bytes: &[u8]) -> String {
    let prime = (1u64 << 40) + (1 << 8) + 0xb3;
    let start = 14_695_981_039_346_656_037u64;
    let hash = bytes.iter().fold(start, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(prime)
    });
    format!("{hash:016x}")
}

#[tokio::test]
async fn a_hash_is_the_same_on_every_platform() {
    // Published test vectors of FNV-1a.
    assert_eq!(fnv(b""), "cbf29ce484222325");
    assert_eq!(fnv(b"a"), "af63dc4c8601ec8c");
    assert_eq!(fnv(b"foobar"), "85944171f73967e8");

    let origin = Origin::new().await;
    hashed_text(&origin, "a").await.unwrap();
    assert!(origin.has(&fnv(b"a\xff")).await, "a text ends in 0xff");

    let query = Query {
        text: "sea".to_owned(),
        page: 3,
        offset: -1,
    };
    found(&origin, &query).await.unwrap();
    let bytes: Vec<u8> = [b"sea\xff".as_slice(), &[3, 0, 0, 0, 0, 0, 0, 0], &[0xff; 8]].concat();
    assert!(origin.has(&format!("q:{}", fnv(&bytes))).await);
}

#[tokio::test]
async fn arguments_that_differ_have_entries_of_their_own() {
    let origin = Origin::new().await;
    for text in ["a", "b", "ab", "", "a"] {
        assert_eq!(hashed_text(&origin, text).await.unwrap().as_str(), text);
    }
    assert_eq!(origin.calls(), 4);
}

#[cached(cache = origin.names, ignore = [origin])]
async fn everything(origin: &Origin) -> Result<String, Infallible> {
    Ok(origin.call().to_string())
}

#[tokio::test]
async fn a_function_without_arguments_is_cached_under_its_path() {
    let origin = Origin::new().await;
    everything(&origin).await.unwrap();
    everything(&origin).await.unwrap();
    assert_eq!(origin.calls(), 1);
    assert!(origin.has("behaviour::keys::everything").await);
    everything_invalidate(&origin).await.unwrap();
    assert!(!origin.has("behaviour::keys::everything").await);
}

#[cached(cache = origin.names, key = "braces {{}}", ignore = [origin])]
async fn constant(origin: &Origin) -> Result<String, Infallible> {
    Ok(origin.call().to_string())
}

#[tokio::test]
async fn a_key_without_arguments_is_text() {
    let origin = Origin::new().await;
    constant(&origin).await.unwrap();
    assert!(origin.has("braces {}").await);
}
