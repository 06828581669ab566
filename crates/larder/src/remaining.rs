//! What `ttl` answers.

use std::time::Duration;

/// How long look-ups will go on finding a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remaining {
    /// They don't find any.
    Absent,
    /// Until it is deleted or evicted.
    Forever,
    /// For this long.
    For(Duration),
}

impl Remaining {
    /// The duration, if it is finite and there is a value.
    pub fn duration(self) -> Option<Duration> {
        match self {
            Self::For(duration) => Some(duration),
            Self::Absent | Self::Forever => None,
        }
    }
}
