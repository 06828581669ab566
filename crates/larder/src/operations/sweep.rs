//! Clearing away what invalidations have left in the store.

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use larder_core::{
    Backend, BatchOperation, BatchReply, Entry, Head, Key, KeyBuf, Lifetime, Pattern, ReadOptions,
    Result, ScanRequest, Timestamp, Update, Updated, Value, WriteOptions,
};

use crate::generation::read_generation;
use crate::operations::Boxed;
use crate::shared::Shared;

/// Entries per second, where nothing else is said.
const PER_SECOND: u32 = 1_000;

/// A sweep; see [`Cache::sweep`](crate::Cache::sweep). Nothing happens until it is awaited.
#[must_use = "futures do nothing unless awaited"]
pub struct Sweep<'a> {
    shared: &'a Shared,
    per_second: u32,
}

/// What a sweep has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Entries that were looked at.
    pub seen: u64,
    /// Entries that nobody would have found again, and that are gone now.
    pub removed: u64,
}

impl<'a> Sweep<'a> {
    pub(crate) fn new(shared: &'a Shared) -> Self {
        Self {
            shared,
            per_second: PER_SECOND,
        }
    }

    /// How many entries are looked at in a second, at most. At least 1. Default: 1,000.
    pub fn per_second(self, per_second: u32) -> Self {
        Self {
            per_second: per_second.max(1),
            ..self
        }
    }

    async fn run(self) -> Result<Swept> {
        let shared = self.shared;
        shared.open()?;
        let mut swept = Swept::default();
        let page = usize::try_from(self.per_second.min(PER_SECOND)).unwrap_or(1);
        let request = ScanRequest::new(shared.namespace.clone(), Pattern::new("*")?)
            .with_fallen()
            .with_page_size(page);
        let mut cursor = None;
        loop {
            let began = shared.clock.now();
            let options = ReadOptions::default();
            let found = shared.store.scan(&request, cursor, &options).await?;
            let count = found.entries.len();
            swept.seen += count as u64;
            swept.removed += self.remove(found.entries).await?;
            cursor = found.next;
            if cursor.is_none() {
                return Ok(swept);
            }
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            let takes = Duration::from_secs(1) * count / self.per_second;
            shared.clock.sleep_until(began.saturating_add(takes)).await;
        }
    }

    /// Removes what has fallen of these; answers how many.
    async fn remove(&self, entries: Vec<(KeyBuf, Head)>) -> Result<u64> {
        let shared = self.shared;
        // Asked for after the page was read: what is known may be out of date, and must not reject (R4).
        let current = read_generation(&shared.store, &shared.namespace).await?;
        let (mut tagged, mut older) = (Vec::new(), Vec::new());
        for (key, head) in &entries {
            if head.generation().is_some() && head.generation() != current {
                older.push(remove_if(key.as_key(), head));
            } else if !head.tags().is_empty() {
                tagged.push(BatchOperation::Head(key.as_key()));
            }
        }
        let options = WriteOptions::default();
        let mut removed = 0;
        if !tagged.is_empty() {
            // The tag layer judges what is looked at, and removes what has fallen.
            let looked = shared.store.batch(tagged, &options).await;
            let gone = |reply: &Result<BatchReply>| matches!(reply, Ok(BatchReply::Head(None)));
            removed += looked.iter().filter(|reply| gone(reply)).count() as u64;
        }
        if !older.is_empty() {
            let replaced = shared.store.batch(older, &options).await;
            let done = |reply: &Result<BatchReply>| {
                matches!(reply, Ok(BatchReply::Updated(Updated::Stored)))
            };
            removed += replaced.iter().filter(|reply| done(reply)).count() as u64;
        }
        Ok(removed)
    }
}

/// Removes an entry, if it is still that one: by what is over as soon as it is there.
fn remove_if<'k>(key: Key<'k>, head: &Head) -> BatchOperation<'k> {
    let over = Lifetime {
        created: Timestamp::EPOCH,
        fresh_until: Timestamp::EPOCH,
        expires_at: Timestamp::EPOCH,
    };
    let id = head.id();
    let entry = Entry::new(Value::empty(), over);
    BatchOperation::Update(key, Update::ReplaceIf { id, entry })
}

impl<'a> IntoFuture for Sweep<'a> {
    type Output = Result<Swept>;
    type IntoFuture = Boxed<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Sweep<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweep")
            .field("per_second", &self.per_second)
            .finish_non_exhaustive()
    }
}
