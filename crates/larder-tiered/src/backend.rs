//! Two tiers as one: the nearest behind its fences, and everything behind it as one far store.
//!
//! The rules that comments name (R1, U9, 1.3.4) are those of the protocol on the crate's front page.

use std::sync::Arc;

use larder_core::{
    Backend, BatchOperation, BatchReply, Capability, Changes, Clock, CloseReport, Cursor, Deletion,
    Entry, Error, Expiry, Fill, FillToken, Filled, Head, Key, Lease, LeaseOptions, Marker,
    MarkerRead, Namespace, Operation, Peek, ReadOptions, RegionLimits, Result, ScanPage,
    ScanRequest, Store, TierCheck, TierStats, Tiers, Timestamp, Update, Updated, Version,
    WriteOptions, async_trait,
};

use crate::config::TieredBuilder;
use crate::near::{Near, nearest};
use crate::promotion::verify;
use crate::service;

/// Several stores as one. See the [crate's front page](crate).
#[derive(Debug)]
pub struct Tiered {
    pub(crate) near: Arc<Near>,
    pub(crate) far: Store,
    /// Whether the nearest tier keeps every entry's own times.
    pub(crate) keeps_times: bool,
}

impl Tiered {
    /// Begins a stack of tiers that keep the entries of one namespace, by one clock.
    pub fn builder(namespace: &Namespace, clock: Arc<dyn Clock>) -> TieredBuilder {
        TieredBuilder::new(namespace, clock)
    }

    pub(crate) fn new(near: Near, far: Store, keeps_times: bool) -> Self {
        let near = Arc::new(near);
        near.follow(&far);
        Self {
            near,
            far,
            keeps_times,
        }
    }

    /// A write that leaves nothing in the nearest tier, however it ends.
    async fn forgetting<T>(
        &self,
        key: &Key<'_>,
        write: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let writing = self.near.begin(key, None); // 1.4.1
        let reply = write.await; // 1.4.2
        drop(writing); // 1.4.3
        reply
    }

    /// Forgets an entry in the nearest tier alone.
    async fn forget_nearest(&self, key: &Key<'_>) -> Result<Deletion> {
        let options = ReadOptions::default();
        let look_up = self.near.store.head(key, &options);
        let existed = nearest(&self.near, key, look_up).await?.is_some();
        self.near.forget(key);
        Ok(Deletion::Delivered { existed })
    }

    /// The entry's metadata from the nearest tier, where that tells the truth.
    pub(crate) async fn head_at_hand(&self, key: &Key<'_>, options: &ReadOptions) -> Option<Head> {
        if !self.keeps_times || !self.near.serves(key) {
            return None;
        }
        let head = self.near.store.head(key, options).await.ok()??;
        let usable = head.lifetime().is_fresh(self.near.now()) && options.view.admits(&head);
        usable.then_some(head)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Backend for Tiered {
    fn capability(&self) -> Capability {
        service::capability(&self.near.store, &self.far).with_keeps_decoded()
    }

    #[inline]
    fn peek(&self, key: &Key<'_>, now: Timestamp) -> Peek {
        self.near.fresh(key, now).map_or(Peek::Pending, Peek::Hit)
    }

    async fn get(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Entry>> {
        match options.tiers {
            Tiers::Authoritative => return self.far.get(key, options).await,
            Tiers::Nearest => {
                let found = nearest(&self.near, key, self.near.store.get(key, options)).await?;
                self.near.misses.add(u64::from(found.is_none()));
                return Ok(found);
            }
            _ => {}
        }
        let at_hand = self.near.fresh(key, self.near.now()); // 1.1.1
        // To reject an entry for its generation or schema, ask the far tier first (R4).
        if let Some(entry) = at_hand.filter(|entry| options.view.admits(entry.head())) {
            return Ok(Some(entry));
        }
        self.near.misses.add(1);
        let sample = self.near.sample(key); // 1.1.2
        let found = self.far.get(key, options).await?;
        Ok(found.map(|entry| self.near.promote(key, sample, entry))) // 1.1.5
    }

    async fn head(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Head>> {
        match options.tiers {
            Tiers::Authoritative => {}
            Tiers::Nearest => {
                return nearest(&self.near, key, self.near.store.head(key, options)).await;
            }
            _ => {
                if let Some(head) = self.head_at_hand(key, options).await {
                    return Ok(Some(head));
                }
            }
        }
        self.far.head(key, options).await
    }

    async fn scan(
        &self,
        request: &ScanRequest,
        cursor: Option<Cursor>,
        options: &ReadOptions,
    ) -> Result<ScanPage> {
        match options.tiers {
            Tiers::Nearest if !self.near.is_trusted() => Ok(ScanPage::default()),
            Tiers::Nearest => self.near.store.scan(request, cursor, options).await,
            _ => self.far.scan(request, cursor, options).await,
        }
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, options: &WriteOptions) -> Result<()> {
        if options.tiers == Tiers::Nearest {
            self.near.keep(key, &entry);
            return Ok(());
        }
        let kept = options.tiers != Tiers::Authoritative;
        let writing = self.near.begin(key, kept.then_some(entry.id())); // 1.3.1
        self.far.set(key, entry.clone(), options).await?; // 1.3.3
        let _ = writing.settle(Some(&entry).filter(|_| kept)); // 1.3.4
        Ok(())
    }

    async fn delete(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        if options.tiers == Tiers::Nearest {
            return self.forget_nearest(key).await;
        }
        self.forgetting(key, self.far.delete(key, options)).await
    }

    async fn invalidate(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        if options.tiers == Tiers::Nearest {
            return self.forget_nearest(key).await;
        }
        self.forgetting(key, self.far.invalidate(key, options))
            .await
    }

    async fn expire(&self, key: &Key<'_>, expiry: Expiry, options: &WriteOptions) -> Result<bool> {
        refuse_nearest(options, Operation::Expire)?;
        // R1: it changes the key without replacing it here.
        self.forgetting(key, self.far.expire(key, expiry, options))
            .await
    }

    async fn update(
        &self,
        key: &Key<'_>,
        update: Update,
        options: &WriteOptions,
    ) -> Result<Updated> {
        // C6: counters and conditions are the authoritative tier's alone.
        refuse_nearest(options, Operation::Update)?;
        self.forgetting(key, self.far.update(key, update, options))
            .await
    }

    async fn batch(
        &self,
        operations: Vec<BatchOperation<'_>>,
        options: &WriteOptions,
    ) -> Vec<Result<BatchReply>> {
        self.perform_batch(operations, options).await
    }

    async fn lease(&self, keys: &[Key<'_>], options: &LeaseOptions) -> Vec<Result<Lease>> {
        let samples: Vec<_> = keys.iter().map(|key| self.near.sample(key)).collect();
        let leases = self.far.lease(keys, options).await;
        let replied = |((key, sample), lease)| match lease {
            Ok(Lease::Present(entry)) => {
                Ok(Lease::Present(self.near.promote(key, sample, entry))) // 1.2.4
            }
            // A grant on a cold key is an own plain write (P2); perhaps one whose reply was lost (H3).
            Ok(Lease::Granted { seen: None, .. }) | Err(_) => {
                self.near.forget(key);
                lease
            }
            lease => lease,
        };
        keys.iter().zip(samples).zip(leases).map(replied).collect()
    }

    async fn fill(&self, fills: Vec<Fill>, options: &WriteOptions) -> Vec<Result<Filled>> {
        if options.tiers == Tiers::Nearest {
            let refused = |_| Err(Error::unsupported(Operation::Fill));
            return fills.iter().map(refused).collect();
        }
        let kept = options.tiers != Tiers::Authoritative;
        let begin = |Fill { token, entry }: &Fill| {
            let writing = self.near.begin_fill(&token.key(), entry.id()); // 1.2.7
            (writing, entry.clone())
        };
        let writings: Vec<_> = fills.iter().map(begin).collect();
        let replies = self.far.fill(fills, options).await;
        let mut doubtful = Vec::new();
        for ((writing, entry), reply) in writings.into_iter().zip(&replies) {
            // Refused or failed: the guard is dropped and forgets (R5, U28).
            if kept && matches!(reply, Ok(Filled::Stored)) {
                let key = writing.key().clone();
                if let Err(sample) = writing.settle(Some(&entry)) {
                    doubtful.push((key, sample, entry));
                }
            }
        }
        verify(&self.near, &self.far, doubtful, options).await; // 1.2.8
        replies
    }

    async fn release(&self, tokens: Vec<FillToken>, options: &WriteOptions) -> Result<()> {
        self.far.release(tokens, options).await
    }

    async fn markers(
        &self,
        markers: &[Marker],
        read: MarkerRead,
        options: &ReadOptions,
    ) -> Result<Vec<Option<Version>>> {
        self.far.markers(markers, read, options).await
    }

    async fn bump(&self, markers: &[Marker], options: &WriteOptions) -> Result<Vec<Version>> {
        self.far.bump(markers, options).await
    }

    fn watch(&self) -> Option<&Changes> {
        self.far.watch().map(|_| self.near.changes())
    }

    fn reserve(&self, limits: &RegionLimits) -> Result<()> {
        service::reserve(&self.near.store, &self.far, limits)
    }

    fn put_now(&self, _: &Key<'_>, _: Entry) -> Result<()> {
        Err(Error::unsupported(Operation::Set))
    }

    fn forget_now(&self, _: &Key<'_>) -> Result<()> {
        Err(Error::unsupported(Operation::Invalidate))
    }

    fn forget_all_now(&self, _: &Namespace) -> Result<()> {
        Err(Error::unsupported(Operation::Invalidate))
    }

    fn stats(&self) -> Vec<TierStats> {
        let mut stats = self.near.store.stats();
        if let Some(near) = stats.first_mut() {
            near.misses = self.near.misses.total();
        }
        stats.extend(self.far.stats());
        stats
    }

    async fn check(&self, options: &ReadOptions) -> Vec<TierCheck> {
        service::check(&self.near.store, &self.far, options).await
    }

    async fn close(&self, deadline: Timestamp) -> Result<CloseReport> {
        service::close(&self.near.store, &self.far, deadline).await
    }
}

/// Counters, conditions and times are the authoritative tier's.
fn refuse_nearest(options: &WriteOptions, operation: Operation) -> Result<()> {
    if options.tiers == Tiers::Nearest {
        return Err(Error::unsupported(operation));
    }
    Ok(())
}
