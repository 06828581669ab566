//! What cases expect, said once.

use larder_core::{Entry, Error, ErrorKind, Head, Timestamp};

use crate::Subject;

/// The value of an entry made by [`Subject::entry`].
#[track_caller]
pub(crate) fn text(entry: &Entry) -> String {
    let bytes = entry
        .value()
        .encoded()
        .expect("the value was stored as bytes");
    String::from_utf8(bytes.to_vec()).expect("the value was stored as text")
}

/// The key holds this entry: id, value, and all of the metadata.
#[track_caller]
pub(crate) fn holds(answer: Option<Entry>, stored: &Entry, when: &str) -> Entry {
    let Some(answer) = answer else {
        panic!("{when}: the entry should be there, but the answer is a miss");
    };
    if let Some(difference) = entry_difference(&answer, stored) {
        panic!("{when}: {difference}");
    }
    answer
}

/// The key holds nothing.
#[track_caller]
pub(crate) fn nothing(answer: Option<Entry>, when: &str) {
    if let Some(entry) = answer {
        panic!("{when}: there should be nothing, but the answer is {entry:?}");
    }
}

/// Both heads say the same, times to the millisecond.
#[track_caller]
pub(crate) fn same_head(answered: &Head, stored: &Head, when: &str) {
    if let Some(difference) = head_difference(answered, stored) {
        panic!("{when}: {difference}");
    }
}

/// Both times are the same, to the millisecond.
#[track_caller]
pub(crate) fn same_time(answered: Timestamp, stored: Timestamp, name: &str, when: &str) {
    if let Some(difference) = time_difference(answered, stored, name) {
        panic!("{when}: {difference}");
    }
}

/// The call failed for this reason.
#[track_caller]
pub(crate) fn fails<T: std::fmt::Debug>(answer: Result<T, Error>, kind: ErrorKind, when: &str) {
    match answer {
        Err(error) if error.kind() == kind => {}
        other => panic!("{when}: expected the error {kind}, got {other:?}"),
    }
}

/// What tells an answered entry from the one that was stored.
pub(crate) fn entry_difference(answered: &Entry, stored: &Entry) -> Option<String> {
    let (value, expected) = (answered.value(), stored.value());
    head_difference(answered.head(), stored.head())
        .or_else(|| difference("codec", &value.codec(), &expected.codec()))
        .or_else(|| match (value.encoded(), expected.encoded()) {
            (Ok(value), Ok(expected)) if value != expected => Some(format!(
                "the bytes changed: {} of them, {} were stored",
                value.len(),
                expected.len()
            )),
            (Err(error), Ok(_)) => Some(format!("the value has no bytes any more: {error}")),
            _ => None,
        })
}

/// What tells an answered head from the one that was stored.
pub(crate) fn head_difference(answered: &Head, stored: &Head) -> Option<String> {
    let (times, expected) = (answered.lifetime(), stored.lifetime());
    difference("id", &answered.id(), &stored.id())
        .or_else(|| difference("kind", &answered.kind(), &stored.kind()))
        .or_else(|| difference("schema version", &answered.schema(), &stored.schema()))
        .or_else(|| difference("generation", &answered.generation(), &stored.generation()))
        .or_else(|| difference("tags", &answered.tags(), &stored.tags()))
        .or_else(|| difference("etag", &answered.etag(), &stored.etag()))
        .or_else(|| difference("load time", &answered.load_time(), &stored.load_time()))
        .or_else(|| time_difference(times.created, expected.created, "created"))
        .or_else(|| time_difference(times.fresh_until, expected.fresh_until, "fresh_until"))
        .or_else(|| time_difference(times.expires_at, expected.expires_at, "expires_at"))
}

fn difference<T: PartialEq + std::fmt::Debug + ?Sized>(
    name: &str,
    answered: &T,
    stored: &T,
) -> Option<String> {
    (answered != stored).then(|| format!("the {name} is {answered:?}, but {stored:?} was stored"))
}

/// What tells one time from another.
pub(crate) fn time_difference(
    answered: Timestamp,
    stored: Timestamp,
    name: &str,
) -> Option<String> {
    let apart = answered
        .saturating_since(stored)
        .max(stored.saturating_since(answered));
    let same = answered.is_forever() == stored.is_forever() && apart <= Subject::PRECISION;
    (!same).then(|| {
        format!("{name} is {answered:?}, {apart:?} away from {stored:?}, which was stored")
    })
}
