//! Listing: every entry that `get` would answer, once, and nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use larder_core::{Pattern, ReadOptions, ScanRequest, Version};

use super::{ability, expect};
use crate::Subject;

/// Each page size gives every entry, none twice, each with the head that `get` and `head` answer.
pub async fn c8_scan_agrees_with_get(subject: &Subject) {
    if !ability::scan(subject).await {
        return;
    }
    for n in 0..23 {
        subject
            .set(
                &format!("k{n}"),
                &subject.entry(&n.to_string()).with_schema(n),
            )
            .await;
    }
    subject.delete("k3").await;
    for page_size in [1, 2, 7, 22, 1_000] {
        let listed = subject.scan("*", page_size).await;
        let by_key: BTreeMap<_, _> = listed.iter().cloned().collect();
        assert_eq!(
            by_key.len(),
            listed.len(),
            "pages of {page_size} list a key twice"
        );
        assert_eq!(by_key.len(), 22, "pages of {page_size} list every entry");
        for (key, head) in &by_key {
            let entry = subject.get(key).await;
            let entry = entry.unwrap_or_else(|| panic!("{key:?} is listed but get answers a miss"));
            expect::same_head(head, entry.head(), &format!("head of {key:?} in a scan"));
        }
    }
}

/// What is listed is what matches, under Redis' rules for patterns.
pub async fn a_scan_lists_what_matches(subject: &Subject) {
    if !ability::scan(subject).await {
        return;
    }
    let keys = [
        "a", "b", "ab", "a:b", "a*", "[x]", "A", "ä", "{a}", "a\\", "%41",
    ];
    for key in keys {
        subject.set(key, &subject.entry(key)).await;
    }
    for pattern in [
        "*", "a", "a*", "?", "[a-b]", "[^a]", "\\*", "a\\*", "\\[x\\]", "*:*", "", "none", "{*}",
        "%*",
    ] {
        let mut listed: Vec<_> = subject
            .scan(pattern, 3)
            .await
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        listed.sort();
        let compiled = Pattern::new(pattern).expect("a pattern of the suite keeps the rules");
        let mut expected: Vec<_> = keys
            .iter()
            .filter(|key| compiled.matches(key))
            .copied()
            .collect();
        expected.sort_unstable();
        assert_eq!(listed, expected, "what matches {pattern:?}");
    }
}

/// Stale entries and those of another generation are listed, with heads that tell.
pub async fn a_scan_lists_stale_entries_with_heads_that_tell(subject: &Subject) {
    if !ability::scan(subject).await {
        return;
    }
    let generation = Some(Version::random());
    subject
        .set(
            "stale",
            &subject.entry_for("x", Subject::MOMENT, Subject::LONG),
        )
        .await;
    subject
        .set("old", &subject.entry("y").with_generation(generation))
        .await;
    subject
        .set(
            "gone",
            &subject.entry_for("z", Subject::MOMENT, Duration::ZERO),
        )
        .await;
    subject.pass(Subject::MOMENT).await;
    let listed: BTreeMap<_, _> = subject.scan("*", 10).await.into_iter().collect();
    let keys: Vec<_> = listed.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["old", "stale"],
        "stale entries are listed, expired ones aren't"
    );
    assert!(
        !listed["stale"].lifetime().is_fresh(subject.now()),
        "the stale entry's head says so"
    );
    assert_eq!(
        listed["old"].generation(),
        generation,
        "the other generation's head says so"
    );
}

/// A listing of nothing has an end.
pub async fn a_scan_of_nothing_ends(subject: &Subject) {
    if !ability::scan(subject).await {
        return;
    }
    assert_eq!(
        subject.scan("*", 10).await,
        [],
        "an empty namespace lists nothing"
    );
}

/// What is there from the first page to the last is listed once, whatever is written and deleted meanwhile.
pub async fn a_scan_under_writes_lists_what_stays_once(subject: &Subject) {
    if !ability::scan(subject).await {
        return;
    }
    for n in 0..20 {
        subject
            .set(&format!("stays:{n}"), &subject.entry("x"))
            .await;
        subject.set(&format!("goes:{n}"), &subject.entry("x")).await;
    }
    let pattern = Pattern::new("*").expect("a pattern of the suite keeps the rules");
    let request = ScanRequest::new(subject.namespace().clone(), pattern).with_page_size(3);
    let (mut listed, mut cursor, mut page_number) = (Vec::new(), None, 0);
    loop {
        let page = subject
            .backend()
            .scan(&request, cursor, &ReadOptions::default())
            .await;
        let page = page.expect("scan");
        listed.extend(
            page.entries
                .into_iter()
                .map(|(key, _)| key.text().to_owned()),
        );
        if page_number < 20 {
            subject.delete(&format!("goes:{page_number}")).await;
            subject
                .set(&format!("comes:{page_number}"), &subject.entry("x"))
                .await;
            subject
                .set(&format!("stays:{page_number}"), &subject.entry("rewritten"))
                .await;
        }
        page_number += 1;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    for n in 0..20 {
        let name = format!("stays:{n}");
        let times = listed.iter().filter(|key| **key == name).count();
        assert_eq!(
            times, 1,
            "{name} was there all the time and is listed {times} times"
        );
    }
}
