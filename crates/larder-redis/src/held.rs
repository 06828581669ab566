//! The leases that this process holds, by their tokens.
//!
//! However long a lease is asked for, the server is told to keep it for [`ALIVE`] only, and is told so again for as
//! long as somebody here has its token (`renew`). Who has died tells it nothing any more, and is soon in nobody's way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use larder_core::{EntryId, KeyBuf, Timestamp};
use tokio::sync::Notify;

/// How long the server keeps a lease of which it hears nothing.
const ALIVE: Duration = Duration::from_millis(1_500);

/// A lease that is younger, or was renewed since, can wait: a short load costs no renewal.
const YOUNG: Duration = Duration::from_millis(400);

/// How long a lease is to last, and since when the server has known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term {
    until: Timestamp,
    asked: Timestamp,
    /// The same by the machine's clock, which is the server's pace, whatever clock the cache was given.
    told: Instant,
}

impl Term {
    /// From now on.
    pub(crate) fn new(now: Timestamp, until: Timestamp) -> Self {
        Self {
            until,
            asked: now,
            told: Instant::now(),
        }
    }

    /// As long as before, and the server is told so now.
    pub(crate) fn again(self, now: Timestamp) -> Self {
        Self::new(now, self.until)
    }

    /// For how many milliseconds the server is to keep the lease: at least one, since it takes no fewer.
    pub(crate) fn millis(self) -> u64 {
        let millis = self.left().min(ALIVE).as_nanos().div_ceil(1_000_000);
        u64::try_from(millis).unwrap_or(u64::MAX).max(1)
    }

    /// Whether it is time to tell the server again.
    fn is_due(self, now: Instant) -> bool {
        // With less than that left the server keeps it to its end as it is.
        self.left() > ALIVE && now.saturating_duration_since(self.told) > YOUNG
    }

    fn left(self) -> Duration {
        self.until.saturating_since(self.asked)
    }
}

/// A lease, without its token.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) key: KeyBuf,
    /// The beginning of the placeholder; `None` if the lease stands beside an entry.
    pub(crate) placeholder: Option<Bytes>,
    pub(crate) term: Term,
}

/// What is held: as much as there are tokens.
#[derive(Debug, Default)]
pub(crate) struct HeldLeases {
    all: Mutex<HashMap<EntryId, Held>>,
    /// There is a new connection, over which what failed may be tried again.
    linked: Notify,
}

/// A lease is kept for as long as this is.
#[derive(Debug)]
pub(crate) struct Holding {
    leases: Arc<HeldLeases>,
    token: EntryId,
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.leases.ended(self.token);
    }
}

impl HeldLeases {
    /// A lease was granted, and is kept for as long as what this answers is.
    pub(crate) fn hold(self: &Arc<Self>, token: EntryId, held: Held) -> Holding {
        self.lock().insert(token, held);
        Holding {
            leases: Arc::clone(self),
            token,
        }
    }

    /// Those whose turn it is. Those whose time is over are forgotten.
    pub(crate) fn due(&self, now: Timestamp) -> Vec<EntryId> {
        let mut all = self.lock();
        all.retain(|_, held| held.term.until > now);
        let now = Instant::now();
        all.iter()
            .filter(|(_, held)| held.term.is_due(now))
            .map(|(token, _)| *token)
            .collect()
    }

    /// Those of these tokens that are still held.
    pub(crate) fn still(&self, tokens: &[EntryId]) -> Vec<(EntryId, Held)> {
        let all = self.lock();
        let held = |token| all.get(token).map(|held| (*token, held.clone()));
        tokens.iter().filter_map(held).collect()
    }

    /// The server keeps it for longer.
    pub(crate) fn renewed(&self, token: EntryId, term: Term) {
        if let Some(held) = self.lock().get_mut(&token) {
            held.term = term;
        }
    }

    /// There is nothing to keep any more.
    pub(crate) fn ended(&self, token: EntryId) {
        self.lock().remove(&token);
    }

    /// There is a connection for the writes again.
    pub(crate) fn linked(&self) {
        self.linked.notify_one();
    }

    /// Waits for [`HeldLeases::linked`].
    ///
    /// Cancel safe.
    pub(crate) async fn link(&self) {
        self.linked.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EntryId, Held>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn the_server_keeps_no_lease_for_longer_than_it_hears_of_it_or_than_its_time() {
        assert_eq!(Term::new(at(5_000), at(60_000)).millis(), 1_500);
        assert_eq!(Term::new(at(5_000), Timestamp::FOREVER).millis(), 1_500);
        assert_eq!(Term::new(at(5_000), at(5_200)).millis(), 200);
        assert_eq!(Term::new(at(5_000), at(4_000)).millis(), 1, "it is over");
    }

    #[test]
    fn a_lease_is_renewed_neither_when_it_is_young_nor_when_the_server_keeps_it_to_its_end() {
        let term = Term::new(at(5_000), at(60_000));
        let after = |millis| term.told + Duration::from_millis(millis);
        assert!(!term.is_due(after(400)));
        assert!(term.is_due(after(401)));
        assert!(!term.again(at(5_400)).is_due(after(400)));
        assert!(!Term::new(at(5_000), at(6_500)).is_due(after(1_499)));
    }
}
