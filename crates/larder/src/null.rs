//! The backend of a cache that is switched off: it forgets everything at once.

use larder_core::{
    Backend, Capability, Deletion, Entry, Expiry, Fill, FillToken, Filled, Key, Lease,
    LeaseOptions, Marker, MarkerRead, Namespace, Peek, ReadOptions, Result, ScanPage, ScanRequest,
    Timestamp, Update, Updated, Version, WriteOptions, async_trait,
};
use larder_core::{Cursor, EntryId, RegionLimits};

/// Behaves like a cache whose every entry was evicted right after it was written: nothing fails,
/// nothing is kept, a counter begins anew each time.
#[derive(Debug)]
pub(crate) struct Null;

#[async_trait]
impl Backend for Null {
    fn capability(&self) -> Capability {
        Capability::default()
            .with_immediate()
            .with_scan()
            .with_expire()
            .with_counters()
            .with_conditional()
            .with_lease()
            .with_markers()
            .with_regions()
    }

    fn peek(&self, _: &Key<'_>, _: Timestamp) -> Peek {
        Peek::Miss
    }

    async fn get(&self, _: &Key<'_>, _: &ReadOptions) -> Result<Option<Entry>> {
        Ok(None)
    }

    async fn scan(&self, _: &ScanRequest, _: Option<Cursor>, _: &ReadOptions) -> Result<ScanPage> {
        Ok(ScanPage::default())
    }

    async fn set(&self, _: &Key<'_>, _: Entry, _: &WriteOptions) -> Result<()> {
        Ok(())
    }

    async fn delete(&self, _: &Key<'_>, _: &WriteOptions) -> Result<Deletion> {
        Ok(Deletion::Delivered { existed: false })
    }

    async fn expire(&self, _: &Key<'_>, _: Expiry, _: &WriteOptions) -> Result<bool> {
        Ok(false)
    }

    async fn update(&self, _: &Key<'_>, update: Update, _: &WriteOptions) -> Result<Updated> {
        Ok(match update {
            Update::Increment { by, .. } => Updated::Counter(by),
            Update::SetIfAbsent(_) => Updated::Stored,
            Update::Take => Updated::Taken(None),
            _ => Updated::Refused,
        })
    }

    async fn lease(&self, keys: &[Key<'_>], _: &LeaseOptions) -> Vec<Result<Lease>> {
        let grant = |key| Lease::Granted {
            token: FillToken::granted(key, EntryId::random()),
            seen: None,
        };
        keys.iter().map(|key| Ok(grant(key))).collect()
    }

    async fn fill(&self, fills: Vec<Fill>, _: &WriteOptions) -> Vec<Result<Filled>> {
        fills.iter().map(|_| Ok(Filled::Stored)).collect()
    }

    async fn release(&self, _: Vec<FillToken>, _: &WriteOptions) -> Result<()> {
        Ok(())
    }

    async fn markers(
        &self,
        markers: &[Marker],
        read: MarkerRead,
        _: &ReadOptions,
    ) -> Result<Vec<Option<Version>>> {
        let version = || (read == MarkerRead::OrCreate).then(Version::random);
        Ok(markers.iter().map(|_| version()).collect())
    }

    async fn bump(&self, markers: &[Marker], _: &WriteOptions) -> Result<Vec<Version>> {
        Ok(markers.iter().map(|_| Version::random()).collect())
    }

    fn reserve(&self, _: &RegionLimits) -> Result<()> {
        Ok(())
    }

    fn put_now(&self, _: &Key<'_>, _: Entry) -> Result<()> {
        Ok(())
    }

    fn forget_now(&self, _: &Key<'_>) -> Result<()> {
        Ok(())
    }

    fn forget_all_now(&self, _: &Namespace) -> Result<()> {
        Ok(())
    }
}
