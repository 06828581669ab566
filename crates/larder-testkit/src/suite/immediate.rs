//! What can be done without waiting agrees with what can be done with it.

use std::time::Duration;

use larder_core::{Entry, Key, Peek, ReadOptions, WriteOptions};

use super::{ability, expect};
use crate::Subject;

/// A peek answers what `get` answers, or that only `get` can tell; never anything else.
fn peek(subject: &Subject, name: &str, expected: Option<&Entry>, when: &str) {
    match (
        subject.backend().peek(&subject.key(name), subject.now()),
        expected,
    ) {
        (Peek::Hit(entry), Some(expected)) => drop(expect::holds(Some(entry), expected, when)),
        (Peek::Miss, None) => {}
        (Peek::Pending, _) => assert!(
            !subject.capability().immediate,
            "{when}: peek is pending though entries are said to be at hand"
        ),
        (other, expected) => {
            panic!("{when}: peek answers {other:?} where get answers {expected:?}")
        }
    }
}

/// After every kind of write a peek sees what the write has left.
pub async fn c7_peek_sees_completed_writes(subject: &Subject) {
    peek(subject, "a", None, "before any set");
    let (first, second) = (subject.entry("first"), subject.entry("second"));
    subject.set("a", &first).await;
    peek(subject, "a", Some(&first), "after a set");
    subject.set("a", &second).await;
    peek(subject, "a", Some(&second), "after a second set");
    if subject.capability().expire {
        let later = subject.lifetime(Subject::LONG * 2, Duration::ZERO);
        assert!(subject.expire("a", later).await, "an entry was there");
        let expected = subject.get("a").await.expect("an entry is there");
        peek(subject, "a", Some(&expected), "after an expire");
    }
    subject.delete("a").await;
    peek(subject, "a", None, "after a delete");
    subject.set("a", &first).await;
    subject.invalidate("a").await;
    peek(subject, "a", None, "after an invalidate");
    if subject.capability().conditional {
        subject.set("a", &first).await;
        subject.take("a").await;
        peek(subject, "a", None, "after a take");
    }
    if subject.capability().counters {
        subject.increment("n", 1).await.expect("an increment");
        let expected = subject.get("n").await.expect("a counter is there");
        peek(subject, "n", Some(&expected), "after an increment");
    }
    if subject.capability().lease {
        let token = subject.token("loaded").await;
        peek(subject, "loaded", None, "while it is being loaded");
        subject.fill(token, &second).await;
        peek(subject, "loaded", Some(&second), "after a fill");
    }
}

/// A peek goes by the time it is told.
pub async fn peek_goes_by_the_time_it_is_told(subject: &Subject) {
    let stored = subject.entry("x");
    subject.set("a", &stored).await;
    let later = stored.head().lifetime().expires_at;
    let answer = subject.backend().peek(&subject.key("a"), later);
    assert!(
        !matches!(answer, Peek::Hit(_)),
        "at its expiry an entry is gone; peek answered {answer:?}"
    );
    peek(subject, "a", Some(&stored), "before its expiry");
}

/// A key that breaks the rules is in no cache, whatever is stored under the key that it nearly is.
pub async fn a_key_that_breaks_the_rules_is_not_there(subject: &Subject) {
    let longest = "x".repeat(Key::MAX_BYTES);
    let (entry, longer) = (subject.entry("x"), format!("{longest}x"));
    for name in ["a", "ab", &longest] {
        subject.set(name, &entry).await;
    }
    for name in ["", "a\nb", "a\0", "\u{7f}a", &longer] {
        let key = Key::for_lookup(subject.namespace(), "", name);
        let answer = subject.backend().peek(&key, subject.now());
        assert!(
            !matches!(answer, Peek::Hit(_)),
            "peek at {name:?} answered {answer:?}"
        );
    }
}

/// `put_now` and `forget_now` do what `set` and `delete` do, before they return.
pub async fn c7_immediate_writes_are_seen_by_the_next_read(subject: &Subject) {
    if !ability::immediate(subject).await {
        return;
    }
    let (first, second) = (subject.entry("first"), subject.entry("second"));
    let (backend, key) = (subject.backend(), subject.key("a"));
    backend.put_now(&key, first.clone()).expect("put_now");
    peek(subject, "a", Some(&first), "after a put_now");
    expect::holds(subject.get("a").await, &first, "after a put_now");
    backend.put_now(&key, second.clone()).expect("put_now");
    expect::holds(subject.get("a").await, &second, "after a second put_now");
    backend.forget_now(&key).expect("forget_now");
    peek(subject, "a", None, "after a forget_now");
    expect::nothing(subject.get("a").await, "after a forget_now");
    backend
        .forget_now(&key)
        .expect("forget_now of nothing does no harm");
}

/// `forget_all_now` forgets every entry of its namespace, fresh, stale or the record of an absence,
/// before it returns, and none of another's.
pub async fn c7_one_namespace_is_forgotten_whole(subject: &Subject) {
    if !ability::immediate(subject).await {
        return;
    }
    let (reading, writing) = (ReadOptions::default(), WriteOptions::default());
    let (backend, namespace) = (subject.backend(), subject.unused_namespace());
    let other = Key::new(&namespace, "", "a").expect("a letter keeps the rules");
    let (entry, kept) = (subject.entry("forgotten"), subject.entry("another's"));
    let stale = subject.entry_for("stale", Subject::MOMENT, Subject::LONG);
    subject.set("stale", &stale).await;
    subject.pass(Subject::MOMENT).await;
    let absence = Entry::absent(subject.lifetime(Subject::LONG, Duration::ZERO));
    subject.set("absence", &absence).await;
    let mut names = vec!["stale".to_owned(), "absence".to_owned()];
    names.extend((0..100).map(|n| format!("airport:{n}")));
    for name in &names[2..] {
        subject.set(name, &entry).await;
    }
    let set = backend.set(&other, kept.clone(), &writing).await;
    set.expect("a set in another namespace");

    let forget = || backend.forget_all_now(subject.namespace());
    forget().expect("forget_all_now");
    for name in &names {
        let when = format!("{name} after a forget_all_now");
        peek(subject, name, None, &when);
        assert_eq!(subject.head(name).await, None, "head of {when}");
        expect::nothing(subject.get(name).await, &when);
    }
    if subject.capability().scan {
        let left = subject.scan("*", 1_000).await;
        assert_eq!(left, [], "what a scan lists after a forget_all_now");
    }
    let there = backend.get(&other, &reading).await;
    let there = there.expect("a get in another namespace");
    expect::holds(there, &kept, "in another namespace");
    forget().expect("forget_all_now of nothing does no harm");
    subject.set("stale", &entry).await;
    expect::holds(
        subject.get("stale").await,
        &entry,
        "a set after a forget_all_now",
    );
}
