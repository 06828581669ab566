//! How a stack of tiers is set up, and which stacks make no sense.

use std::sync::Arc;
use std::time::Duration;

use larder_core::{Backend, Clock, Error, ErrorKind, Namespace, Result, Store, Ttl};
use tokio::runtime::Handle;

use crate::Tiered;
use crate::middle::Middle;
use crate::near::Near;

/// The limits of one tier, beside those of its store.
///
/// ```
/// use std::time::Duration;
/// use larder_tiered::TierLimits;
///
/// let limits = TierLimits::default().with_max_ttl(Duration::from_secs(60));
/// assert_eq!(limits.max_ttl, Some(Duration::from_secs(60)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TierLimits {
    /// How long an entry stays in this tier at most, counted from when it came there; its own time to
    /// live holds too. Default: no limit.
    pub max_ttl: Option<Duration>,
}

impl TierLimits {
    /// Sets [`TierLimits::max_ttl`], from a millisecond to [`Ttl::MAX`]. Default: no limit.
    pub fn with_max_ttl(self, max_ttl: Duration) -> Self {
        Self {
            max_ttl: Some(max_ttl),
        }
    }
}

/// Settings of a stack of tiers; made by [`Tiered::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct TieredBuilder {
    namespace: Namespace,
    clock: Arc<dyn Clock>,
    tiers: Vec<(Store, TierLimits)>,
}

impl TieredBuilder {
    pub(crate) fn new(namespace: &Namespace, clock: Arc<dyn Clock>) -> Self {
        Self {
            namespace: namespace.clone(),
            clock,
            tiers: Vec::new(),
        }
    }

    /// Adds a tier behind those added before: the nearest first, the authoritative one last.
    pub fn tier(self, store: Store) -> Self {
        self.tier_with(store, TierLimits::default())
    }

    /// Adds a tier with limits.
    pub fn tier_with(mut self, store: Store, limits: TierLimits) -> Self {
        self.tiers.push((store, limits));
        self
    }

    /// Makes one store of the tiers. Of a single tier it is that tier's store.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConfigInvalid`] naming the right order: if there is no tier; if the first of several
    /// isn't [`immediate`](larder_core::Capability::immediate); if a tier has tags or write-behind in it, which belong
    /// above the tiers; if the last one has a limit, or a limit is no time to live; if one between two others
    /// gives no [leases](larder_core::Capability::lease) or has no limit. [`ErrorKind::RuntimeGone`] if there are
    /// three tiers or more and no tokio runtime is running: a task tells those in the middle of changes.
    pub fn build(self) -> Result<Store> {
        let Self {
            namespace,
            clock,
            mut tiers,
        } = self;
        for (index, (store, limits)) in tiers.iter().enumerate() {
            check(index + 1, tiers.len(), store, *limits)?;
        }
        let Some((last, limits)) = tiers.pop() else {
            return Err(invalid(
                "there is no tier: add the nearest first, such as memory, and the authoritative one last",
            ));
        };
        if limits.max_ttl.is_some() {
            return Err(invalid(
                "the last tier can't have a max_ttl, because it is the truth: give the entries a shorter time to \
                 live, or the limit to a tier in front",
            ));
        }
        if tiers.is_empty() {
            return Ok(last);
        }
        let (nearest, limits) = tiers.remove(0);
        if !nearest.capability().immediate {
            return Err(invalid(
                "tier 1 of several must keep its entries at hand (immediate): put memory first, and what is far \
                 behind it",
            ));
        }
        // Answers of a middle tier have that tier's limit on their times.
        let keeps_times = limits.max_ttl.is_none() && tiers.is_empty();
        let mut far = last;
        for (index, (middle, limits)) in tiers.into_iter().enumerate().rev() {
            far = behind(middle, limits, far, index + 2, &clock)?;
        }
        let near = Near::new(nearest, &namespace, clock, limits.max_ttl);
        Ok(Store::new(Tiered::new(near, far, keeps_times)))
    }
}

/// A middle tier with everything behind it.
fn behind(
    middle: Store,
    limits: TierLimits,
    far: Store,
    place: usize,
    clock: &Arc<dyn Clock>,
) -> Result<Store> {
    if !middle.capability().lease {
        return Err(invalid(format!(
            "tier {place} is between two others and must give leases, or it would keep what was changed meanwhile: put \
             it last, or leave it out"
        )));
    }
    let Some(max_ttl) = limits.max_ttl else {
        return Err(invalid(format!(
            "tier {place} is between two others and needs a max_ttl, which bounds for how long it can be wrong: add it \
             with .tier_with(store, TierLimits::default().with_max_ttl(…))"
        )));
    };
    let runtime = Handle::try_current().map_err(|error| {
        let what = "a stack of three tiers needs a running tokio runtime when it is built";
        Error::new(ErrorKind::RuntimeGone, what).with_source(error)
    })?;
    let clock = Arc::clone(clock);
    Ok(Store::new(Middle::new(
        middle, far, place, max_ttl, clock, &runtime,
    )))
}

/// What holds for a tier wherever it stands.
fn check(place: usize, of: usize, store: &Store, limits: TierLimits) -> Result<()> {
    let capability = store.capability();
    if capability.tags && of > 1 {
        return Err(invalid(format!(
            "tier {place} has a tag layer in it, which never judges what the tiers before it keep: put it above the tiers"
        )));
    }
    if capability.sink {
        return Err(invalid(format!(
            "tier {place} has write-behind in it, whose pending writes the tiers before it don't see: put it above the \
             tiers"
        )));
    }
    if let Some(max_ttl) = limits.max_ttl
        && let Err(error) = Ttl::after(max_ttl)
    {
        return Err(invalid(format!("the max_ttl of tier {place} is wrong")).with_source(error));
    }
    Ok(())
}

fn invalid(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::ConfigInvalid, what)
}
