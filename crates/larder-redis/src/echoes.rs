//! The echoes of our own scripts.
//!
//! The server tells a connection of what its scripts wrote, though not of its plain writes, and mentions a
//! key once a round however many wrote it. So an echo can't be told from somebody else's write by counting:
//! the entry's head is read, and only if it is byte for byte the one that the script wrote was the push
//! an echo and nothing else (`docs/decisions/0012-stream.md`).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// How much of an entry tells one write from another: up to and with its times, because `expire` keeps the id
/// (U14).
pub(crate) const IDENTITY: usize = larder_core::wire::layout::TIMES.end;

/// Beyond this many, all are given up: their pushes are then taken for news, which costs a read.
pub(crate) const MOST: usize = 65_536;

/// What own scripts wrote and have not been told of.
#[derive(Debug, Default)]
pub(crate) struct Echoes(Mutex<HashMap<String, Bytes>>);

impl Echoes {
    /// A script is about to store this entry.
    pub(crate) fn expect(&self, stored: &str, entry: &Bytes) {
        let identity = Bytes::copy_from_slice(&entry[..IDENTITY.min(entry.len())]);
        let mut expected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if expected.len() >= MOST {
            expected.clear();
        }
        expected.insert(stored.to_owned(), identity);
    }

    /// A push names this key; answers what was expected of it, once (U13: the next push is news).
    pub(crate) fn heard(&self, stored: &str) -> Option<Bytes> {
        let mut expected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        expected.remove(stored)
    }

    /// The script wrote nothing.
    pub(crate) fn give_up(&self, stored: &str, entry: &Bytes) {
        let mut expected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if expected
            .get(stored)
            .is_some_and(|identity| entry.starts_with(identity))
        {
            expected.remove(stored);
        }
    }

    /// The connection that would tell of them is gone.
    pub(crate) fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}
