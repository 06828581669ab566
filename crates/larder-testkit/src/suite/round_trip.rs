//! What is stored comes back, and what replaces or removes it does so wholly.

use std::sync::Arc;
use std::time::Duration;

use larder_core::codec::MessagePack;
use larder_core::{
    Entry, ErrorKind, Marker, MarkerRead, ReadOptions, Tag, TagName, Tiers, Value, ValueType,
    Version, View, WriteOptions,
};

use super::expect;
use crate::Subject;

/// An entry with everything that an entry can have. Its tags have the versions that the store keeps, if it keeps any: one
/// that judges tags finds nothing else.
async fn full(subject: &Subject, text: &str) -> Entry {
    let tag = |name: &str, version| Tag {
        name: TagName::new(name).expect("a tag of the suite keeps the rules"),
        version,
    };
    let names = ["country:GB", "ünïcode"];
    let markers = names.map(|name| Marker::tag(subject.namespace(), tag(name, None).name));
    let versions = if subject.capability().markers {
        let options = ReadOptions::default();
        let backend = subject.backend();
        let read = backend.markers(&markers, MarkerRead::OrCreate, &options);
        read.await.expect("the store keeps markers")
    } else {
        names.iter().map(|_| Some(Version::random())).collect()
    };
    subject
        .entry_for(text, Subject::LONG, Duration::from_secs(60))
        .with_schema(7)
        .with_generation(Some(Version::random()))
        .with_tags(vec![tag(names[0], versions[0]), tag(names[1], versions[1])])
        .and_then(|entry| entry.with_etag("W/\"1\"".into()))
        .expect("two tags and a short etag")
        .with_load_time(Duration::from_micros(12_345))
}

/// Id, kind, schema, generation, tags with their versions, etag, load time, codec and bytes are those
/// that were stored; times are, to the millisecond.
pub async fn an_entry_comes_back_as_it_was_stored(subject: &Subject) {
    let stored = full(subject, "Heathrow").await;
    subject.set("a", &stored).await;
    expect::holds(subject.get("a").await, &stored, "after a set");
}

/// A value may be empty, and may hold every byte.
pub async fn any_bytes_come_back(subject: &Subject) {
    let long: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for (name, bytes) in [("empty", Vec::new()), ("zero", vec![0]), ("long", long)] {
        let stored = Entry::new(
            Value::raw(bytes.into()),
            subject.lifetime(Subject::LONG, Duration::ZERO),
        );
        subject.set(name, &stored).await;
        expect::holds(subject.get(name).await, &stored, name);
    }
}

/// What was stored decoded can be read as the same type: the same object where values stay decoded.
pub async fn a_decoded_value_can_be_read_as_its_type(subject: &Subject) {
    let text = ValueType::of::<(String, i32), MessagePack>();
    let original = Arc::new(("Heathrow".to_owned(), 83));
    let value = Value::decoded(Arc::clone(&original), text);
    let stored = Entry::new(value, subject.lifetime(Subject::LONG, Duration::ZERO));
    subject.set("a", &stored).await;
    let answer = expect::holds(
        subject.get("a").await,
        &stored,
        "after a set of a decoded value",
    );
    let read = answer.value().read::<(String, i32)>(text).ok();
    assert_eq!(
        read.as_deref(),
        Some(&*original),
        "the value can be read as the type it was stored as"
    );
    if subject.capability().keeps_decoded {
        let read = read.expect("compared above");
        assert!(
            Arc::ptr_eq(&read, &original),
            "a value that is kept decoded is handed out without a copy"
        );
    }
}

/// A value that never becomes bytes is kept, or refused where bytes are needed.
pub async fn a_local_value_is_kept_or_refused(subject: &Subject) {
    struct Handle(u32);
    let local = ValueType::local::<Handle>();
    let value = Value::decoded(Arc::new(Handle(7)), local);
    let stored = Entry::new(value, subject.lifetime(Subject::LONG, Duration::ZERO));
    if subject.capability().needs_bytes {
        let answer = subject
            .backend()
            .set(&subject.key("a"), stored, &WriteOptions::default())
            .await;
        expect::fails(
            answer,
            ErrorKind::Encode,
            "a set of a local value where bytes are needed",
        );
        return;
    }
    subject.set("a", &stored).await;
    let answer = expect::holds(
        subject.get("a").await,
        &stored,
        "after a set of a local value",
    );
    let read = answer.value().read::<Handle>(local).ok();
    assert_eq!(
        read.map(|handle| handle.0),
        Some(7),
        "a local value can be read"
    );
}

/// A counter that is set comes back as one.
pub async fn a_counter_comes_back(subject: &Subject) {
    for (name, number) in [("least", i64::MIN), ("minus", -1), ("most", i64::MAX)] {
        let stored = Entry::new(
            Value::counter(number),
            subject.lifetime(Subject::LONG, Duration::ZERO),
        );
        subject.set(name, &stored).await;
        let answer = expect::holds(subject.get(name).await, &stored, "after a set of a counter");
        assert_eq!(
            answer.value().as_counter(),
            Some(number),
            "the counter's value"
        );
    }
}

/// Nothing of the old entry is left: no tag, no etag, no longer life.
pub async fn a_set_replaces_all_of_the_entry(subject: &Subject) {
    subject.set("a", &full(subject, "old").await).await;
    let plain = subject.entry("new");
    subject.set("a", &plain).await;
    expect::holds(subject.get("a").await, &plain, "after a second set");
    let full = full(subject, "newest").await;
    subject.set("a", &full).await;
    expect::holds(subject.get("a").await, &full, "after a third set");
}

/// What was never stored is a miss, not an error.
pub async fn an_unknown_key_is_a_miss(subject: &Subject) {
    expect::nothing(subject.get("a").await, "before any set");
    assert_eq!(subject.head("a").await, None, "head of an unknown key");
}

/// A delete tells whether an entry was there, and may be repeated.
pub async fn a_delete_tells_whether_an_entry_was_there(subject: &Subject) {
    assert!(
        !subject.delete("a").await,
        "nothing was there before the first set"
    );
    subject.set("a", &subject.entry("x")).await;
    assert!(subject.delete("a").await, "an entry was there");
    expect::nothing(subject.get("a").await, "after a delete");
    assert!(
        !subject.delete("a").await,
        "nothing was there after the first delete"
    );
}

/// What counts is whether an entry was there at all: stale ones and those of any generation count,
/// expired ones don't.
pub async fn a_delete_counts_stale_entries_and_not_expired_ones(subject: &Subject) {
    subject
        .set(
            "stale",
            &subject.entry_for("x", Subject::MOMENT, Subject::LONG),
        )
        .await;
    subject
        .set(
            "expired",
            &subject.entry_for("x", Subject::MOMENT, Duration::ZERO),
        )
        .await;
    let generation = Some(Version::random());
    subject
        .set("old", &subject.entry("x").with_generation(generation))
        .await;
    subject.pass(Subject::MOMENT).await;
    let view = View::default().with_generation(Some(Version::random()));
    let options = WriteOptions::default().with_view(view);
    for (name, expected) in [("stale", true), ("expired", false), ("old", true)] {
        let answer = subject.backend().delete(&subject.key(name), &options).await;
        let existed = answer.expect("delete of a key that may exist").existed();
        assert_eq!(existed, expected, "whether the {name} entry was there");
        expect::nothing(subject.get(name).await, "after a delete");
    }
}

/// The cached copy is gone, and the answer tells whether there was one.
pub async fn an_invalidated_entry_is_gone(subject: &Subject) {
    subject.set("a", &subject.entry("x")).await;
    subject.set("b", &subject.entry("y")).await;
    assert!(subject.invalidate("a").await, "an entry was there");
    expect::nothing(subject.get("a").await, "after an invalidate");
    assert!(
        !subject.invalidate("a").await,
        "nothing was there after the first invalidate"
    );
    assert!(subject.get("b").await.is_some(), "another key is untouched");
}

/// A plain read answers entries of every generation and schema; its caller judges them.
pub async fn a_get_leaves_the_judging_to_its_caller(subject: &Subject) {
    let stored = subject
        .entry("x")
        .with_schema(1)
        .with_generation(Some(Version::random()));
    subject.set("a", &stored).await;
    let view = View::default()
        .with_schema(Some(2))
        .with_generation(Some(Version::random()));
    let options = ReadOptions::default().with_view(view);
    let answer = subject.backend().get(&subject.key("a"), &options).await;
    expect::holds(answer.expect("get"), &stored, "under another view");
    let head = subject
        .backend()
        .head(&subject.key("a"), &options)
        .await
        .expect("head");
    assert_eq!(
        head.map(|head| head.id()),
        Some(stored.id()),
        "head under another view"
    );
}

/// A single backend is both the nearest and the authoritative tier; several agree on what all were told.
pub async fn every_tier_knows_what_was_written_to_all(subject: &Subject) {
    let stored = subject.entry("x");
    subject.set("a", &stored).await;
    for tiers in [Tiers::Nearest, Tiers::Authoritative] {
        let options = ReadOptions::default().with_tiers(tiers);
        let answer = subject.backend().get(&subject.key("a"), &options).await;
        expect::holds(answer.expect("get"), &stored, &format!("asking {tiers:?}"));
    }
}
