//! What is recorded: a line per event, written before the next thing happens, so that a file is complete up to
//! the moment in which its process was killed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::keys::KeyIndex;
use crate::moment::Moment;
use crate::stamp::Stamp;

/// What somebody did. Those with several keys do it to each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    Get,
    GetLocal,
    GetMany,
    GetOrLoad,
    GetManyOrLoad,
    Refresh,
    Set,
    Delete,
    DeleteMany,
    Invalidate,
    /// Ends the entry's life after a while; completed without a doubt only if there was one.
    Expire,
    /// Of all keys.
    Clear,
    /// Another program: a raw `DEL`.
    ForeignDelete,
    /// Another program: a `SET` of what is no entry.
    ForeignSet,
    /// Another program: a `PEXPIRE` or `PERSIST`. Promises nothing.
    ForeignExpire,
    /// Of all keys.
    FlushAll,
    /// The server is killed and begins empty: of all keys.
    Restart,
}

impl What {
    /// Whether it answers a value.
    pub(crate) fn is_read(self) -> bool {
        use What::{Get, GetLocal, GetMany, GetManyOrLoad, GetOrLoad, Refresh};
        matches!(
            self,
            Get | GetLocal | GetMany | GetOrLoad | GetManyOrLoad | Refresh
        )
    }

    /// Whether nothing from before it may be seen once it has completed. An invalidation of tags would be one.
    pub(crate) fn invalidates(self) -> bool {
        !self.is_read() && self != What::ForeignExpire
    }
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Done,
    /// There was nothing to do it to.
    Absent,
    /// Accepted, to be delivered later.
    Queued,
    /// Not done, or nobody knows.
    Failed(String),
}

/// A line of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Event {
    /// A process begins.
    Started { at: Moment },
    /// An operation begins; `number` tells it from the others of the process.
    Invoked {
        at: Moment,
        number: u64,
        worker: u8,
        what: What,
        keys: Vec<KeyIndex>,
        /// What a set writes.
        stamp: Option<Stamp>,
        /// How long an `expire` leaves.
        ttl: Option<Moment>,
    },
    /// An operation ends; for each of its keys what a read has seen.
    Completed {
        at: Moment,
        number: u64,
        outcome: Outcome,
        seen: Vec<Option<Stamp>>,
    },
    /// A loader has read the origin, and then returned.
    Loaded {
        from: Moment,
        at: Moment,
        stamp: Stamp,
    },
    /// The process didn't get to run.
    Stalled { from: Moment, to: Moment },
    /// What a node's cache was told: for the reader of an excerpt alone.
    Link { at: Moment, state: String },
    /// The origin has a new version.
    Origin {
        at: Moment,
        key: KeyIndex,
        version: u64,
    },
    /// Something was in the way of what a node is told; of every node's, if none is named.
    Fault {
        kind: String,
        node: Option<u8>,
        from: Moment,
        to: Moment,
    },
    /// What Redis had under each key, at some moment between these.
    Looked {
        from: Moment,
        to: Moment,
        there: Vec<Option<Stamp>>,
    },
    /// From here on nothing is in the way, and nobody writes.
    AtRest { at: Moment },
}

/// Writes a process' history.
#[derive(Debug)]
pub(crate) struct Recorder(Mutex<File>);

impl Recorder {
    /// Begins a new file.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(path)?;
        Ok(Self(Mutex::new(file)))
    }

    /// Adds an event. It is the system's when this returns, whatever becomes of the process.
    pub(crate) fn record(&self, event: &Event) {
        let mut line = serde_json::to_vec(event).expect("events have a form in JSON");
        line.push(b'\n');
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line).expect("the disk takes a history");
    }
}

/// Reads a file. The last line may be half of one, if its process was killed.
pub(crate) fn read(path: &Path) -> io::Result<Vec<Event>> {
    let text = std::fs::read_to_string(path)?;
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).map_err(io::Error::other))
        .collect()
}
