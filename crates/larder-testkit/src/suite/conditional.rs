//! Conditional writes: decide and write in one step.

use std::time::Duration;

use larder_core::{Entry, Update, Updated, Version, View, WriteOptions};

use super::{ability, expect};
use crate::Subject;

/// The first one stores, the second is refused and changes nothing.
pub async fn set_if_absent_stores_once(subject: &Subject) {
    if !ability::conditional(subject).await {
        return;
    }
    let (first, second) = (subject.entry("first"), subject.entry("second"));
    assert!(
        subject
            .stores("a", Update::SetIfAbsent(first.clone()), View::default())
            .await,
        "the key was absent"
    );
    assert!(
        !subject
            .stores("a", Update::SetIfAbsent(second.clone()), View::default())
            .await,
        "the key was present"
    );
    expect::holds(
        subject.get("a").await,
        &first,
        "after a set_if_absent that was refused",
    );
    subject.delete("a").await;
    assert!(
        subject
            .stores("a", Update::SetIfAbsent(second.clone()), View::default())
            .await,
        "the key was deleted"
    );
    expect::holds(subject.get("a").await, &second, "after a set_if_absent");
}

/// What is stale, expired, or of another generation or schema than the caller's counts as absent.
pub async fn what_is_not_visible_counts_as_absent(subject: &Subject) {
    if !ability::conditional(subject).await {
        return;
    }
    let (mine, old) = (Some(Version::random()), Some(Version::random()));
    let view = View::default().with_generation(mine).with_schema(Some(1));
    let of_mine = |entry: Entry| entry.with_generation(mine).with_schema(1);
    let entries = [
        ("present", of_mine(subject.entry("x")), true),
        (
            "stale",
            of_mine(subject.entry_for("x", Subject::MOMENT, Subject::LONG)),
            false,
        ),
        (
            "expired",
            of_mine(subject.entry_for("x", Subject::MOMENT, Duration::ZERO)),
            false,
        ),
        (
            "old",
            of_mine(subject.entry("x")).with_generation(old),
            false,
        ),
        ("other", of_mine(subject.entry("x")).with_schema(2), false),
    ];
    for (name, entry, _) in &entries {
        subject.set(name, entry).await;
    }
    subject.pass(Subject::MOMENT).await;
    for (name, entry, present) in &entries {
        let new = of_mine(subject.entry("new"));
        let replace = Update::ReplaceIf {
            id: entry.id(),
            entry: new.clone(),
        };
        let stored = subject.stores(name, replace, view).await;
        assert_eq!(
            stored, *present,
            "whether replace_if finds the {name} entry"
        );
        if *present {
            continue;
        }
        match subject.update_in(name, Update::Take, view).await {
            Ok(Updated::Taken(None)) => {}
            other => panic!("take of the {name} entry should find nothing, got {other:?}"),
        }
        assert!(
            subject
                .stores(name, Update::SetIfAbsent(new.clone()), view)
                .await,
            "set_if_absent counts the {name} entry as absent"
        );
        expect::holds(
            subject.get(name).await,
            &new,
            &format!("over the {name} entry"),
        );
    }
}

/// Of many at once exactly one stores, and its entry is the one that is there.
pub async fn c6_one_of_many_concurrent_set_if_absent_wins(subject: &Subject) {
    if !ability::conditional(subject).await {
        return;
    }
    for round in 0..10 {
        let name = format!("k{round}");
        let entries: Vec<_> = (0..8).map(|n| subject.entry(&n.to_string())).collect();
        let tasks: Vec<_> = entries
            .iter()
            .map(|entry| update_task(subject, &name, Update::SetIfAbsent(entry.clone())))
            .collect();
        let mut winners = Vec::new();
        for (entry, task) in entries.iter().zip(tasks) {
            match task.await.expect("a task that writes") {
                Updated::Stored => winners.push(entry),
                Updated::Refused => {}
                other => panic!("set_if_absent answered {other:?}"),
            }
        }
        assert_eq!(winners.len(), 1, "exactly one of many set_if_absent wins");
        expect::holds(
            subject.get(&name).await,
            winners[0],
            "the winner's entry is the one that is there",
        );
    }
}

fn update_task(subject: &Subject, name: &str, update: Update) -> tokio::task::JoinHandle<Updated> {
    let (backend, key) = (subject.share(), subject.key(name).to_buf());
    tokio::spawn(async move {
        let answer = backend
            .update(&key.as_key(), update, &WriteOptions::default())
            .await;
        answer.expect("an update that a backend claims to do")
    })
}

/// The entry is replaced if its id is the stated one; otherwise nothing changes.
pub async fn replace_if_heeds_the_id(subject: &Subject) {
    if !ability::conditional(subject).await {
        return;
    }
    let (first, second, third) = (subject.entry("1"), subject.entry("2"), subject.entry("3"));
    let replace = |id: &Entry, entry: &Entry| Update::ReplaceIf {
        id: id.id(),
        entry: entry.clone(),
    };
    assert!(
        !subject
            .stores("a", replace(&first, &second), View::default())
            .await,
        "there is nothing to replace"
    );
    expect::nothing(
        subject.get("a").await,
        "after a replace_if that was refused",
    );
    subject.set("a", &first).await;
    assert!(
        subject
            .stores("a", replace(&first, &second), View::default())
            .await,
        "the id is that of the entry"
    );
    expect::holds(subject.get("a").await, &second, "after a replace_if");
    assert!(
        !subject
            .stores("a", replace(&first, &third), View::default())
            .await,
        "the id is that of an older entry"
    );
    expect::holds(
        subject.get("a").await,
        &second,
        "after a replace_if that was refused",
    );
}

/// Of many that replace the same entry at once exactly one does.
pub async fn c6_one_of_many_concurrent_replace_if_wins(subject: &Subject) {
    if !ability::conditional(subject).await {
        return;
    }
    for round in 0..10 {
        let (name, first) = (format!("k{round}"), subject.entry("first"));
        subject.set(&name, &first).await;
        let replace = || Update::ReplaceIf {
            id: first.id(),
            entry: subject.entry("next"),
        };
        let tasks: Vec<_> = (0..8)
            .map(|_| update_task(subject, &name, replace()))
            .collect();
        let mut stored = 0;
        for task in tasks {
            stored += usize::from(matches!(
                task.await.expect("a task that writes"),
                Updated::Stored
            ));
        }
        assert_eq!(stored, 1, "exactly one of many replace_if wins");
    }
}

/// `take` answers the entry and removes it.
pub async fn take_answers_the_entry_and_removes_it(subject: &Subject) {
    if !ability::conditional(subject).await {
        return;
    }
    expect::nothing(subject.take("a").await, "take of an unknown key");
    let stored = subject.entry("x").with_schema(5);
    subject.set("a", &stored).await;
    expect::holds(subject.take("a").await, &stored, "what was taken");
    expect::nothing(subject.get("a").await, "after a take");
    expect::nothing(subject.take("a").await, "a second take");
}

/// Of many that take at once exactly one gets the entry.
pub async fn c6_an_entry_is_taken_once(subject: &Subject) {
    if !ability::conditional(subject).await {
        return;
    }
    for round in 0..10 {
        let name = format!("k{round}");
        subject.set(&name, &subject.entry("x")).await;
        let tasks: Vec<_> = (0..8)
            .map(|_| update_task(subject, &name, Update::Take))
            .collect();
        let mut taken = 0;
        for task in tasks {
            match task.await.expect("a task that takes") {
                Updated::Taken(entry) => taken += usize::from(entry.is_some()),
                other => panic!("take answered {other:?}"),
            }
        }
        assert_eq!(taken, 1, "an entry is taken exactly once");
    }
}
