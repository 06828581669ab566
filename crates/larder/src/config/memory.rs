//! The memory tier that the settings come to.

use super::model::{EvictionPolicy, MemoryConfig};
use crate::builder::CacheBuilder;
use crate::{Memory, MemoryBuilder, Policy};

pub(super) fn tier(config: &MemoryConfig) -> MemoryBuilder {
    let mut builder = Memory::builder();
    if let Some(bytes) = config.max_bytes {
        builder = builder.max_bytes(bytes);
    }
    if let Some(entries) = config.max_entries {
        builder = builder.max_entries(entries);
    }
    if let Some(policy) = config.policy {
        builder = builder.policy(match policy {
            EvictionPolicy::TinyLfu => Policy::TinyLfu,
            EvictionPolicy::Lru => Policy::Lru,
        });
    }
    if let Some(idle) = config.time_to_idle {
        builder = builder.time_to_idle(idle);
    }
    builder
}

pub(super) fn add(config: &MemoryConfig, builder: CacheBuilder) -> CacheBuilder {
    // Only memory in front of another tier has such a limit, and nothing can be behind it without the feature.
    #[cfg(feature = "tiered")]
    if let Some(max_ttl) = config.max_ttl {
        let limits = crate::TierLimits::default().with_max_ttl(max_ttl);
        return builder.tier_with(tier(config), limits);
    }
    builder.tier(tier(config))
}
