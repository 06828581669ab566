//! What a kept value costs: F10 of `docs/decisions/0011-fred.md`.

use larder_core::{Backend, BatchOperation, BatchReply, ReadOptions, WriteOptions};
use larder_redis::Redis;

use crate::harness::{Opened, shared_server};

#[tokio::test]
async fn f10_a_value_out_of_a_large_answer_keeps_nothing_but_itself_alive() {
    const LEN: usize = 64;
    let server = shared_server();
    let opened = Opened::by(Redis::builder(server.url()).pool_size(1)).await;
    let names: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
    let entry = || {
        let entry = opened.entry(&"x".repeat(LEN));
        entry.with_etag("version 1".into()).unwrap()
    };
    let options = WriteOptions::default();
    let sets = names
        .iter()
        .map(|name| BatchOperation::Set(opened.key(name), entry()));
    for answer in opened.redis.batch(sets.collect(), &options).await {
        answer.unwrap();
    }
    let gets = names
        .iter()
        .map(|name| BatchOperation::Get(opened.key(name)));
    let mut entries = Vec::new();
    for answer in opened.redis.batch(gets.collect(), &options).await {
        let BatchReply::Entry(Some(entry)) = answer.unwrap() else {
            panic!("it was set")
        };
        entries.push(entry);
    }
    let read = ReadOptions::default();
    for name in &names[..10] {
        let entry = opened.redis.get(&opened.key(name), &read).await.unwrap();
        entries.push(entry.unwrap());
    }
    for entry in entries {
        let value = entry.value().encoded().unwrap();
        assert!(value.is_unique(), "a value shares its memory with nothing");
        if let Some(etag) = entry.head().etag() {
            assert!(etag.is_unique(), "nor does an etag");
        }
        let value = value.clone();
        drop(entry);
        let room = value.try_into_mut().expect("it is unique").capacity();
        assert!(room <= 2 * LEN, "{LEN} bytes take {room}");
    }
}
