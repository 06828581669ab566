//! Leases that may be held by nobody: granted by a reply that was lost, or not given back for want of a
//! connection. Each would keep everybody waiting until its time is over, so it is given back as soon as the
//! server can be reached again.

use std::sync::{Mutex, PoisonError};

use larder_core::{EntryId, KeyBuf};

/// Beyond this many the oldest are left to their time.
const MOST: usize = 65_536;

/// A lease by its key and token.
pub(crate) type Held = (KeyBuf, EntryId);

/// The leases to be given back.
#[derive(Debug, Default)]
pub(crate) struct Orphans(Mutex<Vec<Held>>);

impl Orphans {
    /// These may stand, and nobody will fill them.
    pub(crate) fn add(&self, leases: impl IntoIterator<Item = Held>) {
        let mut orphans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        orphans.extend(leases);
        let over = orphans.len().saturating_sub(MOST);
        orphans.drain(..over);
    }

    /// All of them, to be given back now.
    pub(crate) fn take(&self) -> Vec<Held> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
