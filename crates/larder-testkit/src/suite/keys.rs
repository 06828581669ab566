//! Keys and namespaces: different names are different entries, whatever is in them.

use larder_core::{Key, KeyBuf, ReadOptions, WriteOptions};

use super::expect;
use crate::Subject;

/// Names that somebody's backend has mistaken for something else.
fn hostile() -> Vec<String> {
    let mut names: Vec<String> = [
        "a",
        "A",
        "a ",
        " a",
        "a:",
        "a:b",
        "a::b",
        ":",
        "::",
        ":a",
        "~",
        "~g",
        "~t:a",
        "%7Eg",
        "%",
        "%%",
        "%25",
        "%7E",
        "%2F",
        "{",
        "}",
        "{}",
        "{a}",
        "{a}{b}",
        "{{a}}",
        "{a}:b",
        "a}b{",
        "*",
        "?",
        "a*",
        "[a]",
        "[^a]",
        "\\",
        "\\*",
        ".",
        "..",
        "../a",
        "../../etc/passwd",
        "/",
        "/a",
        "a/b",
        "a//b",
        "a/./b",
        "a\\b",
        "a.json",
        "a.tmp",
        "CON",
        "nul",
        "-",
        "--help",
        "'",
        "\"",
        "`",
        "$a",
        "$(a)",
        ";",
        "&",
        "|",
        "<a>",
        "#",
        "é",
        "e\u{301}",
        "ß",
        "SS",
        "ﬁ",
        "İ",
        "日本",
        "🦀",
        "\u{202e}a",
        "\u{feff}a",
        "\u{10ffff}",
        "null",
        "0",
        "00",
        "1e3",
        "1000",
    ]
    .map(String::from)
    .into();
    for filler in ["x", "é", "🦀", "/", "%", "{"] {
        names.push(filler.repeat(Key::MAX_BYTES / filler.len()));
    }
    names.push("x".repeat(Key::MAX_BYTES - 1) + "y");
    names.push("x".repeat(255));
    names.push("x".repeat(256));
    names
}

/// Every name that [`Key::new`] accepts can be stored, is told from every other, and is listed as it was.
pub async fn s4_hostile_keys_are_distinct_and_round_trip(subject: &Subject) {
    let names = hostile();
    for name in &names {
        subject.set(name, &subject.entry(name)).await;
    }
    for name in &names {
        let answer = subject.get(name).await;
        let answer = answer.unwrap_or_else(|| panic!("the key {name:?} was stored and is a miss"));
        assert_eq!(
            &expect::text(&answer),
            name,
            "the key {name:?} holds another key's value"
        );
    }
    if subject.capability().scan {
        let mut listed: Vec<_> = subject
            .scan("*", 7)
            .await
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        listed.sort();
        let mut expected = names.clone();
        expected.sort();
        assert_eq!(listed, expected, "a scan lists each key as it was written");
    }
    for (at, name) in names.iter().enumerate() {
        assert!(subject.delete(name).await, "the key {name:?} was there");
        if let Some(next) = names.get(at + 1) {
            assert!(
                subject.get(next).await.is_some(),
                "a delete of {name:?} took {next:?} with it"
            );
        }
    }
}

/// `("airport", "LHR")` and `("", "airport:LHR")` name the same entry.
pub async fn a_key_is_the_same_wherever_its_prefix_is_cut(subject: &Subject) {
    let namespace = subject.namespace();
    let cuts = [("", "a:b:c"), ("a", "b:c"), ("a:b", "c")];
    let keys = cuts.map(|(prefix, name)| {
        Key::new(namespace, prefix, name).expect("a key of the suite keeps the rules")
    });
    for writer in &keys {
        let stored = subject.entry("x");
        let write = subject
            .backend()
            .set(writer, stored.clone(), &WriteOptions::default())
            .await;
        write.expect("set");
        for reader in &keys {
            let answer = subject.backend().get(reader, &ReadOptions::default()).await;
            expect::holds(
                answer.expect("get"),
                &stored,
                "under another cut of its key",
            );
        }
    }
    let delete = subject
        .backend()
        .delete(&keys[2], &WriteOptions::default())
        .await;
    assert!(
        delete.expect("delete").existed(),
        "a delete finds the entry under another cut of its key"
    );
    expect::nothing(
        subject.get("a:b:c").await,
        "after a delete under another cut of its key",
    );
}

/// The same key in two namespaces is two entries, to reads, deletes and scans.
pub async fn s4_namespaces_are_separate(subject: &Subject) {
    let other = subject.unused_namespace();
    let there = Key::new(&other, "", "a").expect("a key of the suite keeps the rules");
    let (mine, theirs) = (subject.entry("mine"), subject.entry("theirs"));
    subject.set("a", &mine).await;
    let answer = subject.backend().get(&there, &ReadOptions::default()).await;
    expect::nothing(
        answer.expect("get"),
        "in a namespace where nothing was stored",
    );
    let write = subject
        .backend()
        .set(&there, theirs.clone(), &WriteOptions::default())
        .await;
    write.expect("set");

    expect::holds(
        subject.get("a").await,
        &mine,
        "after a set in another namespace",
    );
    if subject.capability().scan {
        let (here, there) = (
            subject.scan("*", 10).await,
            subject.scan_of(&other, "*", 10).await,
        );
        assert_eq!(
            (here.len(), there.len()),
            (1, 1),
            "each namespace lists its own entry"
        );
        assert_eq!(
            (here[0].1.id(), there[0].1.id()),
            (mine.id(), theirs.id()),
            "and no other's"
        );
    }
    assert!(subject.delete("a").await, "an entry was there");
    let answer = subject.backend().get(&there, &ReadOptions::default()).await;
    expect::holds(
        answer.expect("get"),
        &theirs,
        "after a delete in another namespace",
    );
    let delete = subject
        .backend()
        .delete(&there, &WriteOptions::default())
        .await;
    assert!(
        delete.expect("delete").existed(),
        "the other namespace's entry was there"
    );
}

/// A namespace that begins like another one's keys is still another namespace.
pub async fn s4_no_key_reaches_into_a_namespace_with_a_longer_name(subject: &Subject) {
    let short = subject.namespace().clone();
    let long = larder_core::Namespace::new(&format!("{short}.a")).expect("a dot is allowed");
    let keys: Vec<KeyBuf> = [
        (&short, ".ab"),
        (&short, "a:b"),
        (&long, "b"),
        (&long, "a:b"),
    ]
    .map(|(namespace, text)| {
        Key::new(namespace, "", text)
            .expect("a key of the suite keeps the rules")
            .to_buf()
    })
    .into();
    let entries: Vec<_> = keys.iter().map(|_| subject.entry("x")).collect();
    for (key, entry) in keys.iter().zip(&entries) {
        let write = subject
            .backend()
            .set(&key.as_key(), entry.clone(), &WriteOptions::default())
            .await;
        write.expect("set");
    }
    for (key, entry) in keys.iter().zip(&entries) {
        let answer = subject
            .backend()
            .get(&key.as_key(), &ReadOptions::default())
            .await;
        expect::holds(answer.expect("get"), entry, &format!("{key:?}"));
    }
    if subject.capability().scan {
        assert_eq!(
            subject.scan_of(&short, "*", 10).await.len(),
            2,
            "the shorter name's own entries"
        );
        assert_eq!(
            subject.scan_of(&long, "*", 10).await.len(),
            2,
            "the longer name's own entries"
        );
    }
}
