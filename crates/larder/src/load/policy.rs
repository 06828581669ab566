//! What callers choose about loads.

use std::time::Duration;

use larder_core::{Error, ErrorKind, Result, Ttl};

use crate::load::Early;

/// How loads behave: for a whole cache ([`CacheBuilder::load_policy`](crate::CacheBuilder::load_policy)), for a space
/// ([`Space::load_policy`](crate::Space::load_policy)), or for one call. What is not set is taken from the next in
/// that row, and in the end from the defaults below.
///
/// ```
/// use std::time::Duration;
/// use larder::LoadPolicy;
///
/// let policy = LoadPolicy::new()
///     .timeout(Duration::from_secs(5))            // an origin that hangs
///     .soft_timeout(Duration::from_millis(100))   // a slow one, if a stale value is at hand
///     .eager_refresh(0.8);                        // before anybody has to wait
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct LoadPolicy {
    timeout: Option<Duration>,
    soft_timeout: Option<Duration>,
    throttle: Option<Duration>,
    negative_ttl: Option<Duration>,
    eager: Option<f64>,
    early: Option<f64>,
    max_waiters: Option<usize>,
    max_wait: Option<Duration>,
    load_after_wait: Option<bool>,
    cancel: Option<bool>,
    problem: Option<Error>,
}

/// A policy with everything decided.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) timeout: Duration,
    pub(crate) soft_timeout: Option<Duration>,
    pub(crate) throttle: Duration,
    pub(crate) negative_ttl: Duration,
    pub(crate) early: Early,
    pub(crate) max_waiters: usize,
    pub(crate) max_wait: Option<Duration>,
    pub(crate) load_after_wait: bool,
    pub(crate) cancel: bool,
}

impl LoadPolicy {
    /// The default of [`LoadPolicy::timeout`].
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
    /// The default of [`LoadPolicy::throttle`].
    pub const DEFAULT_THROTTLE: Duration = Duration::from_secs(30);
    /// The default of [`LoadPolicy::negative_ttl`].
    pub const DEFAULT_NEGATIVE_TTL: Duration = Duration::from_secs(60);
    /// The default of [`LoadPolicy::max_waiters`].
    pub const DEFAULT_MAX_WAITERS: usize = 100_000;

    /// Nothing chosen.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long a loader may take. Then it is dropped, and whoever waits gets a stale value if there is one, else
    /// [`ErrorKind::Timeout`]. Not zero. Default: 30 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        if timeout.is_zero() {
            self.fail("load_timeout can't be zero");
        }
        self.timeout = Some(timeout);
        self
    }

    /// How long a caller waits if a stale value is at hand. Then it gets that, while the load goes on behind it and
    /// stores what it finds; an invalidation that comes meanwhile wins over both. It counts only while an entry is
    /// stale, so it needs [`stale_for`](crate::CacheBuilder::stale_for). Default: none, callers wait for the load.
    pub fn soft_timeout(mut self, soft_timeout: Duration) -> Self {
        self.soft_timeout = Some(soft_timeout);
        self
    }

    /// Callers get a stale value at once, and one load refreshes it behind them, within the cache's
    /// [refresh limits](crate::CacheBuilder::refresh_limits): a [soft timeout](Self::soft_timeout) of zero. Default: off.
    pub fn stale_while_revalidate(self) -> Self {
        self.soft_timeout(Duration::ZERO)
    }

    /// How long a stale value counts as fresh again after a load that failed or took too long, so that an origin in
    /// trouble is called once in that time for each key, by all nodes together where the store is shared; early refreshes
    /// keep to it node by node. Never beyond the end of `stale_for`. Zero: every call tries again. Default: 30 seconds.
    pub fn throttle(mut self, throttle: Duration) -> Self {
        self.throttle = Some(throttle);
        self
    }

    /// How long the origin's word that there is nothing ([`Loaded::absent`](crate::Loaded::absent)) is kept. A loader
    /// can say otherwise each time. Zero: not at all. Default: 60 seconds, or the entry's time to live if that is
    /// shorter.
    pub fn negative_ttl(mut self, negative_ttl: Duration) -> Self {
        if negative_ttl > Ttl::MAX {
            self.fail("negative_ttl is longer than can be stored");
        }
        self.negative_ttl = Some(negative_ttl);
        self
    }

    /// Refreshes an entry that is asked for after this fraction of its time to live, above 0 and below 1. The caller
    /// gets the entry that is there; one load per key runs behind, within the
    /// [refresh limits](crate::CacheBuilder::refresh_limits). An entry that lives for ever is never refreshed. Together
    /// with [`LoadPolicy::early_expiration`], whichever is first. Default: off.
    pub fn eager_refresh(mut self, fraction: f64) -> Self {
        if !(fraction > 0.0 && fraction < 1.0) {
            self.fail(
                "an eager refresh comes after a fraction between 0 and 1 of the time to live",
            );
        }
        self.eager = Some(fraction);
        self
    }

    /// Refreshes an entry at random before its time is over, the sooner the longer its last load took: a caller at
    /// time `now` refreshes if `now - load_time * beta * ln(random)` is past the end (`XFetch`: Vattani, Chierichetti,
    /// Lowenstein, *Optimal Probabilistic Cache Stampede Prevention*, 2015). `beta` is above 0; 1 is optimal there, more
    /// refreshes sooner. As [`LoadPolicy::eager_refresh`] otherwise. Default: off.
    pub fn early_expiration(mut self, beta: f64) -> Self {
        if !(beta > 0.0 && beta.is_finite()) {
            self.fail("beta of an early expiration is above 0");
        }
        self.early = Some(beta);
        self
    }

    /// How many callers may wait for one load; more get [`ErrorKind::Rejected`], or a stale value. Not zero. Default:
    /// 100,000.
    pub fn max_waiters(mut self, max_waiters: usize) -> Self {
        if max_waiters == 0 {
            self.fail("somebody must be able to wait for a load");
        }
        self.max_waiters = Some(max_waiters);
        self
    }

    /// How long a caller waits for a load that another one has begun. Then it gets [`ErrorKind::Timeout`], or loads for itself alone
    /// if [`LoadPolicy::load_after_wait`] says so. Default: twice the timeout and 10 seconds, which is only reached if
    /// nobody drives the load.
    pub fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = Some(max_wait);
        self
    }

    /// A caller that has waited for [`LoadPolicy::max_wait`] in vain calls its own loader, and what that finds is not stored.
    /// Default: off, it gets an error.
    pub fn load_after_wait(mut self) -> Self {
        self.load_after_wait = Some(true);
        self
    }

    /// The load is dropped once everybody who waited for it has gone. Decided by the call that leads. Default: off, it
    /// is finished and its value stored.
    pub fn cancel_when_abandoned(mut self) -> Self {
        self.cancel = Some(true);
        self
    }

    fn fail(&mut self, message: &'static str) {
        self.problem
            .get_or_insert_with(|| Error::new(ErrorKind::ConfigInvalid, message));
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.problem.clone().map_or(Ok(()), Err)
    }

    /// Whether hits may be due for a refresh.
    #[inline]
    pub(crate) fn is_early(&self) -> bool {
        self.eager.is_some() || self.early.is_some()
    }

    /// When fresh entries are refreshed.
    pub(crate) fn early(&self) -> Early {
        Early {
            eager: self.eager,
            beta: self.early,
        }
    }

    /// This, and what it doesn't say by `base`.
    pub(crate) fn over(self, base: Self) -> Self {
        Self {
            timeout: self.timeout.or(base.timeout),
            soft_timeout: self.soft_timeout.or(base.soft_timeout),
            throttle: self.throttle.or(base.throttle),
            negative_ttl: self.negative_ttl.or(base.negative_ttl),
            eager: self.eager.or(base.eager),
            early: self.early.or(base.early),
            max_waiters: self.max_waiters.or(base.max_waiters),
            max_wait: self.max_wait.or(base.max_wait),
            load_after_wait: self.load_after_wait.or(base.load_after_wait),
            cancel: self.cancel.or(base.cancel),
            problem: self.problem.or(base.problem),
        }
    }

    /// With the defaults for what is not said.
    pub(crate) fn decided(&self) -> Policy {
        Policy {
            timeout: self.timeout.unwrap_or(Self::DEFAULT_TIMEOUT),
            soft_timeout: self.soft_timeout,
            throttle: self.throttle.unwrap_or(Self::DEFAULT_THROTTLE),
            negative_ttl: self.negative_ttl.unwrap_or(Self::DEFAULT_NEGATIVE_TTL),
            early: self.early(),
            max_waiters: self.max_waiters.unwrap_or(Self::DEFAULT_MAX_WAITERS),
            max_wait: self.max_wait,
            load_after_wait: self.load_after_wait.unwrap_or(false),
            cancel: self.cancel.unwrap_or(false),
        }
    }
}

impl Policy {
    /// How long a caller waits at most; for another one's load, or for its own, which the timeout ends.
    pub(crate) fn patience(&self, for_another: bool) -> Duration {
        self.max_wait
            .filter(|_| for_another)
            .unwrap_or_else(|| self.timeout.saturating_mul(2).saturating_add(PATIENCE))
    }
}

/// What a caller waits longer than a load that waits for another one may take.
const PATIENCE: Duration = Duration::from_secs(10);
