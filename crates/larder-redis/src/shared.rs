//! What the store, its connections and the writes that are still under way have in common.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use larder_core::wire::{self, Unreadable};
use larder_core::{
    Change, Changes, Clock, Entry, EntryId, Error, ErrorKind, Head, Key, KeyBuf, Namespace, Result,
    Tally, Timestamp, Value,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::canary::Canary;
use crate::config::Settings;
use crate::driver::{Command, Connection, Fault, Reply};
use crate::echoes::Echoes;
use crate::held::HeldLeases;
use crate::offset::Offset;
use crate::orphans::Orphans;
use crate::script::{Call, Scripts};
use crate::self_test::Passed;

pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) namespace: Namespace,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) changes: Changes,
    pub(crate) offset: Offset,
    pub(crate) echoes: Echoes,
    pub(crate) canary: Canary,
    pub(crate) orphans: Orphans,
    pub(crate) held: Arc<HeldLeases>,
    pub(crate) passed: Passed,
    /// The connection that carries every write and tells of changes, while it stands.
    primary: RwLock<Option<Arc<Primary>>>,
    /// The connections for reads, while they stand.
    readers: Box<[RwLock<Option<Arc<Connection>>>]>,
    next_reader: AtomicUsize,
    /// F4: what is under way is bounded here and not by the driver.
    permits: Semaphore,
    closed: AtomicBool,
    /// Why there is no connection.
    trouble: Mutex<Option<Error>>,
    pub(crate) hits: Tally,
    pub(crate) misses: Tally,
    pub(crate) unreadable: Tally,
}

/// The connection that carries the writes, ready for use.
#[derive(Debug)]
pub(crate) struct Primary {
    pub(crate) connection: Arc<Connection>,
    pub(crate) scripts: Scripts,
    /// The run of the server that it leads to.
    pub(crate) run: String,
}

impl Shared {
    pub(crate) fn new(settings: Settings, namespace: Namespace, clock: Arc<dyn Clock>) -> Self {
        let readers = (1..settings.pool_size).map(|_| RwLock::default()).collect();
        let permits = Semaphore::new(settings.max_in_flight.min(Semaphore::MAX_PERMITS));
        Self {
            settings,
            namespace,
            clock,
            changes: Changes::new(),
            offset: Offset::default(),
            echoes: Echoes::default(),
            canary: Canary::default(),
            orphans: Orphans::default(),
            held: Arc::default(),
            passed: Passed::default(),
            primary: RwLock::default(),
            readers,
            next_reader: AtomicUsize::new(0),
            permits,
            closed: AtomicBool::new(false),
            trouble: Mutex::default(),
            hits: Tally::new(),
            misses: Tally::new(),
            unreadable: Tally::new(),
        }
    }

    /// The connection for writes.
    pub(crate) fn primary(&self) -> Result<Arc<Primary>> {
        let primary = self.primary.read().unwrap_or_else(PoisonError::into_inner);
        match &*primary {
            Some(primary) if primary.connection.is_alive() => Ok(Arc::clone(primary)),
            _ => {
                drop(primary);
                Err(self.unavailable())
            }
        }
    }

    /// From now on writes go over this connection. Reads must come from the server whose changes it tells: the other
    /// connections may lead to one that was the primary before, so they are closed and made anew.
    pub(crate) fn set_primary(&self, primary: Option<Arc<Primary>>) {
        let mut current = self.primary.write().unwrap_or_else(PoisonError::into_inner);
        if primary.is_some() {
            for lane in 0..self.readers.len() {
                if let Some(reader) = self.lane(lane) {
                    reader.close();
                    self.set_reader(lane, None);
                }
            }
        }
        *current = primary;
    }

    /// Takes a connection for reads into use, if it leads to where the writes go; answers whether it does.
    pub(crate) fn add_reader(&self, lane: usize, reader: Arc<Connection>, run: &str) -> bool {
        let primary = self.primary.read().unwrap_or_else(PoisonError::into_inner);
        let fits = primary.as_ref().is_some_and(|primary| primary.run == run);
        if fits {
            self.set_reader(lane, Some(reader));
        }
        fits
    }

    /// A connection for reads: one of those made for it, else that of the writes.
    pub(crate) fn reader(&self) -> Result<Arc<Connection>> {
        let count = self.readers.len();
        if count > 0 {
            let first = self.next_reader.fetch_add(1, Ordering::Relaxed);
            for lane in 0..count {
                let reader = self.readers[first.wrapping_add(lane) % count]
                    .read()
                    .unwrap_or_else(PoisonError::into_inner);
                if let Some(reader) = reader.as_ref().filter(|reader| reader.is_alive()) {
                    return Ok(Arc::clone(reader));
                }
            }
        }
        Ok(Arc::clone(&self.primary()?.connection))
    }

    pub(crate) fn set_reader(&self, lane: usize, reader: Option<Arc<Connection>>) {
        *self.readers[lane]
            .write()
            .unwrap_or_else(PoisonError::into_inner) = reader;
    }

    /// One of the connections for reads.
    pub(crate) fn lane(&self, lane: usize) -> Option<Arc<Connection>> {
        let reader = self.readers[lane]
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        reader.clone()
    }

    /// Every connection that stands.
    pub(crate) fn standing(&self) -> Vec<Arc<Connection>> {
        let primary = self.primary().ok();
        let readers = self.readers.iter().filter_map(|reader| {
            let reader = reader.read().unwrap_or_else(PoisonError::into_inner);
            reader.clone()
        });
        let primary = primary.map(|primary| Arc::clone(&primary.connection));
        primary.into_iter().chain(readers).collect()
    }

    pub(crate) fn lanes(&self) -> usize {
        self.readers.len()
    }

    /// Remembers why there is no connection.
    pub(crate) fn troubled(&self, error: Option<Error>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    pub(crate) fn trouble(&self) -> Option<Error> {
        self.trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn unavailable(&self) -> Error {
        if self.is_closed() {
            return Error::new(ErrorKind::Closed, "the redis store was closed");
        }
        self.trouble().unwrap_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                format!(
                    "redis at {} can't be reached: no connection",
                    self.settings.address
                ),
            )
        })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Takes no more operations; answers how many are still under way at the deadline.
    pub(crate) async fn drain(&self, deadline: Timestamp) -> u64 {
        self.closed.store(true, Ordering::Release);
        let all = u32::try_from(self.settings.max_in_flight).unwrap_or(u32::MAX);
        let within = deadline.saturating_since(self.clock.now());
        let idle = tokio::time::timeout(within, self.permits.acquire_many(all)).await;
        let left = self.settings.max_in_flight - self.permits.available_permits();
        if idle.is_ok() { 0 } else { left as u64 }
    }

    /// Whether something is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.permits.available_permits() < self.settings.max_in_flight
    }

    /// What an operation may take: its limit, or less if its caller gives it less.
    pub(crate) fn budget(&self, deadline: Option<Timestamp>, limit: Duration) -> Duration {
        match deadline {
            None => limit,
            Some(deadline) => limit.min(deadline.saturating_since(self.clock.now())),
        }
    }

    /// How long the caller of a write waits: no longer than the connection does, or than the caller wants to.
    pub(crate) fn within(&self, deadline: Option<Timestamp>) -> Option<Duration> {
        deadline.map(|_| self.budget(deadline, self.settings.write_timeout))
    }

    /// Room for one more operation; waits for it within `within`.
    pub(crate) async fn permit(&self, within: Duration) -> Result<SemaphorePermit<'_>> {
        if self.is_closed() {
            return Err(self.unavailable());
        }
        if within.is_zero() {
            return Err(Fault::Timeout.into());
        }
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(permit);
        }
        match tokio::time::timeout(within, self.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Error::new(
                ErrorKind::Timeout,
                "redis: too much is under way (max_in_flight)",
            )),
        }
    }

    /// Sends one write over the connection of the writes and hears of its outcome. One without an answer
    /// breaks the connection: the next kills what is left of it, so that nothing lands later. So does one that
    /// is refused because the primary has become a replica: another is the primary now.
    pub(crate) async fn write(
        &self,
        primary: &Primary,
        command: Command,
    ) -> std::result::Result<Reply, Fault> {
        let timeout = self.settings.write_timeout;
        let reply = primary.connection.call(command, timeout).await;
        if reply.as_ref().is_err_and(breaks) {
            primary.connection.close();
        }
        reply
    }

    /// Several writes in one round trip.
    pub(crate) async fn write_all(
        &self,
        primary: &Primary,
        commands: Vec<Command>,
    ) -> std::result::Result<Vec<std::result::Result<Reply, Fault>>, Fault> {
        let timeout = self.settings.write_timeout;
        let replies = primary.connection.pipeline(commands, timeout).await;
        let broken = match &replies {
            Ok(replies) => replies
                .iter()
                .filter_map(|reply| reply.as_ref().err())
                .any(breaks),
            Err(fault) => breaks(fault),
        };
        if broken {
            primary.connection.close();
        }
        replies
    }

    /// Runs a script, by its text if the server has forgotten it: then it was not run.
    pub(crate) async fn run(
        &self,
        primary: &Primary,
        call: &Call,
    ) -> std::result::Result<Reply, Fault> {
        let reply = self.write(primary, primary.scripts.call(call, false)).await;
        match reply {
            Err(fault) if fault.is("NOSCRIPT") => {
                self.write(primary, primary.scripts.call(call, true)).await
            }
            reply => reply,
        }
    }

    /// Runs scripts in one round trip, and those again that the server has forgotten.
    pub(crate) async fn run_all(
        &self,
        primary: &Primary,
        calls: &[Call],
    ) -> std::result::Result<Vec<std::result::Result<Reply, Fault>>, Fault> {
        let commands = calls
            .iter()
            .map(|call| primary.scripts.call(call, false))
            .collect();
        let mut replies = self.write_all(primary, commands).await?;
        for (call, reply) in calls.iter().zip(&mut replies) {
            if matches!(reply, Err(fault) if fault.is("NOSCRIPT")) {
                *reply = self.write(primary, primary.scripts.call(call, true)).await;
            }
        }
        Ok(replies)
    }

    /// Tells that an entry was written, with its id; or that it may have been, without.
    pub(crate) fn tell(&self, key: &KeyBuf, id: Option<EntryId>) {
        self.changes.publish(&Change::Key(key.as_key(), id));
    }

    /// An entry as it is stored.
    pub(crate) fn encode(&self, key: &Key<'_>, entry: &Entry) -> Result<Bytes> {
        wire::encode(key, entry, self.offset.shift())
    }

    /// A stored entry, `None` if there is none, it is over, a placeholder (P8), or not readable, which is
    /// counted.
    pub(crate) fn decode(&self, key: &Key<'_>, stored: Option<&Bytes>) -> Option<Entry> {
        let entry = stored.and_then(|stored| self.read_entry(key, stored).ok());
        let entry = entry.filter(|entry| self.counts(entry.head()));
        if entry.is_some() {
            self.hits.add(1);
        } else {
            self.misses.add(1);
        }
        entry
    }

    /// A stored entry, whatever it stands for; what can't be read is counted.
    pub(crate) fn read_entry(
        &self,
        key: &Key<'_>,
        stored: &Bytes,
    ) -> std::result::Result<Entry, Unreadable> {
        let limits = wire::Limits::default().with_max_bytes(self.settings.max_value_bytes);
        // Judged before it is copied: what is refused costs nothing.
        let shift = self.offset.shift();
        wire::decode(key, stored, shift, limits)
            // F10: the driver's buffer would be kept alive by the smallest value that was read into it.
            .map(exact)
            .inspect_err(|_| self.unreadable.add(1))
    }

    /// A stored head, as [`Shared::decode`].
    pub(crate) fn decode_head(
        &self,
        key: &Key<'_>,
        stored: &[u8],
    ) -> std::result::Result<Head, Unreadable> {
        wire::decode_head(key, stored, self.offset.shift())
    }

    /// Whether anybody but its loader sees it.
    pub(crate) fn counts(&self, head: &Head) -> bool {
        head.kind() != larder_core::EntryKind::Placeholder
            && !head.lifetime().is_expired(self.clock.now())
    }
}

/// Whether the connection of the writes is of no more use after a write that failed so.
fn breaks(fault: &Fault) -> bool {
    *fault == Fault::Timeout || fault.is("READONLY")
}

/// The entry with a payload in an allocation of its own size.
fn exact(entry: Entry) -> Entry {
    let value = entry.value();
    let (codec, frames) = (value.codec(), value.frames());
    match value.encoded() {
        Ok(bytes) if !bytes.is_empty() => {
            let copy = Value::encoded_as(Bytes::copy_from_slice(bytes), codec);
            entry.with_value(copy.with_frames(frames))
        }
        _ => entry,
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis")
            .field("address", &self.settings.address.to_string())
            .field("db", &self.settings.db)
            .field("namespace", &self.namespace)
            .field("connected", &self.primary().is_ok())
            .finish_non_exhaustive()
    }
}
