#![doc = include_str!("../README.md")]

mod builder;
mod cache;
mod codec;
#[cfg(feature = "config")]
pub mod config;
mod counters;
mod generation;
mod invalidator;
mod limits;
mod load;
mod null;
mod operations;
mod race;
mod random;
mod remaining;
mod scope;
mod shared;
mod sliding;
mod space;
mod spec;
mod stamps;
mod stats;
mod tasks;
mod untyped;

#[doc(inline)]
pub use larder_core::{
    Backend, Capability, Clock, Codec, CodecId, Deletion, Entry, EntryId, Error, ErrorKind,
    ErrorStatus, Finding, Head, Key, Layer, LayerRole, Namespace, Operation, Pattern, Result,
    Severity, Source as EventSource, SourceEvent, Store, TagName, Tier, TierCheck, TierStats, Ttl,
    codec as codecs,
};
#[cfg(feature = "macros")]
#[doc(inline)]
pub use larder_macros::cached;
#[cfg(feature = "memory")]
#[doc(inline)]
pub use larder_memory::{Memory, MemoryBuilder, Policy};
#[cfg(feature = "redis")]
#[doc(inline)]
pub use larder_redis::{CredentialProvider, Credentials, Redis, RedisBuilder, Start, Tls};
#[cfg(feature = "tiered")]
#[doc(inline)]
pub use larder_tiered::{TierLimits, Tiered};

pub use self::builder::CacheBuilder;
pub use self::cache::Cache;
pub use self::codec::{CacheValue, DefaultCodec};
pub use self::invalidator::{Invalidation, Invalidator};
pub use self::limits::Limits;
pub use self::load::{
    LoadContext, LoadOne, LoadPolicy, Loaded, Outcome, RefreshLimits, Retry, Simple, Source,
    WithContext,
};
pub use self::operations::{
    Answer, Detailed, Each, Get, GetManyOrLoad, GetOrLoad, Handle, Id, Increment,
    InvalidateMatching, Keys, Loading, Optional, Pipeline, Plain, ReplaceIf, Replies, Reply, Set,
    SetIfAbsent, SetMany, Sweep, Swept, Warm, WarmReport, Within,
};
pub use self::remaining::Remaining;
pub use self::space::Space;
pub use self::stamps::Stamps;
pub use self::stats::{CacheStats, CheckReport, Closed};

/// Bytes in a mebibyte.
pub const MIB: u64 = 1 << 20;
