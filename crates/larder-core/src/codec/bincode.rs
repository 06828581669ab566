//! bincode 2.0.1, for closed deployments.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Codec, CodecId, Counting};
use crate::{Error, ErrorKind, Result};

/// bincode 2.0.1, standard configuration. No field names: two reordered fields of one type decode into
/// silently wrong values, so every space that uses it must state a schema version.
///
/// The crate is no longer maintained (RUSTSEC-2025-0141); `docs/decisions/0003-codecs.md` says why it is
/// offered all the same. [`Postcard`](super::CodecId::POSTCARD) is its maintained counterpart.
#[derive(Clone, Copy, Debug)]
pub struct Bincode;

/// What decoding may allocate for one value.
const DECODE_LIMIT: usize = 512 << 20;

impl Codec for Bincode {
    const ID: CodecId = CodecId::BINCODE;
    const NAME: &'static str = "bincode";
    const SELF_DESCRIBING: bool = false;

    fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
        bincode::serde::encode_to_vec(value, bincode::config::standard()).map_err(cannot_encode)
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
        let config = bincode::config::standard().with_limit::<DECODE_LIMIT>();
        let (value, read) = bincode::serde::decode_from_slice(bytes, config).map_err(|error| {
            Error::new(ErrorKind::Decode, "not bincode of this type").with_source(error)
        })?;
        if read == bytes.len() {
            Ok(value)
        } else {
            Err(Error::new(ErrorKind::Decode, "bytes are left over"))
        }
    }

    fn encoded_len<T: Serialize + ?Sized>(value: &T) -> Result<usize> {
        let mut counting = Counting::default();
        bincode::serde::encode_into_std_write(value, &mut counting, bincode::config::standard())
            .map_err(cannot_encode)
    }
}

fn cannot_encode(error: bincode::error::EncodeError) -> Error {
    Error::new(ErrorKind::Encode, "can't be written as bincode").with_source(error)
}
