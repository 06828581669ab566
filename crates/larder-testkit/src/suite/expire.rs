//! `expire`: other times for the same entry.

use std::time::Duration;

use larder_core::{Lifetime, Version, View};

use super::{ability, expect};
use crate::Subject;

/// Freshness and expiry change; id, creation time and everything else stay.
pub async fn expire_changes_the_times_and_keeps_the_entry(subject: &Subject) {
    if !ability::expire(subject).await {
        return;
    }
    let stored = subject
        .entry("x")
        .with_schema(3)
        .with_generation(Some(Version::random()));
    subject.set("a", &stored).await;
    subject.pass(Subject::MOMENT).await;
    let later = subject.lifetime(Subject::LONG * 2, Subject::LONG);
    assert!(subject.expire("a", later).await, "an entry was there");
    let created = stored.head().lifetime().created;
    let expected = stored.with_lifetime(Lifetime { created, ..later });
    expect::holds(subject.get("a").await, &expected, "after an expire");
    let head = subject.head("a").await.expect("head after an expire");
    expect::same_head(&head, expected.head(), "head after an expire");
}

/// Shorter times end the entry sooner, longer ones later.
pub async fn the_new_times_count(subject: &Subject) {
    if !ability::expire(subject).await {
        return;
    }
    let moment = subject.lifetime(Subject::MOMENT, Duration::ZERO);
    subject.set("shorter", &subject.entry("x")).await;
    assert!(
        subject.expire("shorter", moment).await,
        "an entry was there"
    );
    let long = subject.lifetime(Subject::LONG, Duration::ZERO);
    lengthen(subject, "longer", long).await;
    lengthen(subject, "for ever", Lifetime::forever(subject.now())).await;
    subject.pass(Subject::MOMENT * 2).await;
    expect::nothing(subject.get("shorter").await, "after its new times");
    assert!(
        subject.get("longer").await.is_some(),
        "an entry lives until its new times"
    );
    let forever = subject
        .get("for ever")
        .await
        .expect("an entry lives until its new times");
    assert!(
        forever.head().lifetime().expires_at.is_forever(),
        "persisted entries never expire"
    );
}

/// Stores an entry that lives for two moments and gives it a longer life; in real time again, where the machine
/// has stalled for so long in between.
async fn lengthen(subject: &Subject, name: &str, life: Lifetime) {
    loop {
        let short = subject.entry_for("x", Subject::MOMENT * 2, Duration::ZERO);
        subject.set(name, &short).await;
        if subject.expire(name, life).await {
            return;
        }
        let nearly = subject.now().saturating_add(Subject::LAG);
        let is_over = !short.head().lifetime().is_fresh(nearly);
        assert!(is_over, "an entry was there");
    }
}

/// A time that is over ends the entry at once.
pub async fn an_expiry_in_the_past_removes_the_entry(subject: &Subject) {
    if !ability::expire(subject).await {
        return;
    }
    let past = subject.lifetime(Subject::MOMENT, Duration::ZERO);
    subject.set("a", &subject.entry("x")).await;
    subject.pass(Subject::MOMENT).await;
    assert!(subject.expire("a", past).await, "an entry was there");
    expect::nothing(subject.get("a").await, "after an expiry in the past");
}

/// What isn't there, is stale, has expired, or is of another generation or schema than the caller's isn't
/// changed, and the answer says so.
pub async fn expire_answers_false_where_nothing_is_present(subject: &Subject) {
    if !ability::expire(subject).await {
        return;
    }
    let (mine, old) = (Some(Version::random()), Some(Version::random()));
    let of_mine = |entry: larder_core::Entry| entry.with_generation(mine).with_schema(1);
    subject.set("present", &of_mine(subject.entry("x"))).await;
    let kept = [
        (
            "old",
            subject.entry("x").with_generation(old).with_schema(1),
        ),
        (
            "other",
            subject.entry("x").with_generation(mine).with_schema(2),
        ),
        (
            "stale",
            of_mine(subject.entry_for("x", Subject::MOMENT, Subject::LONG)),
        ),
    ];
    for (name, entry) in &kept {
        subject.set(name, entry).await;
    }
    subject
        .set(
            "expired",
            &of_mine(subject.entry_for("x", Subject::MOMENT, Duration::ZERO)),
        )
        .await;
    subject.pass(Subject::MOMENT).await;

    let view = View::default().with_generation(mine).with_schema(Some(1));
    let later = subject.lifetime(Subject::LONG * 2, Duration::ZERO);
    assert!(
        subject.expire_in("present", later, view).await,
        "an entry of this view was there"
    );
    for name in ["unknown", "old", "other", "stale", "expired"] {
        assert!(
            !subject.expire_in(name, later, view).await,
            "the {name} entry isn't present to this view"
        );
    }
    for (name, entry) in &kept {
        expect::holds(
            subject.get(name).await,
            entry,
            &format!("the {name} entry, which wasn't present"),
        );
    }
    expect::nothing(
        subject.get("expired").await,
        "an expire brings nothing back",
    );
    expect::nothing(subject.get("unknown").await, "an expire makes nothing");
}
