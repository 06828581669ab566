//! Where accepted work waits until it is done, and may outlive the process.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Result, Timestamp};

/// A record's place in a journal: 1 for the first, each later one larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// A record as it was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place.
    pub sequence: Sequence,
    /// Its bytes.
    pub payload: Bytes,
}

/// An append-only list of records, each kept until it is acknowledged.
///
/// `append` orders: records are replayed in the order in which they were appended. What "kept" survives
/// is the journal's own promise: nothing, a crash of the process, or loss of the machine.
#[async_trait]
pub trait Journal: Send + Sync + fmt::Debug + 'static {
    /// Keeps records and answers their places. When it returns, they survive what the journal promises.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::QueueFull`](crate::ErrorKind::QueueFull) when the journal has no room,
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when it can't write. Nothing was kept then.
    ///
    /// # Cancel safety
    ///
    /// Dropped, either all of the records are kept or none.
    async fn append(&self, records: Vec<Bytes>) -> Result<Vec<Sequence>>;

    /// Drops records that are done. Acknowledging twice is no error.
    async fn acknowledge(&self, records: &[Sequence]) -> Result<()>;

    /// Up to `limit` records after a place that are not acknowledged, in order. `None` begins at the first.
    async fn replay(&self, after: Option<Sequence>, limit: usize) -> Result<Vec<Record>>;

    /// How many records are not acknowledged.
    async fn pending(&self) -> Result<u64>;

    /// Whether records survive a crash of the process.
    fn is_durable(&self) -> bool;

    /// Writes out what is buffered and releases files and tasks.
    async fn close(&self, deadline: Timestamp) -> Result<()>;
}
