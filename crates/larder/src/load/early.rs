//! Refreshes before the time is over.

use std::time::Duration;

use larder_core::{Head, Timestamp};

use crate::load::LoadPolicy;
use crate::random::Random;

/// What a load is taken to last if nobody has measured it, as for a value that was set.
const UNKNOWN_LOAD: Duration = Duration::from_millis(1);

/// When fresh entries are refreshed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Early {
    /// After this fraction of the time to live.
    pub(crate) eager: Option<f64>,
    /// At random, by this beta.
    pub(crate) beta: Option<f64>,
}

impl Early {
    /// As the first of these says that says anything.
    pub(crate) fn by<'a>(policies: impl IntoIterator<Item = &'a LoadPolicy>) -> Self {
        let nothing = Self {
            eager: None,
            beta: None,
        };
        policies.into_iter().fold(nothing, |so_far, policy| {
            let early = policy.early();
            Self {
                eager: so_far.eager.or(early.eager),
                beta: so_far.beta.or(early.beta),
            }
        })
    }
}

/// Whether a fresh entry that is asked for now is to be refreshed behind its caller.
pub(crate) fn is_due(head: &Head, now: Timestamp, early: Early, random: &Random) -> bool {
    let life = head.lifetime();
    if life.fresh_until.is_forever() {
        return false;
    }
    let left = life.fresh_until.saturating_since(now);
    let whole = life.fresh_until.saturating_since(life.created);
    let eager = early
        .eager
        .is_some_and(|fraction| left <= whole.mul_f64(1.0 - fraction));
    // XFetch: now - load time * beta * ln(random) >= the end, where ln(random) is negative.
    eager
        || early.beta.is_some_and(|beta| {
            let load = head.load_time().unwrap_or(UNKNOWN_LOAD);
            let ahead = load.as_secs_f64() * beta * -random.fraction().ln();
            ahead >= left.as_secs_f64()
        })
}

#[cfg(test)]
mod tests {
    use larder_core::{Entry, Lifetime, Ttl, Value};

    use super::*;

    fn entry(load: Duration) -> Entry {
        let ttl = Ttl::after(Duration::from_secs(100)).unwrap();
        let life = Lifetime::new(Timestamp::from_millis(0), ttl, Duration::ZERO);
        Entry::new(Value::raw("x".into()), life).with_load_time(load)
    }

    /// How many of a thousand callers refresh when so many seconds are left.
    fn refreshing(policy: &LoadPolicy, load: Duration, left: f64) -> usize {
        let random = Random::seeded(1);
        let passed = Duration::from_secs_f64(100.0 - left);
        let now = Timestamp::from_millis(0).saturating_add(passed);
        let entry = entry(load);
        (0..1_000)
            .filter(|_| is_due(entry.head(), now, policy.early(), &random))
            .count()
    }

    #[test]
    fn an_eager_refresh_begins_at_its_fraction() {
        let policy = LoadPolicy::new().eager_refresh(0.8);
        assert_eq!(refreshing(&policy, Duration::ZERO, 20.5), 0);
        assert_eq!(refreshing(&policy, Duration::ZERO, 19.5), 1_000);
    }

    #[test]
    fn an_early_expiration_is_as_likely_as_the_paper_says() {
        let policy = LoadPolicy::new().early_expiration(1.0);
        let load = Duration::from_secs(2);
        // P(refresh) = exp(-left / (load * beta)).
        for (left, expected) in [(2.0, 368_i64), (4.0, 135), (10.0, 7), (60.0, 0)] {
            let refreshed = i64::try_from(refreshing(&policy, load, left)).unwrap();
            assert!((refreshed - expected).abs() <= 50, "{left}: {refreshed}");
        }
        let eager = LoadPolicy::new().early_expiration(10.0);
        assert!(refreshing(&eager, load, 20.0) > 300);
    }

    #[test]
    fn what_lives_for_ever_is_never_due() {
        let policy = LoadPolicy::new().eager_refresh(0.1).early_expiration(1e9);
        let now = Timestamp::from_millis(1);
        let entry = Entry::new(Value::raw("x".into()), Lifetime::forever(now));
        let random = Random::seeded(1);
        assert!(!is_due(entry.head(), now, policy.early(), &random));
    }
}
