//! What all handles to one cache share. It goes with the last of them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use larder_core::{
    Backend, Capability, Change, Clock, Error, ErrorKind, Key, Marker, Namespace, Observer, Result,
    Store, Ttl, Version,
};
use tokio::task::coop::consume_budget;

use crate::codec::DefaultCodec;
use crate::counters::Counters;
use crate::generation::{Generation, Known, read_generation};
use crate::limits::Limits;
use crate::load::{Budget, Cooling, Flights, LoadPolicy, RefreshLimits};
use crate::random::Random;
use crate::sliding::Touching;
use crate::spec::Spec;
use crate::tasks::Tasks;

/// What entries get unless the space or the call says otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    pub(crate) ttl: Ttl,
    pub(crate) jitter: f64,
    pub(crate) stale_for: Duration,
    pub(crate) policy: LoadPolicy,
    pub(crate) refresh_limits: RefreshLimits,
    /// What random decisions begin with.
    pub(crate) seed: Option<u64>,
    pub(crate) codec: DefaultCodec,
}

pub(crate) struct Shared {
    pub(crate) namespace: Namespace,
    pub(crate) store: Store,
    pub(crate) capability: Capability,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    pub(crate) defaults: Defaults,
    /// What the untyped and the prefixless operations go by.
    pub(crate) root: Arc<Spec>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) coherence: Arc<Coherence>,
    pub(crate) tasks: Tasks,
    pub(crate) random: Random,
    pub(crate) refreshes: Arc<Budget>,
    pub(crate) cooling: Cooling,
    pub(crate) touching: Touching,
    /// Whether anything but the plain path is called for.
    mode: Mode,
}

/// What changes in the store change here; told by the store itself.
pub(crate) struct Coherence {
    namespace: Namespace,
    generation: Generation,
    pub(crate) flights: Arc<Flights>,
}

#[derive(Default)]
struct Mode {
    bypassed: AtomicBool,
    closed: AtomicBool,
}

impl Shared {
    pub(crate) fn new(
        namespace: Namespace,
        store: Store,
        clock: Arc<dyn Clock>,
        limits: Limits,
        defaults: Defaults,
        generation: Known,
        counters: Arc<Counters>,
    ) -> Self {
        let coherence = Arc::new(Coherence {
            namespace: namespace.clone(),
            generation: Generation::new(generation),
            flights: Arc::default(),
        });
        if let Some(changes) = store.watch() {
            let observer = Arc::downgrade(&coherence);
            changes.subscribe(observer);
        }
        Self {
            capability: store.capability(),
            namespace,
            store,
            clock,
            limits,
            random: Random::seeded(defaults.seed.unwrap_or_else(|| fastrand::u64(..))),
            refreshes: Arc::new(Budget::new(defaults.refresh_limits)),
            cooling: Cooling::default(),
            touching: Touching::default(),
            defaults,
            root: Arc::new(Spec::root()),
            counters,
            coherence,
            tasks: Tasks::default(),
            mode: Mode::default(),
        }
    }

    /// The namespace's generation as far as this cache knows.
    #[inline]
    pub(crate) fn known_generation(&self) -> Known {
        self.coherence.generation.known()
    }

    /// The namespace's generation, asked for if it has changed.
    pub(crate) async fn generation(&self) -> Result<Option<Version>> {
        // Whatever reaches the store comes by here, and in memory nothing else waits: a loop over it would
        // never let another task run.
        consume_budget().await;
        match self.known_generation() {
            Known::None => Ok(None),
            Known::Is(version) => Ok(Some(version)),
            Known::Changed => {
                let epoch = self.coherence.generation.epoch();
                let version = read_generation(&self.store, &self.namespace).await?;
                self.coherence.generation.learn(version, epoch);
                Ok(version)
            }
        }
    }

    /// Forgets the generation, and lets nobody join a load that began before.
    pub(crate) fn forget_generation(&self) {
        self.coherence.forget_generation();
    }

    pub(crate) fn flights(&self) -> &Arc<Flights> {
        &self.coherence.flights
    }

    #[inline]
    pub(crate) fn is_bypassed(&self) -> bool {
        self.mode.bypassed.load(Ordering::Relaxed)
    }

    /// Answers what it was.
    pub(crate) fn bypass(&self, bypass: bool) -> bool {
        self.mode.bypassed.swap(bypass, Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.mode.closed.load(Ordering::Acquire)
    }

    pub(crate) fn close(&self) {
        self.mode.closed.store(true, Ordering::Release);
    }

    pub(crate) fn open(&self) -> Result<()> {
        if self.is_closed() {
            Err(Error::new(ErrorKind::Closed, "the cache was closed"))
        } else {
            Ok(())
        }
    }

    /// Detaches the flight of a key: whoever comes later leads a new one.
    pub(crate) fn detach(&self, key: &Key<'_>) {
        self.coherence.flights.detach(key, None);
    }
}

impl Coherence {
    fn forget_generation(&self) {
        self.generation.forget();
        self.flights.detach_all();
    }
}

impl Observer for Coherence {
    fn changed(&self, change: &Change<'_>) {
        match change {
            Change::Key(key, id) if *key.namespace() == self.namespace => {
                self.flights.detach(key, *id);
            }
            Change::Marker(marker) if **marker == Marker::generation(&self.namespace) => {
                self.forget_generation();
            }
            Change::Marker(marker) if *marker.namespace() == self.namespace => {
                if let Some(tag) = marker.tag_name() {
                    self.flights.detach_tagged(tag);
                }
            }
            Change::Everything | Change::LinkUp | Change::LinkDown => self.forget_generation(),
            _ => {}
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("namespace", &self.namespace)
            .field("store", &self.store)
            .field("bypassed", &self.is_bypassed())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
