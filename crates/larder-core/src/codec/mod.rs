//! Codecs: how typed values become bytes.

#[cfg(feature = "bincode")]
mod bincode;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "messagepack")]
mod messagepack;
#[cfg(feature = "postcard")]
mod postcard;

use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(feature = "bincode")]
pub use self::bincode::Bincode;
#[cfg(feature = "json")]
pub use self::json::Json;
#[cfg(feature = "messagepack")]
pub use self::messagepack::MessagePack;
#[cfg(feature = "postcard")]
pub use self::postcard::Postcard;
use crate::Result;

/// The codec's number in stored entries. 0 to 127 are larder's, 128 to 255 yours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodecId(pub u8);

impl CodecId {
    /// Bytes as the caller gave them.
    pub const RAW: Self = Self(0);
    /// A 64-bit counter.
    pub const COUNTER: Self = Self(1);
    /// [`MessagePack`](crate::codec).
    pub const MESSAGEPACK: Self = Self(2);
    /// JSON.
    pub const JSON: Self = Self(3);
    /// bincode 2, standard configuration.
    pub const BINCODE: Self = Self(4);
    /// postcard 1.
    pub const POSTCARD: Self = Self(5);
    /// A value that never becomes bytes.
    pub const LOCAL: Self = Self(127);
}

/// How values become bytes and come back. A codec is a type, not a value: its settings are fixed.
///
/// # Examples
///
/// ```
/// use larder_core::{Codec, CodecId, Error, ErrorKind, Result};
/// use serde::{Serialize, de::DeserializeOwned};
///
/// /// Pretty-printed JSON.
/// #[derive(Debug)]
/// struct Pretty;
///
/// impl Codec for Pretty {
///     const ID: CodecId = CodecId(128);
///     const NAME: &'static str = "pretty";
///     const SELF_DESCRIBING: bool = true;
///
///     fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
///         serde_json::to_vec_pretty(value)
///             .map_err(|error| Error::new(ErrorKind::Encode, "not JSON").with_source(error))
///     }
///
///     fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
///         serde_json::from_slice(bytes)
///             .map_err(|error| Error::new(ErrorKind::Decode, "not JSON").with_source(error))
///     }
/// }
///
/// assert_eq!(Pretty::decode::<u8>(&Pretty::encode(&7)?)?, 7);
/// # Ok::<_, Error>(())
/// ```
pub trait Codec: Send + Sync + 'static {
    /// The number in stored entries; an entry with another one is a counted miss.
    const ID: CodecId;

    /// The name in messages.
    const NAME: &'static str;

    /// Whether bytes carry field names, so that a struct may gain and reorder fields. A space with a
    /// codec that doesn't must state a schema version.
    const SELF_DESCRIBING: bool;

    /// Encodes a value.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Encode`](crate::ErrorKind::Encode).
    fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>>;

    /// Decodes a value from all of `bytes`; left-over bytes are an error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode).
    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T>;

    /// The length that [`Codec::encode`] would give. Override where counting is cheaper than encoding.
    ///
    /// # Errors
    ///
    /// As [`Codec::encode`].
    fn encoded_len<T: Serialize + ?Sized>(value: &T) -> Result<usize> {
        Self::encode(value).map(|bytes| bytes.len())
    }
}

/// Counts what is written to it.
#[cfg(any(feature = "messagepack", feature = "json", feature = "bincode"))]
#[derive(Default)]
struct Counting(usize);

#[cfg(any(feature = "messagepack", feature = "json", feature = "bincode"))]
impl std::io::Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
