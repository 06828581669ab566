//! The layer: entries are stamped on their way down and judged on their way up.

use std::fmt;
use std::sync::Arc;

use larder_core::{
    Backend, BatchOperation, BatchReply, Capability, Changes, CloseReport, Cursor, Deletion, Entry,
    Error, Expiry, Fill, FillToken, Filled, Head, Key, Lease, LeaseMode, LeaseOptions, Marker,
    MarkerRead, Namespace, Operation, Peek, ReadOptions, RegionLimits, Result, ScanPage,
    ScanRequest, Store, TierCheck, TierStats, Timestamp, Update, Updated, Version, WriteOptions,
    async_trait,
};

use crate::judge::{Standing, stale, stale_head};
use crate::stamp::is_stamped;
use crate::states::States;

/// A store whose entries may be tagged.
pub(crate) struct Tagged {
    pub(crate) inner: Store,
    pub(crate) states: Arc<States>,
    /// Whether the store answers everything at once.
    immediate: bool,
}

impl Tagged {
    pub(crate) fn new(inner: Store) -> Self {
        let states = Arc::new(States::new());
        states.follow(&inner);
        Self {
            immediate: inner.capability().immediate,
            inner,
            states,
        }
    }

    /// What a peek makes of a tagged entry.
    fn peek_tagged(&self, key: &Key<'_>, entry: Entry) -> Peek {
        if self.accepts(key, &entry) {
            return Peek::Hit(entry);
        }
        if !self.immediate {
            return Peek::Pending;
        }
        match self.judge_now(key, entry.head()) {
            Some(Standing::Valid) => Peek::Hit(entry),
            Some(Standing::Expired) => Peek::Hit(stale(entry)),
            Some(Standing::Fallen) => Peek::Miss,
            None => Peek::Pending,
        }
    }

    /// Judges what was asked for under a lease, and takes the stamps: after the grant, before the load.
    async fn leased(
        &self,
        keys: &[Key<'_>],
        leases: Vec<Result<Lease>>,
        options: &LeaseOptions,
    ) -> Vec<Result<Lease>> {
        let mut answers = Vec::with_capacity(leases.len());
        let mut reading = ReadOptions::default();
        reading.deadline = options.deadline;
        for (key, lease) in keys.iter().zip(leases) {
            answers.push(match lease {
                Ok(Lease::Present(entry)) => self.present(key, entry, options, &reading).await,
                other => other,
            });
        }
        let tags = options.template.as_ref();
        let tags = tags.map_or(&[][..], |template| template.head().tags());
        let stamps = match keys.first() {
            Some(first) if !tags.is_empty() => {
                self.stamps(first.namespace(), tags, options.deadline).await
            }
            _ => Ok(Vec::new()),
        };
        // After the stamps and before the loader.
        let begun = self.states.count();
        for (key, answer) in keys.iter().zip(&mut answers) {
            if !matches!(answer, Ok(Lease::Granted { .. })) {
                continue;
            }
            let lease = std::mem::replace(answer, Err(Error::unsupported(Operation::Lease)));
            if let Ok(Lease::Granted { token, seen }) = lease {
                *answer = match (&stamps, self.seen(key, seen, &reading).await) {
                    (Ok(stamps), Ok(seen)) => Ok(Lease::Granted {
                        token: token.with_stamps(stamps.clone()).with_begun(begun),
                        seen,
                    }),
                    (Err(error), _) => self.give_back(token, error.clone()).await,
                    (_, Err(error)) => self.give_back(token, error).await,
                };
            }
        }
        answers
    }

    /// Somebody has loaded it; but who finds that it doesn't stand may replace it.
    async fn present(
        &self,
        key: &Key<'_>,
        entry: Entry,
        options: &LeaseOptions,
        reading: &ReadOptions,
    ) -> Result<Lease> {
        if entry.head().tags().is_empty()
            || self.accepts(key, &entry)
            || self.stands(key, entry.head(), reading).await? == Standing::Valid
        {
            return Ok(Lease::Present(entry));
        }
        let refresh = options.clone().with_mode(LeaseMode::Refresh);
        let granted = self.inner.lease(&[*key], &refresh).await.pop();
        granted.unwrap_or_else(|| Err(Error::unsupported(Operation::Lease)))
    }

    /// What is there under a lease, as its holder may see it.
    async fn seen(
        &self,
        key: &Key<'_>,
        seen: Option<Entry>,
        reading: &ReadOptions,
    ) -> Result<Option<Entry>> {
        let Some(entry) = seen else { return Ok(None) };
        Ok(match self.stands(key, entry.head(), reading).await? {
            Standing::Valid => Some(entry),
            Standing::Expired => Some(stale(entry)),
            // It stays where it is: the lease is on it.
            Standing::Fallen => None,
        })
    }

    async fn give_back(&self, token: FillToken, error: Error) -> Result<Lease> {
        let options = WriteOptions::default();
        let _ = self.inner.release(vec![token], &options).await;
        Err(error)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Backend for Tagged {
    fn capability(&self) -> Capability {
        let inner = self.inner.capability();
        if inner.markers {
            inner.with_tags()
        } else {
            inner
        }
    }

    #[inline]
    fn peek(&self, key: &Key<'_>, now: Timestamp) -> Peek {
        match self.inner.peek(key, now) {
            // What hangs on a tagged entry is nearer than its tags.
            Peek::Hit(entry) => match self.accepts_at_once(&entry) {
                Some(true) => Peek::Hit(entry),
                None if entry.head().tags().is_empty() => Peek::Hit(entry),
                _ => self.peek_tagged(key, entry),
            },
            other => other,
        }
    }

    async fn get(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Entry>> {
        let found = self.inner.get(key, options).await?;
        self.judged(key, found, options).await
    }

    async fn head(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Head>> {
        let Some(head) = self.inner.head(key, options).await? else {
            return Ok(None);
        };
        Ok(match self.stands(key, &head, options).await? {
            Standing::Valid => Some(head),
            Standing::Expired => Some(stale_head(head)),
            Standing::Fallen => None,
        })
    }

    async fn scan(
        &self,
        request: &ScanRequest,
        cursor: Option<Cursor>,
        options: &ReadOptions,
    ) -> Result<ScanPage> {
        let page = self.inner.scan(request, cursor, options).await?;
        if request.fallen {
            return Ok(page);
        }
        let heads = page.entries.iter();
        let heads: Vec<_> = heads.map(|(key, head)| (key.as_key(), head)).collect();
        let standings = self.judge(&heads, options).await?;
        let entries = page.entries.into_iter().zip(standings);
        let entries = entries.filter_map(|((key, head), standing)| match standing {
            Standing::Valid => Some((key, head)),
            Standing::Expired => Some((key, stale_head(head))),
            Standing::Fallen => None,
        });
        Ok(ScanPage {
            entries: entries.collect(),
            next: page.next,
        })
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, options: &WriteOptions) -> Result<()> {
        let entry = self
            .stamped(key.namespace(), entry, options.deadline)
            .await?;
        self.inner.set(key, entry, options).await
    }

    async fn delete(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        self.inner.delete(key, options).await
    }

    async fn invalidate(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        self.inner.invalidate(key, options).await
    }

    async fn expire(&self, key: &Key<'_>, expiry: Expiry, options: &WriteOptions) -> Result<bool> {
        self.expire_judged(key, expiry, options).await
    }

    async fn update(
        &self,
        key: &Key<'_>,
        update: Update,
        options: &WriteOptions,
    ) -> Result<Updated> {
        self.update_judged(key, update, options).await
    }

    async fn batch(
        &self,
        operations: Vec<BatchOperation<'_>>,
        options: &WriteOptions,
    ) -> Vec<Result<BatchReply>> {
        self.batch_judged(operations, options).await
    }

    async fn lease(&self, keys: &[Key<'_>], options: &LeaseOptions) -> Vec<Result<Lease>> {
        let leases = self.inner.lease(keys, options).await;
        self.leased(keys, leases, options).await
    }

    async fn fill(&self, fills: Vec<Fill>, options: &WriteOptions) -> Vec<Result<Filled>> {
        if fills.iter().all(|fill| fill.entry.head().tags().is_empty()) {
            return self.inner.fill(fills, options).await;
        }
        self.fill_stamped(fills, options).await
    }

    async fn release(&self, tokens: Vec<FillToken>, options: &WriteOptions) -> Result<()> {
        self.inner.release(tokens, options).await
    }

    async fn markers(
        &self,
        markers: &[Marker],
        read: MarkerRead,
        options: &ReadOptions,
    ) -> Result<Vec<Option<Version>>> {
        self.inner.markers(markers, read, options).await
    }

    async fn bump(&self, markers: &[Marker], options: &WriteOptions) -> Result<Vec<Version>> {
        let bumped = self.inner.bump(markers, options).await;
        // Whatever the reply says: what was believed before is not believed any more (U39).
        for marker in markers {
            self.states.forget(marker);
        }
        bumped
    }

    fn watch(&self) -> Option<&Changes> {
        self.inner.watch()
    }

    fn reserve(&self, limits: &RegionLimits) -> Result<()> {
        self.inner.reserve(limits)
    }

    fn put_now(&self, key: &Key<'_>, entry: Entry) -> Result<()> {
        if is_stamped(&entry) {
            self.inner.put_now(key, entry)
        } else {
            Err(Error::unsupported(Operation::Set))
        }
    }

    fn forget_now(&self, key: &Key<'_>) -> Result<()> {
        self.inner.forget_now(key)
    }

    fn forget_all_now(&self, namespace: &Namespace) -> Result<()> {
        self.inner.forget_all_now(namespace)
    }

    fn stats(&self) -> Vec<TierStats> {
        self.inner.stats()
    }

    async fn check(&self, options: &ReadOptions) -> Vec<TierCheck> {
        self.inner.check(options).await
    }

    async fn close(&self, deadline: Timestamp) -> Result<CloseReport> {
        self.inner.close(deadline).await
    }
}

impl fmt::Debug for Tagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tagged").field(&self.inner).finish()
    }
}
