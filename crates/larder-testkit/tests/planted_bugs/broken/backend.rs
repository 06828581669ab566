//! Everything else, and where each bug has its place.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use larder_core::{
    Backend, BatchOperation, BatchReply, Capability, Change, Changes, Clock, CloseReport, Cursor,
    Deletion, Entry, Expiry, Fill, FillToken, Filled, Head, Key, Lease, LeaseOptions, Marker,
    MarkerRead, Namespace, Peek, ReadOptions, RegionLimits, Result, ScanPage, ScanRequest,
    Severity, TagName, TierCheck, TierStats, Timestamp, Update, Updated, Value, Version,
    WriteOptions, async_trait,
};

use super::{Broken, Bug, a_while};

impl Broken {
    /// The marker under which it really keeps this one.
    fn marker_kept_as(&self, marker: &Marker) -> Marker {
        match (self.bug, marker.tag_name()) {
            (Some(Bug::TagsShareAMarker), Some(_)) => {
                Marker::tag(marker.namespace(), TagName::new("any").unwrap())
            }
            _ => marker.clone(),
        }
    }

    /// Tells the observers of [`Bug::WatchHearsLate`].
    fn tell_later(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let changes = Arc::clone(&self.unheard);
        if self.has(Bug::WatchHearsLate) {
            tokio::spawn(async move {
                a_while().await;
                changes.publish(&Change::Everything);
            });
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Backend for Broken {
    fn capability(&self) -> Capability {
        let mut can = self.inner.capability();
        match self.bug {
            Some(Bug::ClaimsTooLittle) => {
                can = Capability::default().with_keeps_decoded();
            }
            Some(Bug::LearnsAbilities) => can.batch = self.calls.load(Ordering::Relaxed) > 0,
            _ => {}
        }
        can
    }

    fn peek(&self, key: &Key<'_>, now: Timestamp) -> Peek {
        let tidy: String = key.text().replace(char::is_control, "");
        let tidy: String = tidy.chars().take(Key::MAX_BYTES).collect();
        let tidy = Key::for_lookup(key.namespace(), "", &tidy);
        match self.bug {
            Some(Bug::PeekIsBehind) => Peek::Miss,
            Some(Bug::PeekIgnoresTheTime) => self.inner.peek(key, self.clock.now()),
            Some(Bug::PeekTidiesKeys) => self.inner.peek(&tidy, now),
            _ => self.inner.peek(&self.kept_as(key).as_key(), now),
        }
    }

    async fn get(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Entry>> {
        self.read(key, options).await
    }

    async fn head(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Head>> {
        self.read_head(key, options).await
    }

    async fn scan(
        &self,
        request: &ScanRequest,
        cursor: Option<Cursor>,
        options: &ReadOptions,
    ) -> Result<ScanPage> {
        self.list(request, cursor, options).await
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, options: &WriteOptions) -> Result<()> {
        self.tell_later();
        self.end_lease(key, Bug::SetKeepsTheLease);
        self.write(key, entry, options).await
    }

    async fn delete(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        self.end_lease(key, Bug::DeleteKeepsTheLease);
        let deletion = self
            .inner
            .delete(&self.kept_as(key).as_key(), options)
            .await?;
        Ok(match self.bug {
            Some(Bug::DeleteAlwaysFinds) => Deletion::Delivered { existed: true },
            _ => deletion,
        })
    }

    async fn invalidate(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
        if self.has(Bug::InvalidateDoesNothing) {
            let there = self.get(key, &ReadOptions::default()).await?;
            return Ok(Deletion::Delivered {
                existed: there.is_some(),
            });
        }
        self.delete(key, options).await
    }

    async fn expire(&self, key: &Key<'_>, expiry: Expiry, options: &WriteOptions) -> Result<bool> {
        let done = self.retime(key, expiry, options).await?;
        if done {
            self.end_lease(key, Bug::ExpireKeepsTheLease);
        }
        Ok(done)
    }

    async fn update(
        &self,
        key: &Key<'_>,
        update: Update,
        options: &WriteOptions,
    ) -> Result<Updated> {
        let updated = self.decide(key, update, options).await?;
        let wrote = !matches!(updated, Updated::Refused | Updated::Taken(None));
        if wrote {
            self.end_lease(key, Bug::UpdateKeepsTheLease);
        }
        Ok(updated)
    }

    async fn batch(
        &self,
        operations: Vec<BatchOperation<'_>>,
        options: &WriteOptions,
    ) -> Vec<Result<BatchReply>> {
        self.many(operations, options).await
    }

    async fn lease(&self, keys: &[Key<'_>], options: &LeaseOptions) -> Vec<Result<Lease>> {
        self.grant(keys, options).await
    }

    async fn fill(&self, fills: Vec<Fill>, options: &WriteOptions) -> Vec<Result<Filled>> {
        self.store(fills, options).await
    }

    async fn release(&self, tokens: Vec<FillToken>, options: &WriteOptions) -> Result<()> {
        self.give_back(tokens, options).await
    }

    async fn markers(
        &self,
        markers: &[Marker],
        read: MarkerRead,
        options: &ReadOptions,
    ) -> Result<Vec<Option<Version>>> {
        let kept: Vec<_> = markers
            .iter()
            .map(|marker| self.marker_kept_as(marker))
            .collect();
        if self.has(Bug::MarkersChangeWhenRead) && read == MarkerRead::OrCreate {
            let versions = self.inner.bump(&kept, &WriteOptions::default()).await?;
            return Ok(versions.into_iter().map(Some).collect());
        }
        let read = if self.has(Bug::ReadingMakesMarkers) {
            MarkerRead::OrCreate
        } else {
            read
        };
        if self.has(Bug::MarkersAreMadeInTwoSteps) && read == MarkerRead::OrCreate {
            let there = self
                .inner
                .markers(&kept, MarkerRead::Existing, options)
                .await?;
            a_while().await;
            if there.iter().any(Option::is_none) {
                return self
                    .bump(&kept, &WriteOptions::default())
                    .await
                    .map(|versions| versions.into_iter().map(Some).collect());
            }
        }
        self.inner.markers(&kept, read, options).await
    }

    async fn bump(&self, markers: &[Marker], options: &WriteOptions) -> Result<Vec<Version>> {
        let kept: Vec<_> = markers
            .iter()
            .map(|marker| self.marker_kept_as(marker))
            .collect();
        let reading = ReadOptions::default();
        match self.bug {
            Some(Bug::BumpDoesNothing) => {
                let versions = self
                    .inner
                    .markers(&kept, MarkerRead::OrCreate, &reading)
                    .await?;
                return Ok(versions.into_iter().flatten().collect());
            }
            Some(Bug::BumpForgetsUnknownMarkers) => {
                let there = self
                    .inner
                    .markers(&kept, MarkerRead::Existing, &reading)
                    .await?;
                if there.iter().any(Option::is_none) {
                    return Ok(kept.iter().map(|_| Version::random()).collect());
                }
            }
            Some(Bug::MarkersAreEntries) => {
                for marker in markers {
                    let entry = Entry::new(Value::empty(), self.forever());
                    let name = if marker.tag_name().is_some() {
                        "t:a"
                    } else {
                        "~g"
                    };
                    let key = Key::new(marker.namespace(), "", name)?;
                    self.inner.set(&key, entry, options).await?;
                }
            }
            _ => {}
        }
        self.inner.bump(&kept, options).await
    }

    fn watch(&self) -> Option<&Changes> {
        match self.bug {
            Some(Bug::WatchHearsNothing | Bug::WatchHearsLate) => Some(&self.unheard),
            Some(Bug::TellsAnIdOfItsOwn | Bug::TellsTheIdOfWhatIsGone) => {
                Some(&self.retelling.changes)
            }
            _ => self.inner.watch(),
        }
    }

    fn reserve(&self, limits: &RegionLimits) -> Result<()> {
        match self.bug {
            Some(Bug::ReserveDoesNothing) => Ok(()),
            Some(Bug::ReserveLimitsEverything) => {
                // Every prefix of the suite that isn't the region's own.
                let everything = RegionLimits::new(&limits.namespace, "other").with_max_entries(16);
                self.inner.reserve(&everything)?;
                self.inner.reserve(limits)
            }
            Some(Bug::ReserveForgetsWhatIsThere) => self
                .inner
                .reserve(&RegionLimits::new(&limits.namespace, &limits.prefix).with_max_entries(0)),
            _ => self.inner.reserve(limits),
        }
    }

    fn put_now(&self, key: &Key<'_>, entry: Entry) -> Result<()> {
        if self.has(Bug::PutNowDoesNothing) {
            return Ok(());
        }
        self.end_lease(key, Bug::ImmediateWritesKeepTheLease);
        self.inner.put_now(&self.kept_as(key).as_key(), entry)
    }

    fn forget_now(&self, key: &Key<'_>) -> Result<()> {
        if self.has(Bug::ForgetNowDoesNothing) {
            return Ok(());
        }
        self.end_lease(key, Bug::ImmediateWritesKeepTheLease);
        self.inner.forget_now(&self.kept_as(key).as_key())
    }

    fn forget_all_now(&self, namespace: &Namespace) -> Result<()> {
        let everybody = Namespace::new("everybody")?;
        match self.bug {
            Some(Bug::ForgetAllNowDoesNothing) => Ok(()),
            Some(Bug::IgnoresNamespaces) => self.inner.forget_all_now(&everybody),
            _ => self.inner.forget_all_now(namespace),
        }
    }

    fn stats(&self) -> Vec<TierStats> {
        let mut stats = self.inner.stats();
        if self.has(Bug::StatsStartOver) {
            let before = self.calls.fetch_add(1, Ordering::Relaxed);
            stats[0].hits = 100u64.saturating_sub(before);
        }
        stats
    }

    async fn check(&self, options: &ReadOptions) -> Vec<TierCheck> {
        if self.has(Bug::IsNeverHealthy) {
            let check = TierCheck::new("broken", Duration::ZERO);
            return vec![check.with_finding(Severity::Error, "it is broken")];
        }
        self.inner.check(options).await
    }

    async fn close(&self, deadline: Timestamp) -> Result<CloseReport> {
        let report = self.inner.close(deadline).await?;
        Ok(match self.bug {
            Some(Bug::CloseLosesWrites) => report.with_undelivered(1),
            _ => report,
        })
    }
}
