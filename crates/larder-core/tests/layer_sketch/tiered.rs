//! Two stores as one: fences, promotion, and changes relayed once they have been applied.

use std::sync::{Arc, Weak};

use larder_core::{
    Backend, BatchOperation, BatchReply, Capability, Changes, CloseReport, Cursor, Deletion, Entry,
    Error, ErrorKind, Expiry, Fill, FillToken, Filled, Head, Key, KeyBuf, Lease, LeaseOptions,
    Marker, MarkerRead, Observer, Operation, Peek, ReadOptions, RegionLimits, Result, ScanPage,
    ScanRequest, Store, TierCheck, TierStats, Tiers, Timestamp, Update, Updated, Version,
    WriteOptions, async_trait,
};

use crate::near::{Near, Writing};

#[derive(Debug)]
pub(crate) struct Tiered {
    near: Arc<Near>,
    far: Store,
}

impl Tiered {
    pub(crate) fn over(near: Store, far: Store) -> Result<Store> {
        let wrong = if far.capability().tags {
            Some("tags below a memory tier leave memory unjudged: put the layer above the tiers")
        } else if !near.capability().immediate {
            Some("the nearest tier must be immediate")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            return Err(Error::new(ErrorKind::ConfigInvalid, wrong));
        }
        let near = Arc::new(Near::new(near));
        if let Some(changes) = far.watch() {
            changes.subscribe(Arc::downgrade(&near) as Weak<dyn Observer>);
        }
        Ok(Store::new(Self { near, far }))
    }

    /// Ends a write that was accepted. Where the fence has moved, perhaps only by the write's own echo,
    /// the far tier says whether the entry still stands.
    async fn written(&self, mut writing: Writing<'_>, entry: Entry) {
        writing.settled = true;
        let key = writing.key.as_key();
        if !self.near.settle(&key, writing.sample, Some(entry.clone())) {
            self.verify(&key, entry).await;
        }
    }

    async fn verify(&self, key: &Key<'_>, entry: Entry) {
        let sample = self.near.sample(key);
        if let Ok(Some(head)) = self.far.head(key, &ReadOptions::default()).await
            && head.id() == entry.id()
        {
            self.near
                .promote(key, sample, entry.with_lifetime(head.lifetime()));
        }
    }

    async fn remove(
        &self,
        key: &Key<'_>,
        tiers: Tiers,
        removal: impl Future<Output = Result<Deletion>>,
    ) -> Result<Deletion> {
        let _writing = Writing::begin(&self.near, key);
        match tiers {
            Tiers::Nearest => Ok(Deletion::Delivered { existed: false }),
            _ => removal.await,
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Backend for Tiered {
    fn capability(&self) -> Capability {
        self.far.capability().with_keeps_decoded().with_tiered()
    }

    fn peek(&self, key: &Key<'_>, now: Timestamp) -> Peek {
        match self.near.store.peek(key, now) {
            Peek::Hit(entry) => Peek::Hit(entry),
            Peek::Miss | Peek::Pending => Peek::Pending,
        }
    }

    async fn get(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Entry>> {
        if options.tiers == Tiers::Authoritative {
            return self.far.get(key, options).await;
        }
        let found = self.near.store.get(key, options).await?;
        if found.is_some() || options.tiers == Tiers::Nearest {
            return Ok(found);
        }
        let sample = self.near.sample(key);
        let found = self.far.get(key, options).await?;
        if let Some(entry) = &found {
            self.near.promote(key, sample, entry.clone());
        }
        Ok(found)
    }

    async fn head(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Head>> {
        match options.tiers {
            Tiers::Authoritative => self.far.head(key, options).await,
            tiers => match self.near.store.head(key, options).await? {
                None if tiers == Tiers::All => self.far.head(key, options).await,
                found => Ok(found),
            },
        }
    }

    async fn scan(
        &self,
        request: &ScanRequest,
        cursor: Option<Cursor>,
        options: &ReadOptions,
    ) -> Result<ScanPage> {
        match options.tiers {
            Tiers::Nearest => self.near.store.scan(request, cursor, options).await,
            _ => self.far.scan(request, cursor, options).await,
        }
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, options: &WriteOptions) -> Result<()> {
        let mut writing = Writing::begin(&self.near, key);
        match options.tiers {
            Tiers::Nearest => {
                self.near.promote(key, writing.sample, entry);
                writing.settled = true;
            }
            Tiers::Authoritative => self.far.set(key, entry, options).await?,
            _ => {
                self.far.set(key, entry.clone(), options).await?;
                self.written(writing, entry).await;
            }
        }
        Ok(())
    }

    async fn delete(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        self.remove(key, options.tiers, self.far.delete(key, options))
            .await
    }

    async fn invalidate(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        self.remove(key, options.tiers, self.far.invalidate(key, options))
            .await
    }

    async fn expire(&self, key: &Key<'_>, expiry: Expiry, options: &WriteOptions) -> Result<bool> {
        let _writing = Writing::begin(&self.near, key);
        self.far.expire(key, expiry, options).await
    }

    async fn update(
        &self,
        key: &Key<'_>,
        update: Update,
        options: &WriteOptions,
    ) -> Result<Updated> {
        let _writing = Writing::begin(&self.near, key);
        self.far.update(key, update, options).await
    }

    async fn batch(
        &self,
        operations: Vec<BatchOperation<'_>>,
        options: &WriteOptions,
    ) -> Vec<Result<BatchReply>> {
        enum After<'a> {
            Promote(KeyBuf, u64),
            Insert(Writing<'a>, Entry),
            Forget(#[expect(dead_code, reason = "settled when dropped")] Writing<'a>),
        }
        let after: Vec<_> = operations
            .iter()
            .map(|operation| match operation {
                BatchOperation::Get(key) | BatchOperation::Head(key) => {
                    After::Promote(key.to_buf(), self.near.sample(key))
                }
                BatchOperation::Set(key, entry) => {
                    After::Insert(Writing::begin(&self.near, key), entry.clone())
                }
                other => After::Forget(Writing::begin(&self.near, other.key())),
            })
            .collect();
        let replies = self.far.batch(operations, options).await;
        for (after, reply) in after.into_iter().zip(&replies) {
            match (after, reply) {
                (After::Promote(key, sample), Ok(BatchReply::Entry(Some(entry)))) => {
                    self.near.promote(&key.as_key(), sample, entry.clone());
                }
                (After::Insert(writing, entry), Ok(BatchReply::Stored)) => {
                    self.written(writing, entry).await;
                }
                _ => {}
            }
        }
        replies
    }

    async fn lease(&self, keys: &[Key<'_>], options: &LeaseOptions) -> Vec<Result<Lease>> {
        let samples: Vec<_> = keys.iter().map(|key| self.near.sample(key)).collect();
        let leases = self.far.lease(keys, options).await;
        let arrived = |((key, sample), lease): ((&Key<'_>, u64), Result<Lease>)| match lease {
            // A grant is a write of ours: memory must not go on with what was there before.
            Ok(Lease::Granted { token, seen }) => Ok(Lease::Granted {
                token: token.with_fence(self.near.evict(key)),
                seen,
            }),
            Ok(Lease::Present(entry)) => {
                self.near.promote(key, sample, entry.clone());
                Ok(Lease::Present(entry))
            }
            other => other,
        };
        keys.iter().zip(samples).zip(leases).map(arrived).collect()
    }

    async fn fill(&self, fills: Vec<Fill>, options: &WriteOptions) -> Vec<Result<Filled>> {
        let loads: Vec<_> = fills
            .iter()
            .map(|Fill { token, entry }| {
                let sample = token.fence().unwrap_or(u64::MAX);
                let key = KeyBuf::from(&token.key());
                (
                    Writing {
                        near: &self.near,
                        key,
                        sample,
                        settled: false,
                    },
                    entry.clone(),
                )
            })
            .collect();
        let replies = self.far.fill(fills, options).await;
        for ((writing, entry), reply) in loads.into_iter().zip(&replies) {
            if matches!(reply, Ok(Filled::Stored)) {
                self.written(writing, entry).await;
            }
        }
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
        self.far.watch().map(|_| &self.near.changes)
    }

    fn reserve(&self, limits: &RegionLimits) -> Result<()> {
        self.near.store.reserve(limits)
    }

    fn put_now(&self, _: &Key<'_>, _: Entry) -> Result<()> {
        Err(Error::unsupported(Operation::Set))
    }

    fn forget_now(&self, _: &Key<'_>) -> Result<()> {
        Err(Error::unsupported(Operation::Invalidate))
    }

    fn forget_all_now(&self, _: &larder_core::Namespace) -> Result<()> {
        Err(Error::unsupported(Operation::Invalidate))
    }

    fn stats(&self) -> Vec<TierStats> {
        [self.near.store.stats(), self.far.stats()].concat()
    }

    async fn check(&self, options: &ReadOptions) -> Vec<TierCheck> {
        let mut checks = self.near.store.check(options).await;
        checks.extend(self.far.check(options).await);
        checks
    }

    async fn close(&self, deadline: Timestamp) -> Result<CloseReport> {
        self.near.store.close(deadline).await?;
        self.far.close(deadline).await
    }
}
