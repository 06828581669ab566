//! How many refreshes run behind callers: they are nobody's hurry, and all of them at once are a stampede.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use larder_core::Timestamp;

/// Limits on the refreshes that run behind callers, of the whole cache: eager and early ones, and those of
/// stale-while-revalidate. One that is over the limit doesn't take place; its caller gets what is there all the same,
/// and a later caller tries again. Loads that somebody waits for have no such limit.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RefreshLimits {
    /// The most at once. Default: 64.
    pub concurrency: usize,
    /// The most a second, on average; as many may come in one burst. Default: no limit.
    pub per_second: Option<u32>,
}

impl Default for RefreshLimits {
    fn default() -> Self {
        Self {
            concurrency: 64,
            per_second: None,
        }
    }
}

impl RefreshLimits {
    /// Sets the most at once.
    pub fn with_concurrency(self, concurrency: usize) -> Self {
        Self {
            concurrency,
            ..self
        }
    }

    /// Sets the most a second.
    pub fn with_per_second(self, per_second: u32) -> Self {
        Self {
            per_second: Some(per_second),
            ..self
        }
    }
}

/// The limits, and what is used of them.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: RefreshLimits,
    used: Mutex<Used>,
}

#[derive(Debug)]
struct Used {
    running: usize,
    /// Refreshes that the rate still allows: a token bucket.
    tokens: f64,
    filled: Timestamp,
}

/// The right to one refresh, until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Budget>);

impl Budget {
    pub(crate) fn new(limits: RefreshLimits) -> Self {
        Self {
            limits,
            used: Mutex::new(Used {
                running: 0,
                tokens: f64::from(limits.per_second.unwrap_or_default()),
                filled: Timestamp::EPOCH,
            }),
        }
    }

    /// Room for one more refresh, if there is any.
    pub(crate) fn permit(self: &Arc<Self>, now: Timestamp) -> Option<Permit> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.running >= self.limits.concurrency {
            return None;
        }
        if let Some(rate) = self.limits.per_second.map(f64::from) {
            let passed: Duration = now.saturating_since(used.filled);
            used.tokens = (used.tokens + passed.as_secs_f64() * rate).min(rate);
            used.filled = now;
            if used.tokens < 1.0 {
                return None;
            }
            used.tokens -= 1.0;
        }
        used.running += 1;
        Some(Permit(Arc::clone(self)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let used = self.0.used.lock();
        used.unwrap_or_else(PoisonError::into_inner).running -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    #[test]
    fn no_more_than_the_concurrency_run_at_once() {
        let budget = Arc::new(Budget::new(RefreshLimits::default().with_concurrency(2)));
        let first = budget.permit(at(0)).unwrap();
        let _second = budget.permit(at(0)).unwrap();
        assert!(budget.permit(at(0)).is_none());
        drop(first);
        assert!(budget.permit(at(0)).is_some());
    }

    #[test]
    fn no_more_than_the_rate_begin_in_a_second() {
        let limits = RefreshLimits::default().with_per_second(10);
        let budget = Arc::new(Budget::new(limits));
        let begun = |now| {
            (0..100)
                .filter(|_| budget.permit(at(now)).is_some())
                .count()
        };
        assert_eq!(begun(0), 10);
        assert_eq!(begun(100), 1);
        assert_eq!(begun(600), 5);
        assert_eq!(begun(60_000), 10, "no more is saved up than a second's");
    }
}
