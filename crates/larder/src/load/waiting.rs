//! A caller's side of a load: how long it waits, and what it takes instead.

use std::sync::Arc;

use larder_core::{Entry, Error, ErrorKind, Result, Timestamp, View};

use crate::load::{Landed, Outcome, Policy, Source, Waiting, cycle};
use crate::race::race;
use crate::scope::Scope;

/// A caller that waits for a load.
pub(crate) struct Caller<'a, T> {
    pub(crate) scope: Scope<'a>,
    /// What it can take instead, and until when.
    pub(crate) stale: Option<(Arc<T>, Timestamp)>,
    /// When it began to wait.
    pub(crate) begun: Timestamp,
    /// Whether another one has begun the load.
    pub(crate) waited: bool,
}

/// How waiting ended, if there is an outcome; `None`: the caller is to load for itself.
pub(crate) type Waited<T> = Result<Option<Outcome<T>>>;

impl<'a, T: Send + Sync + 'static> Caller<'a, T> {
    /// A caller that has found this, from now on.
    pub(crate) fn of(scope: Scope<'a>, stale: Option<&(Entry, View)>) -> Self {
        let stale = stale.and_then(|(entry, view)| {
            let expires_at = entry.head().lifetime().expires_at;
            Some((scope.stand_in(entry, *view)?, expires_at))
        });
        Self {
            scope,
            stale,
            begun: scope.shared.clock.now(),
            waited: false,
        }
    }

    /// The stale value, if it may be served still.
    pub(crate) fn stand_in(&self) -> Option<Outcome<T>> {
        let (value, expires_at) = self.stale.as_ref()?;
        if self.scope.shared.clock.now() >= *expires_at {
            return None;
        }
        self.scope.shared.counters.stale_served.increment();
        Some(Outcome {
            stale: true,
            waited: self.waited,
            ..Outcome::new(Some(Arc::clone(value)), Source::Tier)
        })
    }

    fn instead(&self, waiting: &Waiting) -> Option<Outcome<T>> {
        // What has been invalidated since is not served any more.
        if waiting.is_overtaken() {
            return None;
        }
        self.stand_in()
    }

    fn outcome(&self, landed: Landed) -> Result<Outcome<T>> {
        let Landed {
            entry,
            source,
            stale,
        } = landed;
        let value = if entry.head().kind() == larder_core::EntryKind::Absent {
            None
        } else {
            let read = entry.value().read::<T>(self.scope.value_type).ok();
            Some(read.ok_or_else(|| {
                Error::new(
                    ErrorKind::Load,
                    format!(
                        "another caller is loading this key as a type that can't be read as {:?}",
                        self.scope.value_type
                    ),
                )
            })?)
        };
        if stale {
            self.scope.shared.counters.stale_served.increment();
        }
        Ok(Outcome {
            value,
            source,
            stale,
            waited: self.waited,
        })
    }

    /// The load's outcome, if it has ended.
    pub(crate) fn now(&self, waiting: &Waiting) -> Option<Result<Outcome<T>>> {
        let landed = waiting.now()?;
        Some(self.landed(waiting, landed))
    }

    fn landed(&self, waiting: &Waiting, landed: Result<Landed>) -> Result<Outcome<T>> {
        match landed {
            Ok(landed) => self.outcome(landed),
            Err(error) => self.instead(waiting).ok_or(error),
        }
    }
}

/// Waits for a load as long as the policy says.
///
/// Cancel safe: the load goes on without this caller.
pub(crate) async fn wait<T: Send + Sync + 'static>(
    caller: &Caller<'_, T>,
    policy: &Policy,
    waiting: Waiting,
) -> Waited<T> {
    if let Some(outcome) = caller.now(&waiting) {
        return outcome.map(Some);
    }
    let _edges = cycle::wait_for(waiting.flight())?;
    let clock = &caller.scope.shared.clock;
    let begun = caller.begun;
    let patience = begun.saturating_add(policy.patience(caller.waited));
    if let Some(soft) = policy.soft_timeout
        && caller.stale.is_some()
    {
        let soft = begun.saturating_add(soft).min(patience);
        if soft > clock.now()
            && let Some(landed) = race(waiting.landed(), || clock.sleep_until(soft)).await
        {
            return caller.landed(&waiting, landed).map(Some);
        }
        if let Some(stale) = caller.instead(&waiting) {
            waiting.leave_behind();
            return Ok(Some(stale));
        }
    }
    if let Some(landed) = race(waiting.landed(), || clock.sleep_until(patience)).await {
        return caller.landed(&waiting, landed).map(Some);
    }
    if let Some(stale) = caller.instead(&waiting) {
        return Ok(Some(stale));
    }
    if policy.load_after_wait && caller.waited {
        return Ok(None);
    }
    Err(Error::new(
        ErrorKind::Timeout,
        format!(
            "the load in progress has not ended within {:?}",
            policy.patience(caller.waited)
        ),
    ))
}

/// What the caller of a load that nobody more may wait for gets.
pub(crate) fn turned_away<T: Send + Sync + 'static>(
    caller: &Caller<'_, T>,
    policy: &Policy,
) -> Result<Outcome<T>> {
    caller.stand_in().ok_or_else(|| {
        Error::new(
            ErrorKind::Rejected,
            format!(
                "{} callers wait for this load already (max_waiters)",
                policy.max_waiters
            ),
        )
    })
}
