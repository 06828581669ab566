//! How long an entry lives: what a caller asks for ([`Ttl`]) and what an entry carries ([`Lifetime`]).

use std::time::Duration;

use crate::{Error, ErrorKind, Result, Timestamp};

/// A time to live as a caller states it. Zero means nothing special because it can't be said.
///
/// ```
/// use std::time::Duration;
/// use larder_core::Ttl;
///
/// assert_eq!(Ttl::after(Duration::from_secs(300)).unwrap().duration(), Some(Duration::from_secs(300)));
/// assert!(Ttl::after(Duration::ZERO).is_err());
/// assert_eq!(Ttl::Forever.duration(), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ttl {
    /// What the space or the cache is configured with.
    #[default]
    Default,
    /// Until deleted or evicted.
    Forever,
    /// For this long. Made by [`Ttl::after`].
    After(FiniteTtl),
}

/// A time to live between one millisecond and [`Ttl::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FiniteTtl(Duration);

impl FiniteTtl {
    /// The duration.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl Ttl {
    /// The longest finite time to live: what 40 bits of milliseconds hold, 34 years and 10 months.
    pub const MAX: Duration = Duration::from_millis((1 << 40) - 2);

    /// Lives for `duration`, rounded up to a whole millisecond.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TtlInvalid`] if it is zero or longer than [`Ttl::MAX`].
    pub fn after(duration: Duration) -> Result<Self> {
        if duration.is_zero() {
            return Err(Error::new(
                ErrorKind::TtlInvalid,
                "a time to live can't be zero: use Ttl::Default, Ttl::Forever or a duration",
            ));
        }
        let millis = duration.as_nanos().div_ceil(1_000_000);
        if millis > Self::MAX.as_millis() {
            return Err(Error::new(
                ErrorKind::TtlInvalid,
                format!(
                    "a time to live of {duration:?} is longer than can be stored ({:?}); use Ttl::Forever",
                    Self::MAX
                ),
            ));
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 40 bits")]
        Ok(Self::After(FiniteTtl(Duration::from_millis(millis as u64))))
    }

    /// The duration, if this names a finite one.
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::After(ttl) => Some(ttl.0),
            Self::Default | Self::Forever => None,
        }
    }

    /// This, or `default` where this is [`Ttl::Default`].
    pub const fn or(self, default: Self) -> Self {
        match self {
            Self::Default => default,
            stated => stated,
        }
    }
}

impl TryFrom<Duration> for Ttl {
    type Error = Error;

    fn try_from(duration: Duration) -> Result<Self> {
        Self::after(duration)
    }
}

/// The three times of an entry: fresh before `fresh_until`, stale from there to `expires_at`, then gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lifetime {
    /// When the entry was made.
    pub created: Timestamp,
    /// Until when look-ups return it.
    pub fresh_until: Timestamp,
    /// Until when it may stand in for a failing origin. At or after `fresh_until`.
    pub expires_at: Timestamp,
}

impl Lifetime {
    /// Fresh for `ttl` from `now`, then stale for `stale_for`. [`Ttl::Default`] counts as forever.
    pub fn new(now: Timestamp, ttl: Ttl, stale_for: Duration) -> Self {
        let fresh_until = match ttl {
            Ttl::After(ttl) => now.saturating_add(ttl.0),
            Ttl::Forever | Ttl::Default => Timestamp::FOREVER,
        };
        Self {
            created: now,
            fresh_until,
            expires_at: fresh_until.saturating_add(stale_for.min(Ttl::MAX)),
        }
    }

    /// Never expires.
    pub const fn forever(now: Timestamp) -> Self {
        Self {
            created: now,
            fresh_until: Timestamp::FOREVER,
            expires_at: Timestamp::FOREVER,
        }
    }

    /// Whether look-ups at `now` return the entry.
    #[inline]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.fresh_until
    }

    /// Whether the entry is gone at `now`.
    #[inline]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_millisecond_counts_as_a_whole_one() {
        let ttl = Ttl::after(Duration::from_micros(1_001)).unwrap();
        assert_eq!(ttl.duration(), Some(Duration::from_millis(2)));
    }

    #[test]
    fn the_longest_ttl_is_accepted_and_one_more_is_not() {
        assert!(Ttl::after(Ttl::MAX).is_ok());
        let error = Ttl::after(Ttl::MAX + Duration::from_millis(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TtlInvalid);
    }

    #[test]
    fn an_entry_is_fresh_then_stale_then_gone() {
        let now = Timestamp::from_millis(1_000);
        let ttl = Ttl::after(Duration::from_millis(10)).unwrap();
        let life = Lifetime::new(now, ttl, Duration::from_millis(5));
        assert!(life.is_fresh(Timestamp::from_millis(1_009)));
        assert!(!life.is_fresh(Timestamp::from_millis(1_010)));
        assert!(!life.is_expired(Timestamp::from_millis(1_014)));
        assert!(life.is_expired(Timestamp::from_millis(1_015)));
    }
}
