//! Fresh, stale, gone: what an entry's times mean to every operation that reads.

use std::time::Duration;

use larder_core::{BatchOperation, BatchReply, Entry, Lifetime, Peek, Timestamp, Value};

use super::expect;
use crate::Subject;

/// No route answers an entry whose time is over: `get`, `head`, `peek`, `scan`, `batch`.
pub async fn an_expired_entry_is_answered_by_nothing(subject: &Subject) {
    subject
        .set(
            "gone",
            &subject.entry_for("x", Subject::MOMENT, Duration::ZERO),
        )
        .await;
    subject.set("stays", &subject.entry("y")).await;
    subject.pass(Subject::MOMENT).await;
    no_route_answers(subject, "gone").await;
    assert!(
        subject.get("stays").await.is_some(),
        "an entry whose time isn't over stays"
    );
}

/// The same holds where the entry was stale for a while.
pub async fn an_entry_that_was_stale_expires(subject: &Subject) {
    let (fresh, stale) = (Subject::MOMENT, Subject::MOMENT);
    subject
        .set("gone", &subject.entry_for("x", fresh, stale))
        .await;
    subject.pass(fresh + stale).await;
    no_route_answers(subject, "gone").await;
}

/// An entry that is stored after its time is not answered, and what it replaced isn't either.
pub async fn an_entry_stored_too_late_replaces_and_is_not_answered(subject: &Subject) {
    subject.set("gone", &subject.entry("old")).await;
    let late = subject.entry_for("late", Subject::MOMENT, Duration::ZERO);
    subject.pass(Subject::MOMENT).await;
    subject.set("gone", &late).await;
    no_route_answers(subject, "gone").await;
}

async fn no_route_answers(subject: &Subject, name: &str) {
    expect::nothing(subject.get(name).await, "get of an expired entry");
    assert_eq!(subject.head(name).await, None, "head of an expired entry");
    let key = subject.key(name);
    let peek = subject.backend().peek(&key, subject.now());
    assert!(
        !matches!(peek, Peek::Hit(_)),
        "peek at an expired entry answered {peek:?}"
    );
    if subject.capability().scan {
        let listed = subject.scan("*", 10).await;
        assert!(
            listed.iter().all(|(key, _)| key != name),
            "scan lists an expired entry"
        );
    }
    let replies = subject
        .batch(vec![BatchOperation::Get(key), BatchOperation::Head(key)])
        .await;
    for reply in replies {
        match reply {
            Ok(BatchReply::Entry(None) | BatchReply::Head(None)) => {}
            other => panic!("batch about an expired entry answered {other:?}"),
        }
    }
    assert!(
        !subject.delete(name).await,
        "delete says that an expired entry was there"
    );
}

/// A stale entry is at hand for those who may use it, and says itself that it is stale.
pub async fn a_stale_entry_is_answered(subject: &Subject) {
    let stored = subject.entry_for("x", Subject::MOMENT, Subject::LONG);
    subject.set("a", &stored).await;
    subject.pass(Subject::MOMENT).await;
    let answer = expect::holds(subject.get("a").await, &stored, "once it is stale");
    assert!(
        !answer.head().lifetime().is_fresh(subject.now()),
        "a stale entry says that it is"
    );
    let head = subject.head("a").await.expect("head of a stale entry");
    expect::same_head(&head, stored.head(), "head of a stale entry");
    if let Peek::Miss = subject.backend().peek(&subject.key("a"), subject.now()) {
        panic!("peek at a stale entry is not a miss");
    }
}

/// Entries that live for ever and entries that live long are there after a short time; on a clock that
/// is moved by hand, those that live for ever are there after a hundred years.
pub async fn what_lives_for_ever_does_not_expire(subject: &Subject) {
    let forever = Entry::new(Value::raw("x".into()), Lifetime::forever(subject.now()));
    subject.set("a", &forever).await;
    subject.pass(Subject::MOMENT).await;
    expect::holds(subject.get("a").await, &forever, "after a moment");
    if !subject.is_real_time() {
        subject
            .pass(Duration::from_secs(100 * 365 * 24 * 3_600))
            .await;
        expect::holds(subject.get("a").await, &forever, "after a hundred years");
    }
}

/// The longest time to live that can be stated is kept as it is, and so is stale for ever.
pub async fn the_longest_lives_are_kept(subject: &Subject) {
    let longest = subject.entry_for("x", larder_core::Ttl::MAX, Duration::ZERO);
    subject.set("longest", &longest).await;
    expect::holds(
        subject.get("longest").await,
        &longest,
        "with the longest time to live",
    );
    let mut lifetime = subject.lifetime(Subject::LONG, Duration::ZERO);
    lifetime.expires_at = Timestamp::FOREVER;
    let stale = Entry::new(Value::raw("x".into()), lifetime);
    subject.set("stale", &stale).await;
    expect::holds(
        subject.get("stale").await,
        &stale,
        "with no end to being stale",
    );
}

/// A set gives the key the new entry's times, shorter or longer.
pub async fn a_set_replaces_the_times(subject: &Subject) {
    subject
        .set(
            "a",
            &subject.entry_for("x", Subject::MOMENT, Duration::ZERO),
        )
        .await;
    subject.set("a", &subject.entry("longer")).await;
    subject.set("b", &subject.entry("x")).await;
    subject
        .set(
            "b",
            &subject.entry_for("shorter", Subject::MOMENT, Duration::ZERO),
        )
        .await;
    subject.pass(Subject::MOMENT).await;
    assert!(
        subject.get("a").await.is_some(),
        "the second entry lives longer than the first"
    );
    expect::nothing(
        subject.get("b").await,
        "the second entry lived shorter than the first",
    );
}
