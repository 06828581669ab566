//! Abilities: a case about one that isn't claimed checks that the operation says so. Nothing is skipped
//! in silence, and nothing works by accident.

use larder_core::{
    Entry, ErrorKind, Expiry, Fill, FillToken, Marker, MarkerRead, Pattern, ReadOptions,
    RegionLimits, Result, ScanRequest, Update, WriteOptions,
};

use super::expect;
use crate::Subject;

/// Whether entries can be listed.
pub(crate) async fn scan(subject: &Subject) -> bool {
    if subject.capability().scan {
        return true;
    }
    let pattern = Pattern::new("*").expect("a pattern");
    let request = ScanRequest::new(subject.namespace().clone(), pattern);
    let answer = subject
        .backend()
        .scan(&request, None, &ReadOptions::default())
        .await;
    unsupported(answer, "scan");
    false
}

/// Whether an entry's times can be changed.
pub(crate) async fn expire(subject: &Subject) -> bool {
    if subject.capability().expire {
        return true;
    }
    let stored = subject.entry("keeps its times");
    subject.set("a", &stored).await;
    let expiry = Expiry::new(subject.lifetime(Subject::MOMENT, Subject::MOMENT));
    let answer = subject
        .backend()
        .expire(&subject.key("a"), expiry, &WriteOptions::default())
        .await;
    unsupported(answer, "expire");
    expect::holds(
        subject.get("a").await,
        &stored,
        "after an expire that isn't supported",
    );
    false
}

/// Whether counters are kept.
pub(crate) async fn counters(subject: &Subject) -> bool {
    if subject.capability().counters {
        return true;
    }
    unsupported(subject.increment("a", 1).await, "increment");
    expect::nothing(
        subject.get("a").await,
        "after an increment that isn't supported",
    );
    false
}

/// Whether writes can have conditions.
pub(crate) async fn conditional(subject: &Subject) -> bool {
    if subject.capability().conditional {
        return true;
    }
    let stored = subject.entry("stays");
    subject.set("a", &stored).await;
    let entry: Entry = subject.entry("never stored");
    unsupported(
        subject
            .update("b", Update::SetIfAbsent(entry.clone()))
            .await,
        "set_if_absent",
    );
    let replace = Update::ReplaceIf {
        id: stored.id(),
        entry,
    };
    unsupported(subject.update("a", replace).await, "replace_if");
    unsupported(subject.update("a", Update::Take).await, "take");
    expect::holds(
        subject.get("a").await,
        &stored,
        "after updates that aren't supported",
    );
    expect::nothing(
        subject.get("b").await,
        "after a set_if_absent that isn't supported",
    );
    false
}

/// Whether leases are given.
pub(crate) async fn lease(subject: &Subject) -> bool {
    if subject.capability().lease {
        return true;
    }
    let entry = subject.entry("never stored");
    let (a, b) = (subject.key("a"), subject.key("b"));
    let leases = subject.backend().lease(&[a, b], &subject.leasing()).await;
    assert_eq!(
        leases.len(),
        2,
        "each key has an answer, also where leases aren't supported"
    );
    for answer in leases {
        unsupported(answer, "lease");
    }
    let fills = vec![Fill {
        token: FillToken::granted(&a, entry.id()),
        entry: entry.clone(),
    }];
    let fills = subject
        .backend()
        .fill(fills, &WriteOptions::default())
        .await;
    assert_eq!(
        fills.len(),
        1,
        "each fill has an answer, also where leases aren't supported"
    );
    for answer in fills {
        unsupported(answer, "fill");
    }
    let tokens = vec![FillToken::granted(&a, entry.id())];
    unsupported(
        subject
            .backend()
            .release(tokens, &WriteOptions::default())
            .await,
        "release",
    );
    expect::nothing(subject.get("a").await, "after a fill that isn't supported");
    false
}

/// Whether markers are kept.
pub(crate) async fn markers(subject: &Subject) -> bool {
    if subject.capability().markers {
        return true;
    }
    let markers = [Marker::generation(subject.namespace())];
    let answer = subject
        .backend()
        .markers(&markers, MarkerRead::OrCreate, &ReadOptions::default())
        .await;
    unsupported(answer, "markers");
    unsupported(
        subject
            .backend()
            .bump(&markers, &WriteOptions::default())
            .await,
        "bump",
    );
    false
}

/// Whether entries are at hand without waiting.
pub(crate) async fn immediate(subject: &Subject) -> bool {
    if subject.capability().immediate {
        return true;
    }
    let stored = subject.entry("stays");
    subject.set("a", &stored).await;
    let answer = subject
        .backend()
        .put_now(&subject.key("a"), subject.entry("never stored"));
    unsupported(answer, "put_now");
    unsupported(
        subject.backend().forget_now(&subject.key("a")),
        "forget_now",
    );
    unsupported(
        subject.backend().forget_all_now(subject.namespace()),
        "forget_all_now",
    );
    expect::holds(
        subject.get("a").await,
        &stored,
        "after immediate writes that aren't supported",
    );
    false
}

/// Whether changes are told.
pub(crate) fn watch(subject: &Subject) -> bool {
    let claimed = subject.capability().watch;
    assert_eq!(
        subject.backend().watch().is_some(),
        claimed,
        "there is somewhere to subscribe exactly where the ability to watch is claimed"
    );
    claimed
}

/// Whether a prefix can have limits.
pub(crate) fn regions(subject: &Subject) -> bool {
    if subject.capability().regions {
        return true;
    }
    let limits = RegionLimits::new(subject.namespace(), "region").with_max_entries(1);
    unsupported(subject.backend().reserve(&limits), "reserve");
    false
}

#[track_caller]
fn unsupported<T: std::fmt::Debug>(answer: Result<T>, operation: &str) {
    let when = format!("{operation}, an ability that isn't claimed");
    expect::fails(answer, ErrorKind::Unsupported, &when);
}
