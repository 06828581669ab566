//! The contract.

use std::fmt;

use async_trait::async_trait;

use crate::{
    BatchOperation, BatchReply, Capability, Changes, CloseReport, Cursor, Deletion, Entry, Error,
    Expiry, Fill, FillToken, Filled, Head, Key, Lease, LeaseOptions, Marker, MarkerRead, Namespace,
    Operation, ReadOptions, RegionLimits, Result, ScanPage, ScanRequest, TierCheck, TierStats,
    Timestamp, Update, Updated, Version, WriteOptions,
};

/// What [`Backend::peek`] knows without waiting.
#[derive(Clone, Debug)]
pub enum Peek {
    /// The entry: not expired, but perhaps stale or of another generation.
    Hit(Entry),
    /// There is none.
    Miss,
    /// Only [`Backend::get`] can tell.
    Pending,
}

/// Something that keeps entries: memory, Redis, yours. Layers are backends around backends.
///
/// A backend must do [`capability`](Self::capability), [`get`](Self::get), [`set`](Self::set) and
/// [`delete`](Self::delete). Everything else has a default that loops honestly over those, or answers
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported). A wrapper forwards *every* method: put
/// `#[deny(clippy::missing_trait_methods)]` on its `impl`, or the defaults will hide what the inner
/// backend can do.
///
/// # Contract
///
/// The conformance suite in `larder-testkit` is this contract in executable form. In words:
///
/// - `get` answers what the last completed `set` stored, with the same id, times, tags and bytes, until
///   it is deleted, expires, or is evicted. Expired entries are never answered; stale ones are.
/// - Entries of other namespaces are other entries.
/// - Times are this process's [`Timestamp`]s; whoever stores them elsewhere translates.
/// - Where a method answers a list, the answers are in the order of the question.
/// - A backend never panics over what it reads from outside: what it can't read is a miss.
///
/// # Cancel safety
///
/// Dropping the future of a read has no effect. Dropping that of a write leaves it done or not done,
/// never half done.
#[async_trait]
pub trait Backend: Send + Sync + fmt::Debug + 'static {
    /// What this stack can do. Constant over its life.
    fn capability(&self) -> Capability;

    /// Looks up an entry without waiting: no allocation, no clock (`now` is the time), no `await`.
    /// The key need not have been validated.
    ///
    /// Default: [`Peek::Pending`].
    fn peek(&self, key: &Key<'_>, now: Timestamp) -> Peek {
        let _ = (key, now);
        Peek::Pending
    }

    /// Looks up an entry.
    async fn get(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Entry>>;

    /// Looks up an entry's metadata, with all its tags, without its payload.
    ///
    /// Default: `get` without the value.
    async fn head(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Head>> {
        Ok(self
            .get(key, options)
            .await?
            .map(|entry| entry.head().clone()))
    }

    /// Lists entries page by page. `cursor` is the last page's, `None` for the first.
    ///
    /// Default: unsupported. Ability: [`Capability::scan`].
    async fn scan(
        &self,
        request: &ScanRequest,
        cursor: Option<Cursor>,
        options: &ReadOptions,
    ) -> Result<ScanPage> {
        let _ = (request, cursor, options);
        Err(Error::unsupported(Operation::Scan))
    }

    /// Stores an entry, replacing whatever is there and ending a lease on the key. Tags carry their
    /// versions: where entries may be tagged, a tag layer above has stamped them.
    async fn set(&self, key: &Key<'_>, entry: Entry, options: &WriteOptions) -> Result<()>;

    /// Removes an entry and ends a lease on the key, from the system of record too if the stack has one.
    async fn delete(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion>;

    /// Forgets the cached copy and ends a lease on the key; the truth is untouched.
    ///
    /// Default: `delete`, which is the same where there is no system of record.
    async fn invalidate(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        self.delete(key, options).await
    }

    /// Gives a visible entry other times and ends a lease on the key; id and creation time stay.
    /// Answers whether there was one; if not, nothing changes and a lease stands.
    ///
    /// Default: unsupported. Ability: [`Capability::expire`].
    async fn expire(&self, key: &Key<'_>, expiry: Expiry, options: &WriteOptions) -> Result<bool> {
        let _ = (key, expiry, options);
        Err(Error::unsupported(Operation::Expire))
    }

    /// Decides and writes in one step. Ends a lease on the key if it writes.
    ///
    /// Default: unsupported. Abilities: [`Capability::counters`], [`Capability::conditional`].
    async fn update(
        &self,
        key: &Key<'_>,
        update: Update,
        options: &WriteOptions,
    ) -> Result<Updated> {
        let _ = (key, update, options);
        Err(Error::unsupported(Operation::Update))
    }

    /// Performs operations in their order, in as few round trips as possible; not atomic as a whole.
    /// One operation's error doesn't stop the others.
    ///
    /// Default: one after the other. Ability: [`Capability::batch`].
    async fn batch(
        &self,
        operations: Vec<BatchOperation<'_>>,
        options: &WriteOptions,
    ) -> Vec<Result<BatchReply>> {
        let mut replies = Vec::with_capacity(operations.len());
        for operation in operations {
            replies.push(operation.perform_on(self, options).await);
        }
        replies
    }

    /// Asks for the right to load keys. A lease ends when it is filled or released, when its time is
    /// over, and when anything else writes or invalidates the key; one on an entry that is there may end
    /// with that entry. A lease that was asked for under another generation than the view's, before a
    /// `clear()`, stands in nobody's way.
    ///
    /// Default: unsupported. Ability: [`Capability::lease`].
    async fn lease(&self, keys: &[Key<'_>], options: &LeaseOptions) -> Vec<Result<Lease>> {
        let _ = options;
        keys.iter()
            .map(|_| Err(Error::unsupported(Operation::Lease)))
            .collect()
    }

    /// Stores loaded entries whose leases still stand, and ends those leases. Never replaces an entry of
    /// the same generation and a newer schema: that fill is refused and its lease ends. Never retried
    /// blindly: a repeated fill is refused.
    ///
    /// Default: unsupported. Ability: [`Capability::lease`].
    async fn fill(&self, fills: Vec<Fill>, options: &WriteOptions) -> Vec<Result<Filled>> {
        let _ = options;
        fills
            .iter()
            .map(|_| Err(Error::unsupported(Operation::Fill)))
            .collect()
    }

    /// Gives leases back after failed loads. A lease that has ended is none of its business.
    ///
    /// Default: unsupported. Ability: [`Capability::lease`].
    async fn release(&self, tokens: Vec<FillToken>, options: &WriteOptions) -> Result<()> {
        let _ = (tokens, options);
        Err(Error::unsupported(Operation::Release))
    }

    /// The versions of markers.
    ///
    /// Default: unsupported. Ability: [`Capability::markers`].
    async fn markers(
        &self,
        markers: &[Marker],
        read: MarkerRead,
        options: &ReadOptions,
    ) -> Result<Vec<Option<Version>>> {
        let _ = (markers, read, options);
        Err(Error::unsupported(Operation::Markers))
    }

    /// Gives markers new versions, which invalidates every entry that carries an older one, or makes it stale
    /// ([`Bump`](crate::Bump)).
    ///
    /// Default: unsupported. Ability: [`Capability::markers`].
    async fn bump(&self, markers: &[Marker], options: &WriteOptions) -> Result<Vec<Version>> {
        let _ = (markers, options);
        Err(Error::unsupported(Operation::Bump))
    }

    /// Where to subscribe to changes, whoever made them.
    ///
    /// Default: nowhere. Ability: [`Capability::watch`].
    fn watch(&self) -> Option<&Changes> {
        None
    }

    /// Gives the keys under a prefix limits of their own, apart from everything else. Entries that are
    /// there move along; reserving a prefix again replaces its limits.
    ///
    /// Default: unsupported. Ability: [`Capability::regions`].
    fn reserve(&self, limits: &RegionLimits) -> Result<()> {
        let _ = limits;
        Err(Error::unsupported(Operation::Reserve))
    }

    /// Stores an entry without waiting, so that a fence can be compared and the entry inserted in one step.
    ///
    /// Default: unsupported. Ability: [`Capability::immediate`].
    fn put_now(&self, key: &Key<'_>, entry: Entry) -> Result<()> {
        let _ = (key, entry);
        Err(Error::unsupported(Operation::Set))
    }

    /// Forgets an entry without waiting.
    ///
    /// Default: unsupported. Ability: [`Capability::immediate`].
    fn forget_now(&self, key: &Key<'_>) -> Result<()> {
        let _ = key;
        Err(Error::unsupported(Operation::Invalidate))
    }

    /// Forgets every entry of a namespace without waiting: what a memory tier does when it has lost
    /// sight of the store behind it. Ends the namespace's leases, and is told as
    /// [`Change::Everything`](crate::Change::Everything).
    ///
    /// Default: unsupported. Ability: [`Capability::immediate`].
    fn forget_all_now(&self, namespace: &Namespace) -> Result<()> {
        let _ = namespace;
        Err(Error::unsupported(Operation::Invalidate))
    }

    /// The numbers of each tier, nearest first.
    ///
    /// Default: none.
    fn stats(&self) -> Vec<TierStats> {
        Vec::new()
    }

    /// Tries each tier, nearest first.
    ///
    /// Default: nothing to try.
    async fn check(&self, options: &ReadOptions) -> Vec<TierCheck> {
        let _ = options;
        Vec::new()
    }

    /// Delivers what was accepted, up to a deadline, and stops every task.
    ///
    /// Default: nothing was held back.
    async fn close(&self, deadline: Timestamp) -> Result<CloseReport> {
        let _ = deadline;
        Ok(CloseReport::default())
    }
}
