//! Bytes as released versions wrote them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs};

use bytes::Bytes;
use larder_core::{
    CodecId, Entry, EntryId, Key, Lifetime, Tag, TagName, Timestamp, Ttl, Value, Version,
};

use crate::{assert_same, decode, encode, namespace};

/// An entry whose bytes are kept in a file.
pub(crate) struct Fixture {
    pub(crate) file: &'static str,
    pub(crate) text: &'static str,
    /// Written out, so that a change of the escapes shows here too.
    pub(crate) stored_name: &'static str,
    pub(crate) entry: Entry,
}

impl Fixture {
    fn new(file: &'static str, entry: Entry) -> Self {
        Self {
            file,
            text: "airport:LHR",
            stored_name: "app:airport:LHR",
            entry: entry.with_id(EntryId::from_u64(0x1122_3344_5566_7788).unwrap()),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        fs::read(folder().join(self.file)).unwrap()
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1")
}

/// Everything that format 1 can say, each with fixed ids, versions and times.
pub(crate) fn fixtures() -> Vec<Fixture> {
    let now = Timestamp::from_millis(1_780_000_000_000);
    let ttl = Ttl::after(Duration::from_secs(300)).unwrap();
    let life = Lifetime::new(now, ttl, Duration::from_secs(3_600));
    let version = |number| Version::from_u64(number).unwrap();
    let tag = |name, number| Tag {
        name: TagName::new(name).unwrap(),
        version: Some(version(number)),
    };
    let messagepack = || {
        Value::encoded_as(
            Bytes::from_static(b"\x81\xa4name\xa8Heathrow"),
            CodecId::MESSAGEPACK,
        )
    };
    let json = Bytes::from_static(br#"{"name":"Heathrow"}"#);
    let frames = Bytes::from_static(b"\x02\x09\x01\x07sealed and squeezed");
    vec![
        Fixture::new(
            "messagepack.bin",
            Entry::new(messagepack(), life).with_schema(3),
        ),
        Fixture {
            text: "~100% {of} {it}",
            stored_name: "app:%7E100%25 %7Bof%7D %7Bit%7D",
            ..Fixture::new(
                "json.bin",
                Entry::new(Value::encoded_as(json, CodecId::JSON), life),
            )
        },
        Fixture::new(
            "raw.bin",
            Entry::new(Value::raw(Bytes::from_static(b"as it came")), life)
                .with_generation(Some(version(0x0a0b_0c0d_0e0f_1011))),
        ),
        Fixture::new("counter.bin", Entry::new(Value::counter(-300), life)),
        Fixture::new("absent.bin", Entry::absent(life).with_schema(3)),
        Fixture::new(
            "placeholder.bin",
            Entry::placeholder(EntryId::random(), Lifetime::new(now, ttl, Duration::ZERO)),
        ),
        Fixture::new(
            "tagged.bin",
            Entry::new(messagepack(), life)
                .with_schema(3)
                .with_generation(Some(version(0x0a0b_0c0d_0e0f_1011)))
                .with_tags(vec![
                    tag("country:GB", 0x2021_2223_2425_2627),
                    tag("größe", u64::MAX),
                ])
                .unwrap(),
        ),
        Fixture::new(
            "etag_and_load_time.bin",
            Entry::new(messagepack(), life)
                .with_etag(Bytes::from_static(b"W/\"33a64df5\""))
                .unwrap()
                .with_load_time(Duration::from_micros(12_345)),
        ),
        Fixture::new(
            "forever.bin",
            Entry::new(messagepack(), Lifetime::forever(now)),
        ),
        Fixture::new(
            "framed.bin",
            Entry::new(
                Value::encoded_as(frames, CodecId::MESSAGEPACK).with_frames(2),
                life,
            ),
        ),
    ]
}

#[test]
fn stored_entries_of_format_1_are_read() {
    let ns = namespace();
    for fixture in fixtures() {
        let key = Key::new(&ns, "", fixture.text).unwrap();
        let read =
            decode(&key, fixture.bytes()).unwrap_or_else(|why| panic!("{}: {why}", fixture.file));
        assert_same(&read, &fixture.entry);
    }
}

#[test]
fn the_same_entry_is_the_same_bytes_as_ever() {
    let ns = namespace();
    for fixture in fixtures() {
        let key = Key::new(&ns, "", fixture.text).unwrap();
        assert_eq!(
            encode(&key, &fixture.entry),
            fixture.bytes(),
            "{}",
            fixture.file
        );
    }
}

#[test]
fn no_file_of_bytes_goes_unread() {
    let kept: BTreeSet<_> = fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let read: BTreeSet<_> = fixtures()
        .iter()
        .map(|fixture| fixture.file.to_owned())
        .collect();
    assert_eq!(kept, read);
}

#[test]
#[ignore = "writes the fixtures that are missing; one that is there is never rewritten"]
fn write_missing_fixtures() {
    let ns = namespace();
    for fixture in fixtures() {
        let key = Key::new(&ns, "", fixture.text).unwrap();
        let path = folder().join(fixture.file);
        if !path.exists() {
            fs::write(path, encode(&key, &fixture.entry)).unwrap();
        }
    }
}
