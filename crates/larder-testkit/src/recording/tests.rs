//! What is recorded is what happened.

use larder_core::{
    BatchOperation, Clock, Entry, ErrorKind, Key, LeaseOptions, Lifetime, Namespace, ReadOptions,
    Timestamp, Update, Value, WriteOptions,
};

use super::*;
use crate::{ChaosLayer, ManualClock, ReferenceBackend};

#[tokio::test]
async fn calls_are_recorded_with_their_outcomes() {
    let (clock, recording, chaos) = (ManualClock::new(), RecordingLayer::new(), ChaosLayer::new());
    let store = Store::new(ReferenceBackend::new(clock.shared()));
    let store = store.layer(&chaos).unwrap().layer(&recording).unwrap();
    let namespace = Namespace::new("app").unwrap();
    let (a, b) = (
        Key::new(&namespace, "", "a").unwrap(),
        Key::new(&namespace, "", "b").unwrap(),
    );
    let entry = Entry::new(Value::counter(1), Lifetime::forever(clock.now()));
    let (reading, writing) = (ReadOptions::default(), WriteOptions::default());

    store.set(&a, entry.clone(), &writing).await.unwrap();
    store.get(&a, &reading).await.unwrap();
    store
        .update(
            &a,
            Update::Increment {
                by: 2,
                template: entry.clone(),
            },
            &writing,
        )
        .await
        .unwrap();
    let leases = store
        .lease(&[a, b], &LeaseOptions::until(Timestamp::FOREVER))
        .await;
    assert_eq!(leases.len(), 2);
    chaos.fail_next(Operation::Delete, ErrorKind::Timeout);
    store.delete(&a, &writing).await.unwrap_err();
    store
        .batch(
            vec![BatchOperation::Get(a), BatchOperation::Delete(b)],
            &writing,
        )
        .await;
    store.peek(&a, clock.now());

    let expected = [
        "set a: done",
        "get a: hit",
        "update a: counted(3)",
        "lease a, b: hit, granted",
        "delete a: failed(timeout)",
        "batch a, b: hit, miss",
    ];
    assert_eq!(recording.count(Operation::Batch), 1);
    assert_eq!(recording.take_lines(), expected);
    assert_eq!(recording.take(), [], "what was taken is gone");
    assert_eq!(recording.peeks(), 1);
}

#[tokio::test]
async fn a_call_whose_caller_went_away_is_unfinished() {
    let (recording, chaos) = (RecordingLayer::new(), ChaosLayer::new());
    let store = Store::new(ReferenceBackend::new(ManualClock::new().shared()));
    let store = store.layer(&chaos).unwrap().layer(&recording).unwrap();
    let gate = chaos.block_before(Operation::Get);
    let reader = tokio::spawn(async move {
        let namespace = Namespace::new("app").unwrap();
        let key = Key::new(&namespace, "", "a").unwrap();
        store.get(&key, &ReadOptions::default()).await
    });
    gate.reached().await;
    reader.abort();
    reader.await.unwrap_err();
    assert_eq!(recording.take_lines(), ["get a: unfinished"]);
}
