//! How long the server is to keep what is stored.

use bytes::Bytes;
use larder_core::Lifetime;

use crate::driver::{Command, fixed, number};
use crate::shared::Shared;

/// How long the server is to keep an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Forever,
    /// Its time is over.
    Gone,
    Millis(u64),
}

impl Keep {
    /// As the scripts want it.
    pub(crate) fn argument(self) -> Bytes {
        match self {
            Self::Forever => Bytes::new(),
            Self::Gone => fixed("0"),
            Self::Millis(millis) => number(millis),
        }
    }
}

impl Shared {
    /// How long the server is to keep an entry.
    pub(crate) fn keep(&self, lifetime: Lifetime) -> Keep {
        if lifetime.expires_at.is_forever() {
            return Keep::Forever;
        }
        let left = lifetime.expires_at.saturating_since(self.clock.now());
        match u64::try_from(left.as_nanos().div_ceil(1_000_000)) {
            Ok(0) => Keep::Gone,
            Ok(millis) => Keep::Millis(millis),
            Err(_) => Keep::Forever,
        }
    }
}

/// `SET` with the time that it is to be kept; `UNLINK` if that is over.
pub(crate) fn set_command(stored: Bytes, entry: Bytes, keep: Keep) -> Command {
    match keep {
        Keep::Forever => Command::new("SET", [stored, entry]),
        Keep::Gone => Command::new("UNLINK", [stored]),
        Keep::Millis(millis) => Command::new("SET", [stored, entry, fixed("PX"), number(millis)]),
    }
}
