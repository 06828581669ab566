//! Fills: what was loaded is stored while the lease stands that it was loaded under.

use larder_core::{Fill, Filled, Version, View, WriteOptions};

use super::calls::again;
use super::{ability, expect};
use crate::Subject;

/// Nothing has happened since the lease: the entry is stored.
pub async fn a_fill_stores_what_was_loaded(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let stored = subject
        .entry("loaded")
        .with_schema(3)
        .with_generation(Some(Version::random()));
    let token = subject.token("a").await;
    assert_eq!(
        subject.fill(token, &stored).await,
        Filled::Stored,
        "nothing ended the lease"
    );
    expect::holds(subject.get("a").await, &stored, "after a fill");
    let lease = subject.lease("a").await;
    assert!(
        matches!(lease, larder_core::Lease::Present(_)),
        "after a fill the key is present: {lease:?}"
    );
}

/// A fill under a stale entry replaces it.
pub async fn a_fill_replaces_the_stale_entry(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    stale(subject, "a").await;
    let token = subject.token("a").await;
    let stored = subject.entry("loaded");
    assert_eq!(
        subject.fill(token, &stored).await,
        Filled::Stored,
        "nothing ended the lease"
    );
    expect::holds(subject.get("a").await, &stored, "after a fill");
}

/// Leaves a stale entry under the key.
pub(super) async fn stale(subject: &Subject, name: &str) {
    subject
        .set(
            name,
            &subject.entry_for("old", Subject::MOMENT, Subject::LONG),
        )
        .await;
    subject.pass(Subject::MOMENT).await;
}

/// A fill that is sent twice stores once; the second doesn't bring back what was removed in between.
pub async fn a_repeated_fill_is_refused(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    stale(subject, "stale").await;
    for name in ["cold", "stale"] {
        let token = subject.token(name).await;
        let (second, third) = (again(&token), again(&token));
        let stored = subject.entry("loaded");
        assert_eq!(
            subject.fill(token, &stored).await,
            Filled::Stored,
            "nothing ended the lease"
        );
        let other = subject.entry("repeated");
        assert_eq!(
            subject.fill(second, &other).await,
            Filled::Refused,
            "the {name} key was filled already"
        );
        expect::holds(subject.get(name).await, &stored, "after a repeated fill");
        subject.delete(name).await;
        assert_eq!(
            subject.fill(third, &other).await,
            Filled::Refused,
            "the {name} key was filled already"
        );
        expect::nothing(
            subject.get(name).await,
            "after a delete and a repeated fill",
        );
    }
}

/// An old release of the service never replaces what a newer one has stored.
pub async fn a_fill_never_replaces_a_newer_schema(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let newer = subject.entry("newer").with_schema(2);
    subject.set("a", &newer).await;
    let older_view = View::default().with_schema(Some(1));
    let token = subject
        .token_by("a", &subject.leasing().with_view(older_view))
        .await;
    let filled = subject
        .fill(token, &subject.entry("older").with_schema(1))
        .await;
    assert_eq!(
        filled,
        Filled::Refused,
        "an entry of a newer schema is there"
    );
    expect::holds(
        subject.get("a").await,
        &newer,
        "after a fill of an older schema",
    );

    let newest_view = View::default().with_schema(Some(3));
    let token = subject
        .token_by("a", &subject.leasing().with_view(newest_view))
        .await;
    let newest = subject.entry("newest").with_schema(3);
    assert_eq!(
        subject.fill(token, &newest).await,
        Filled::Stored,
        "an older schema is replaced"
    );
    expect::holds(
        subject.get("a").await,
        &newest,
        "after a fill of a newer schema",
    );
}

/// A newer schema stands in the way within its generation only: what is from before a clear is nobody's.
pub async fn a_fill_replaces_a_newer_schema_of_another_generation(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let (before, now) = (Some(Version::random()), Some(Version::random()));
    let cleared = subject
        .entry("cleared")
        .with_generation(before)
        .with_schema(2);
    subject.set("a", &cleared).await;
    let view = View::default().with_generation(now).with_schema(Some(1));
    let token = subject
        .token_by("a", &subject.leasing().with_view(view))
        .await;
    let loaded = subject.entry("loaded").with_generation(now).with_schema(1);
    assert_eq!(
        subject.fill(token, &loaded).await,
        Filled::Stored,
        "the newer schema is of another generation"
    );
    expect::holds(
        subject.get("a").await,
        &loaded,
        "after a fill over another generation",
    );
}

/// The answers are in the order of the fills, and one that is refused doesn't stop the others.
pub async fn fills_are_answered_in_order(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let names: Vec<String> = (0..9).map(|n| format!("k{n}")).collect();
    let mut fills = Vec::new();
    for name in &names {
        fills.push(Fill {
            token: subject.token(name).await,
            entry: subject.entry(name),
        });
    }
    for name in names.iter().step_by(3) {
        subject.delete(name).await;
    }
    let answers = subject
        .backend()
        .fill(fills, &WriteOptions::default())
        .await;
    assert_eq!(answers.len(), names.len(), "each fill has an answer");
    for (at, (name, answer)) in names.iter().zip(answers).enumerate() {
        let deleted = at.is_multiple_of(3);
        let expected = if deleted {
            Filled::Refused
        } else {
            Filled::Stored
        };
        assert_eq!(
            answer.expect("a fill"),
            expected,
            "the answer in place {at}"
        );
        let text = subject.get(name).await.as_ref().map(expect::text);
        assert_eq!(
            text,
            (!deleted).then(|| name.clone()),
            "the entry in place {at}"
        );
    }
}
