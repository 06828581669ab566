//! JSON: readable in `redis-cli`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Codec, CodecId, Counting};
use crate::{Error, ErrorKind, Result};

/// JSON: a third larger and twice as slow to decode as [`MessagePack`](super::CodecId::MESSAGEPACK), readable by eye.
#[derive(Clone, Copy, Debug)]
pub struct Json;

impl Codec for Json {
    const ID: CodecId = CodecId::JSON;
    const NAME: &'static str = "json";
    const SELF_DESCRIBING: bool = true;

    fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
        serde_json::to_vec(value).map_err(cannot_encode)
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
        serde_json::from_slice(bytes).map_err(|error| {
            Error::new(ErrorKind::Decode, "not JSON of this type").with_source(error)
        })
    }

    fn encoded_len<T: Serialize + ?Sized>(value: &T) -> Result<usize> {
        let mut counting = Counting::default();
        serde_json::to_writer(&mut counting, value).map_err(cannot_encode)?;
        Ok(counting.0)
    }
}

fn cannot_encode(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Encode, "can't be written as JSON").with_source(error)
}
