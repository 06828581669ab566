//! The names of operations, as they appear in errors, metrics and logs.

use std::fmt;

/// One operation of a [`Backend`](crate::Backend).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the method of the same name")]
pub enum Operation {
    Get,
    Head,
    Scan,
    Set,
    Delete,
    Invalidate,
    Expire,
    Update,
    Batch,
    Lease,
    Fill,
    Release,
    Markers,
    Bump,
    Reserve,
    Check,
    Close,
    /// A run of a loader; no method of a backend.
    Load,
}

impl Operation {
    /// The operation's name: lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Head => "head",
            Self::Scan => "scan",
            Self::Set => "set",
            Self::Delete => "delete",
            Self::Invalidate => "invalidate",
            Self::Expire => "expire",
            Self::Update => "update",
            Self::Batch => "batch",
            Self::Lease => "lease",
            Self::Fill => "fill",
            Self::Release => "release",
            Self::Markers => "markers",
            Self::Bump => "bump",
            Self::Reserve => "reserve",
            Self::Check => "check",
            Self::Close => "close",
            Self::Load => "load",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
