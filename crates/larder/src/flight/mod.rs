//! Loads in progress: one per key and schema, joined by whoever asks meanwhile.

mod guarded;
mod lease_end;
mod run;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use larder_core::{
    Entry, Error, ErrorKind, Key, KeyBuf, KeyHashBuilder, Operation, Pattern, Result,
};
use tokio::sync::watch;

use self::guarded::caught;
pub(crate) use self::guarded::{Ended, guarded};
pub(crate) use self::run::Flight;

const SHARDS: usize = 16;

/// What a flight ends with: an entry for everybody who waits, or the same error for all of them.
type Outcome = Option<Result<Entry>>;

/// The loads in progress.
pub(crate) struct Flights {
    shards: Box<[Mutex<Shard>]>,
    next: AtomicU64,
}

type Shard = HashMap<u64, Vec<Boarded>, KeyHashBuilder>;

struct Boarded {
    id: u64,
    key: KeyBuf,
    schema: u32,
    /// Set by an invalidation: what is being loaded may be older than it.
    detached: Arc<AtomicBool>,
    outcome: watch::Receiver<Outcome>,
}

/// How [`Flights::board`] answers.
pub(crate) enum Boarding {
    /// Somebody else is loading: wait for them.
    Joined(Waiting),
    /// This caller leads: run the load and land.
    Leading(Leader, Waiting),
}

/// A place among those who wait for a flight.
pub(crate) struct Waiting(watch::Receiver<Outcome>);

impl Waiting {
    /// Waits for the flight's end.
    ///
    /// Cancel safe: the flight goes on without this caller.
    pub(crate) async fn wait(mut self) -> Result<Entry> {
        match self.0.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().expect("waited for"),
            Err(_) => Err(Error::new(
                ErrorKind::LoadCancelled,
                "the load was dropped before it ended: its cache or its runtime has gone",
            )
            .with_operation(Operation::Load)),
        }
    }
}

/// The right and the duty to end a flight. Dropped without landing (a panic, a runtime that shuts
/// down), the flight leaves the table and everybody who waits gets an error.
pub(crate) struct Leader {
    flights: Arc<Flights>,
    id: u64,
    key: KeyBuf,
    detached: Arc<AtomicBool>,
    outcome: watch::Sender<Outcome>,
}

impl Leader {
    /// Whether the key was invalidated since the flight began.
    pub(crate) fn is_detached(&self) -> bool {
        self.detached.load(Ordering::Acquire)
    }

    /// Ends the flight for everybody who waits.
    pub(crate) fn land(self, outcome: Result<Entry>) {
        // Leaves the table first, so that whoever comes now sees the stored entry or leads anew.
        self.leave();
        self.outcome.send_replace(Some(outcome));
    }

    fn leave(&self) {
        self.flights.remove(&self.key.as_key(), self.id);
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Default for Flights {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            next: AtomicU64::new(1),
        }
    }
}

impl Flights {
    /// Joins the flight of a key, or leads one.
    pub(crate) fn board(self: &Arc<Self>, key: &Key<'_>, schema: u32) -> Boarding {
        let mut shard = self.shard(key);
        let flights = shard.entry(key.hash64()).or_default();
        if let Some(flight) = flights
            .iter()
            .find(|flight| flight.key.is(key) && flight.schema == schema)
        {
            return Boarding::Joined(Waiting(flight.outcome.clone()));
        }
        let (sender, receiver) = watch::channel(None);
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let detached = Arc::<AtomicBool>::default();
        flights.push(Boarded {
            id,
            key: key.to_buf(),
            schema,
            detached: Arc::clone(&detached),
            outcome: receiver.clone(),
        });
        let leader = Leader {
            flights: Arc::clone(self),
            id,
            key: key.to_buf(),
            detached,
            outcome: sender,
        };
        Boarding::Leading(leader, Waiting(receiver))
    }

    /// Takes a key's flights off the table: whoever waits keeps waiting, whoever comes leads a new one,
    /// and what is being loaded isn't stored without a lease that still stands.
    pub(crate) fn detach(&self, key: &Key<'_>) {
        let mut shard = self.shard(key);
        if let Some(flights) = shard.get_mut(&key.hash64()) {
            flights.retain(|flight| {
                let other = !flight.key.is(key);
                flight.detached.fetch_or(!other, Ordering::AcqRel);
                other
            });
            if flights.is_empty() {
                shard.remove(&key.hash64());
            }
        }
    }

    /// Detaches the flights of the keys that match; answers the keys, so that their leases can be ended.
    pub(crate) fn detach_matching(&self, pattern: &Pattern) -> Vec<KeyBuf> {
        let mut detached = Vec::new();
        for shard in &self.shards {
            let flying = lock(shard);
            let keys = flying.values().flatten().map(|flight| &flight.key);
            detached.extend(keys.filter(|key| pattern.matches(key.text())).cloned());
        }
        for key in &detached {
            self.detach(&key.as_key());
        }
        detached
    }

    /// Detaches every flight.
    pub(crate) fn detach_all(&self) {
        for shard in &self.shards {
            for flight in lock(shard).drain().flat_map(|(_, flights)| flights) {
                flight.detached.store(true, Ordering::Release);
            }
        }
    }

    /// Flights in the table.
    pub(crate) fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| lock(shard).values().map(Vec::len).sum::<usize>())
            .sum()
    }

    fn remove(&self, key: &Key<'_>, id: u64) {
        let mut shard = self.shard(key);
        if let Some(flights) = shard.get_mut(&key.hash64()) {
            flights.retain(|flight| flight.id != id);
            if flights.is_empty() {
                shard.remove(&key.hash64());
            }
        }
    }

    fn shard(&self, key: &Key<'_>) -> MutexGuard<'_, Shard> {
        lock(&self.shards[(key.hash64() >> 40) as usize % SHARDS])
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
