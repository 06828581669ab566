//! S1 and S2 for bytes that were an entry once.

use bytes::Bytes;
use larder_core::wire::layout::{FLAGS, FORMAT, KIND_MASK, PAYLOAD_CHECKSUM, TIMES};
use larder_core::wire::{self, ClockShift, HEADER_LEN, Unreadable};
use larder_core::{EntryKind, Key};

use crate::fixtures::fixtures;
use crate::{assert_same, decode, namespace};

#[test]
fn s1_a_flipped_bit_is_a_miss_or_another_lifetime_or_another_count() {
    let ns = namespace();
    for fixture in fixtures() {
        let key = Key::new(&ns, "", fixture.text).unwrap();
        let (whole, entry) = (fixture.bytes(), &fixture.entry);
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let place = format!("{}, byte {}, bit {}", fixture.file, bit / 8, bit % 8);
            let counts = entry.head().kind() == EntryKind::Counter && bit / 8 >= HEADER_LEN;
            match decode(&key, bytes) {
                Ok(read) if TIMES.contains(&(bit / 8)) => {
                    let life = read.head().lifetime();
                    assert!(life.fresh_until <= life.expires_at, "{place}");
                    assert_same(&read.with_lifetime(entry.head().lifetime()), entry);
                }
                Ok(read) if counts => {
                    assert_eq!(read.head(), entry.head(), "{place}");
                    assert_ne!(
                        read.value().as_counter(),
                        entry.value().as_counter(),
                        "{place}"
                    );
                }
                Ok(_) => panic!("{place}: read all the same"),
                Err(_) => assert!(
                    !counts && !TIMES.contains(&(bit / 8)),
                    "{place}: unreadable"
                ),
            }
        }
    }
}

#[test]
fn s1_a_flipped_bit_before_the_payload_is_no_head_either() {
    let ns = namespace();
    for fixture in fixtures() {
        let key = Key::new(&ns, "", fixture.text).unwrap();
        let (whole, entry) = (fixture.bytes(), &fixture.entry);
        let payload = entry.value().encoded().unwrap().len();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let head = wire::decode_head(&key, &bytes, ClockShift::NONE);
            // The payload's checksum is for whoever reads the payload.
            if bit / 8 >= whole.len() - payload || PAYLOAD_CHECKSUM.contains(&(bit / 8)) {
                assert_eq!(&head.unwrap(), entry.head());
            } else {
                assert_eq!(
                    head.is_ok(),
                    TIMES.contains(&(bit / 8)),
                    "{}, bit {bit}",
                    fixture.file
                );
            }
        }
    }
}

#[test]
fn s1_bytes_cut_anywhere_are_a_miss() {
    let ns = namespace();
    for fixture in fixtures() {
        let key = Key::new(&ns, "", fixture.text).unwrap();
        let whole = Bytes::from(fixture.bytes());
        for len in 0..whole.len() {
            let cut = decode(&key, whole.slice(..len));
            assert!(cut.is_err(), "{} cut to {len} bytes", fixture.file);
        }
    }
}

#[test]
fn a_head_needs_no_payload() {
    let ns = namespace();
    for fixture in fixtures() {
        let key = Key::new(&ns, "", fixture.text).unwrap();
        let (whole, entry) = (fixture.bytes(), &fixture.entry);
        let end = whole.len() - entry.value().encoded().unwrap().len();
        for len in 2..=whole.len() {
            let head = wire::decode_head(&key, &whole[..len], ClockShift::NONE);
            if len < end {
                assert_eq!(head.unwrap_err(), Unreadable::Truncated, "{}", fixture.file);
            } else {
                assert_eq!(&head.unwrap(), entry.head(), "{}", fixture.file);
            }
        }
    }
}

#[test]
fn s2_another_keys_bytes_are_a_miss() {
    let ns = namespace();
    let elsewhere = larder_core::Namespace::new("apq").unwrap();
    for fixture in fixtures() {
        for (ns, text) in [
            (&ns, "airport:LGW"),
            (&ns, "airport:LHR2"),
            (&ns, "a"),
            (&elsewhere, fixture.text),
        ] {
            let key = Key::new(ns, "", text).unwrap();
            let read = decode(&key, fixture.bytes()).unwrap_err();
            assert_eq!(
                read,
                Unreadable::HeaderChecksum,
                "{} under {key:?}",
                fixture.file
            );
            let head = wire::decode_head(&key, &fixture.bytes(), ClockShift::NONE).unwrap_err();
            assert_eq!(
                head,
                Unreadable::HeaderChecksum,
                "{} under {key:?}",
                fixture.file
            );
        }
    }
}

#[test]
fn what_is_not_ours_or_newer_is_told_from_what_is_damaged() {
    let ns = namespace();
    let key = Key::new(&ns, "", "airport:LHR").unwrap();
    for foreign in ["", "42", "{\"name\":\"Heathrow\"}", "\u{81}"] {
        let why = decode(&key, foreign.as_bytes()).unwrap_err();
        assert_eq!(why, Unreadable::Foreign, "{foreign:?}");
        assert!(
            !why.is_replaceable(),
            "a fill would destroy somebody's {foreign:?}"
        );
    }
    let fixture = &fixtures()[0];
    let changed = |at: usize, byte| {
        let mut bytes = fixture.bytes();
        bytes[at] = byte;
        decode(&key, bytes).unwrap_err()
    };
    assert_eq!(changed(FORMAT, 2), Unreadable::NewerFormat);
    assert!(!Unreadable::NewerFormat.is_replaceable());
    assert_eq!(changed(FORMAT, 0), Unreadable::Malformed);
    assert_eq!(changed(FLAGS, KIND_MASK), Unreadable::HeaderChecksum);
    assert!(Unreadable::HeaderChecksum.is_replaceable());
    assert_eq!(
        decode(&key, &b"\xC1\x02"[..]).unwrap_err(),
        Unreadable::NewerFormat
    );
    assert_eq!(
        decode(&key, &b"\xC1"[..]).unwrap_err(),
        Unreadable::Truncated
    );
}
