//! The namespace's generation: what makes `clear()` one step, whatever the number of entries.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use larder_core::{Backend, Marker, MarkerRead, Namespace, ReadOptions, Result, Store, Version};

/// The generation as this cache knows it: read without a lock, learned under a fence, so that what was
/// read before a change is never believed after it.
pub(crate) struct Generation {
    /// `NONE`, `CHANGED`, or a version.
    known: AtomicU64,
    /// Moved by every change.
    epoch: Mutex<u64>,
}

const NONE: u64 = 0;
const CHANGED: u64 = 1;

/// What is known of the generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// The store keeps none.
    None,
    /// It has changed, or could not be read yet, and must be asked for.
    Changed,
    /// It is this one.
    Is(Version),
}

impl Generation {
    pub(crate) fn new(known: Known) -> Self {
        let known = match known {
            Known::None => NONE,
            Known::Changed => CHANGED,
            Known::Is(version) => version.as_u64(),
        };
        Self {
            known: AtomicU64::new(known),
            epoch: Mutex::new(0),
        }
    }

    #[inline]
    pub(crate) fn known(&self) -> Known {
        match self.known.load(Ordering::Acquire) {
            NONE => Known::None,
            CHANGED => Known::Changed,
            version => Version::from_u64(version).map_or(Known::None, Known::Is),
        }
    }

    /// Samples the fence.
    pub(crate) fn epoch(&self) -> u64 {
        *self.epoch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Believes a version that was asked for after the fence was sampled, if it stood.
    pub(crate) fn learn(&self, version: Option<Version>, sampled: u64) {
        let epoch = self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        if *epoch == sampled {
            self.known.store(encode(version), Ordering::Release);
        }
    }

    /// It has changed: moves the fence and forgets.
    pub(crate) fn forget(&self) {
        let mut epoch = self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        *epoch += 1;
        if self.known.load(Ordering::Relaxed) != NONE {
            self.known.store(CHANGED, Ordering::Release);
        }
    }
}

fn encode(version: Option<Version>) -> u64 {
    // A random version is 1 once in 2^64 draws; it is then asked for each time, which is slow and right.
    version.map_or(NONE, Version::as_u64)
}

/// The generation in the store, made if there is none; `None` if the store keeps no markers.
pub(crate) async fn read_generation(
    store: &Store,
    namespace: &Namespace,
) -> Result<Option<Version>> {
    if !store.capability().markers {
        return Ok(None);
    }
    let marker = [Marker::generation(namespace)];
    let versions = store
        .markers(&marker, MarkerRead::OrCreate, &ReadOptions::default())
        .await?;
    Ok(versions.into_iter().next().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c1_a_version_asked_for_before_a_change_is_not_believed_after_it() {
        let generation = Generation::new(Known::Is(Version::random()));
        let (sampled, read) = (generation.epoch(), Version::random());
        generation.forget();
        generation.learn(Some(read), sampled);
        assert_eq!(generation.known(), Known::Changed);
        generation.learn(Some(read), generation.epoch());
        assert_eq!(generation.known(), Known::Is(read));
    }

    #[test]
    fn a_store_without_markers_never_has_one() {
        let generation = Generation::new(Known::None);
        generation.forget();
        assert_eq!(generation.known(), Known::None);
    }
}
