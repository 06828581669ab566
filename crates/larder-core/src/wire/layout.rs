//! Where things stand in a stored entry, for scripts and range reads that touch it in place.

use std::ops::Range;

use crate::{CodecId, EntryKind, Key};

/// The first byte of every stored entry. No UTF-8 text and no MessagePack value begins with it.
pub const MAGIC: u8 = 0xC1;
/// The format that this version writes, and the newest that it reads.
pub const FORMAT_VERSION: u8 = 1;
/// Length of the fixed part.
pub const HEADER_LEN: usize = 48;
/// The most bytes that stand before the frames and the payload: what a range read asks for to be sure
/// of the whole head.
pub const MAX_HEAD_LEN: usize = HEADER_LEN + size_of::<u16>() + u16::MAX as usize;

/// Place of the format's version.
pub const FORMAT: usize = 1;
/// Place of the codec's id.
pub const CODEC: usize = 2;
/// Place of the flags. The two lowest bits are the kind.
pub const FLAGS: usize = 3;
/// Place of the schema version.
pub const SCHEMA: Range<usize> = 4..8;
/// Place of the entry's id.
pub const ID: Range<usize> = 8..16;
/// Place of the namespace's generation.
pub const GENERATION: Range<usize> = 16..24;
/// Place of the times block: the one part of an entry that may be rewritten in place, because no
/// checksum covers it.
pub const TIMES: Range<usize> = 24..40;
/// Place of the header's checksum.
pub const HEADER_CHECKSUM: Range<usize> = 40..44;
/// Place of the payload's checksum.
pub const PAYLOAD_CHECKSUM: Range<usize> = 44..48;
/// The bits of the flags that are the kind: 0 value, 1 counter, 2 absent, 3 placeholder.
pub const KIND_MASK: u8 = 0b0000_0011;

/// Length of a counter's payload: the number, big-endian.
pub const COUNTER_LEN: usize = size_of::<i64>();

const EXTENSION: u8 = 0b0000_0100;
const FRAMES_SHIFT: u32 = 3;
const RESERVED: u8 = 0b1100_0000;

/// The flags, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) kind: EntryKind,
    pub(super) extension: bool,
    pub(super) frames: u8,
}

impl Flags {
    /// The most byte layers' frames that three bits count.
    pub(super) const MAX_FRAMES: u8 = 7;

    /// The byte; `None` if there are more frames than can be counted.
    pub(super) fn pack(self) -> Option<u8> {
        let kind = match self.kind {
            EntryKind::Value => 0,
            EntryKind::Counter => 1,
            EntryKind::Absent => 2,
            EntryKind::Placeholder => 3,
        };
        let extension = if self.extension { EXTENSION } else { 0 };
        (self.frames <= Self::MAX_FRAMES).then_some(kind | extension | self.frames << FRAMES_SHIFT)
    }

    /// The flags; `None` if a reserved bit is set.
    pub(super) fn unpack(byte: u8) -> Option<Self> {
        let kind = match byte & KIND_MASK {
            0 => EntryKind::Value,
            1 => EntryKind::Counter,
            2 => EntryKind::Absent,
            _ => EntryKind::Placeholder,
        };
        (byte & RESERVED == 0).then_some(Self {
            kind,
            extension: has_extension(byte),
            frames: byte >> FRAMES_SHIFT,
        })
    }
}

/// Asked before the flags can be trusted, because the header's checksum covers the extension.
pub(super) fn has_extension(flags: u8) -> bool {
    flags & EXTENSION != 0
}

/// The checksum over what says whose bytes these are: the key, the header up to the times, the extension.
pub(super) fn header_checksum(key: &Key<'_>, header: &[u8], extension: &[u8]) -> [u8; 4] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(key.stored_name().as_bytes());
    crc.update(header);
    crc.update(extension);
    crc.finalize().to_be_bytes()
}

/// The checksum over the byte layers' frames and the payload; zero for counters, whose payload is
/// changed in place.
pub(super) fn payload_checksum(kind: EntryKind, payload: &[u8]) -> [u8; 4] {
    match kind {
        EntryKind::Counter => [0; 4],
        _ => crc32fast::hash(payload).to_be_bytes(),
    }
}

/// Whether a value may stand in an entry of this kind.
pub(super) fn is_consistent(kind: EntryKind, codec: CodecId, frames: u8, payload: &[u8]) -> bool {
    match kind {
        EntryKind::Value => codec != CodecId::COUNTER,
        EntryKind::Counter => {
            codec == CodecId::COUNTER && frames == 0 && payload.len() == COUNTER_LEN
        }
        // An encryption layer seals an absence too: nobody else may claim one.
        EntryKind::Absent => frames > 0 || payload.is_empty(),
        EntryKind::Placeholder => frames == 0 && payload.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_flags_is_itself_again_or_refused() {
        for byte in 0..=u8::MAX {
            let packed = Flags::unpack(byte).map(|flags| flags.pack().unwrap());
            assert_eq!(packed, (byte < 64).then_some(byte));
        }
    }
}
