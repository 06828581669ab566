//! How far the server's clock is ahead of ours.

use std::sync::atomic::{AtomicI64, Ordering};

use larder_core::Timestamp;
use larder_core::wire::ClockShift;

/// The offset of the server's clock in whole milliseconds, kept within what each look at it allows.
///
/// A look can't be exact: the server read its clock at some moment between our question and its answer. So
/// it gives a range, and the offset moves only if it lies more than a millisecond outside. Clocks that agree
/// keep an offset of zero, times that are stored and read back don't tremble, and whole milliseconds stay
/// whole.
#[derive(Debug, Default)]
pub(crate) struct Offset(AtomicI64);

const MILLISECOND: i64 = 1_000_000;

impl Offset {
    /// The offset as it is believed now.
    pub(crate) fn shift(&self) -> ClockShift {
        ClockShift::from_nanos(self.0.load(Ordering::Relaxed))
    }

    /// The server's clock showed `server` between `asked` and `answered`, each to the microsecond.
    pub(crate) fn look(&self, asked: Timestamp, server: Timestamp, answered: Timestamp) {
        let least = ClockShift::between(answered, server).as_nanos();
        let most = ClockShift::between(asked, server).as_nanos();
        let known = self.0.load(Ordering::Relaxed);
        if known < least.saturating_sub(MILLISECOND) || known > most.saturating_add(MILLISECOND) {
            let nearest = known.clamp(least, most.max(least));
            let whole = nearest
                .saturating_add(MILLISECOND / 2)
                .div_euclid(MILLISECOND);
            self.0
                .store(whole.saturating_mul(MILLISECOND), Ordering::Relaxed);
        }
    }
}

/// The server's answer to `TIME`: seconds and microseconds.
pub(crate) fn server_time(seconds: &[u8], micros: &[u8]) -> Option<Timestamp> {
    let number = |bytes: &[u8]| -> Option<u64> { std::str::from_utf8(bytes).ok()?.parse().ok() };
    let nanos = number(seconds)?
        .checked_mul(1_000_000_000)?
        .checked_add(number(micros)?.checked_mul(1_000)?)?;
    Some(Timestamp::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn clocks_that_agree_have_no_offset_however_slow_the_answer() {
        let offset = Offset::default();
        offset.look(at(1_000), at(1_001), at(1_050));
        assert_eq!(offset.shift(), ClockShift::NONE);
    }

    #[test]
    fn an_offset_moves_no_more_than_it_must() {
        let offset = Offset::default();
        offset.look(at(1_000), at(2_001), at(1_010));
        assert_eq!(offset.shift().as_nanos(), 991_000_000);
        offset.look(at(3_000), at(4_000), at(3_200));
        assert_eq!(offset.shift().as_nanos(), 991_000_000, "within the range");
        offset.look(at(5_000), at(4_990), at(5_001));
        assert_eq!(offset.shift().as_nanos(), -10_000_000);
        offset.look(at(6_000), at(5_989), at(6_000));
        assert_eq!(
            offset.shift().as_nanos(),
            -10_000_000,
            "within a millisecond"
        );
    }

    #[test]
    fn a_time_is_two_numbers() {
        assert_eq!(
            server_time(b"2", b"3"),
            Some(Timestamp::from_nanos(2_000_003_000))
        );
        assert_eq!(server_time(b"x", b"3"), None);
        assert_eq!(server_time(b"18446744073709551615", b"0"), None);
    }
}
