//! Counters: exact, atomic, 64 bits.

use std::time::Duration;

use larder_core::{
    Entry, EntryKind, ErrorKind, Result, Update, Updated, Value, Version, View, WriteOptions,
};

use super::{ability, expect};
use crate::Subject;

const TASKS: i64 = 8;
const EACH: i64 = 25;

#[track_caller]
fn counts(answer: Result<Updated>, expected: i64, when: &str) {
    match answer {
        Ok(Updated::Counter(n)) => assert_eq!(n, expected, "{when}: the counter's value"),
        other => panic!("{when}: expected the counter to be {expected}, got {other:?}"),
    }
}

async fn value(subject: &Subject, name: &str) -> Option<i64> {
    subject
        .get(name)
        .await
        .and_then(|entry| entry.value().as_counter())
}

/// Where nothing is, the counter begins at what is added, with everything else of the template.
pub async fn an_absent_counter_begins_with_the_template(subject: &Subject) {
    if !ability::counters(subject).await {
        return;
    }
    let template = subject
        .entry_for("not looked at", Subject::LONG, Subject::LONG)
        .with_schema(4)
        .with_generation(Some(Version::random()))
        .with_etag("W/1".into())
        .expect("a short etag keeps the rules");
    let increment = Update::Increment {
        by: 5,
        template: template.clone(),
    };
    counts(
        subject.update("a", increment).await,
        5,
        "the first increment",
    );
    let answer = subject
        .get("a")
        .await
        .expect("a counter that was begun is there");
    assert_eq!(
        answer.value().as_counter(),
        Some(5),
        "get reads what the increment answered"
    );
    assert_eq!(answer.head().kind(), EntryKind::Counter, "a counter's kind");
    assert_eq!(answer.head().schema(), 4, "the schema is the template's");
    assert_eq!(
        answer.head().generation(),
        template.head().generation(),
        "the generation is the template's"
    );
    let (answered, wanted) = (answer.head().lifetime(), template.head().lifetime());
    expect::same_time(
        answered.fresh_until,
        wanted.fresh_until,
        "fresh_until",
        "a counter's beginning",
    );
    expect::same_time(
        answered.expires_at,
        wanted.expires_at,
        "expires_at",
        "a counter's beginning",
    );
    assert_eq!(
        answer.head().etag(),
        template.head().etag(),
        "the etag is the template's"
    );
    assert_eq!(answer.id(), template.id(), "the id is the template's");
}

/// Adding to a counter that is there changes its value and its id, and not its times.
pub async fn a_present_counter_keeps_its_times(subject: &Subject) {
    if !ability::counters(subject).await {
        return;
    }
    let life = subject.lifetime(Subject::LONG, Duration::ZERO);
    let stored = Entry::new(Value::counter(10), life).with_schema(2);
    subject.set("a", &stored).await;
    let template = subject.entry_for("", Subject::LONG * 5, Subject::LONG);
    for (by, expected) in [(5, 15), (-20, -5), (0, -5)] {
        let increment = Update::Increment {
            by,
            template: template.clone(),
        };
        counts(
            subject.update("a", increment).await,
            expected,
            "an increment",
        );
        assert_eq!(
            value(subject, "a").await,
            Some(expected),
            "get reads what the increment answered"
        );
    }
    let answer = subject.get("a").await.expect("a counter is there");
    expect::same_time(
        answer.head().lifetime().created,
        life.created,
        "created",
        "after increments",
    );
    expect::same_time(
        answer.head().lifetime().expires_at,
        life.expires_at,
        "expires_at",
        "after increments",
    );
    assert_eq!(
        answer.id(),
        template.id(),
        "an increment gives the counter the template's id"
    );
    assert_eq!(answer.head().schema(), 2, "an increment keeps the schema");
}

/// A counter obeys `head`, `delete` and its times like any entry.
pub async fn c8_a_counter_is_an_entry(subject: &Subject) {
    if !ability::counters(subject).await {
        return;
    }
    let template = subject.entry_for("", Subject::MOMENT, Duration::ZERO);
    counts(subject.increment("long", 1).await, 1, "the first increment");
    counts(
        subject
            .update("short", Update::Increment { by: 1, template })
            .await,
        1,
        "the first increment",
    );
    let head = subject.head("long").await.expect("head of a counter");
    assert_eq!(
        head.kind(),
        EntryKind::Counter,
        "head tells that it is a counter"
    );
    subject.pass(Subject::MOMENT).await;
    expect::nothing(subject.get("short").await, "a counter after its time");
    counts(
        subject.increment("short", 2).await,
        2,
        "after the counter's time it begins anew",
    );
    assert!(subject.delete("long").await, "a counter was there");
    counts(
        subject.increment("long", 3).await,
        3,
        "after a delete the counter begins anew",
    );
}

/// A sum that leaves 64 bits is refused, and the counter keeps its value.
pub async fn c6_an_overflow_is_refused_and_the_value_kept(subject: &Subject) {
    if !ability::counters(subject).await {
        return;
    }
    for (name, start, by) in [
        ("up", i64::MAX, 1),
        ("down", i64::MIN, -1),
        ("far", i64::MAX - 5, i64::MAX),
    ] {
        counts(
            subject.increment(name, start).await,
            start,
            "the first increment",
        );
        expect::fails(
            subject.increment(name, by).await,
            ErrorKind::CounterOverflow,
            "an increment past the end",
        );
        assert_eq!(
            value(subject, name).await,
            Some(start),
            "a counter that can't grow keeps its value"
        );
    }
    counts(
        subject.increment("up", -1).await,
        i64::MAX - 1,
        "away from the end",
    );
}

/// Adding to what isn't a counter is refused, and the value kept.
pub async fn adding_to_a_plain_value_is_refused(subject: &Subject) {
    if !ability::counters(subject).await {
        return;
    }
    // Eight bytes and digits: what a backend without kinds could take for a number.
    for text in ["12345678", "5"] {
        let stored = subject.entry(text);
        subject.set("a", &stored).await;
        expect::fails(
            subject.increment("a", 1).await,
            ErrorKind::NotACounter,
            "an increment of a plain value",
        );
        expect::holds(
            subject.get("a").await,
            &stored,
            "after an increment that was refused",
        );
    }
}

/// A counter that is stale, or of another generation or schema than the caller's, counts as absent.
pub async fn a_counter_that_is_not_visible_begins_anew(subject: &Subject) {
    if !ability::counters(subject).await {
        return;
    }
    let (mine, old) = (Some(Version::random()), Some(Version::random()));
    let view = View::default().with_generation(mine).with_schema(Some(1));
    let counter = |fresh| {
        let life = subject.lifetime(fresh, Subject::LONG);
        Entry::new(Value::counter(100), life)
            .with_generation(mine)
            .with_schema(1)
    };
    subject.set("present", &counter(Subject::LONG)).await;
    subject.set("stale", &counter(Subject::MOMENT)).await;
    subject
        .set("old", &counter(Subject::LONG).with_generation(old))
        .await;
    subject
        .set("other", &counter(Subject::LONG).with_schema(2))
        .await;
    subject
        .set("value", &subject.entry("plain").with_generation(old))
        .await;
    subject.pass(Subject::MOMENT).await;
    for (name, expected) in [
        ("present", 101),
        ("stale", 1),
        ("old", 1),
        ("other", 1),
        ("value", 1),
    ] {
        let template = subject.entry("").with_generation(mine).with_schema(1);
        let increment = Update::Increment { by: 1, template };
        counts(
            subject.update_in(name, increment, view).await,
            expected,
            name,
        );
        let answer = subject.get(name).await.expect("the counter is there");
        assert!(
            answer.head().is_visible(view, subject.now()),
            "the {name} counter is now present to the view"
        );
    }
}

/// However many add at once, each is counted once, and each is told a value of its own.
pub async fn c6_concurrent_increments_lose_nothing(subject: &Subject) {
    if !ability::counters(subject).await {
        return;
    }
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (backend, key, template) = (
                subject.share(),
                subject.key("a").to_buf(),
                subject.entry(""),
            );
            tokio::spawn(async move {
                let mut told = Vec::new();
                for _ in 0..EACH {
                    let increment = Update::Increment {
                        by: 1,
                        template: template.clone(),
                    };
                    match backend
                        .update(&key.as_key(), increment, &WriteOptions::default())
                        .await
                    {
                        Ok(Updated::Counter(n)) => told.push(n),
                        other => panic!("an increment answered {other:?}"),
                    }
                }
                told
            })
        })
        .collect();
    let mut told = Vec::new();
    for task in tasks {
        told.extend(task.await.expect("a task that increments"));
    }
    told.sort_unstable();
    assert!(
        told.iter().copied().eq(1..=TASKS * EACH),
        "every increment is told another value: {told:?}"
    );
    assert_eq!(
        value(subject, "a").await,
        Some(TASKS * EACH),
        "the sum of all increments"
    );
}
