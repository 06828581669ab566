//! Markers: versions of tags and of the namespace's generation.

use std::collections::HashSet;

use larder_core::{Marker, MarkerRead, Namespace, ReadOptions, TagName, Version, WriteOptions};

use super::ability;
use crate::Subject;

fn tag(namespace: &Namespace, name: &str) -> Marker {
    Marker::tag(
        namespace,
        TagName::new(name).expect("a tag of the suite keeps the rules"),
    )
}

async fn read(subject: &Subject, markers: &[Marker], read: MarkerRead) -> Vec<Option<Version>> {
    let answer = subject
        .backend()
        .markers(markers, read, &ReadOptions::default())
        .await;
    let versions = answer.expect("a read of markers");
    assert_eq!(versions.len(), markers.len(), "each marker has an answer");
    versions
}

async fn bump(subject: &Subject, markers: &[Marker]) -> Vec<Version> {
    let answer = subject
        .backend()
        .bump(markers, &WriteOptions::default())
        .await;
    let versions = answer.expect("a bump of markers");
    assert_eq!(versions.len(), markers.len(), "each marker has an answer");
    versions
}

/// Asking whether a marker exists doesn't make it.
pub async fn c4_what_judges_an_entry_creates_no_marker(subject: &Subject) {
    if !ability::markers(subject).await {
        return;
    }
    let markers = [
        Marker::generation(subject.namespace()),
        tag(subject.namespace(), "a"),
    ];
    for _ in 0..2 {
        let versions = read(subject, &markers, MarkerRead::Existing).await;
        assert_eq!(versions, [None, None], "markers that nobody has made");
    }
}

/// Whoever stamps an entry makes the marker; from then on everybody reads the same version.
pub async fn a_marker_is_made_once_and_stays(subject: &Subject) {
    if !ability::markers(subject).await {
        return;
    }
    let markers = [
        Marker::generation(subject.namespace()),
        tag(subject.namespace(), "a"),
    ];
    let made = read(subject, &markers, MarkerRead::OrCreate).await;
    assert!(
        made.iter().all(Option::is_some),
        "markers that were asked for are made"
    );
    subject.pass(Subject::MOMENT).await;
    for how in [MarkerRead::OrCreate, MarkerRead::Existing] {
        assert_eq!(
            read(subject, &markers, how).await,
            made,
            "a marker keeps its version"
        );
    }
}

/// Of many that make a marker at once all read the same version.
pub async fn concurrent_readers_agree_on_a_new_marker(subject: &Subject) {
    if !ability::markers(subject).await {
        return;
    }
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (backend, markers) = (subject.share(), [tag(subject.namespace(), "a")]);
            tokio::spawn(async move {
                let options = ReadOptions::default();
                let answer = backend
                    .markers(&markers, MarkerRead::OrCreate, &options)
                    .await;
                answer.expect("a read of markers")
            })
        })
        .collect();
    let mut versions = HashSet::new();
    for task in tasks {
        versions.extend(task.await.expect("a task that reads a marker"));
    }
    assert_eq!(versions.len(), 1, "all read the same version");
}

/// A bump answers the new version, which is what is read from then on, and none comes twice.
pub async fn c4_a_bump_gives_a_version_never_seen_before(subject: &Subject) {
    if !ability::markers(subject).await {
        return;
    }
    let markers = [
        Marker::generation(subject.namespace()),
        tag(subject.namespace(), "a"),
    ];
    let mut seen = HashSet::new();
    seen.extend(read(subject, &markers, MarkerRead::OrCreate).await);
    for _ in 0..10 {
        let bumped: Vec<_> = bump(subject, &markers)
            .await
            .into_iter()
            .map(Some)
            .collect();
        for how in [MarkerRead::OrCreate, MarkerRead::Existing] {
            assert_eq!(
                read(subject, &markers, how).await,
                bumped,
                "what is read after a bump"
            );
        }
        seen.extend(bumped);
    }
    assert_eq!(
        seen.len(),
        22,
        "no version comes twice, not even to two markers"
    );
}

/// A marker that nobody has made can be bumped.
pub async fn an_unknown_marker_can_be_bumped(subject: &Subject) {
    if !ability::markers(subject).await {
        return;
    }
    let marker = [tag(subject.namespace(), "a")];
    let bumped = bump(subject, &marker).await;
    assert_eq!(
        read(subject, &marker, MarkerRead::Existing).await,
        [Some(bumped[0])],
        "after its first bump"
    );
}

/// A bump of one tag leaves other tags, the generation and other namespaces alone.
pub async fn s4_markers_are_separate(subject: &Subject) {
    if !ability::markers(subject).await {
        return;
    }
    let (mine, other) = (subject.namespace().clone(), subject.unused_namespace());
    let mut markers = vec![Marker::generation(&mine), Marker::generation(&other)];
    for name in ["a", "A", "b", "~g", "g", "a:b", "{a}", "%7Eg", "t:a", "ä"] {
        markers.push(tag(&mine, name));
    }
    markers.push(tag(&other, "a"));
    let before = read(subject, &markers, MarkerRead::OrCreate).await;
    let distinct: HashSet<_> = before.iter().collect();
    assert_eq!(
        distinct.len(),
        markers.len(),
        "each marker has a version of its own"
    );
    for (at, marker) in markers.iter().enumerate() {
        let before = read(subject, &markers, MarkerRead::Existing).await;
        let bumped = bump(subject, std::slice::from_ref(marker)).await;
        let after = read(subject, &markers, MarkerRead::Existing).await;
        for (other, (before, after)) in before.iter().zip(&after).enumerate() {
            if other == at {
                assert_eq!(*after, Some(bumped[0]), "{marker:?} was bumped");
            } else {
                assert_eq!(
                    after, before,
                    "a bump of {marker:?} changed {:?}",
                    markers[other]
                );
            }
        }
    }
}

/// A marker is no entry: no key reads it, no scan lists it.
pub async fn s4_a_marker_is_no_entry(subject: &Subject) {
    if !ability::markers(subject).await {
        return;
    }
    bump(
        subject,
        &[
            Marker::generation(subject.namespace()),
            tag(subject.namespace(), "a"),
        ],
    )
    .await;
    for name in ["~g", "~t:a", "%7Eg", "g", "t:a"] {
        assert!(
            subject.get(name).await.is_none(),
            "the key {name:?} reads a marker"
        );
        assert!(
            !subject.delete(name).await,
            "the key {name:?} deletes a marker"
        );
    }
    if subject.capability().scan {
        assert_eq!(subject.scan("*", 10).await, [], "a scan lists a marker");
    }
}
