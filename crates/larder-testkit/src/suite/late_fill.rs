//! Late fills (C1): what was loaded is not stored once the lease has ended that it was loaded under. Every
//! end of a lease is a case of its own, because each is a route of its own in a backend.

use std::time::Duration;

use larder_core::{BatchOperation, FillToken, Filled, Lease, LeaseOptions, Update, Version, View};

use super::calls::again;
use super::fill::stale;
use super::{ability, expect};
use crate::Subject;

/// Every state that a key can be leased in.
const ALL: &[&str] = &["cold", "stale", "fresh"];

/// The one state in which an entry is present, for steps that do nothing where none is.
const PRESENT: &[&str] = &["fresh"];

/// Leases keys in these states, does something to each, fills, and expects refusals that change nothing.
async fn refused_after<F>(subject: &Subject, step: &str, states: &[&str], end: F)
where
    F: AsyncFn(&str),
{
    stale(subject, "stale").await;
    subject.set("fresh", &subject.entry("old")).await;
    for name in states {
        let token = subject.token_by(name, &subject.refreshing()).await;
        end(name).await;
        refused(subject, name, token, step).await;
    }
}

/// Fills and expects a refusal that changes nothing.
async fn refused(subject: &Subject, name: &str, token: FillToken, step: &str) {
    let before = subject.get(name).await;
    let late = subject.entry("late");
    let filled = subject.fill(token, &late).await;
    assert_eq!(
        filled,
        Filled::Refused,
        "{step} ended the lease of the {name} key; the fill came too late"
    );
    let after = subject.get(name).await;
    match before {
        Some(before) => drop(expect::holds(
            after,
            &before,
            "a refused fill changes nothing",
        )),
        None => expect::nothing(after, "a refused fill changes nothing"),
    }
}

/// Deleted while it was loaded: the load may have read what was deleted.
pub async fn c1_a_delete_ends_the_lease(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    refused_after(subject, "a delete", ALL, async |name| {
        subject.delete(name).await;
        expect::nothing(subject.get(name).await, "after a delete");
    })
    .await;
}

/// Invalidated while it was loaded: the load may have read what is no longer true.
pub async fn c1_an_invalidate_ends_the_lease(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    refused_after(subject, "an invalidate", ALL, async |name| {
        subject.invalidate(name).await;
        expect::nothing(subject.get(name).await, "after an invalidate");
    })
    .await;
}

/// Written while it was loaded: what was written is newer.
pub async fn c1_a_set_ends_the_lease(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    refused_after(subject, "a set", ALL, async |name| {
        subject.set(name, &subject.entry("set")).await;
    })
    .await;
}

/// Written and deleted in a batch.
pub async fn c1_a_batch_ends_the_lease(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    refused_after(subject, "a set in a batch", ALL, async |name| {
        let set = BatchOperation::Set(subject.key(name), subject.entry("set"));
        assert!(
            subject.batch(vec![set]).await[0].is_ok(),
            "a set in a batch"
        );
    })
    .await;
    subject.delete("cold").await;
    refused_after(subject, "a delete in a batch", ALL, async |name| {
        let delete = BatchOperation::Delete(subject.key(name));
        assert!(
            subject.batch(vec![delete]).await[0].is_ok(),
            "a delete in a batch"
        );
    })
    .await;
}

/// Given other times while it was loaded, though its id stays.
pub async fn c1_an_expire_ends_the_lease(subject: &Subject) {
    if !ability::lease(subject).await || !ability::expire(subject).await {
        return;
    }
    refused_after(subject, "an expire", PRESENT, async |name| {
        let later = subject.lifetime(Subject::LONG * 2, Duration::ZERO);
        assert!(subject.expire(name, later).await, "an entry was there");
    })
    .await;
}

/// Counted while it was loaded.
pub async fn c1_an_increment_ends_the_lease(subject: &Subject) {
    if !ability::lease(subject).await || !ability::counters(subject).await {
        return;
    }
    let token = subject.token("cold").await;
    subject.increment("cold", 1).await.expect("an increment");
    refused(subject, "cold", token, "an increment").await;
    let token = subject.token_by("cold", &subject.refreshing()).await;
    subject.increment("cold", 1).await.expect("an increment");
    refused(subject, "cold", token, "a second increment").await;
}

/// Written on a condition, or taken, while it was loaded.
pub async fn c1_a_conditional_write_ends_the_lease(subject: &Subject) {
    if !ability::lease(subject).await || !ability::conditional(subject).await {
        return;
    }
    let token = subject.token("absent").await;
    let update = Update::SetIfAbsent(subject.entry("set"));
    assert!(
        subject.stores("absent", update, View::default()).await,
        "the key was absent"
    );
    refused(subject, "absent", token, "a set_if_absent").await;
    refused_after(subject, "a replace_if", PRESENT, async |name| {
        let id = subject.get(name).await.expect("an entry").id();
        let replace = Update::ReplaceIf {
            id,
            entry: subject.entry("replaced"),
        };
        assert!(
            subject.stores(name, replace, View::default()).await,
            "the id is that of the entry"
        );
    })
    .await;
    refused_after(subject, "a take", PRESENT, async |name| {
        assert!(subject.take(name).await.is_some(), "an entry was there");
    })
    .await;
}

/// Put or forgotten without waiting while it was loaded.
pub async fn c1_an_immediate_write_ends_the_lease(subject: &Subject) {
    if !ability::lease(subject).await || !ability::immediate(subject).await {
        return;
    }
    refused_after(subject, "a put_now", ALL, async |name| {
        subject
            .backend()
            .put_now(&subject.key(name), subject.entry("put"))
            .expect("put_now");
    })
    .await;
    subject.delete("cold").await;
    refused_after(subject, "a forget_now", ALL, async |name| {
        subject
            .backend()
            .forget_now(&subject.key(name))
            .expect("forget_now");
    })
    .await;
}

/// The holder took too long: its lease is over, though nobody else has asked.
pub async fn c1_a_lease_that_ended_by_itself_fills_nothing(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let options = LeaseOptions::until(subject.now().saturating_add(Subject::MOMENT));
    let token = subject.token_by("cold", &options).await;
    subject.pass(Subject::MOMENT).await;
    refused(subject, "cold", token, "its own time").await;
}

/// The holder took too long and another has the lease: only the other's fill is stored.
pub async fn c1_a_lease_that_another_has_now_fills_nothing(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let options = LeaseOptions::until(subject.now().saturating_add(Subject::MOMENT));
    let late = subject.token_by("cold", &options).await;
    subject.pass(Subject::MOMENT).await;
    let next = subject.token("cold").await;
    refused(subject, "cold", late, "its own time").await;
    let stored = subject.entry("loaded");
    assert_eq!(
        subject.fill(next, &stored).await,
        Filled::Stored,
        "the other's lease still stands"
    );
    expect::holds(subject.get("cold").await, &stored, "after the other's fill");
}

/// Deleted, and leased to another since: only the other's fill is stored.
pub async fn c1_a_lease_from_before_a_delete_fills_nothing_under_a_later_one(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let late = subject.token("cold").await;
    subject.delete("cold").await;
    let next = subject.token("cold").await;
    refused(subject, "cold", late, "a delete").await;
    let stored = subject.entry("loaded");
    assert_eq!(
        subject.fill(next, &stored).await,
        Filled::Stored,
        "the other's lease still stands"
    );
}

/// A lease that was given back fills nothing.
pub async fn c1_a_release_ends_the_lease(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let token = subject.token("cold").await;
    let late = again(&token);
    subject.release(token).await;
    refused(subject, "cold", late, "a release").await;
}

/// Cleared while it was loaded: whoever loads it anew need not wait, and then only their fill is stored.
pub async fn c1_a_lease_from_before_a_clear_stands_in_nobodys_way(subject: &Subject) {
    if !ability::lease(subject).await {
        return;
    }
    let (before, after) = (Some(Version::random()), Some(Version::random()));
    let under = |generation| {
        let view = View::default().with_generation(generation);
        subject.refreshing().with_view(view)
    };
    let stale = subject.entry_for("old", Subject::MOMENT, Subject::LONG);
    subject.set("stale", &stale.with_generation(before)).await;
    subject.pass(Subject::MOMENT).await;
    let fresh = subject.entry("old").with_generation(before);
    subject.set("fresh", &fresh).await;
    for name in ALL {
        let late = subject.token_by(name, &under(before)).await;
        let next = subject.token_by(name, &under(after)).await;
        refused(subject, name, again(&late), "a lease after a clear").await;
        subject.release(late).await;
        let third = subject.lease_by(name, &under(after)).await;
        assert!(
            matches!(third, Lease::Held { .. }),
            "the lease of the {name} key after the clear still stands; another's answered {third:?}"
        );
        let stored = subject.entry("loaded").with_generation(after);
        assert_eq!(
            subject.fill(next, &stored).await,
            Filled::Stored,
            "nothing ended the lease of the {name} key after the clear"
        );
        expect::holds(subject.get(name).await, &stored, "after the fill");
    }
}
