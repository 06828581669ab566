//! What both of two tiers have a part in: abilities, limits, checks and the end.

use larder_core::{
    Backend, Capability, CloseReport, Error, Operation, ReadOptions, RegionLimits, Result, Store,
    TierCheck, Tiers, Timestamp,
};

/// What two tiers can do: what the one behind can, but at once. Only that one can tell that there is nothing.
pub(crate) fn capability(front: &Store, back: &Store) -> Capability {
    let front = front.capability();
    let mut capability = back.capability().with_tiered();
    capability.immediate = false;
    capability.needs_bytes |= front.needs_bytes;
    capability.regions |= front.regions;
    capability
}

/// Reserves a region in the nearest tier that has the ability.
pub(crate) fn reserve(front: &Store, back: &Store, limits: &RegionLimits) -> Result<()> {
    let able = [front, back]
        .into_iter()
        .find(|tier| tier.capability().regions);
    able.ok_or_else(|| Error::unsupported(Operation::Reserve))?
        .reserve(limits)
}

/// Checks the tiers that the options name.
pub(crate) async fn check(front: &Store, back: &Store, options: &ReadOptions) -> Vec<TierCheck> {
    let mut checks = Vec::new();
    if options.tiers != Tiers::Authoritative {
        checks.extend(front.check(options).await);
    }
    if options.tiers != Tiers::Nearest {
        checks.extend(back.check(options).await);
    }
    checks
}

/// Closes both, the one behind first, whatever becomes of it.
pub(crate) async fn close(front: &Store, back: &Store, deadline: Timestamp) -> Result<CloseReport> {
    let behind = back.close(deadline).await;
    let before = front.close(deadline).await;
    let undelivered = behind?.undelivered + before?.undelivered;
    Ok(CloseReport::default().with_undelivered(undelivered))
}
