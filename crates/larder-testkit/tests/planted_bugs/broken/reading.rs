//! What its bugs do to reads, writes and listings.

use std::sync::Arc;
use std::time::Duration;

use super::{Broken, Bug, a_while};
use larder_core::{
    Backend, BatchOperation, BatchReply, Clock, Cursor, Entry, EntryId, EntryKind, Error,
    ErrorKind, Expiry, Head, Key, Lifetime, Operation, ReadOptions, Result, ScanPage, ScanRequest,
    Tiers, Timestamp, Value, WriteOptions,
};

impl Broken {
    pub(super) async fn read(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Entry>> {
        if self.has(Bug::HasNoNearestTier) && options.tiers == Tiers::Nearest {
            return Ok(None);
        }
        let kept = self.kept_as(key);
        let found = self.inner.get(&kept.as_key(), options).await?;
        if self.has(Bug::LeaseIsAnEntry) && found.is_none() && self.is_leased(key) {
            let life = Lifetime::forever(self.clock.now());
            return Ok(Some(Entry::placeholder(EntryId::random(), life)));
        }
        if self.has(Bug::FailsOnAMiss) && found.is_none() {
            return Err(Error::new(ErrorKind::Unexpected, "not there"));
        }
        Ok(found.filter(|entry| match self.bug {
            Some(Bug::TakesStaleForExpired) => entry.head().lifetime().is_fresh(self.clock.now()),
            Some(Bug::LeaseHidesTheStaleEntry) => {
                entry.head().lifetime().is_fresh(self.clock.now()) || !self.is_leased(key)
            }
            Some(Bug::JudgesForItsCaller) => options.view.admits(entry.head()),
            _ => true,
        }))
    }

    pub(super) async fn read_head(
        &self,
        key: &Key<'_>,
        options: &ReadOptions,
    ) -> Result<Option<Head>> {
        let entry = self.read(key, options).await?;
        Ok(entry.map(|entry| match self.bug {
            Some(Bug::HeadForgetsTags) => entry.with_tags(Vec::new()).unwrap().head().clone(),
            _ => entry.head().clone(),
        }))
    }

    pub(super) async fn write(
        &self,
        key: &Key<'_>,
        entry: Entry,
        options: &WriteOptions,
    ) -> Result<()> {
        let kept = self.kept_as(key);
        let key = kept.as_key();
        let before = self.inner.get(&key, &ReadOptions::default()).await?;
        match self.bug {
            Some(Bug::DropsLargeValues) if entry.value().weight() > 50_000 => return Ok(()),
            Some(Bug::ForgetsAbsences) if entry.value().weight() == 0 => return Ok(()),
            Some(Bug::CannotKeepLocalValues) if entry.value().is_local() => return Ok(()),
            Some(Bug::TearsWrites) => {
                if let Some(before) = &before {
                    let half = entry.clone().with_value(before.value().clone());
                    self.inner.set(&key, half, options).await?;
                    a_while().await;
                }
            }
            Some(Bug::AnswersBeforeItWrites) => {
                let (inner, kept, options) =
                    (Arc::clone(&self.inner), kept.clone(), options.clone());
                tokio::spawn(async move {
                    a_while().await;
                    inner.set(&kept.as_key(), entry, &options).await
                });
                return Ok(());
            }
            _ => {}
        }
        let life = entry.head().lifetime();
        let entry = match self.bug {
            Some(Bug::ForgetsEtags) if entry.head().etag().is_some() => {
                entry.with_etag(bytes::Bytes::new()).unwrap()
            }
            Some(Bug::RoundsTimesToSeconds) => entry.with_lifetime(Lifetime {
                expires_at: round(life.expires_at),
                ..life
            }),
            Some(Bug::KeepsTheLongestLife) => {
                let longest = before.map_or(life.expires_at, |before| {
                    before.head().lifetime().expires_at.max(life.expires_at)
                });
                entry.with_lifetime(Lifetime {
                    expires_at: longest,
                    ..life
                })
            }
            Some(Bug::ForeverHasAnEnd) if life.expires_at.is_forever() => {
                let years = Duration::from_secs(50 * 365 * 24 * 3_600);
                let expires_at = self.clock.now().saturating_add(years);
                entry.with_lifetime(Lifetime { expires_at, ..life })
            }
            Some(Bug::TakesAbsencesForValues) if entry.head().kind() == EntryKind::Absent => {
                Entry::new(Value::empty(), life)
                    .with_id(entry.id())
                    .with_generation(entry.head().generation())
                    .with_schema(entry.head().schema())
            }
            Some(Bug::ForgetsWhatACounterIs) if entry.value().as_counter().is_some() => {
                let bytes = entry.value().encoded()?.clone();
                entry.with_value(Value::raw(bytes))
            }
            Some(Bug::EncodesWhatIsDecoded) if !entry.value().is_local() => {
                let value =
                    Value::encoded_as(entry.value().encoded()?.clone(), entry.value().codec());
                entry.with_value(value)
            }
            _ => entry,
        };
        self.inner.set(&key, entry, options).await
    }

    pub(super) async fn list(
        &self,
        request: &ScanRequest,
        cursor: Option<Cursor>,
        options: &ReadOptions,
    ) -> Result<ScanPage> {
        let first = cursor.is_none();
        let mut request = request.clone();
        if self.has(Bug::ScanIgnoresThePattern) {
            request.pattern = larder_core::Pattern::new("*")?;
        }
        if self.has(Bug::IgnoresNamespaces) {
            request.namespace = larder_core::Namespace::new("everybody")?;
        }
        let mut page = self.inner.scan(&request, cursor, options).await?;
        match self.bug {
            Some(Bug::ScanRepeats) if !first => {
                let again = self.inner.scan(&request, None, options).await?;
                page.entries.extend(again.entries.into_iter().take(1));
            }
            Some(Bug::ScanSkips) => drop(page.entries.pop().filter(|_| page.next.is_some())),
            Some(Bug::ScanHidesStale) => {
                page.entries
                    .retain(|(_, head)| head.lifetime().is_fresh(self.clock.now()));
            }
            Some(Bug::ScanListsLeases | Bug::LeaseIsAnEntry) if first => {
                let life = Lifetime::forever(self.clock.now());
                let head = Entry::placeholder(EntryId::random(), life).head().clone();
                for key in self.leased.lock().unwrap().iter() {
                    if *key.namespace() == request.namespace {
                        page.entries.push((key.clone(), head.clone()));
                    }
                }
            }
            Some(Bug::ScanNeverEnds) if page.entries.is_empty() => page.next = Some(Cursor::new(0)),
            _ => {}
        }
        Ok(page)
    }

    pub(super) async fn many(
        &self,
        mut operations: Vec<BatchOperation<'_>>,
        options: &WriteOptions,
    ) -> Vec<Result<BatchReply>> {
        if self.has(Bug::EmptyBatchAnswers) && operations.is_empty() {
            return vec![Ok(BatchReply::Stored)];
        }
        let mut order: Vec<usize> = (0..operations.len()).collect();
        if self.has(Bug::BatchReadsFirst) {
            order.sort_by_key(|at| !matches!(operations[*at], BatchOperation::Get(_)));
            operations.sort_by_key(|operation| !matches!(operation, BatchOperation::Get(_)));
        }
        let mut replies = Vec::new();
        let mut failed = false;
        for operation in operations {
            let reply = if failed && self.has(Bug::BatchStopsAtAnError) {
                Err(Error::new(ErrorKind::Unexpected, "not done"))
            } else {
                self.single(operation, options).await
            };
            failed |= reply.is_err();
            replies.push(reply);
        }
        let mut placed: Vec<_> = order.into_iter().zip(replies).collect();
        placed.sort_by_key(|(at, _)| *at);
        let mut replies: Vec<_> = placed.into_iter().map(|(_, reply)| reply).collect();
        if self.has(Bug::BatchAnswersBackwards) {
            replies.reverse();
        }
        replies
    }

    async fn single(
        &self,
        operation: BatchOperation<'_>,
        options: &WriteOptions,
    ) -> Result<BatchReply> {
        let reading = ReadOptions::default();
        Ok(match operation {
            BatchOperation::Get(key) => BatchReply::Entry(self.get(&key, &reading).await?),
            BatchOperation::Head(key) => BatchReply::Head(self.head(&key, &reading).await?),
            BatchOperation::Set(key, entry) => {
                self.set(&key, entry, options).await?;
                BatchReply::Stored
            }
            BatchOperation::Delete(key) => BatchReply::Deleted(self.delete(&key, options).await?),
            BatchOperation::Invalidate(key) => {
                BatchReply::Deleted(self.invalidate(&key, options).await?)
            }
            BatchOperation::Expire(key, expiry) => {
                BatchReply::Expired(self.expire(&key, expiry, options).await?)
            }
            BatchOperation::Update(..) if self.has(Bug::BatchCannotUpdate) => {
                return Err(Error::unsupported(Operation::Batch));
            }
            BatchOperation::Update(key, update) => {
                BatchReply::Updated(self.update(&key, update, options).await?)
            }
            other => panic!("{other:?} is new"),
        })
    }

    pub(super) async fn retime(
        &self,
        key: &Key<'_>,
        expiry: Expiry,
        options: &WriteOptions,
    ) -> Result<bool> {
        let kept = self.kept_as(key);
        let key = &kept.as_key();
        let now = self.clock.now();
        let present = self.inner.get(key, &ReadOptions::default()).await?;
        let present = present.filter(|entry| entry.head().is_visible(options.view, now));
        let Some(entry) = present else {
            let everything = WriteOptions::default();
            return match self.bug {
                Some(Bug::ExpireIgnoresTheView) => {
                    self.inner.expire(key, expiry, &everything).await
                }
                _ => self.inner.expire(key, expiry, options).await,
            };
        };
        let old = entry.head().lifetime();
        let new = expiry.apply(old);
        match self.bug {
            Some(Bug::ExpireMakesAnotherEntry) => {
                let another = entry.with_id(EntryId::random()).with_lifetime(new);
                self.inner.set(key, another, options).await.map(|()| true)
            }
            Some(Bug::ExpireOnlyLengthens) if new.expires_at < old.expires_at => Ok(true),
            Some(Bug::ExpireIgnoresThePast) if new.is_expired(now) => Ok(true),
            _ => self.inner.expire(key, expiry, options).await,
        }
    }
}

fn round(time: Timestamp) -> Timestamp {
    let second = Duration::from_secs(1);
    Timestamp::from_millis(time.as_millis() / 1000 * 1000).saturating_add(second)
}
