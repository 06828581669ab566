//! One tag, as this process knows it: its version, behind a fence.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use larder_core::Version;

/// Nothing is known of the version.
const UNKNOWN: u64 = 0;

/// A tag's version as far as it is known. Entries in memory point at it, so that they fall with one store.
#[derive(Debug)]
pub(crate) struct State {
    /// Read without a lock, written under that of the fence.
    version: AtomicU64,
    /// Whether somebody has asked for it since the last clearing.
    used: AtomicBool,
    fence: Mutex<Fence>,
}

#[derive(Debug, Default)]
struct Fence {
    /// Moved by every change.
    epoch: u64,
    /// What had been counted when the version was learned.
    since: u64,
}

/// The fence's epoch when the store was about to be asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample(u64);

impl State {
    pub(crate) fn new() -> Self {
        Self {
            version: AtomicU64::new(UNKNOWN),
            used: AtomicBool::new(true),
            fence: Mutex::default(),
        }
    }

    /// Whether the version is known and is this one. What is known may accept, and never reject (R4).
    #[inline]
    pub(crate) fn accepts(&self, version: u64) -> bool {
        version != UNKNOWN && self.version.load(Ordering::Acquire) == version
    }

    pub(crate) fn known(&self) -> Option<Version> {
        Version::from_u64(self.version.load(Ordering::Acquire))
    }

    /// The version, if it was known before so much had been counted and nothing has changed since.
    pub(crate) fn known_before(&self, counted: u64) -> Option<Version> {
        let fence = self.fence();
        self.known().filter(|_| fence.since < counted)
    }

    pub(crate) fn sample(&self) -> Sample {
        Sample(self.fence().epoch)
    }

    /// Believes a version that the store was asked for after the sample, if the fence has stood (U31).
    pub(crate) fn learn(&self, version: Option<Version>, sample: Sample, counted: u64) {
        let mut fence = self.fence();
        let known = version.map_or(UNKNOWN, Version::as_u64);
        if fence.epoch == sample.0 && self.version.load(Ordering::Relaxed) != known {
            fence.since = counted;
            self.version.store(known, Ordering::Release);
        }
    }

    /// The tag has changed, or may have: moves the fence and forgets, in one step.
    pub(crate) fn forget(&self) {
        let mut fence = self.fence();
        fence.epoch += 1;
        self.version.store(UNKNOWN, Ordering::Release);
    }

    pub(crate) fn touch(&self) {
        // Only if it must: a store would take the line away from who reads the version beside it.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it was asked for since the last time.
    pub(crate) fn take_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    fn fence(&self) -> MutexGuard<'_, Fence> {
        self.fence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c4_a_version_asked_for_before_a_change_is_not_believed_after_it() {
        let (state, version) = (State::new(), Version::random());
        let before = state.sample();
        state.forget();
        state.learn(Some(version), before, 1);
        assert_eq!(state.known(), None);
        state.learn(Some(version), state.sample(), 2);
        assert_eq!(state.known(), Some(version));
    }

    #[test]
    fn c4_only_what_was_followed_since_before_a_load_was_known_before_it() {
        let (state, version) = (State::new(), Version::random());
        state.learn(Some(version), state.sample(), 5);
        assert_eq!(state.known_before(5), None);
        assert_eq!(state.known_before(6), Some(version));
        // The same again is no news.
        state.learn(Some(version), state.sample(), 9);
        assert_eq!(state.known_before(6), Some(version));
        state.forget();
        state.learn(Some(version), state.sample(), 10);
        assert_eq!(state.known_before(6), None);
    }

    #[test]
    fn nothing_is_accepted_by_what_is_unknown() {
        assert!(!State::new().accepts(0));
    }
}
