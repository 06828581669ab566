//! Placeholders: a cold key that is being loaded is absent to everybody but its loader.

use larder_core::{BatchOperation, BatchReply, Filled, Peek, Update, Updated, View};

use super::{ability, expect};
use crate::Subject;

/// While a cold key is being loaded it is absent, to every operation.
pub async fn c8_a_placeholder_is_absent_to_everything(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let token = subject.token("a").await;
    expect::nothing(subject.get("a").await, "get of a key that is being loaded");
    assert_eq!(
        subject.head("a").await,
        None,
        "head of a key that is being loaded"
    );
    let peek = subject.backend().peek(&subject.key("a"), subject.now());
    assert!(
        !matches!(peek, Peek::Hit(_)),
        "peek at a key that is being loaded answered {peek:?}"
    );
    if subject.capability().scan {
        assert_eq!(
            subject.scan("*", 10).await,
            [],
            "a scan lists a key that is being loaded"
        );
    }
    for operation in [
        BatchOperation::Get(subject.key("a")),
        BatchOperation::Head(subject.key("a")),
    ] {
        match subject.batch(vec![operation]).await.pop() {
            Some(Ok(BatchReply::Entry(None) | BatchReply::Head(None))) => {}
            other => panic!("a batch about a key that is being loaded answered {other:?}"),
        }
    }
    if subject.capability().expire {
        let later = subject.lifetime(Subject::LONG, Subject::LONG);
        assert!(
            !subject.expire("a", later).await,
            "expire finds nothing in a key that is being loaded"
        );
    }
    if subject.capability().conditional {
        expect::nothing(
            subject.take("a").await,
            "take of a key that is being loaded",
        );
        let replace = Update::ReplaceIf {
            id: token.seen(),
            entry: subject.entry("x"),
        };
        let replaced = subject.stores("a", replace, View::default()).await;
        assert!(
            !replaced,
            "replace_if finds nothing in a key that is being loaded"
        );
    }
    let stored = subject.entry("loaded");
    assert_eq!(
        subject.fill(token, &stored).await,
        Filled::Stored,
        "none of these ended the lease"
    );
    expect::holds(subject.get("a").await, &stored, "after the fill");
}

/// A delete of a key that is being loaded finds nothing to delete.
pub async fn c8_a_placeholder_is_nothing_to_delete(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let _token = subject.token("a").await;
    assert!(
        !subject.delete("a").await,
        "delete says that a key that is being loaded was there"
    );
    let _token = subject.token("b").await;
    assert!(
        !subject.invalidate("b").await,
        "invalidate says that a key that is being loaded was there"
    );
}

/// A counter begins, and a `set_if_absent` succeeds, on a key that is being loaded.
pub async fn c8_a_placeholder_is_absent_to_updates(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    if subject.capability().counters {
        let _token = subject.token("counter").await;
        let answer = subject.increment("counter", 7).await;
        assert!(
            matches!(answer, Ok(Updated::Counter(7))),
            "an increment answered {answer:?}"
        );
    }
    if subject.capability().conditional {
        let _token = subject.token("value").await;
        let update = Update::SetIfAbsent(subject.entry("x"));
        assert!(
            subject.stores("value", update, View::default()).await,
            "the key is absent"
        );
    }
}
