//! What was stored is what is read.

use std::time::Duration;

use bytes::Bytes;
use larder_core::wire::{self, ClockShift, HEADER_LEN, Limits, times_block};
use larder_core::{
    CodecId, Entry, EntryId, Expiry, Key, Lifetime, Tag, TagName, Timestamp, Ttl, Value, Version,
};
use proptest::prelude::*;

use crate::{assert_same, decode, encode, namespace};

fn lifetimes() -> impl Strategy<Value = Lifetime> {
    let ttl = prop_oneof![
        Just(Ttl::Forever),
        (1..1_u64 << 39).prop_map(|millis| Ttl::after(Duration::from_millis(millis)).unwrap()),
    ];
    (0..1_u64 << 42, ttl, 0..1_u64 << 39).prop_map(|(created, ttl, stale)| {
        Lifetime::new(
            Timestamp::from_millis(created),
            ttl,
            Duration::from_millis(stale),
        )
    })
}

fn values() -> impl Strategy<Value = Value> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..100);
    prop_oneof![
        any::<i64>().prop_map(Value::counter),
        (bytes, any::<u8>(), 0..8_u8).prop_map(|(bytes, codec, frames)| {
            let codec = if codec == CodecId::COUNTER.0 {
                0
            } else {
                codec
            };
            Value::encoded_as(bytes.into(), CodecId(codec)).with_frames(frames)
        }),
    ]
}

fn tags() -> impl Strategy<Value = Vec<Tag>> {
    let tag = ("[^\\p{Cc}]{1,60}", 1..=u64::MAX).prop_map(|(name, version)| Tag {
        name: TagName::new(&name).unwrap(),
        version: Version::from_u64(version),
    });
    proptest::collection::vec(tag, 0..=5)
}

prop_compose! {
    fn entries()(
        lifetime in lifetimes(),
        value in values(),
        kind in 0..4_u8,
        id in 1..=u64::MAX,
        generation in any::<u64>(),
        schema in any::<u32>(),
        tags in tags(),
        etag in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..50)),
        load_time in proptest::option::of(any::<u64>()),
    ) -> Entry {
        let id = EntryId::from_u64(id).unwrap();
        let mut entry = match kind {
            0 => Entry::absent(lifetime),
            1 => Entry::placeholder(id, lifetime),
            _ => Entry::new(value, lifetime),
        };
        if let Some(etag) = etag {
            entry = entry.with_etag(etag.into()).unwrap();
        }
        if let Some(micros) = load_time {
            entry = entry.with_load_time(Duration::from_micros(micros));
        }
        let generation = Version::from_u64(generation);
        entry.with_id(id).with_generation(generation).with_schema(schema).with_tags(tags).unwrap()
    }
}

proptest! {
    #[test]
    fn what_was_stored_is_what_is_read(entry in entries(), text in "[^\\p{Cc}]{1,40}") {
        let ns = namespace();
        let key = Key::new(&ns, "", &text).unwrap();
        let bytes = encode(&key, &entry);
        assert_same(&decode(&key, bytes.clone()).unwrap(), &entry);
        let head = wire::decode_head(&key, &bytes, ClockShift::NONE).unwrap();
        prop_assert_eq!(&head, entry.head());
    }

    #[test]
    fn what_was_read_is_stored_as_the_same_bytes(entry in entries(), shift in -1_i64 << 42..1 << 42) {
        let ns = namespace();
        let key = Key::new(&ns, "", "key").unwrap();
        let shift = ClockShift::from_nanos(shift);
        let bytes = wire::encode(&key, &entry, shift).unwrap();
        let read = wire::decode(&key, &bytes, shift, Limits::default()).unwrap();
        prop_assert_eq!(wire::encode(&key, &read, shift).unwrap(), bytes);
    }
}

fn entry() -> Entry {
    let ttl = Ttl::after(Duration::from_secs(60)).unwrap();
    let now = Timestamp::from_millis(1_780_000_000_000);
    Entry::new(
        Value::raw("payload".into()),
        Lifetime::new(now, ttl, Duration::ZERO),
    )
}

#[test]
fn an_untagged_entry_costs_at_most_48_bytes() {
    let ns = namespace();
    let key = Key::new(&ns, "airport", "LHR").unwrap();
    let generation = Some(Version::random());
    let all = entry().with_schema(u32::MAX).with_generation(generation);
    assert!(encode(&key, &all).len() <= "payload".len() + 48);
}

#[test]
fn the_payload_is_not_copied() {
    let ns = namespace();
    let key = Key::new(&ns, "airport", "LHR").unwrap();
    let bytes = encode(&key, &entry());
    let read = decode(&key, bytes.clone()).unwrap();
    assert_eq!(
        read.value().encoded().unwrap().as_ptr(),
        bytes[HEADER_LEN..].as_ptr()
    );
}

#[test]
fn times_can_be_rewritten_in_place() {
    let ns = namespace();
    let key = Key::new(&ns, "airport", "LHR").unwrap();
    let shift = ClockShift::from_nanos(12_345_678_901);
    let original = wire::encode(&key, &entry(), shift).unwrap();
    let read = wire::decode_head(&key, &original, shift).unwrap();

    let later = Lifetime::forever(Timestamp::from_millis(1_790_000_000_000));
    let life = Expiry::new(later).apply(read.lifetime());
    let mut rewritten = original.to_vec();
    rewritten[wire::layout::TIMES].copy_from_slice(&times_block(life, shift));

    let limits = Limits::default();
    let after = wire::decode(&key, &Bytes::from(rewritten), shift, limits).unwrap();
    assert_eq!(after.id(), read.id());
    assert_eq!(
        after.head().lifetime(),
        life,
        "the time of creation stays as it was read"
    );
}
