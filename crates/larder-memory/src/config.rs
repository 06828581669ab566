//! How a memory store is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use larder_core::{
    Clock, Error, ErrorKind, Result, Store, SystemClock, Tier, TierContext, async_trait,
};

use crate::Memory;
use crate::eviction::{Eviction, Listener};

/// Which entry goes when there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Policy {
    /// Window-less `TinyLFU` (Einziger, Friedman, Manes: "`TinyLFU`: A Highly Efficient Cache Admission
    /// Policy", 2017): what is asked for often stays, a scan doesn't push it out.
    #[default]
    TinyLfu,
    /// What was used longest ago goes. For access patterns that favour the recent.
    Lru,
}

/// Settings of a [`Memory`]; made by [`Memory::builder`].
#[derive(Clone, Default)]
#[must_use]
pub struct MemoryBuilder {
    pub(crate) max_bytes: Option<u64>,
    pub(crate) max_entries: Option<u64>,
    pub(crate) policy: Policy,
    pub(crate) time_to_idle: Option<Duration>,
    pub(crate) clock: Option<Arc<dyn Clock>>,
    pub(crate) listener: Option<Listener>,
}

/// 128 MiB.
const DEFAULT_MAX_BYTES: u64 = 128 << 20;

/// moka refuses a thousand years.
const MAX_TIME_TO_IDLE: Duration = Duration::from_secs(900 * 365 * 24 * 60 * 60);

impl MemoryBuilder {
    /// The most bytes that entries may weigh together: each weighs its value, its key, and about 900 bytes
    /// for what is kept beside them. Many large values written at once may pass it for a moment. Default: 128 MiB, unless the entries are limited.
    pub fn max_bytes(self, max_bytes: u64) -> Self {
        Self {
            max_bytes: Some(max_bytes),
            ..self
        }
    }

    /// The most entries. Together with `max_bytes` both limits hold; alone it is the only one, and
    /// values are not weighed. Default: no limit.
    pub fn max_entries(self, max_entries: u64) -> Self {
        Self {
            max_entries: Some(max_entries),
            ..self
        }
    }

    /// Which entry goes when there is no room. Default: [`Policy::TinyLfu`].
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Drops an entry that nobody has read or written for this long. Default: never.
    pub fn time_to_idle(self, time_to_idle: Duration) -> Self {
        Self {
            time_to_idle: Some(time_to_idle),
            ..self
        }
    }

    /// The clock. Default: the machine's, or that of the cache it becomes a tier of.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock: Some(clock),
            ..self
        }
    }

    /// Calls `listener` for each entry that leaves, with the cause. It runs inside the call that
    /// noticed, sometimes later than the entry stopped being visible, and under the lock of that call: it
    /// must be quick and must not call the same store, nor may a value's `Drop`. A panic in it is
    /// swallowed. Default: none.
    pub fn on_eviction(self, listener: impl Fn(&Eviction<'_>) + Send + Sync + 'static) -> Self {
        Self {
            listener: Some(Arc::new(listener)),
            ..self
        }
    }

    /// Makes the store.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConfigInvalid`] if a limit or the idle time is zero, the idle time is over 900
    /// years, or `max_bytes` is over 4 GiB for each of `max_entries`.
    pub fn build(self) -> Result<Memory> {
        check_limits(self.max_bytes, self.max_entries)?;
        if self.time_to_idle == Some(Duration::ZERO) {
            return Err(invalid("time_to_idle can't be zero"));
        }
        if self
            .time_to_idle
            .is_some_and(|idle| idle > MAX_TIME_TO_IDLE)
        {
            return Err(invalid("time_to_idle can't be over 900 years"));
        }
        let clock = self
            .clock
            .clone()
            .unwrap_or_else(|| SystemClock::shared(|d| Box::pin(tokio::time::sleep(d))));
        let mut settings = self;
        if settings.max_entries.is_none() {
            settings.max_bytes.get_or_insert(DEFAULT_MAX_BYTES);
        }
        Ok(Memory::new(&settings, clock))
    }
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, format!("memory: {what}"))
}

/// Whether a store or a region can have these limits.
pub(crate) fn check_limits(max_bytes: Option<u64>, max_entries: Option<u64>) -> Result<()> {
    if max_bytes == Some(0) {
        return Err(invalid("max_bytes can't be zero"));
    }
    if max_entries == Some(0) {
        return Err(invalid("max_entries can't be zero"));
    }
    if let (Some(bytes), Some(entries)) = (max_bytes, max_entries)
        && bytes.div_ceil(entries) > u64::from(u32::MAX)
    {
        return Err(invalid(
            "max_bytes is over 4 GiB for each of max_entries; leave one of them out",
        ));
    }
    Ok(())
}

#[async_trait]
impl Tier for MemoryBuilder {
    async fn open(self: Box<Self>, context: &TierContext) -> Result<Store> {
        let clock = self
            .clock
            .clone()
            .unwrap_or_else(|| Arc::clone(&context.clock));
        Ok(Store::new(
            self.clock(clock).build()?.dedicated_to(&context.namespace),
        ))
    }
}

impl fmt::Debug for MemoryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBuilder")
            .field("max_bytes", &self.max_bytes)
            .field("max_entries", &self.max_entries)
            .field("policy", &self.policy)
            .field("time_to_idle", &self.time_to_idle)
            .finish_non_exhaustive()
    }
}
