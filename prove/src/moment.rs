//! Points in time that mean the same in every process of the machine.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`.
pub(crate) type Moment = u64;

/// Now.
pub(crate) fn now() -> Moment {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec).unwrap_or_default();
    seconds * 1_000_000_000 + nanos
}

/// So many milliseconds.
pub(crate) const fn millis(millis: u64) -> Moment {
    millis * 1_000_000
}

/// How long it is from now until then.
pub(crate) fn until(then: Moment) -> Duration {
    Duration::from_nanos(then.saturating_sub(now()))
}

/// Lets this thread sleep.
pub(crate) fn pause(length: Moment) {
    std::thread::sleep(Duration::from_nanos(length));
}
