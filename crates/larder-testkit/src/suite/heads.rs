//! `head` is `get` without the payload.

use std::time::Duration;

use larder_core::{Entry, Tag, TagName, Value, Version};

use super::expect;
use crate::Subject;

/// Whatever kind of entry is there, `head` and `get` say the same of it, and miss together.
pub async fn c8_head_agrees_with_get(subject: &Subject) {
    let life = subject.lifetime(Subject::LONG, Duration::ZERO);
    let tag = Tag {
        name: TagName::new("country:GB").expect("a tag of the suite keeps the rules"),
        version: Some(Version::random()),
    };
    let tagged = subject.entry("x").with_tags(vec![tag]).expect("one tag");
    let kinds = [
        ("value", subject.entry("x")),
        ("tagged", tagged),
        ("absence", Entry::absent(life)),
        ("counter", Entry::new(Value::counter(7), life)),
        (
            "stale",
            subject.entry_for("x", Subject::MOMENT, Subject::LONG),
        ),
        (
            "expired",
            subject.entry_for("x", Subject::MOMENT, Duration::ZERO),
        ),
        (
            "other",
            subject
                .entry("x")
                .with_schema(9)
                .with_generation(Some(Version::random())),
        ),
    ];
    for (name, entry) in &kinds {
        subject.set(name, entry).await;
    }
    subject.pass(Subject::MOMENT).await;
    for (name, _) in &kinds {
        agree(subject, name).await;
        subject.delete(name).await;
        agree(subject, name).await;
        assert_eq!(
            subject.head(name).await,
            None,
            "head of {name:?} after a delete"
        );
    }
}

async fn agree(subject: &Subject, name: &str) {
    match (subject.head(name).await, subject.get(name).await) {
        (None, None) => {}
        (Some(head), Some(entry)) => {
            expect::same_head(&head, entry.head(), &format!("head and get of {name:?}"));
        }
        (head, entry) => panic!("head of {name:?} answers {head:?} where get answers {entry:?}"),
    }
}
