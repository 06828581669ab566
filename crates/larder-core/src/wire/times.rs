//! The times block: 48 bits of milliseconds at which the entry was made, on the store's clock, then
//! twice 40 bits of milliseconds after that.

use super::ClockShift;
use crate::{Lifetime, Timestamp, Ttl};

/// All ones: never.
const FOREVER: u64 = (1 << 40) - 1;
/// The longest finite span; a longer life is cut to it.
const LONGEST: u64 = FOREVER - 1;

const _: () = assert!(
    Ttl::MAX.as_millis() == LONGEST as u128,
    "whatever may be asked for can be stored"
);

/// The times block of an entry with these times: what `expire` writes over
/// [`layout::TIMES`](super::layout::TIMES).
///
/// Points are rounded *down* to the store's millisecond, each for itself, so what is read back is at
/// most a millisecond older and never lives longer. A finite life of more than [`Ttl::MAX`] is cut to
/// that. A life that ends before it began begins at its end.
pub fn times_block(lifetime: Lifetime, shift: ClockShift) -> [u8; 16] {
    let fresh_until = lifetime.fresh_until.min(lifetime.expires_at);
    let created = shift.to_store_millis(lifetime.created.min(fresh_until));
    let span = |point: Timestamp| {
        if point.is_forever() {
            FOREVER
        } else {
            (shift.to_store_millis(point) - created).min(LONGEST)
        }
    };
    let block = u128::from(created) << 80
        | u128::from(span(fresh_until)) << 40
        | u128::from(span(lifetime.expires_at));
    block.to_be_bytes()
}

/// The times of any 16 bytes. No checksum covers them, so every block has a meaning: freshness ends
/// with the life at the latest, and what overflows is merely late.
pub(super) fn read_times(block: [u8; 16], shift: ClockShift) -> Lifetime {
    let block = u128::from_be_bytes(block);
    let bits = |from: u32, count: u32| {
        u64::try_from(block >> from & ((1 << count) - 1)).expect("at most 48 bits")
    };
    let created = bits(80, 48);
    let point = |span: u64| {
        if span == FOREVER {
            Timestamp::FOREVER
        } else {
            shift.to_local(created + span)
        }
    };
    let expires_at = point(bits(0, 40));
    Lifetime {
        created: shift.to_local(created),
        fresh_until: point(bits(40, 40)).min(expires_at),
        expires_at,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    /// Milliseconds of 2026 as a clock shows them.
    const NOW: u64 = 1_780_000_000_000;

    fn again(lifetime: Lifetime, shift: ClockShift) -> Lifetime {
        read_times(times_block(lifetime, shift), shift)
    }

    #[test]
    fn forever_stays_forever_and_finite_stays_finite() {
        let now = Timestamp::from_millis(NOW);
        assert_eq!(
            again(Lifetime::forever(now), ClockShift::NONE),
            Lifetime::forever(now)
        );
        let almost = Lifetime {
            fresh_until: Timestamp::from_nanos(u64::MAX - 1),
            ..Lifetime::forever(now)
        };
        let read = again(almost, ClockShift::NONE);
        assert_eq!(read.fresh_until, now.saturating_add(Ttl::MAX));
        assert!(read.expires_at.is_forever());
    }

    #[test]
    fn a_life_that_ends_before_it_began_is_over_at_its_end() {
        let life = Lifetime {
            created: Timestamp::from_millis(NOW),
            fresh_until: Timestamp::from_millis(NOW - 7),
            expires_at: Timestamp::from_millis(NOW - 9),
        };
        let read = again(life, ClockShift::NONE);
        assert_eq!(read.fresh_until, Timestamp::from_millis(NOW - 9));
        assert_eq!(read.expires_at, Timestamp::from_millis(NOW - 9));
    }

    #[test]
    fn a_store_whose_clock_is_ahead_keeps_its_own_time() {
        let (local, store) = (
            Timestamp::from_millis(NOW),
            Timestamp::from_millis(NOW + 250),
        );
        let block = times_block(Lifetime::forever(local), ClockShift::between(local, store));
        assert_eq!(
            read_times(block, ClockShift::NONE).created,
            store,
            "as a process on the store's clock reads it"
        );
    }

    fn lifetimes() -> impl Strategy<Value = Lifetime> {
        let span = prop_oneof![
            0..5_000_000_u64,
            0..1_u64 << 62,
            Just(u64::MAX),
            Just(u64::MAX - 1)
        ];
        (0..1_u64 << 62, span.clone(), span).prop_map(|(created, fresh, expires)| Lifetime {
            created: Timestamp::from_nanos(created),
            fresh_until: Timestamp::from_nanos(created.saturating_add(fresh)),
            expires_at: Timestamp::from_nanos(created.saturating_add(expires)),
        })
    }

    fn shifts() -> impl Strategy<Value = ClockShift> {
        prop_oneof![Just(0), -1_000_000_000..1_000_000_000_i64, any::<i64>()]
            .prop_map(ClockShift::from_nanos)
    }

    proptest! {
        #[test]
        fn c5_stored_times_are_never_younger_and_never_live_longer(life in lifetimes(), shift in shifts()) {
            // Nobody looks before the store's clock began.
            let epoch = shift.to_local(0);
            prop_assume!(life.created >= epoch);
            let read = again(life, shift);
            prop_assert!(read.created <= life.created);
            prop_assert!(read.fresh_until <= life.fresh_until.min(life.expires_at));
            prop_assert!(read.expires_at <= life.expires_at);
            prop_assert!(read.fresh_until <= read.expires_at);
        }

        #[test]
        fn c5_stored_times_lose_less_than_a_millisecond(life in lifetimes(), shift in shifts()) {
            let lost = |before: Timestamp, after: Timestamp| before.saturating_since(after) >= Duration::from_millis(1);
            let fits = |point: Timestamp| {
                point.is_forever() || point.saturating_since(life.created) < Ttl::MAX
                    && i128::from(point.as_nanos()) + i128::from(shift.as_nanos()) <= i128::from(u64::MAX)
            };
            prop_assume!(life.created >= shift.to_local(0) && fits(life.created));
            prop_assume!(life.fresh_until <= life.expires_at && fits(life.fresh_until) && fits(life.expires_at));
            let read = again(life, shift);
            prop_assert!(!lost(life.created, read.created));
            prop_assert!(!lost(life.fresh_until, read.fresh_until));
            prop_assert!(!lost(life.expires_at, read.expires_at));
        }

        #[test]
        fn s1_every_block_has_a_meaning_that_is_stored_as_itself(block: [u8; 16], shift in shifts()) {
            let read = read_times(block, shift);
            prop_assert!(read.fresh_until <= read.expires_at);
            // What was read once is kept exactly, so an `expire` leaves the time of creation alone.
            let kept = again(read, shift);
            prop_assert_eq!(again(kept, shift), kept);
        }
    }
}
