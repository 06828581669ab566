//! What a stack says about itself, and its end.

use std::time::Duration;

use larder_core::ReadOptions;

use crate::Subject;

/// What a stack can do doesn't change while it lives.
pub async fn the_capability_is_constant(subject: &Subject) {
    let before = subject.capability();
    subject.set("a", &subject.entry("x")).await;
    subject.get("a").await;
    assert_eq!(
        subject.capability(),
        before,
        "the capability after some use"
    );
}

/// Numbers have a name, and look-ups only ever add to them.
pub async fn stats_have_names_and_grow(subject: &Subject) {
    let before = subject.backend().stats();
    subject.set("a", &subject.entry("x")).await;
    subject.get("a").await;
    subject.get("unknown").await;
    let after = subject.backend().stats();
    assert_eq!(before.len(), after.len(), "the number of tiers");
    for (before, after) in before.iter().zip(&after) {
        assert!(!after.name.is_empty(), "a tier without a name");
        assert_eq!(before.name, after.name, "a tier's name and place");
        assert!(
            after.hits >= before.hits && after.misses >= before.misses,
            "look-ups were forgotten"
        );
    }
}

/// A backend that works is healthy, and each tier that is tried has a name.
pub async fn a_working_backend_is_healthy(subject: &Subject) {
    for check in subject.backend().check(&ReadOptions::default()).await {
        assert!(!check.name.is_empty(), "a tier without a name");
        assert!(check.is_healthy(), "{}: {:?}", check.name, check.findings);
    }
}

/// A stack that holds nothing back closes and reports that nothing was left.
pub async fn close_reports_nothing_left(subject: &Subject) {
    subject.set("a", &subject.entry("x")).await;
    let deadline = subject.now().saturating_add(Duration::from_secs(10));
    let report = subject.backend().close(deadline).await.expect("close");
    assert_eq!(
        report.undelivered, 0,
        "writes that were accepted and not delivered"
    );
}
