//! The extension: what few entries have, as records of a type, a length and data.

use std::time::Duration;

use bytes::Bytes;

use super::Unreadable;
use super::reader::Reader;
use crate::{Entry, Error, ErrorKind, Head, Result, Tag, TagName, Version};

const TAGS: u8 = 1;
const ETAG: u8 = 2;
const LOAD_TIME: u8 = 3;

/// A record's type and length.
const RECORD: usize = 3;
/// A tag's length and version.
const TAG: usize = 10;

const _: () = assert!(
    RECORD
        + 1
        + Entry::MAX_TAGS * (TAG + TagName::MAX_BYTES)
        + RECORD
        + Entry::MAX_ETAG_BYTES
        + RECORD
        + size_of::<u64>()
        <= u16::MAX as usize
        && Entry::MAX_TAGS <= u8::MAX as usize,
    "the largest entry's extension fits its length fields"
);

/// Length of the records of a head; zero if it needs no extension.
pub(super) fn records_len(head: &Head) -> usize {
    let tags = match head.tags() {
        [] => 0,
        tags => RECORD + tags_len(tags),
    };
    let etag = head.etag().map_or(0, |etag| RECORD + etag.len());
    let load_time = head.load_time().map_or(0, |_| RECORD + size_of::<u64>());
    tags + etag + load_time
}

fn tags_len(tags: &[Tag]) -> usize {
    let names: usize = tags.iter().map(|tag| tag.name.as_str().len()).sum();
    1 + tags.len() * TAG + names
}

/// Appends the extension with its length; nothing if there is nothing to say.
pub(super) fn write(head: &Head, out: &mut Vec<u8>) -> Result<()> {
    let len = records_len(head);
    if len == 0 {
        return Ok(());
    }
    write_len(out, len);
    if !head.tags().is_empty() {
        write_tags(head.tags(), out)?;
    }
    if let Some(etag) = head.etag() {
        out.push(ETAG);
        write_len(out, etag.len());
        out.extend_from_slice(etag);
    }
    if let Some(load_time) = head.load_time() {
        let micros = u64::try_from(load_time.as_micros()).unwrap_or(u64::MAX);
        out.push(LOAD_TIME);
        write_len(out, size_of::<u64>());
        out.extend_from_slice(&micros.to_be_bytes());
    }
    Ok(())
}

fn write_tags(tags: &[Tag], out: &mut Vec<u8>) -> Result<()> {
    out.push(TAGS);
    write_len(out, tags_len(tags));
    out.push(u8::try_from(tags.len()).expect("an entry has few tags"));
    for Tag { name, version } in tags {
        let Some(version) = version else {
            return Err(Error::new(
                ErrorKind::Encode,
                format!(
                    "tag {name:?} has no version: a tag layer stamps entries before they are stored"
                ),
            ));
        };
        write_len(out, name.as_str().len());
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(&version.as_u64().to_be_bytes());
    }
    Ok(())
}

fn write_len(out: &mut Vec<u8>, len: usize) {
    let len =
        u16::try_from(len).expect("the parts of an extension are limited where they are made");
    out.extend_from_slice(&len.to_be_bytes());
}

/// Adds what the records say to an entry. Records of other types are from later versions that can do
/// without our understanding them.
pub(super) fn apply(mut records: Reader<'_>, mut entry: Entry) -> Result<Entry, Unreadable> {
    let mut last = 0;
    while let Some([record]) = records.array() {
        let data = records.counted().ok_or(Unreadable::Malformed)?;
        // Ascending, so each at most once, and the same entry is always the same bytes.
        if record <= last {
            return Err(Unreadable::Malformed);
        }
        last = record;
        entry = match record {
            TAGS => read_tags(Reader(data)).and_then(|tags| entry.with_tags(tags).ok()),
            // Copied: a slice would keep the whole answer alive for a few bytes.
            ETAG => entry.with_etag(Bytes::copy_from_slice(data)).ok(),
            LOAD_TIME => data.try_into().ok().map(|micros| {
                entry.with_load_time(Duration::from_micros(u64::from_be_bytes(micros)))
            }),
            _ => Some(entry),
        }
        .ok_or(Unreadable::Malformed)?;
    }
    Ok(entry)
}

fn read_tags(mut data: Reader<'_>) -> Option<Vec<Tag>> {
    let [count] = data.array()?;
    // It grows with what is there, not by what the count claims.
    let mut tags = Vec::new();
    for _ in 0..count {
        let name = std::str::from_utf8(data.counted()?).ok()?;
        let version = Version::from_u64(u64::from_be_bytes(data.array()?))?;
        tags.push(Tag {
            name: TagName::new(name).ok()?,
            version: Some(version),
        });
    }
    data.0.is_empty().then_some(tags)
}
