//! Entry to bytes.

use bytes::Bytes;

use super::layout::{
    self, FORMAT_VERSION, Flags, GENERATION, HEADER_CHECKSUM, HEADER_LEN, MAGIC, PAYLOAD_CHECKSUM,
};
use super::{ClockShift, extension, times_block};
use crate::{Entry, Error, ErrorKind, Key, Result};

/// The bytes to store under [`Key::stored_name`]. The same entry always becomes the same bytes.
///
/// # Errors
///
/// [`ErrorKind::Encode`] if the value can't become bytes, a tag has no version, the value has passed
/// more than seven byte layers, or value and kind contradict each other: a counter's value is a counter
/// that no byte layer has touched, an absence and a placeholder have no value of their own.
pub fn encode(key: &Key<'_>, entry: &Entry, shift: ClockShift) -> Result<Bytes> {
    write(key, entry, shift).map_err(|error| error.with_key(&key.text()))
}

fn write(key: &Key<'_>, entry: &Entry, shift: ClockShift) -> Result<Bytes> {
    let (head, value) = (entry.head(), entry.value());
    let payload = value.encoded()?;
    if !layout::is_consistent(head.kind(), value.codec(), value.frames(), payload) {
        return Err(Error::new(
            ErrorKind::Encode,
            format!(
                "{value:?} can't be the value of an entry of kind {:?}",
                head.kind()
            ),
        ));
    }
    let records = extension::records_len(head);
    let flags = Flags {
        kind: head.kind(),
        extension: records > 0,
        frames: value.frames(),
    };
    let flags = flags.pack().ok_or_else(|| {
        Error::new(
            ErrorKind::Encode,
            format!("a value passes at most {} byte layers", Flags::MAX_FRAMES),
        )
    })?;

    let extension = if records > 0 {
        size_of::<u16>() + records
    } else {
        0
    };
    // Exactly what is needed: `Bytes` takes a full vector over without copying it.
    let mut out = Vec::with_capacity(HEADER_LEN + extension + payload.len());
    out.extend_from_slice(&[MAGIC, FORMAT_VERSION, value.codec().0, flags]);
    out.extend_from_slice(&head.schema().to_be_bytes());
    out.extend_from_slice(&head.id().as_u64().to_be_bytes());
    let generation = head.generation().map_or(0, crate::Version::as_u64);
    out.extend_from_slice(&generation.to_be_bytes());
    out.extend_from_slice(&times_block(head.lifetime(), shift));
    out.extend_from_slice(&[0; HEADER_LEN - HEADER_CHECKSUM.start]);
    extension::write(head, &mut out)?;
    let checksum = layout::header_checksum(key, &out[..GENERATION.end], &out[HEADER_LEN..]);
    out[HEADER_CHECKSUM].copy_from_slice(&checksum);
    out[PAYLOAD_CHECKSUM].copy_from_slice(&layout::payload_checksum(head.kind(), payload));
    out.extend_from_slice(payload);
    Ok(out.into())
}
