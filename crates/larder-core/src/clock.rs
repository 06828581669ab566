//! Time as larder sees it: points on this process's clock, and the clock that is injected everywhere.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point in time: nanoseconds since the Unix epoch on *this process's* clock.
///
/// The clock is read once against the wall at start and runs monotonically from there, so a step of
/// the machine's clock bends no lifetime. A backend that shares entries between machines translates
/// at its border.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

const NANOS_PER_MILLI: u64 = 1_000_000;

impl Timestamp {
    /// Later than every other point: what never expires, expires then.
    pub const FOREVER: Self = Self(u64::MAX);
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);

    /// A point from nanoseconds since the Unix epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// A point from milliseconds since the Unix epoch; saturates at [`Timestamp::FOREVER`].
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(NANOS_PER_MILLI))
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0 / NANOS_PER_MILLI
    }

    /// This point plus a duration; saturates at [`Timestamp::FOREVER`].
    pub const fn saturating_add(self, duration: Duration) -> Self {
        let nanos = duration.as_nanos();
        if nanos >= u64::MAX as u128 {
            return Self::FOREVER;
        }
        #[expect(clippy::cast_possible_truncation, reason = "checked above")]
        Self(self.0.saturating_add(nanos as u64))
    }

    /// How long after `earlier` this point lies; zero if it doesn't.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Whether this is [`Timestamp::FOREVER`].
    pub const fn is_forever(self) -> bool {
        self.0 == u64::MAX
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_forever() {
            f.write_str("forever")
        } else {
            write!(
                f,
                "{}.{:09}",
                self.0 / 1_000_000_000,
                self.0 % 1_000_000_000
            )
        }
    }
}

/// What [`Clock::sleep_until`] returns.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The time, and a way to wait for it. Injected everywhere, so that tests need not wait.
///
/// `larder-testkit` has a clock that is moved by hand.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now. Never goes backwards.
    fn now(&self) -> Timestamp;

    /// A time that was `now` at most 10 ms ago, for look-ups: cheaper where the system has such a clock.
    /// What is judged by it may be seen that much longer than its time to live.
    ///
    /// Default: [`Clock::now`].
    fn recent(&self) -> Timestamp {
        self.now()
    }

    /// Ends once [`Clock::now`] is at or after `deadline`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    fn sleep_until(&self, deadline: Timestamp) -> Sleep;
}

/// The machine's monotonic clock, set by the wall once when the process first asks.
///
/// This crate has no runtime, so whoever makes the clock says how to sleep:
///
/// ```
/// use larder_core::{Clock, SystemClock};
///
/// let clock = SystemClock::new(|duration| Box::pin(tokio::time::sleep(duration)));
/// assert!(clock.now() <= clock.now());
/// ```
#[derive(Clone, Copy)]
pub struct SystemClock {
    sleep: fn(Duration) -> Sleep,
}

impl SystemClock {
    /// A clock that sleeps by `sleep`. All system clocks of a process agree on the time.
    pub fn new(sleep: fn(Duration) -> Sleep) -> Self {
        Self { sleep }
    }

    /// The same, ready to be handed on.
    pub fn shared(sleep: fn(Duration) -> Sleep) -> Arc<dyn Clock> {
        Arc::new(Self::new(sleep))
    }
}

/// When the process first asked for the time: on the monotonic clock, in Unix nanoseconds, and on the
/// coarse clock.
static ANCHOR: LazyLock<Anchor> = LazyLock::new(|| {
    let wall = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Anchor {
        start: Instant::now(),
        wall: u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX / 2),
        #[cfg(target_os = "linux")]
        monotonic: coarse::monotonic(),
    }
});

struct Anchor {
    start: Instant,
    wall: u64,
    #[cfg(target_os = "linux")]
    monotonic: u64,
}

/// Linux keeps a copy of its monotonic clock as of the last tick, 1 to 10 ms ago: reading it costs a
/// quarter of reading the clock itself.
#[cfg(target_os = "linux")]
mod coarse {
    use rustix::time::{ClockId, clock_gettime};

    pub(super) fn monotonic() -> u64 {
        nanos(ClockId::Monotonic)
    }

    #[inline]
    pub(super) fn recent() -> u64 {
        nanos(ClockId::MonotonicCoarse)
    }

    #[inline]
    #[expect(
        clippy::cast_sign_loss,
        reason = "a time since the machine was started"
    )]
    fn nanos(clock: ClockId) -> u64 {
        let time = clock_gettime(clock);
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }
}

impl Clock for SystemClock {
    #[inline]
    fn now(&self) -> Timestamp {
        let elapsed = ANCHOR.start.elapsed();
        Timestamp(
            ANCHOR.wall + elapsed.as_secs() * 1_000_000_000 + u64::from(elapsed.subsec_nanos()),
        )
    }

    #[cfg(target_os = "linux")]
    #[inline]
    fn recent(&self) -> Timestamp {
        Timestamp(ANCHOR.wall + coarse::recent().saturating_sub(ANCHOR.monotonic))
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        (self.sleep)(deadline.saturating_since(self.now()))
    }
}

impl fmt::Debug for SystemClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemClock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_saturates_at_forever() {
        assert!(
            Timestamp::from_millis(5)
                .saturating_add(Duration::MAX)
                .is_forever()
        );
        assert!(
            Timestamp::FOREVER
                .saturating_add(Duration::from_secs(1))
                .is_forever()
        );
        assert!(Timestamp::from_millis(u64::MAX).is_forever());
    }

    #[test]
    fn the_recent_time_is_at_most_a_tick_old() {
        let clock = SystemClock::new(|_| Box::pin(std::future::ready(())));
        // A reader may be held up between its two readings, but not every time.
        let age = (0..1_000)
            .map(|_| {
                let now = clock.now();
                now.saturating_since(clock.recent())
            })
            .min()
            .expect("a thousand readings");
        assert!(age <= Duration::from_millis(10), "{age:?}");
        let recent = clock.recent();
        assert!(recent <= clock.now(), "it never runs ahead");
        assert!(recent <= clock.recent(), "it never goes backwards");
    }

    #[test]
    fn a_duration_since_a_later_point_is_zero() {
        let early = Timestamp::from_millis(1);
        let late = Timestamp::from_millis(9);
        assert_eq!(late.saturating_since(early), Duration::from_millis(8));
        assert_eq!(early.saturating_since(late), Duration::ZERO);
    }
}
