//! Leases: the right to load a key, and what ends it.

use larder_core::{Entry, Filled, Key, Lease, LeaseOptions, Version, View};

use super::{ability, expect};
use crate::Subject;

#[track_caller]
fn seen(lease: Lease, when: &str) -> Option<Entry> {
    match lease {
        Lease::Granted { seen, .. } => seen,
        other => panic!("{when}: the lease should be granted; it answered {other:?}"),
    }
}

/// The first who asks for a cold key may load it; the second is told until when to wait.
pub async fn a_cold_key_is_leased_to_one(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let options = subject.leasing();
    expect::nothing(
        seen(subject.lease_by("a", &options).await, "a cold key"),
        "under a cold key",
    );
    match subject.lease("a").await {
        Lease::Held { until } => {
            expect::same_time(until, options.until, "until", "a lease that is held");
        }
        other => panic!("a second lease of a cold key should be held; it answered {other:?}"),
    }
    assert!(
        matches!(subject.lease("b").await, Lease::Granted { .. }),
        "another key is free"
    );
}

/// Of many that ask at once exactly one is granted.
pub async fn one_of_many_concurrent_leases_is_granted(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    for round in 0..10 {
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (backend, options) = (subject.share(), subject.leasing());
                let key = subject.key(&format!("k{round}")).to_buf();
                tokio::spawn(async move { backend.lease(&[key.as_key()], &options).await })
            })
            .collect();
        let mut granted = 0;
        for task in tasks {
            match task.await.expect("a task that asks for a lease").pop() {
                Some(Ok(Lease::Granted { .. })) => granted += 1,
                Some(Ok(Lease::Held { .. })) => {}
                other => panic!("a lease of a cold key answered {other:?}"),
            }
        }
        assert_eq!(granted, 1, "exactly one of many leases is granted");
    }
}

/// Somebody has loaded it: there is nothing to do.
pub async fn a_fresh_entry_needs_no_load(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let stored = subject.entry("x");
    subject.set("a", &stored).await;
    match subject.lease("a").await {
        Lease::Present(entry) => drop(expect::holds(
            Some(entry),
            &stored,
            "a lease of a fresh key",
        )),
        other => panic!("a lease of a fresh key should answer its entry; it answered {other:?}"),
    }
}

/// A stale entry may be refreshed by one; it comes with the lease, and stays at hand for everybody else.
pub async fn a_stale_entry_is_leased_to_one_and_stays_at_hand(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let stale = subject.entry_for("old", Subject::MOMENT, Subject::LONG);
    subject.set("a", &stale).await;
    subject.pass(Subject::MOMENT).await;
    expect::holds(
        seen(subject.lease("a").await, "a stale key"),
        &stale,
        "what comes with the lease",
    );
    let second = subject.lease("a").await;
    assert!(
        matches!(second, Lease::Held { .. }),
        "a second lease of a stale key answered {second:?}"
    );
    expect::holds(
        subject.get("a").await,
        &stale,
        "while it is being refreshed",
    );
}

/// An entry of another generation or schema than the caller's doesn't count; it comes with the lease.
pub async fn an_entry_of_another_view_is_leased(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let (mine, old) = (Some(Version::random()), Some(Version::random()));
    let view = View::default().with_generation(mine).with_schema(Some(2));
    let entries = [
        (
            "generation",
            subject.entry("x").with_generation(old).with_schema(2),
        ),
        (
            "schema",
            subject.entry("x").with_generation(mine).with_schema(1),
        ),
    ];
    for (name, entry) in &entries {
        subject.set(name, entry).await;
        let lease = subject
            .lease_by(name, &subject.leasing().with_view(view))
            .await;
        expect::holds(
            seen(lease, "another view's entry"),
            entry,
            &format!("of another {name}"),
        );
    }
    subject
        .set(
            "same",
            &subject.entry("x").with_generation(mine).with_schema(2),
        )
        .await;
    let lease = subject
        .lease_by("same", &subject.leasing().with_view(view))
        .await;
    assert!(
        matches!(lease, Lease::Present(_)),
        "an entry of this view is present; the answer is {lease:?}"
    );
}

/// Whoever wants to refresh gets a lease on a fresh entry, once, and the entry stays.
pub async fn a_fresh_entry_can_be_refreshed(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let (old, new) = (subject.entry("old"), subject.entry("new"));
    subject.set("a", &old).await;
    let lease = subject.lease_by("a", &subject.refreshing()).await;
    let Lease::Granted { token, seen } = lease else {
        panic!("a refresh of a fresh key should be granted; it answered {lease:?}");
    };
    expect::holds(seen, &old, "what comes with the lease");
    let second = subject.lease_by("a", &subject.refreshing()).await;
    assert!(
        matches!(second, Lease::Held { .. }),
        "a second refresh answered {second:?}"
    );
    expect::holds(subject.get("a").await, &old, "while it is being refreshed");
    assert_eq!(
        subject.fill(token, &new).await,
        Filled::Stored,
        "nothing ended the lease"
    );
    expect::holds(subject.get("a").await, &new, "after the refresh");
}

/// A lease whose holder has died ends by itself, and another may load.
pub async fn a_lease_ends_by_itself(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let stale = subject.entry_for("old", Subject::MOMENT, Subject::LONG);
    subject.set("stale", &stale).await;
    subject.pass(Subject::MOMENT).await;
    let options = LeaseOptions::until(subject.now().saturating_add(Subject::MOMENT));
    for name in ["cold", "stale"] {
        let _token = subject.token_by(name, &options).await;
    }
    subject.pass(Subject::MOMENT).await;
    for name in ["cold", "stale"] {
        let lease = subject.lease(name).await;
        assert!(
            matches!(lease, Lease::Granted { .. }),
            "after the {name} lease's end: {lease:?}"
        );
    }
    expect::holds(subject.get("stale").await, &stale, "after the lease's end");
}

/// After a failed load another may try at once; the stale entry is still there.
pub async fn a_released_lease_is_free(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let stale = subject.entry_for("old", Subject::MOMENT, Subject::LONG);
    subject.set("stale", &stale).await;
    subject.pass(Subject::MOMENT).await;
    for name in ["cold", "stale"] {
        let token = subject.token(name).await;
        subject.release(token).await;
        let lease = subject.lease(name).await;
        assert!(
            matches!(lease, Lease::Granted { .. }),
            "after the {name} lease's release: {lease:?}"
        );
    }
    expect::nothing(subject.get("cold").await, "after a release");
    expect::holds(subject.get("stale").await, &stale, "after a release");
}

/// A release that comes too late takes nothing from whoever came since: neither entry nor lease.
pub async fn a_late_release_harms_nothing(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let (written, late) = (
        subject.token("written").await,
        subject.token("leased").await,
    );
    let stored = subject.entry("x");
    subject.set("written", &stored).await;
    subject.delete("leased").await;
    let next = subject.token("leased").await;
    subject.release(written).await;
    subject.release(late).await;
    expect::holds(
        subject.get("written").await,
        &stored,
        "after a late release",
    );
    let lease = subject.lease("leased").await;
    assert!(
        matches!(lease, Lease::Held { .. }),
        "a late release ended another's lease: {lease:?}"
    );
    assert_eq!(
        subject.fill(next, &stored).await,
        Filled::Stored,
        "the other's lease still stands"
    );
}

/// The answers are in the order of the keys.
pub async fn leases_are_answered_in_order(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let names: Vec<String> = (0..12).map(|n| format!("k{n}")).collect();
    for (at, name) in names.iter().enumerate() {
        match at % 3 {
            0 => subject.set(name, &subject.entry(name)).await,
            1 => drop(subject.token(name).await),
            _ => {}
        }
    }
    let keys: Vec<Key<'_>> = names.iter().map(|name| subject.key(name)).collect();
    let answers = subject.backend().lease(&keys, &subject.leasing()).await;
    assert_eq!(answers.len(), names.len(), "each key has an answer");
    for (at, (name, answer)) in names.iter().zip(answers).enumerate() {
        match (at % 3, answer) {
            (0, Ok(Lease::Present(entry))) => {
                assert_eq!(
                    &expect::text(&entry),
                    name,
                    "the answer in place {at} is another key's"
                );
            }
            (1, Ok(Lease::Held { .. })) => {}
            (2, Ok(Lease::Granted { token, .. })) => {
                assert!(
                    token.key().text_is(name),
                    "the token in place {at} is another key's"
                );
            }
            (_, other) => panic!("the answer in place {at} is {other:?}"),
        }
    }
}

/// Whoever names a key twice in one question gets one lease on it, and is told so in the second place.
pub async fn a_key_asked_for_twice_is_leased_once(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let options = subject.leasing();
    let keys = ["a", "b", "a"].map(|name| subject.key(name));
    let answers = subject.backend().lease(&keys, &options).await;
    match answers.as_slice() {
        [
            Ok(Lease::Granted { .. }),
            Ok(Lease::Granted { .. }),
            Ok(Lease::Held { until }),
        ] => expect::same_time(*until, options.until, "until", "the second of the same key"),
        other => panic!("leases of a, b and a again should be granted, granted, held: {other:?}"),
    }
}
