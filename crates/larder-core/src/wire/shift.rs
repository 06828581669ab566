//! The difference between two clocks.

use crate::Timestamp;

/// How far the store's clock is ahead of this process's. Stored times are on the store's clock, so that
/// processes whose clocks differ agree on what is fresh.
///
/// ```
/// use larder_core::Timestamp;
/// use larder_core::wire::ClockShift;
///
/// let shift = ClockShift::between(Timestamp::from_millis(1_000), Timestamp::from_millis(1_250));
/// assert_eq!(shift.as_nanos(), 250_000_000);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClockShift(i64);

const NANOS_PER_MILLI: u64 = 1_000_000;

impl ClockShift {
    /// Both clocks agree.
    pub const NONE: Self = Self(0);

    /// The shift between what both clocks showed at one moment. At most 292 years either way.
    pub fn between(local: Timestamp, store: Timestamp) -> Self {
        let nanos = i128::from(store.as_nanos()) - i128::from(local.as_nanos());
        let most = if nanos < 0 { i64::MIN } else { i64::MAX };
        Self(i64::try_from(nanos).unwrap_or(most))
    }

    /// A shift in nanoseconds: positive where the store's clock is ahead.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The shift in nanoseconds: positive where the store's clock is ahead.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// The store's whole milliseconds at a point of ours. What lies before the store's epoch is at it.
    pub fn to_store_millis(self, local: Timestamp) -> u64 {
        let nanos = i128::from(local.as_nanos()) + i128::from(self.0);
        u64::try_from(nanos.max(0)).unwrap_or(u64::MAX) / NANOS_PER_MILLI
    }

    /// Our point at the store's millisecond. A finite time stays finite, however late.
    pub(super) fn to_local(self, store_millis: u64) -> Timestamp {
        let nanos = i128::from(store_millis) * i128::from(NANOS_PER_MILLI) - i128::from(self.0);
        let nanos = nanos.clamp(0, i128::from(u64::MAX) - 1);
        Timestamp::from_nanos(u64::try_from(nanos).expect("clamped to the range"))
    }
}
