//! MessagePack with field names: the default.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Codec, CodecId, Counting};
use crate::{Error, ErrorKind, Result};

/// MessagePack with structs as maps: old and new versions of a struct read each other's values when
/// fields are added (with `#[serde(default)]`) or reordered.
#[derive(Clone, Copy, Debug)]
pub struct MessagePack;

impl Codec for MessagePack {
    const ID: CodecId = CodecId::MESSAGEPACK;
    const NAME: &'static str = "messagepack";
    const SELF_DESCRIBING: bool = true;

    fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
        // Room for a small struct: growing from nothing costs more than the encoding itself.
        let mut bytes = Vec::with_capacity(128);
        rmp_serde::encode::write_named(&mut bytes, value).map_err(cannot_encode)?;
        Ok(bytes)
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
        let mut rest = bytes;
        let mut decoder = rmp_serde::Deserializer::new(&mut rest);
        let value = T::deserialize(&mut decoder).map_err(|error| {
            Error::new(ErrorKind::Decode, "not MessagePack of this type").with_source(error)
        })?;
        if rest.is_empty() {
            Ok(value)
        } else {
            Err(Error::new(ErrorKind::Decode, "bytes are left over"))
        }
    }

    fn encoded_len<T: Serialize + ?Sized>(value: &T) -> Result<usize> {
        let mut counting = Counting::default();
        rmp_serde::encode::write_named(&mut counting, value).map_err(cannot_encode)?;
        Ok(counting.0)
    }
}

fn cannot_encode(error: rmp_serde::encode::Error) -> Error {
    Error::new(ErrorKind::Encode, "can't be written as MessagePack").with_source(error)
}
