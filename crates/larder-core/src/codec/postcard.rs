//! postcard 1, for closed deployments.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Codec, CodecId};
use crate::{Error, ErrorKind, Result};

/// postcard 1: as compact as bincode and maintained. No field names, so every space that uses it must
/// state a schema version.
#[derive(Clone, Copy, Debug)]
pub struct Postcard;

impl Codec for Postcard {
    const ID: CodecId = CodecId::POSTCARD;
    const NAME: &'static str = "postcard";
    const SELF_DESCRIBING: bool = false;

    fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
        postcard::to_stdvec(value).map_err(cannot_encode)
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
        match postcard::take_from_bytes(bytes) {
            Ok((value, [])) => Ok(value),
            Ok(_) => Err(Error::new(ErrorKind::Decode, "bytes are left over")),
            Err(error) => {
                Err(Error::new(ErrorKind::Decode, "not postcard of this type").with_source(error))
            }
        }
    }

    fn encoded_len<T: Serialize + ?Sized>(value: &T) -> Result<usize> {
        postcard::experimental::serialized_size(value).map_err(cannot_encode)
    }
}

fn cannot_encode(error: postcard::Error) -> Error {
    Error::new(ErrorKind::Encode, "can't be written as postcard").with_source(error)
}
