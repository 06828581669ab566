//! Tags: invalidating and expiring them.

use larder_core::{Backend, Bump, Marker, Result, TagName, WriteOptions};

use crate::shared::Shared;
use crate::stamps;

/// Gives tags new versions, in one round trip.
pub(crate) async fn bump<S: AsRef<str>>(
    shared: &Shared,
    tags: impl IntoIterator<Item = S>,
    bump: Bump,
) -> Result<()> {
    shared.open()?;
    stamps::check(shared)?;
    let names = stamps::names(tags)?;
    shared.limits.check_batch(names.len())?;
    if names.is_empty() {
        return Ok(());
    }
    let markers: Vec<_> = names
        .iter()
        .map(|name| Marker::tag(&shared.namespace, name.clone()))
        .collect();
    // Detached before and after, as with every invalidation (R6).
    detach(shared, &names);
    let options = WriteOptions::default().with_bump(bump);
    let bumped = shared.store.bump(&markers, &options).await;
    detach(shared, &names);
    bumped?;
    shared.counters.tags_invalidated.add(names.len() as u64);
    Ok(())
}

fn detach(shared: &Shared, tags: &[TagName]) {
    for tag in tags {
        shared.flights().detach_tagged(tag);
    }
}
