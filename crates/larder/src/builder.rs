//! How a cache is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use larder_core::{
    Backend, Clock, Error, ErrorKind, Layer, Namespace, Result, Store, SystemClock, Tier,
    TierContext, Ttl,
};

use crate::Cache;
use crate::codec::DefaultCodec;
use crate::counters::Counters;
use crate::generation::Known;
use crate::limits::Limits;
use crate::load::{LoadPolicy, RefreshLimits};
use crate::shared::{Defaults, Shared};

/// Settings of a [`Cache`]; made by [`Cache::builder`].
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use std::time::Duration;
/// use larder::{Cache, Memory, MIB};
///
/// let cache = Cache::builder("airports")
///     .tier(Memory::builder().max_bytes(64 * MIB))
///     .ttl(Duration::from_secs(300)).jitter(0.1).stale_for(Duration::from_secs(3600))
///     .build().await?;
/// # Ok::<_, larder::Error>(()) }).unwrap();
/// ```
#[must_use = "a builder does nothing until it is built"]
pub struct CacheBuilder {
    namespace: String,
    tiers: Vec<Place>,
    layers: Vec<Box<dyn Layer>>,
    ttl: Result<Ttl>,
    jitter: f64,
    stale_for: Duration,
    policy: LoadPolicy,
    refresh_limits: RefreshLimits,
    seed: Option<u64>,
    codec: DefaultCodec,
    limits: Limits,
    clock: Option<Arc<dyn Clock>>,
}

/// A tier, and what holds for it where it stands.
#[derive(Debug)]
struct Place {
    tier: Box<dyn Tier>,
    #[cfg(feature = "tiered")]
    limits: larder_tiered::TierLimits,
}

pub(crate) fn system_clock() -> Arc<dyn Clock> {
    SystemClock::shared(|duration| Box::pin(tokio::time::sleep(duration)))
}

impl CacheBuilder {
    pub(crate) fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            tiers: Vec::new(),
            layers: Vec::new(),
            ttl: Ok(Ttl::Forever),
            jitter: 0.0,
            stale_for: Duration::ZERO,
            policy: LoadPolicy::new(),
            refresh_limits: RefreshLimits::default(),
            seed: None,
            codec: DefaultCodec::default(),
            limits: Limits::default(),
            clock: None,
        }
    }

    /// Adds a tier: a backend's builder, or a [`Store`](crate::Store) of your own. Several stand one behind
    /// the other, the nearest first, the one that holds the truth last; that needs the feature `tiered`.
    /// Default: memory with its defaults.
    pub fn tier(mut self, tier: impl Tier + 'static) -> Self {
        self.tiers.push(Place {
            tier: Box::new(tier),
            #[cfg(feature = "tiered")]
            limits: larder_tiered::TierLimits::default(),
        });
        self
    }

    /// Adds a tier with limits of its own, such as how long it keeps an entry at most.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use std::time::Duration;
    /// use larder::{Cache, Memory, Store, TierLimits};
    ///
    /// let shared = Store::new(Memory::builder().build()?); // stands for a remote one
    /// let cache = Cache::builder("airports")
    ///     .tier_with(Memory::builder(), TierLimits::default().with_max_ttl(Duration::from_secs(60)))
    ///     .tier(shared)
    ///     .build().await?;
    /// # Ok::<_, larder::Error>(()) }).unwrap();
    /// ```
    #[cfg(feature = "tiered")]
    pub fn tier_with(
        mut self,
        tier: impl Tier + 'static,
        limits: larder_tiered::TierLimits,
    ) -> Self {
        self.tiers.push(Place {
            tier: Box::new(tier),
            limits,
        });
        self
    }

    /// Puts a layer around the tiers; the last one added is outermost.
    pub fn layer(mut self, layer: impl Layer + 'static) -> Self {
        self.layers.push(Box::new(layer));
        self
    }

    /// How long look-ups return an entry, unless its space or call says otherwise. Default: until it
    /// is deleted or evicted.
    pub fn ttl(self, ttl: Duration) -> Self {
        Self {
            ttl: Ttl::after(ttl),
            ..self
        }
    }

    /// Shortens each time to live by a random part of at most this fraction, 0 to 1, so that what was
    /// stored together doesn't expire together. Default: 0.
    pub fn jitter(self, jitter: f64) -> Self {
        Self { jitter, ..self }
    }

    /// How long after its time to live an entry may stand in for a failing origin. Default: not at all.
    pub fn stale_for(self, stale_for: Duration) -> Self {
        Self { stale_for, ..self }
    }

    /// How long a loader may take: [`LoadPolicy::timeout`]. Default: 30 seconds.
    pub fn load_timeout(self, load_timeout: Duration) -> Self {
        Self {
            policy: self.policy.timeout(load_timeout),
            ..self
        }
    }

    /// How loads behave: timeouts, stand-ins, refreshes before the time is over. What an earlier call has set and this
    /// one doesn't stays. Default: [`LoadPolicy`]'s own.
    pub fn load_policy(self, policy: LoadPolicy) -> Self {
        Self {
            policy: policy.over(self.policy),
            ..self
        }
    }

    /// How many refreshes may run behind callers. Default: [`RefreshLimits::default`].
    pub fn refresh_limits(self, refresh_limits: RefreshLimits) -> Self {
        Self {
            refresh_limits,
            ..self
        }
    }

    /// What random decisions begin with, so that a test can repeat them: [jitter](Self::jitter) and
    /// [early expiration](LoadPolicy::early_expiration). Default: at random.
    pub fn random_seed(self, seed: u64) -> Self {
        Self {
            seed: Some(seed),
            ..self
        }
    }

    /// The codec of spaces that don't name one. Default: MessagePack, where its feature is on.
    pub fn codec(self, codec: DefaultCodec) -> Self {
        Self { codec, ..self }
    }

    /// The limits on values and batches. Default: [`Limits::default`].
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The clock. Default: the machine's.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock: Some(clock),
            ..self
        }
    }

    /// Whether the settings make sense, but for those of the tiers.
    pub(crate) fn check(&self) -> Result<Namespace> {
        let namespace = Namespace::new(&self.namespace)?;
        let invalid = |message| Err(Error::new(ErrorKind::ConfigInvalid, message));
        if !(0.0..=1.0).contains(&self.jitter) {
            return invalid(format!(
                "jitter is a fraction from 0 to 1, not {}",
                self.jitter
            ));
        }
        self.policy.check()?;
        if self.limits.max_batch == 0 || self.limits.max_value_bytes == 0 {
            return invalid(
                "a limit of zero would refuse everything: use Cache::disabled()".to_owned(),
            );
        }
        self.ttl.clone()?;
        Ok(namespace)
    }

    /// Opens the tiers and makes the cache. A metrics recorder must be installed before.
    ///
    /// A tier that opens although its server is away doesn't keep the cache from being built: the calls
    /// that need it fail until it is there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConfigInvalid`] or [`ErrorKind::KeyInvalid`] for a setting that is wrong, and
    /// whatever keeps a tier from opening.
    pub async fn build(self) -> Result<Cache> {
        let namespace = self.check()?;
        let ttl = self.ttl?;
        let clock = self.clock.unwrap_or_else(system_clock);
        let context = TierContext::new(namespace.clone(), Arc::clone(&clock));
        let mut store = open(self.tiers, &context).await?;
        #[cfg(feature = "tags")]
        if store.capability().markers && !store.capability().tags {
            store = store.layer(&larder_tags::Tags::new())?;
        }
        for layer in &self.layers {
            store = store.layer(&**layer)?;
        }
        let generation = if store.capability().markers {
            Known::Changed
        } else {
            Known::None
        };
        let counters = Arc::new(Counters::new(&namespace));
        let defaults = Defaults {
            ttl,
            jitter: self.jitter,
            stale_for: self.stale_for,
            policy: self.policy,
            refresh_limits: self.refresh_limits,
            seed: self.seed,
            codec: self.codec,
        };
        let shared = Shared::new(
            namespace,
            store,
            clock,
            self.limits,
            defaults,
            generation,
            counters,
        );
        // After the cache has begun to watch its store, so that no change goes by between the two.
        match shared.generation().await {
            Ok(_) => {}
            // It is asked for again by the first call that needs it.
            Err(error) if error.is_temporary() => tracing::warn!(
                cache = shared.namespace.as_str(),
                %error,
                "built although its store isn't there"
            ),
            Err(error) => return Err(error),
        }
        Ok(Cache::from_shared(shared))
    }
}

async fn open(mut tiers: Vec<Place>, context: &TierContext) -> Result<Store> {
    match tiers.len() {
        0 => open_default(context).await,
        #[cfg(not(feature = "tiered"))]
        1 => tiers.remove(0).tier.open(context).await,
        #[cfg(not(feature = "tiered"))]
        _ => Err(Error::new(
            ErrorKind::ConfigInvalid,
            "several tiers need the feature `tiered` of larder, which is off in this build",
        )),
        #[cfg(feature = "tiered")]
        _ => {
            let clock = Arc::clone(&context.clock);
            let mut stack = larder_tiered::Tiered::builder(&context.namespace, clock);
            for Place { tier, limits } in tiers.drain(..) {
                stack = stack.tier_with(tier.open(context).await?, limits);
            }
            stack.build()
        }
    }
}

#[cfg(feature = "memory")]
async fn open_default(context: &TierContext) -> Result<Store> {
    Box::new(larder_memory::Memory::builder())
        .open(context)
        .await
}

#[cfg(not(feature = "memory"))]
#[expect(clippy::unused_async, reason = "the other one waits")]
async fn open_default(_: &TierContext) -> Result<Store> {
    Err(Error::new(
        ErrorKind::ConfigInvalid,
        "no tier was given, and the feature `memory` that has the default one is off",
    ))
}

impl fmt::Debug for CacheBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder")
            .field("namespace", &self.namespace)
            .field("tiers", &self.tiers)
            .field("layers", &self.layers)
            .field("ttl", &self.ttl)
            .field("jitter", &self.jitter)
            .field("stale_for", &self.stale_for)
            .field("load_policy", &self.policy)
            .field("codec", &self.codec)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
