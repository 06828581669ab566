//! One load, from its lease to its landing, in a task of its own.

use std::sync::{Arc, Weak};
use std::time::Duration;

use larder_core::{
    Backend, Clock, Entry, EntryKind, Error, ErrorKind, Fill, FillToken, Filled, Key, KeyBuf,
    Lease, LeaseMode, LeaseOptions, Operation, Result, ValueType, View, WriteOptions,
};

use crate::flight::lease_end::LeaseEnd;
use crate::flight::{Ended, Leader, caught, guarded};
use crate::scope::{EntryOptions, Scope};
use crate::shared::Shared;
use crate::spec::Spec;

/// A load in its task. It holds the cache only while it works on it, so that dropping the last handle
/// ends it.
pub(crate) struct Flight {
    shared: Weak<Shared>,
    spec: Arc<Spec>,
    value_type: &'static ValueType,
    key: KeyBuf,
    options: EntryOptions,
    mode: LeaseMode,
}

/// What stands before a load.
enum Claim {
    /// Load; with a lease if there was one to be had, and with what is there all the same.
    Load {
        token: Option<FillToken>,
        seen: Option<Entry>,
        view: View,
    },
    /// Somebody else has loaded it.
    Present(Entry),
    /// Somebody else is loading it: ask again later.
    Held(Duration),
    /// The cache has gone.
    Gone,
}

/// What a loader returned.
enum Loaded {
    /// To be stored and handed to everybody who waits.
    Storable(Entry),
    /// Beyond a limit: handed to everybody who waits, not stored.
    OnlyReturned(Entry),
}

/// How much longer a lease lasts than a load may take.
const SLACK: Duration = Duration::from_secs(5);

/// How often a load that somebody else has claimed is asked for again: first, and at most.
const POLL: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));

impl Flight {
    pub(crate) fn new(
        scope: Scope<'_>,
        key: &Key<'_>,
        options: EntryOptions,
        mode: LeaseMode,
    ) -> Self {
        Self {
            shared: Arc::downgrade(scope.shared),
            spec: Arc::clone(scope.spec),
            value_type: scope.value_type,
            key: key.to_buf(),
            options,
            mode,
        }
    }

    pub(crate) async fn run<T: Send + Sync + 'static>(
        self,
        landing: Leader,
        loader: impl Future<Output = Result<Arc<T>>> + Send + 'static,
    ) {
        let mut pause = POLL.0;
        let (token, seen, view) = loop {
            match self.claim().await {
                Claim::Load { token, seen, view } => break (token, seen, view),
                Claim::Present(entry) => return landing.land(Ok(entry)),
                Claim::Gone => return,
                Claim::Held(longest) => {
                    let Some(clock) = self.clock() else {
                        return;
                    };
                    clock
                        .sleep_until(clock.now().saturating_add(pause.min(longest)))
                        .await;
                    pause = (pause * 2).min(POLL.1);
                }
            }
        };
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let mut lease = LeaseEnd::new(&shared.store, token.as_ref());
        let (clock, timeout) = (Arc::clone(&shared.clock), shared.defaults.load_timeout);
        drop(shared);
        let started = clock.now();
        let ended = guarded(loader, clock.sleep_until(started.saturating_add(timeout))).await;
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let scope = Scope {
            shared: &shared,
            spec: &self.spec,
            value_type: self.value_type,
        };
        let took = shared.clock.now().saturating_since(started);
        shared.counters.loaded(took);
        let outcome = match self.outcome(scope, ended, took, view) {
            Ok(Loaded::Storable(entry)) if !shared.is_bypassed() => {
                if self.fill(scope, &landing, token, &entry).await {
                    lease.ended();
                }
                Ok(entry)
            }
            Ok(Loaded::Storable(entry) | Loaded::OnlyReturned(entry)) => {
                if self.release(scope, token).await {
                    lease.ended();
                }
                Ok(entry)
            }
            Err(error) => {
                if self.release(scope, token).await {
                    lease.ended();
                }
                Self::stand_in::<T>(scope, seen, view).ok_or(error)
            }
        };
        // Lets go of the cache before the waiters are told, so that the last of them may close it.
        drop((lease, shared));
        landing.land(outcome);
    }

    fn clock(&self) -> Option<Arc<dyn Clock>> {
        Some(Arc::clone(&self.shared.upgrade()?.clock))
    }

    async fn claim(&self) -> Claim {
        let Some(shared) = self.shared.upgrade() else {
            return Claim::Gone;
        };
        let scope = Scope {
            shared: &shared,
            spec: &self.spec,
            value_type: self.value_type,
        };
        // Trouble with the cache never fails a load (A1): it goes on without a lease.
        let without = |view| Claim::Load {
            token: None,
            seen: None,
            view,
        };
        let view = match scope.view().await {
            Ok(view) => view,
            Err(error) => {
                shared.counters.error(Operation::Markers, error.kind());
                return without(View::default().with_schema(self.spec.schema));
            }
        };
        if !shared.capability.lease {
            return without(view);
        }
        let now = shared.clock.now();
        // Longer than the load may take, so that a lease ends early only if its holder died.
        let until = now.saturating_add(shared.defaults.load_timeout.saturating_add(SLACK));
        let options = LeaseOptions::until(until)
            .with_mode(self.mode)
            .with_view(view);
        match shared
            .store
            .lease(&[self.key.as_key()], &options)
            .await
            .pop()
        {
            Some(Ok(Lease::Granted { token, seen })) => Claim::Load {
                token: Some(token),
                seen,
                view,
            },
            Some(Ok(Lease::Present(entry))) => Claim::Present(entry),
            Some(Ok(Lease::Held { until })) => {
                Claim::Held(until.saturating_since(now).max(Duration::from_millis(1)))
            }
            Some(Err(error)) => {
                shared.counters.error(Operation::Lease, error.kind());
                without(view)
            }
            _ => without(view),
        }
    }

    fn outcome<T: Send + Sync + 'static>(
        &self,
        scope: Scope<'_>,
        ended: Ended<Result<Arc<T>>>,
        took: Duration,
        view: View,
    ) -> Result<Loaded> {
        let counters = &scope.shared.counters;
        let value = ended.result(counters, scope.shared.defaults.load_timeout)?;
        let made = caught(|| {
            let value = scope.value(value);
            (value.clone(), scope.entry(value, &self.options, view))
        });
        let (value, entry) = made.map_err(|message| {
            counters.loads_panicked.increment();
            let message = format!("the loaded value's own code panicked: {message}");
            Error::new(ErrorKind::LoadPanicked, message)
        })?;
        counters.loads_ok.increment();
        match entry {
            Ok(entry) => Ok(Loaded::Storable(entry.with_load_time(took))),
            // A value that can't be kept is still a value (A1).
            Err(error) => {
                counters.error(Operation::Fill, error.kind());
                let lifetime = scope.lifetime(&self.options);
                Ok(Loaded::OnlyReturned(Entry::new(value, lifetime)))
            }
        }
    }

    /// Stores what was loaded, unless the key was invalidated meanwhile. Never fails the load (A1). Answers
    /// whether the lease has ended.
    async fn fill(
        &self,
        scope: Scope<'_>,
        leader: &Leader,
        token: Option<FillToken>,
        entry: &Entry,
    ) -> bool {
        let (shared, key) = (scope.shared, self.key.as_key());
        let writing = WriteOptions::default();
        let filled = match token {
            Some(token) => {
                let fill = Fill {
                    token,
                    entry: entry.clone(),
                };
                shared
                    .store
                    .fill(vec![fill], &writing)
                    .await
                    .pop()
                    .unwrap_or(Ok(Filled::Refused))
            }
            None if leader.is_detached() => Ok(Filled::Refused),
            // Without leases in the store the flight's own mark has to do: looked at before the write
            // and, because an invalidation may come in between, again behind it.
            None => match shared.store.set(&key, entry.clone(), &writing).await {
                Ok(()) if leader.is_detached() => shared
                    .store
                    .invalidate(&key, &writing)
                    .await
                    .map(|_| Filled::Refused),
                stored => stored.map(|()| Filled::Stored),
            },
        };
        match &filled {
            Ok(Filled::Stored) => shared.counters.fills.increment(),
            Ok(Filled::Refused) => shared.counters.fills_refused.increment(),
            Err(error) => shared.counters.error(Operation::Fill, error.kind()),
        }
        filled.is_ok()
    }

    /// Gives the lease back; answers whether it has ended.
    async fn release(&self, scope: Scope<'_>, token: Option<FillToken>) -> bool {
        let Some(token) = token else { return true };
        let released = scope
            .shared
            .store
            .release(vec![token], &WriteOptions::default())
            .await;
        if let Err(error) = &released {
            scope
                .shared
                .counters
                .error(Operation::Release, error.kind());
        }
        released.is_ok()
    }

    /// The stale entry that may be served because the load failed.
    fn stand_in<T: Send + Sync + 'static>(
        scope: Scope<'_>,
        seen: Option<Entry>,
        view: View,
    ) -> Option<Entry> {
        let (entry, now) = (seen?, scope.now());
        let (head, life) = (entry.head(), entry.head().lifetime());
        let is_stale = !life.is_fresh(now) && !life.is_expired(now);
        let serves = is_stale
            && view.admits(head)
            && head.kind() != EntryKind::Absent
            && entry.value().read::<T>(scope.value_type).ok().is_some();
        serves.then(|| {
            scope.shared.counters.stale_served.increment();
            entry
        })
    }
}
