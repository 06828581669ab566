//! Reads over a middle tier, and the copies they leave there.

use larder_core::{
    Backend, BatchOperation, BatchReply, Entry, EntryKind, Fill, FillToken, Key, Lease, LeaseMode,
    LeaseOptions, ReadOptions, Result, View, WriteOptions,
};

use crate::batch::{batching, completed, reading};
use crate::doubts::LEASE;
use crate::middle::Middle;
use crate::near::cut;

impl Middle {
    /// Reads a key that the tier may be asked for.
    pub(crate) async fn read_one(
        &self,
        key: &Key<'_>,
        options: &ReadOptions,
    ) -> Result<Option<Entry>> {
        let batching = batching(options);
        let copy = self.copies(&[*key], &batching).await.pop().flatten();
        if copy.is_some() {
            return Ok(copy);
        }
        // Before the far tier is asked: a change that comes after it ends the lease.
        let token = self.lease_copies(&[*key], &batching).await.pop().flatten();
        let found = self.far.get(key, options).await;
        if let Some(token) = token {
            let entry = found.as_ref().ok().and_then(Option::as_ref);
            self.keep_copies(vec![(token, entry)], &batching).await;
        }
        found
    }

    /// Whether a copy may be answered.
    fn usable(&self, copy: &Entry, view: View) -> bool {
        copy.head().is_current(view, self.clock.recent())
            && self.doubts.vouch(copy.head().lifetime())
    }

    /// What the middle tier answers; trouble with it is a miss.
    async fn copies(&self, keys: &[Key<'_>], options: &WriteOptions) -> Vec<Option<Entry>> {
        let found = match keys {
            [] => Vec::new(),
            [key] => vec![self.store.get(key, &reading(options)).await],
            several => self.store.get_many(several, options).await,
        };
        let usable = |found: Result<Option<Entry>>| {
            let copy = found.ok().flatten();
            copy.filter(|copy| self.usable(copy, options.view))
        };
        found.into_iter().map(usable).collect()
    }

    /// The right to store copies of what the far tier will answer. A copy that can't be used is replaced.
    async fn lease_copies(
        &self,
        keys: &[Key<'_>],
        options: &WriteOptions,
    ) -> Vec<Option<FillToken>> {
        let mut leasing = LeaseOptions::until(self.clock.now().saturating_add(LEASE))
            .with_mode(LeaseMode::Refresh)
            .with_view(options.view);
        leasing.deadline = options.deadline;
        let leases = self.store.lease(keys, &leasing).await;
        let granted = |lease| match lease {
            Ok(Lease::Granted { token, .. }) => Some(token),
            // Somebody else reads it, or the tier is in trouble: nothing is stored.
            _ => None,
        };
        leases.into_iter().map(granted).collect()
    }

    /// Stores copies of what was found, and gives back the other leases. Trouble costs only the copies.
    async fn keep_copies(&self, read: Vec<(FillToken, Option<&Entry>)>, options: &WriteOptions) {
        let now = self.clock.recent();
        let (mut fills, mut unused) = (Vec::new(), Vec::new());
        for (token, found) in read {
            let kept = found.filter(|entry| {
                let head = entry.head();
                head.lifetime().is_fresh(now) && head.kind() != EntryKind::Placeholder
            });
            match kept {
                Some(entry) => {
                    let lifetime = cut(entry.head().lifetime(), now, Some(self.max_ttl));
                    let entry = entry.clone().with_lifetime(lifetime);
                    fills.push(Fill { token, entry });
                }
                None => unused.push(token),
            }
        }
        if !fills.is_empty() {
            let _ = self.store.fill(fills, options).await;
        }
        if !unused.is_empty() {
            let _ = self.store.release(unused, options).await;
        }
    }

    /// Reads in one call of each tier at most.
    pub(crate) async fn read(
        &self,
        operations: Vec<BatchOperation<'_>>,
        options: &WriteOptions,
    ) -> Vec<Result<BatchReply>> {
        let asked: Vec<Option<Key<'_>>> = operations
            .iter()
            .map(|operation| match operation {
                // Heads tell the entry's own times, which only the authoritative tier has (C8).
                BatchOperation::Get(key) => Some(*key).filter(|key| self.doubts.allow(key)),
                _ => None,
            })
            .collect();
        let keys: Vec<_> = asked.iter().copied().flatten().collect();
        let mut copies = self.copies(&keys, options).await.into_iter();
        let mut replies = Vec::with_capacity(operations.len());
        let (mut rest, mut missing) = (Vec::new(), Vec::new());
        for (operation, key) in operations.into_iter().zip(asked) {
            let copy = key.and_then(|_| copies.next().flatten());
            if copy.is_none() {
                missing.extend(key.map(|key| (rest.len(), key)));
                rest.push(operation);
            }
            replies.push(copy.map(|copy| Ok(BatchReply::Entry(Some(copy)))));
        }
        if rest.is_empty() {
            return completed(replies, Vec::new());
        }
        let keys: Vec<_> = missing.iter().map(|(_, key)| *key).collect();
        let tokens = if keys.is_empty() {
            Vec::new()
        } else {
            self.lease_copies(&keys, options).await
        };
        let answered = self.far.batch(rest, options).await;
        let mut read = Vec::new();
        for ((place, _), token) in missing.into_iter().zip(tokens) {
            let found = match answered.get(place) {
                Some(Ok(BatchReply::Entry(found))) => found.as_ref(),
                _ => None,
            };
            read.extend(token.map(|token| (token, found)));
        }
        self.keep_copies(read, options).await;
        completed(replies, answered)
    }
}
