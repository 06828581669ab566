//! Many at once: entries are whole, and what has completed is seen.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use larder_core::{Entry, ReadOptions, WriteOptions};

use super::expect;
use crate::Subject;

/// An entry whose parts tell whether they belong together.
fn consistent(subject: &Subject, n: u32) -> Entry {
    let text = format!("{n};").repeat(500);
    let entry = subject.entry(&text).with_schema(n);
    entry.with_etag(n.to_string().into()).expect("a short etag")
}

#[track_caller]
fn is_whole(entry: &Entry) {
    let n = entry.head().schema();
    assert_eq!(
        expect::text(entry),
        format!("{n};").repeat(500),
        "the payload is of another write"
    );
    let etag = entry.head().etag().map(|etag| etag.to_vec());
    assert_eq!(
        etag,
        Some(n.to_string().into_bytes()),
        "the etag is of another write"
    );
}

/// Whoever reads while others write sees one of the entries, whole.
pub async fn a_read_among_writes_sees_one_of_them_whole(subject: &Subject) {
    const WRITES: u32 = 50;
    subject.set("a", &consistent(subject, 0)).await;
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (backend, key, done) = (
                subject.share(),
                subject.key("a").to_buf(),
                Arc::clone(&done),
            );
            tokio::spawn(async move {
                loop {
                    let last = done.load(Ordering::Acquire);
                    let answer = backend.get(&key.as_key(), &ReadOptions::default()).await;
                    is_whole(
                        &answer
                            .expect("get")
                            .expect("the key was never without an entry"),
                    );
                    if last {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (backend, key) = (subject.share(), subject.key("a").to_buf());
            let entries: Vec<_> = (0..WRITES)
                .map(|n| consistent(subject, writer * WRITES + n))
                .collect();
            tokio::spawn(async move {
                for entry in entries {
                    backend
                        .set(&key.as_key(), entry, &WriteOptions::default())
                        .await
                        .expect("set");
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("a task that writes");
    }
    done.store(true, Ordering::Release);
    for reader in readers {
        reader.await.expect("a task that reads");
    }
}

/// What one task has written, another sees.
pub async fn c7_a_completed_write_is_seen_by_other_tasks(subject: &Subject) {
    for round in 0..50 {
        let stored = subject.entry(&round.to_string());
        let (backend, key, entry) = (subject.share(), subject.key("a").to_buf(), stored.clone());
        let write = tokio::spawn(async move {
            backend
                .set(&key.as_key(), entry, &WriteOptions::default())
                .await
        });
        write.await.expect("a task that writes").expect("set");
        expect::holds(subject.get("a").await, &stored, "after another task's set");
        let (backend, key) = (subject.share(), subject.key("a").to_buf());
        let delete = tokio::spawn(async move {
            backend
                .delete(&key.as_key(), &WriteOptions::default())
                .await
        });
        let deletion = delete.await.expect("a task that deletes").expect("delete");
        assert!(deletion.existed(), "an entry was there");
        expect::nothing(subject.get("a").await, "after another task's delete");
    }
}

/// A write whose caller goes away is done or not done, never half done; and nothing is stuck afterwards.
pub async fn a_dropped_write_is_done_or_not_done(subject: &Subject) {
    for round in 1..50 {
        let key = subject.key("a");
        let options = WriteOptions::default();
        let mut write = subject
            .backend()
            .set(&key, consistent(subject, round), &options);
        // One poll brings it as far as it gets without waiting.
        poll_fn(|context| {
            let _ = write.as_mut().poll(context);
            Poll::Ready(())
        })
        .await;
        drop(write);
        if let Some(entry) = subject.get("a").await {
            is_whole(&entry);
        }
    }
    let last = subject.entry("last");
    subject.set("b", &last).await;
    expect::holds(
        subject.get("b").await,
        &last,
        "after writes whose callers went away",
    );
}
