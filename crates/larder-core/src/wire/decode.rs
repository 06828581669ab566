//! Bytes to entry.

use bytes::Bytes;

use super::extension;
use super::layout::{self, FORMAT, FORMAT_VERSION, Flags, GENERATION, HEADER_LEN, MAGIC};
use super::reader::Reader;
use super::times::read_times;
use super::{ClockShift, Unreadable};
use crate::{CodecId, Entry, EntryId, EntryKind, Head, Key, Value, Version};

/// What a reader accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most bytes of a stored entry, header included. Default: 512 MiB, the longest Redis string.
    pub max_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 512 << 20,
        }
    }
}

impl Limits {
    /// Sets the most bytes of a stored entry, header included. Default: 512 MiB.
    pub fn with_max_bytes(self, max_bytes: usize) -> Self {
        Self { max_bytes }
    }
}

/// The entry that is stored as `bytes` under a key. Its value is a slice of `bytes`, which stay alive
/// as long as it does: copy what was cut from a larger buffer before you keep it.
///
/// A codec that nobody here knows is no defect of the bytes: it shows when the value is read as a type.
///
/// # Errors
///
/// [`Unreadable`] for whatever doesn't check out.
pub fn decode(
    key: &Key<'_>,
    bytes: &Bytes,
    shift: ClockShift,
    limits: Limits,
) -> Result<Entry, Unreadable> {
    check_format(bytes)?;
    if bytes.len() > limits.max_bytes {
        return Err(Unreadable::TooLarge);
    }
    let (header, flags) = Header::read(key, bytes)?;
    let payload = bytes.slice(header.len..);
    if layout::payload_checksum(flags.kind, &payload) != header.payload_checksum {
        return Err(Unreadable::PayloadChecksum);
    }
    if !layout::is_consistent(flags.kind, header.codec, flags.frames, &payload) {
        return Err(Unreadable::Malformed);
    }
    let value = Value::encoded_as(payload, header.codec).with_frames(flags.frames);
    header.entry(flags.kind, value, shift)
}

/// The metadata of the entry that is stored as `bytes` under a key. The payload is not looked at and
/// need not be there: the first [`MAX_HEAD_LEN`](super::MAX_HEAD_LEN) bytes are always enough, the first
/// [`HEADER_LEN`] are for an entry without tags, etag and load time.
///
/// # Errors
///
/// [`Unreadable::Truncated`] if more bytes are needed, otherwise as [`decode`].
pub fn decode_head(key: &Key<'_>, bytes: &[u8], shift: ClockShift) -> Result<Head, Unreadable> {
    check_format(bytes)?;
    let (header, flags) = Header::read(key, bytes)?;
    let entry = header.entry(flags.kind, Value::empty(), shift)?;
    Ok(entry.head().clone())
}

/// What can be told before any other byte has a meaning.
fn check_format(bytes: &[u8]) -> Result<(), Unreadable> {
    if bytes.first() != Some(&MAGIC) {
        return Err(Unreadable::Foreign);
    }
    match bytes.get(FORMAT) {
        None => Err(Unreadable::Truncated),
        Some(0) => Err(Unreadable::Malformed),
        Some(&format) if format > FORMAT_VERSION => Err(Unreadable::NewerFormat),
        Some(_) => Ok(()),
    }
}

/// A header as it stands there.
struct Header<'a> {
    codec: CodecId,
    flags: u8,
    schema: u32,
    id: u64,
    generation: u64,
    times: [u8; 16],
    checksum: [u8; 4],
    payload_checksum: [u8; 4],
    records: Reader<'a>,
    /// Where the frames and the payload begin.
    len: usize,
}

impl<'a> Header<'a> {
    /// The header of a key's entry, if its checksum holds.
    fn read(key: &Key<'_>, bytes: &'a [u8]) -> Result<(Self, Flags), Unreadable> {
        let header = Self::parse(bytes).ok_or(Unreadable::Truncated)?;
        let (fixed, extension) = (&bytes[..GENERATION.end], &bytes[HEADER_LEN..header.len]);
        if layout::header_checksum(key, fixed, extension) != header.checksum {
            return Err(Unreadable::HeaderChecksum);
        }
        let flags = Flags::unpack(header.flags).ok_or(Unreadable::Malformed)?;
        Ok((header, flags))
    }

    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Reader(bytes);
        let [_magic, _format, codec, flags] = rest.array()?;
        Some(Self {
            codec: CodecId(codec),
            flags,
            schema: u32::from_be_bytes(rest.array()?),
            id: u64::from_be_bytes(rest.array()?),
            generation: u64::from_be_bytes(rest.array()?),
            times: rest.array()?,
            checksum: rest.array()?,
            payload_checksum: rest.array()?,
            records: if layout::has_extension(flags) {
                Reader(rest.counted()?)
            } else {
                Reader(&[])
            },
            len: bytes.len() - rest.0.len(),
        })
    }

    fn entry(&self, kind: EntryKind, value: Value, shift: ClockShift) -> Result<Entry, Unreadable> {
        let id = EntryId::from_u64(self.id).ok_or(Unreadable::Malformed)?;
        let entry = Entry::new(value, read_times(self.times, shift))
            .with_kind(kind)
            .with_id(id)
            .with_generation(Version::from_u64(self.generation))
            .with_schema(self.schema);
        extension::apply(self.records, entry)
    }
}
