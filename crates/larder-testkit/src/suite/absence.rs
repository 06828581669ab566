//! Recorded absences: that the origin has nothing is an entry to whoever loads, and none to whoever writes.

use std::time::Duration;

use larder_core::{Entry, EntryKind, Filled, Lease, Update, Updated, View};

use super::{ability, expect};
use crate::Subject;

/// That the origin has nothing is an entry like any other.
pub async fn a_recorded_absence_comes_back(subject: &Subject) {
    let stored = Entry::absent(subject.lifetime(Subject::LONG, Duration::ZERO)).with_schema(2);
    subject.set("a", &stored).await;
    expect::holds(subject.get("a").await, &stored, "after a set of an absence");
}

/// That the origin has nothing is no value: there is nothing to replace or to take, and a first value is
/// welcome.
pub async fn a_recorded_absence_counts_as_absent(subject: &Subject) {
    if !ability::conditional(subject).await {
        return;
    }
    let absence = Entry::absent(subject.lifetime(Subject::LONG, Duration::ZERO));
    subject.set("a", &absence).await;
    let replace = Update::ReplaceIf {
        id: absence.id(),
        entry: subject.entry("replaced"),
    };
    assert!(
        !subject.stores("a", replace, View::default()).await,
        "replace_if finds nothing in the record of an absence"
    );
    expect::nothing(subject.take("a").await, "take of the record of an absence");
    expect::holds(
        subject.get("a").await,
        &absence,
        "after updates that found nothing",
    );
    let first = subject.entry("first");
    assert!(
        subject
            .stores("a", Update::SetIfAbsent(first.clone()), View::default())
            .await,
        "set_if_absent counts the record of an absence as absent"
    );
    expect::holds(
        subject.get("a").await,
        &first,
        "over the record of an absence",
    );
}

/// Where it is recorded that the origin has nothing, a counter begins as where nothing is.
pub async fn a_counter_begins_over_a_recorded_absence(subject: &Subject) {
    if !ability::counters(subject).await {
        return;
    }
    let absence = Entry::absent(subject.lifetime(Subject::LONG, Duration::ZERO));
    subject.set("a", &absence).await;
    let template = subject.entry_for("", Subject::LONG * 2, Duration::ZERO);
    let expires_at = template.head().lifetime().expires_at;
    let increment = Update::Increment { by: 5, template };
    let answer = subject.update("a", increment).await;
    assert!(
        matches!(answer, Ok(Updated::Counter(5))),
        "a counter begins anew over the record of an absence: {answer:?}"
    );
    let counter = subject.get("a").await.expect("the counter is there");
    assert_eq!(
        counter.head().kind(),
        EntryKind::Counter,
        "a counter's kind"
    );
    expect::same_time(
        counter.head().lifetime().expires_at,
        expires_at,
        "expires_at",
        "a counter that began over the record of an absence",
    );
}

/// The record that the origin has nothing is no entry to be given other times.
pub async fn a_recorded_absence_is_given_no_other_times(subject: &Subject) {
    if !ability::expire(subject).await {
        return;
    }
    let absence = Entry::absent(subject.lifetime(Subject::LONG, Duration::ZERO));
    subject.set("a", &absence).await;
    let later = subject.lifetime(Subject::LONG * 2, Duration::ZERO);
    assert!(
        !subject.expire("a", later).await,
        "the record of an absence isn't present"
    );
    expect::holds(
        subject.get("a").await,
        &absence,
        "after an expire that found nothing",
    );
}

/// Somebody has loaded it and found nothing: there is nothing to do until the record of that is stale.
pub async fn a_recorded_absence_needs_no_load(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let long = subject.lifetime(Subject::LONG, Duration::ZERO);
    let (set, filled) = (Entry::absent(long), Entry::absent(long));
    let stale = Entry::absent(subject.lifetime(Subject::MOMENT, Subject::LONG));
    subject.set("set", &set).await;
    subject.set("stale", &stale).await;
    let token = subject.token("filled").await;
    assert_eq!(
        subject.fill(token, &filled).await,
        Filled::Stored,
        "nothing ended the lease"
    );
    for (name, absence) in [("set", &set), ("filled", &filled)] {
        let when = format!("a lease where an absence was {name}");
        match subject.lease(name).await {
            Lease::Present(entry) => drop(expect::holds(Some(entry), absence, &when)),
            other => panic!("{when} should answer it; it answered {other:?}"),
        }
    }
    subject.pass(Subject::MOMENT).await;
    match subject.lease("stale").await {
        Lease::Granted { seen, .. } => {
            drop(expect::holds(seen, &stale, "what comes with the lease"));
        }
        other => panic!("a lease where an absence is stale should be granted: {other:?}"),
    }
}
