//! S1 and S5 for bytes whose checksums hold: what a broken or hostile writer could leave.

use std::time::Duration;

use bytes::Bytes;
use larder_core::wire::{self, ClockShift, HEADER_LEN, Limits, MAX_HEAD_LEN, Unreadable};
use larder_core::{
    CodecId, Entry, ErrorKind, Key, Lifetime, Tag, TagName, Timestamp, Value, ValueType, Version,
};
use proptest::prelude::*;

use crate::{assert_same, decode, encode, namespace};

const VALUE: u8 = 0;
const COUNTER: u8 = 1;
const ABSENT: u8 = 2;
const PLACEHOLDER: u8 = 3;
const EXTENSION: u8 = 4;
const ONE_FRAME: u8 = 8;

/// Bytes with these parts and checksums that hold, whatever the parts say.
fn forge(flags: u8, codec: CodecId, extension: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xC1, 1, codec.0, flags];
    bytes.extend([0; 4]);
    bytes.extend([7; 8]);
    bytes.extend([0; 8]);
    let mut checked = b"app:key".to_vec();
    checked.extend(&bytes);
    checked.extend(extension);
    bytes.extend([9; 16]);
    bytes.extend(crc32fast::hash(&checked).to_be_bytes());
    let payload_checksum = if flags & 3 == COUNTER {
        0
    } else {
        crc32fast::hash(payload)
    };
    bytes.extend(payload_checksum.to_be_bytes());
    bytes.extend(extension);
    bytes.extend(payload);
    bytes
}

fn forged(
    flags: u8,
    codec: CodecId,
    extension: &[u8],
    payload: &[u8],
) -> Result<Entry, Unreadable> {
    let ns = namespace();
    let key = Key::new(&ns, "", "key").unwrap();
    decode(&key, forge(flags, codec, extension, payload))
}

#[test]
fn s1_lengths_that_are_not_there_are_a_miss() {
    let with = |extension: &[u8]| forged(EXTENSION, CodecId::RAW, extension, b"").map(|_| ());
    assert_eq!(with(&[0, 0]), Ok(()), "nothing to say");
    assert_eq!(
        with(&[0xff, 0xff]),
        Err(Unreadable::Truncated),
        "64 KiB of extension"
    );
    assert_eq!(
        with(&[0, 1, 2]),
        Err(Unreadable::Malformed),
        "half a record"
    );
    assert_eq!(
        with(&[0, 3, 2, 0xff, 0xff]),
        Err(Unreadable::Malformed),
        "64 KiB of etag"
    );
    assert_eq!(
        with(&[0, 4, 1, 0, 1, 0xff]),
        Err(Unreadable::Malformed),
        "255 tags"
    );
    assert_eq!(
        with(&[0, 4, 1, 0, 1, 32]),
        Err(Unreadable::Malformed),
        "32 tags"
    );
    assert_eq!(
        with(&[0, 6, 1, 0, 3, 1, 0xff, 0xff]),
        Err(Unreadable::Malformed),
        "64 KiB of name"
    );
}

#[test]
#[cfg(feature = "messagepack")]
fn s1_a_payload_that_claims_4_gib_is_a_miss() {
    use larder_core::codec::MessagePack;

    let read = |payload: &[u8]| {
        let entry = forged(VALUE, CodecId::MESSAGEPACK, b"", payload).unwrap();
        let text = entry
            .value()
            .read::<String>(ValueType::of::<String, MessagePack>())
            .ok();
        let list = entry
            .value()
            .read::<Vec<u64>>(ValueType::of::<Vec<u64>, MessagePack>())
            .ok();
        text.is_some() || list.is_some()
    };
    assert!(!read(b"\xdb\xff\xff\xff\xffshort"), "a text");
    assert!(!read(b"\xc6\xff\xff\xff\xffshort"), "bytes");
    assert!(!read(b"\xdd\xff\xff\xff\xff\x01"), "a list");
}

#[test]
fn s1_parts_that_contradict_each_other_are_a_miss() {
    let of = |flags, codec, payload: &[u8]| forged(flags, codec, b"", payload).map(|_| ());
    let malformed = Err(Unreadable::Malformed);
    assert_eq!(
        of(VALUE, CodecId(200), b"x"),
        Ok(()),
        "an unknown codec shows when the value is read"
    );
    assert_eq!(of(COUNTER, CodecId::COUNTER, &[0; 8]), Ok(()));
    assert_eq!(of(COUNTER, CodecId::COUNTER, &[0; 7]), malformed);
    assert_eq!(of(COUNTER, CodecId::RAW, &[0; 8]), malformed);
    assert_eq!(
        of(COUNTER | ONE_FRAME, CodecId::COUNTER, &[0; 8]),
        malformed
    );
    assert_eq!(of(VALUE, CodecId::COUNTER, &[0; 8]), malformed);
    assert_eq!(of(ABSENT, CodecId::RAW, b"x"), malformed);
    assert_eq!(
        of(ABSENT | ONE_FRAME, CodecId::RAW, b"x"),
        Ok(()),
        "a sealed absence"
    );
    assert_eq!(of(PLACEHOLDER, CodecId::RAW, b"x"), malformed);
    assert_eq!(of(PLACEHOLDER | ONE_FRAME, CodecId::RAW, b""), malformed);
    assert_eq!(of(0x40, CodecId::RAW, b""), malformed, "a reserved bit");
    assert_eq!(of(0x80, CodecId::RAW, b""), malformed, "a reserved bit");
}

#[test]
fn s1_records_that_break_the_rules_are_a_miss_and_unknown_ones_are_skipped() {
    let with = |records: &[u8]| {
        let len = u8::try_from(records.len()).unwrap();
        forged(EXTENSION, CodecId::RAW, &[&[0, len], records].concat(), b"")
    };
    let why = |records: &[u8]| with(records).unwrap_err();
    let malformed = Unreadable::Malformed;
    let version = [1; 8];
    let tag = |name: &[u8], version: &[u8]| [&[1, 0, 4 + 8, 1, 0, 1], name, version].concat();
    assert_eq!(with(&tag(b"t", &version)).unwrap().head().tags().len(), 1);
    assert_eq!(why(&tag(b"\n", &version)), malformed, "a control character");
    assert_eq!(why(&tag(b"\xff", &version)), malformed, "not UTF-8");
    assert_eq!(why(&tag(b"t", &[0; 8])), malformed, "version 0");
    assert_eq!(why(&[1, 0, 2, 0, 0]), malformed, "a tag less than there is");
    assert_eq!(why(&[3, 0, 4, 0, 0, 0, 1]), malformed, "a short load time");
    assert_eq!(why(&[2, 0, 0, 2, 0, 0]), malformed, "two etags");
    assert_eq!(why(&[9, 0, 0, 2, 0, 0]), malformed, "out of order");
    assert_eq!(why(&[0, 0, 0]), malformed, "type 0");
    let read = with(&[2, 0, 1, b'e', 9, 0, 2, 1, 2]).unwrap();
    assert_eq!(read.head().etag(), Some(&Bytes::from_static(b"e")));
}

#[test]
fn s5_more_tags_than_allowed_are_a_miss() {
    let with = |count: u8| {
        let tags = [[0, 1, b't', 1, 1, 1, 1, 1, 1, 1, 1]]
            .repeat(count.into())
            .concat();
        let len = |len: usize| u16::try_from(len).unwrap().to_be_bytes();
        let record = [&[1], &len(1 + tags.len())[..], &[count], &tags].concat();
        let extension = [&len(record.len()), record.as_slice()].concat();
        forged(EXTENSION, CodecId::RAW, &extension, b"").map(|entry| entry.head().tags().len())
    };
    assert_eq!(with(32), Ok(32));
    assert_eq!(with(33), Err(Unreadable::Malformed));
}

#[test]
fn s1_an_id_of_zero_is_a_miss() {
    let ns = namespace();
    let key = Key::new(&ns, "", "key").unwrap();
    let mut bytes = forge(VALUE, CodecId::RAW, b"", b"");
    bytes[8..16].fill(0);
    let checked = [b"app:key".as_slice(), &bytes[..24]].concat();
    bytes[40..44].copy_from_slice(&crc32fast::hash(&checked).to_be_bytes());
    assert_eq!(decode(&key, bytes).unwrap_err(), Unreadable::Malformed);
}

#[test]
fn s1_more_bytes_than_the_limit_are_a_miss() {
    let ns = namespace();
    let key = Key::new(&ns, "", "key").unwrap();
    let bytes = Bytes::from(forge(VALUE, CodecId::RAW, b"", b"12345678"));
    let read = |max| {
        let limits = Limits::default().with_max_bytes(max);
        wire::decode(&key, &bytes, ClockShift::NONE, limits).map(|_| ())
    };
    assert_eq!(read(bytes.len()), Ok(()));
    assert_eq!(read(bytes.len() - 1), Err(Unreadable::TooLarge));
}

#[test]
fn s5_the_largest_entry_can_be_stored() {
    let ns = namespace();
    let name = "k".repeat(Key::MAX_BYTES);
    let key = Key::new(&ns, "", &name).unwrap();
    let tag = |number: usize| Tag {
        name: TagName::new(&format!("{number:0>width$}", width = TagName::MAX_BYTES)).unwrap(),
        version: Some(Version::random()),
    };
    let entry = Entry::new(Value::empty(), Lifetime::forever(Timestamp::EPOCH))
        .with_tags((0..Entry::MAX_TAGS).map(tag).collect())
        .unwrap()
        .with_etag(vec![b'e'; Entry::MAX_ETAG_BYTES].into())
        .unwrap()
        .with_load_time(Duration::MAX);
    let bytes = encode(&key, &entry);
    assert!(bytes.len() <= MAX_HEAD_LEN);
    assert_same(&decode(&key, bytes).unwrap(), &entry);
}

#[test]
fn what_cannot_be_stored_is_an_error_that_says_so() {
    let ns = namespace();
    let key = Key::new(&ns, "", "key").unwrap();
    let life = Lifetime::forever(Timestamp::EPOCH);
    let fails = |entry: &Entry, message: &str| {
        let error = wire::encode(&key, entry, ClockShift::NONE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encode);
        assert_eq!(error.key(), Some("key"));
        assert!(error.message().contains(message), "{error}");
    };
    let raw = || Entry::new(Value::empty(), life);
    let unstamped = vec![TagName::new("country:GB").unwrap().into()];
    fails(
        &raw().with_tags(unstamped).unwrap(),
        "tag \"country:GB\" has no version",
    );
    fails(
        &raw().with_value(Value::empty().with_frames(8)),
        "at most 7 byte layers",
    );
    fails(
        &Entry::absent(life).with_value(Value::raw("x".into())),
        "kind Absent",
    );
    let framed = Value::counter(1).with_frames(1);
    fails(
        &Entry::new(Value::counter(1), life).with_value(framed),
        "kind Counter",
    );
    let local = Value::decoded(std::sync::Arc::new(1_u8), ValueType::local::<u8>());
    fails(&Entry::new(local, life), "never becomes bytes");
}

proptest! {
    #[test]
    fn s1_arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let ns = namespace();
        let key = Key::new(&ns, "", "key").unwrap();
        let _ = wire::decode_head(&key, &bytes, ClockShift::NONE);
        let _ = decode(&key, bytes);
    }

    #[test]
    fn s1_arbitrary_bytes_with_our_magic_never_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 2..300),
        shift in any::<i64>(),
    ) {
        let ns = namespace();
        let key = Key::new(&ns, "", "key").unwrap();
        bytes[..2].copy_from_slice(&[0xC1, 1]);
        let shift = ClockShift::from_nanos(shift);
        let _ = wire::decode_head(&key, &bytes, shift);
        let _ = wire::decode(&key, &bytes.into(), shift, Limits::default());
    }

    #[test]
    fn s1_arbitrary_parts_with_checksums_that_hold_never_panic(
        flags in any::<u8>(),
        codec in any::<u8>(),
        // Few values, so that records and lengths often make sense.
        records in proptest::collection::vec(prop_oneof![0..5_u8, Just(b't')], 0..40),
        payload in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let len = u8::try_from(records.len()).unwrap();
        let extension = [&[0, len], records.as_slice()].concat();
        let extension = if flags & EXTENSION == 0 { &[] } else { extension.as_slice() };
        if let Ok(entry) = forged(flags, CodecId(codec), extension, &payload) {
            prop_assert_eq!(entry.value().encoded().unwrap(), &payload);
            let ns = namespace();
            let again = encode(&Key::new(&ns, "", "key").unwrap(), &entry);
            prop_assert!(again.len() <= HEADER_LEN + extension.len() + payload.len());
        }
    }
}
