//! A layer that writes down what passes it.

mod backend;
mod outcome;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use larder_core::{Backend, Layer, Operation, Store};

use self::backend::RecordingBackend;
pub use self::outcome::Outcome;

/// A call that has passed a [`RecordingLayer`].
///
/// As text it reads `get a: hit`, `delete a: miss`, or `batch a, b: done, failed(timeout)`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// The operation. `put_now` and `forget_now` are a `set` and an `invalidate`.
    pub operation: Operation,
    /// The texts of its keys, the stored names of its markers, the pattern of its scan, or the prefix
    /// of its region.
    pub keys: Vec<String>,
    /// How it ended, for each of a list. Empty until it has, and for ever if its caller went away.
    pub outcomes: Vec<Outcome>,
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcomes: Vec<_> = self.outcomes.iter().map(Outcome::to_string).collect();
        write!(f, "{}", self.operation)?;
        if !self.keys.is_empty() {
            write!(f, " {}", self.keys.join(", "))?;
        }
        if outcomes.is_empty() {
            f.write_str(": unfinished")
        } else {
            write!(f, ": {}", outcomes.join(", "))
        }
    }
}

/// Records every call with its keys and its outcome, in the order in which they began. A test keeps a clone.
///
/// A `peek` that hits is counted in [`peeks`](Self::peeks) and not recorded, for it is no operation.
///
/// ```
/// use larder_core::{Backend, Key, Namespace, Store};
/// use larder_testkit::{ManualClock, RecordingLayer, ReferenceBackend};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let recording = RecordingLayer::new();
/// let store = Store::new(ReferenceBackend::new(ManualClock::new().shared())).layer(&recording)?;
/// let namespace = Namespace::new("shop")?;
/// let key = Key::new(&namespace, "airport", "LHR")?;
///
/// store.get(&key, &Default::default()).await?;
/// store.delete(&key, &Default::default()).await?;
/// assert_eq!(recording.take_lines(), ["get airport:LHR: miss", "delete airport:LHR: miss"]);
/// # Ok::<_, larder_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct RecordingLayer(Arc<Log>);

#[derive(Debug, Default)]
struct Log {
    records: Mutex<Records>,
    peeks: AtomicU64,
}

#[derive(Debug, Default)]
struct Records {
    /// How many were taken away, so that a call finds its record again.
    taken: usize,
    kept: Vec<Recorded>,
}

impl RecordingLayer {
    /// A layer with an empty record.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was recorded since the last time.
    pub fn take(&self) -> Vec<Recorded> {
        let mut records = self.0.records();
        records.taken += records.kept.len();
        std::mem::take(&mut records.kept)
    }

    /// The same as lines of text.
    pub fn take_lines(&self) -> Vec<String> {
        self.take().iter().map(Recorded::to_string).collect()
    }

    /// How many calls of this operation are on record.
    pub fn count(&self, operation: Operation) -> usize {
        let records = self.0.records();
        records
            .kept
            .iter()
            .filter(|record| record.operation == operation)
            .count()
    }

    /// How many peeks have hit.
    pub fn peeks(&self) -> u64 {
        self.0.peeks.load(Ordering::Relaxed)
    }
}

impl Log {
    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the record's place.
    fn begin(&self, operation: Operation, keys: Vec<String>) -> usize {
        let mut records = self.records();
        records.kept.push(Recorded {
            operation,
            keys,
            outcomes: Vec::new(),
        });
        records.taken + records.kept.len() - 1
    }

    fn end(&self, place: usize, outcomes: Vec<Outcome>) {
        let mut records = self.records();
        let at = place.checked_sub(records.taken);
        if let Some(record) = at.and_then(|at| records.kept.get_mut(at)) {
            record.outcomes = outcomes;
        }
    }
}

impl Layer for RecordingLayer {
    fn apply(&self, inner: Store) -> Arc<dyn Backend> {
        Arc::new(RecordingBackend::new(inner, Arc::clone(&self.0)))
    }
}
