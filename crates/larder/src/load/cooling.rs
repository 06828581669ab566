//! Refreshes that failed: their keys rest for a while, so that not every hit tries again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use larder_core::{Key, KeyHashBuilder, Timestamp};

/// The keys that rest, by their hashes, and until when.
#[derive(Debug, Default)]
pub(crate) struct Cooling(Mutex<HashMap<u64, Timestamp, KeyHashBuilder>>);

/// Beyond this many, those whose time is over are forgotten; if none is, all.
const MOST: usize = 10_000;

impl Cooling {
    pub(crate) fn rest(&self, key: &Key<'_>, now: Timestamp, until: Timestamp) {
        let mut resting = self.lock();
        if resting.len() >= MOST {
            resting.retain(|_, until| now < *until);
            if resting.len() >= MOST {
                resting.clear();
            }
        }
        resting.insert(key.hash64(), until);
    }

    pub(crate) fn is_resting(&self, key: &Key<'_>, now: Timestamp) -> bool {
        let mut resting = self.lock();
        let Some(until) = resting.get(&key.hash64()).copied() else {
            return false;
        };
        if until <= now {
            resting.remove(&key.hash64());
        }
        now < until
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Timestamp, KeyHashBuilder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
