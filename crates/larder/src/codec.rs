//! Which codec the spaces of a cache use unless they say otherwise.

use larder_core::ValueType;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a space can keep: anything serde can write and read back, owned and shareable.
pub trait CacheValue: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> CacheValue for T {}

/// The codecs that come with larder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DefaultCodec {
    /// Maps with field names: survives added and reordered fields.
    #[cfg(feature = "messagepack")]
    #[default]
    MessagePack,
    /// Readable by eye.
    #[cfg(feature = "json")]
    #[cfg_attr(not(feature = "messagepack"), default)]
    Json,
    /// Compact; every space must state a schema version.
    #[cfg(feature = "bincode")]
    Bincode,
    /// Compact; every space must state a schema version.
    #[cfg(feature = "postcard")]
    Postcard,
    /// Values never become bytes: no codec feature is needed, and no tier that needs bytes can be used.
    #[cfg_attr(not(any(feature = "messagepack", feature = "json")), default)]
    Local,
}

impl DefaultCodec {
    #[inline]
    pub(crate) fn value_type<T: CacheValue>(self) -> &'static ValueType {
        match self {
            #[cfg(feature = "messagepack")]
            Self::MessagePack => ValueType::of::<T, larder_core::codec::MessagePack>(),
            #[cfg(feature = "json")]
            Self::Json => ValueType::of::<T, larder_core::codec::Json>(),
            #[cfg(feature = "bincode")]
            Self::Bincode => ValueType::of::<T, larder_core::codec::Bincode>(),
            #[cfg(feature = "postcard")]
            Self::Postcard => ValueType::of::<T, larder_core::codec::Postcard>(),
            Self::Local => ValueType::local::<T>(),
        }
    }
}
