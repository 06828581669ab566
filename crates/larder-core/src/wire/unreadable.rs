//! Why stored bytes are not an entry.

use std::fmt;

/// Why bytes are not the entry of a key. For the caller it is a miss; the name goes into a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unreadable {
    /// Not ours: they don't begin with the magic. A fill must leave them alone.
    Foreign,
    /// Written by a later version of larder. A fill must leave them alone; a `set` replaces them.
    NewerFormat,
    /// They end within the header or its extension.
    Truncated,
    /// The header is damaged, or was written for another key.
    HeaderChecksum,
    /// The payload is damaged, or its end is missing.
    PayloadChecksum,
    /// The checksums hold but the contents break the format's rules.
    Malformed,
    /// More bytes than the reader accepts.
    TooLarge,
}

impl Unreadable {
    /// The name in metrics and logs: lower case, words joined by `_`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::NewerFormat => "newer_format",
            Self::Truncated => "truncated",
            Self::HeaderChecksum => "header_checksum",
            Self::PayloadChecksum => "payload_checksum",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
        }
    }

    /// Whether a fill may replace the bytes: they are ours, and nobody can read them.
    pub const fn is_replaceable(self) -> bool {
        !matches!(self, Self::Foreign | Self::NewerFormat)
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for Unreadable {}
