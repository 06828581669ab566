#![doc = include_str!("../README.md")]

mod builder;
mod cache;
mod codec;
#[cfg(feature = "config")]
pub mod config;
mod counters;
mod flight;
mod generation;
mod limits;
mod null;
mod operations;
mod race;
mod remaining;
mod scope;
mod shared;
mod space;
mod spec;
mod stats;
mod tasks;
mod untyped;

#[doc(inline)]
pub use larder_core::{
    Backend, Capability, Clock, Codec, CodecId, Deletion, Entry, EntryId, Error, ErrorKind,
    ErrorStatus, Finding, Head, Key, Layer, LayerRole, Namespace, Operation, Pattern, Result,
    Severity, Store, TagName, Tier, TierCheck, TierStats, Ttl, codec as codecs,
};
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
pub use self::limits::Limits;
pub use self::operations::{
    Get, GetOrLoad, Handle, Increment, InvalidateMatching, Keys, Loading, Pipeline, ReplaceIf,
    Replies, Reply, Set, SetIfAbsent, SetMany, Warm, WarmReport, Within,
};
pub use self::remaining::Remaining;
pub use self::space::Space;
pub use self::stats::{CacheStats, CheckReport, Closed};

/// Bytes in a mebibyte.
pub const MIB: u64 = 1 << 20;
