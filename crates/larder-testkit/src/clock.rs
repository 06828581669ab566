//! A clock that is moved by hand.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use larder_core::{Clock, Sleep, Timestamp};
use tokio::sync::watch;

/// A [`Clock`] that stands still until a test moves it. Clones are handles to the same clock.
///
/// It begins at a whole second, so that a backend that stores milliseconds loses nothing.
///
/// ```
/// use std::time::Duration;
/// use larder_core::Clock;
/// use larder_testkit::ManualClock;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let clock = ManualClock::new();
/// let start = clock.now();
/// let sleeper = tokio::spawn(clock.sleep_until(start.saturating_add(Duration::from_secs(60))));
///
/// clock.wait_for_sleepers(1).await; // no guess about when the task gets to run
/// clock.advance(Duration::from_secs(60));
/// sleeper.await.unwrap();
/// # });
/// ```
#[derive(Clone)]
pub struct ManualClock(Arc<Inner>);

struct Inner {
    /// Written under the lock of `sleepers`, so that nobody falls asleep past a move.
    now: AtomicU64,
    sleepers: Mutex<Sleepers>,
    count: watch::Sender<usize>,
}

#[derive(Default)]
struct Sleepers {
    next: u64,
    waiting: BTreeMap<u64, (Timestamp, Waker)>,
}

/// Some time in 2033; any point works, but a small one would hide mistakes with `created - something`.
const START: Timestamp = Timestamp::from_millis(2_000_000_000_000);

impl ManualClock {
    /// A clock that shows a fixed time in 2033.
    pub fn new() -> Self {
        Self::at(START)
    }

    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(Inner {
            now: AtomicU64::new(now.as_nanos()),
            sleepers: Mutex::default(),
            count: watch::Sender::new(0),
        }))
    }

    /// The same clock, ready to be injected.
    pub fn shared(&self) -> Arc<dyn Clock> {
        Arc::new(self.clone())
    }

    /// Moves the clock on and wakes whose time has come. They run when the runtime gets to them.
    pub fn advance(&self, by: Duration) {
        self.move_to(|now| now.saturating_add(by));
    }

    /// Moves the clock to a point and wakes whose time has come.
    ///
    /// # Panics
    ///
    /// If the point lies in the clock's past: no clock goes backwards.
    pub fn set(&self, to: Timestamp) {
        self.move_to(|now| {
            assert!(
                now <= to,
                "a clock can't go backwards, from {now:?} to {to:?}"
            );
            to
        });
    }

    /// How many wait for a later time.
    pub fn sleepers(&self) -> usize {
        *self.0.count.borrow()
    }

    /// The earliest time that anybody waits for.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let sleepers = self.0.lock();
        sleepers
            .waiting
            .values()
            .map(|(deadline, _)| *deadline)
            .min()
    }

    /// Returns as soon as at least `count` wait for a later time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn wait_for_sleepers(&self, count: usize) {
        let mut counts = self.0.count.subscribe();
        // The sender is at hand, so the channel can't close.
        let _ = counts.wait_for(|sleeping| *sleeping >= count).await;
    }

    fn move_to(&self, to: impl FnOnce(Timestamp) -> Timestamp) {
        let mut sleepers = self.0.lock();
        let now = to(self.now());
        self.0.now.store(now.as_nanos(), Ordering::Release);
        let due = sleepers.take_due(now);
        self.0.count.send_replace(sleepers.waiting.len());
        drop(sleepers);
        due.into_iter().for_each(Waker::wake);
    }
}

impl Sleepers {
    fn take_due(&mut self, now: Timestamp) -> Vec<Waker> {
        let (due, waiting): (BTreeMap<_, _>, _) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(_, (deadline, _))| *deadline <= now);
        self.waiting = waiting;
        due.into_values().map(|(_, waker)| waker).collect()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Sleepers> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.0.now.load(Ordering::Acquire))
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        Box::pin(Sleeping {
            clock: self.clone(),
            deadline,
            place: None,
        })
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualClock")
            .field("now", &self.now())
            .field("sleepers", &self.sleepers())
            .finish()
    }
}

/// Counts as a sleeper from its first poll to its last.
struct Sleeping {
    clock: ManualClock,
    deadline: Timestamp,
    place: Option<u64>,
}

impl Future for Sleeping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let inner = Arc::clone(&self.clock.0);
        let mut sleepers = inner.lock();
        if self.clock.now() >= self.deadline {
            return Poll::Ready(());
        }
        let place = *self.place.get_or_insert_with(|| {
            sleepers.next += 1;
            sleepers.next
        });
        sleepers
            .waiting
            .insert(place, (self.deadline, context.waker().clone()));
        inner.count.send_replace(sleepers.waiting.len());
        Poll::Pending
    }
}

impl Drop for Sleeping {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        let mut sleepers = self.clock.0.lock();
        if sleepers.waiting.remove(&place).is_some() {
            self.clock.0.count.send_replace(sleepers.waiting.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_clock_reaches_its_time_and_not_before() {
        let clock = ManualClock::new();
        let deadline = clock.now().saturating_add(MINUTE);
        let sleeper = tokio::spawn(clock.sleep_until(deadline));
        clock.wait_for_sleepers(1).await;
        assert_eq!(clock.next_deadline(), Some(deadline));

        clock.advance(Duration::from_nanos(59_999_999_999));
        assert_eq!(clock.sleepers(), 1, "a nanosecond is left");
        clock.set(deadline);
        sleeper.await.unwrap();
        assert_eq!(clock.sleepers(), 0);
    }

    #[tokio::test]
    async fn a_time_that_has_come_is_not_waited_for() {
        let clock = ManualClock::new();
        clock.sleep_until(clock.now()).await;
        clock.sleep_until(Timestamp::EPOCH).await;
    }

    #[tokio::test]
    async fn who_stops_waiting_is_not_counted() {
        let clock = ManualClock::new();
        let sleeper = tokio::spawn(clock.sleep_until(Timestamp::FOREVER));
        clock.wait_for_sleepers(1).await;
        sleeper.abort();
        sleeper.await.unwrap_err();
        assert_eq!(clock.sleepers(), 0);
    }

    #[test]
    #[should_panic(expected = "backwards")]
    fn the_clock_never_goes_backwards() {
        ManualClock::new().set(Timestamp::EPOCH);
    }
}
