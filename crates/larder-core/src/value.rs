//! Values in two forms, decoded and encoded, each made from the other once and on first need.

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::Serialize;
use serde::de::value::{Error as ValueError, I64Deserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};

use crate::{Codec, CodecId, Error, ErrorKind, Result};

/// A decoded value of some type.
pub type AnyValue = Arc<dyn Any + Send + Sync>;

type Decode = fn(&[u8]) -> Option<AnyValue>;
type FromInteger = fn(i64) -> Option<AnyValue>;

/// How one type is encoded, decoded and weighed, with the type itself forgotten: a row of functions
/// made once per type and codec. Get one from [`ValueType::of`] or [`ValueType::local`].
pub struct ValueType {
    type_id: fn() -> TypeId,
    type_name: fn() -> &'static str,
    size: usize,
    codec: CodecId,
    self_describing: bool,
    encode: Option<fn(&AnyValue) -> Result<Bytes>>,
    encoded_len: Option<fn(&AnyValue) -> Result<usize>>,
    decode: Option<Decode>,
    from_integer: Option<FromInteger>,
}

struct Typed<T, C>(PhantomData<(T, C)>);

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static, C: Codec> Typed<T, C> {
    const TYPE: &'static ValueType = &ValueType {
        type_id: TypeId::of::<T>,
        type_name: type_name::<T>,
        size: size_of::<T>(),
        codec: C::ID,
        self_describing: C::SELF_DESCRIBING,
        encode: Some(|value| C::encode(expect::<T>(value)).map(Bytes::from)),
        encoded_len: Some(|value| C::encoded_len(expect::<T>(value))),
        decode: Some(|bytes| {
            C::decode::<T>(bytes)
                .ok()
                .map(|value| Arc::new(value) as AnyValue)
        }),
        from_integer: Some(|integer| {
            let deserializer: I64Deserializer<ValueError> = integer.into_deserializer();
            T::deserialize(deserializer)
                .ok()
                .map(|value| Arc::new(value) as AnyValue)
        }),
    };
}

struct Local<T>(PhantomData<T>);

impl<T: Send + Sync + 'static> Local<T> {
    const TYPE: &'static ValueType = &ValueType {
        type_id: TypeId::of::<T>,
        type_name: type_name::<T>,
        size: size_of::<T>(),
        codec: CodecId::LOCAL,
        self_describing: true,
        encode: None,
        encoded_len: None,
        decode: None,
        from_integer: None,
    };
}

const COUNTER: &ValueType = &ValueType {
    type_id: TypeId::of::<i64>,
    type_name: type_name::<i64>,
    size: size_of::<i64>(),
    codec: CodecId::COUNTER,
    self_describing: true,
    encode: Some(|value| Ok(Bytes::copy_from_slice(&expect::<i64>(value).to_be_bytes()))),
    encoded_len: Some(|_| Ok(size_of::<i64>())),
    decode: Some(|bytes| {
        bytes
            .try_into()
            .ok()
            .map(|bytes| Arc::new(i64::from_be_bytes(bytes)) as AnyValue)
    }),
    from_integer: Some(|integer| Some(Arc::new(integer))),
};

fn expect<T: 'static>(value: &AnyValue) -> &T {
    value
        .downcast_ref()
        .expect("a value is kept beside the functions of its own type")
}

impl ValueType {
    /// The functions for `T` under codec `C`.
    pub const fn of<T: Serialize + DeserializeOwned + Send + Sync + 'static, C: Codec>()
    -> &'static Self {
        Typed::<T, C>::TYPE
    }

    /// A type that never becomes bytes and needs no serde.
    pub const fn local<T: Send + Sync + 'static>() -> &'static Self {
        Local::<T>::TYPE
    }

    /// No type at all, for operations that read and write no value of their caller's: they suit every store.
    pub const fn none() -> &'static Self {
        const NONE: &ValueType = &ValueType {
            type_id: TypeId::of::<()>,
            type_name: type_name::<()>,
            size: 0,
            codec: CodecId::RAW,
            self_describing: true,
            encode: Some(|_| Ok(Bytes::new())),
            encoded_len: Some(|_| Ok(0)),
            decode: None,
            from_integer: None,
        };
        NONE
    }

    /// The codec.
    pub const fn codec(&self) -> CodecId {
        self.codec
    }

    /// Whether bytes carry field names; a space of a type whose bytes don't must state a schema version.
    pub const fn is_self_describing(&self) -> bool {
        self.self_describing
    }

    /// Whether values of this type never become bytes.
    pub const fn is_local(&self) -> bool {
        self.encode.is_none()
    }

    /// The type's name, for messages.
    pub fn type_name(&self) -> &'static str {
        (self.type_name)()
    }

    fn decode(&self, codec: CodecId, bytes: &[u8]) -> Option<AnyValue> {
        if codec == CodecId::COUNTER && self.codec != CodecId::COUNTER {
            let bytes = bytes.try_into().ok()?;
            return self
                .from_integer
                .and_then(|from| from(i64::from_be_bytes(bytes)));
        }
        if codec == self.codec {
            self.decode.and_then(|decode| decode(bytes))
        } else {
            None
        }
    }
}

impl fmt::Debug for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ValueType({}, codec {})", self.type_name(), self.codec.0)
    }
}

/// What reading a [`Value`] as some type gives.
#[derive(Debug)]
pub enum Read<T> {
    /// The decoded form, kept: no copy was made.
    Shared(Arc<T>),
    /// The value is kept decoded as another type, so this was decoded from its bytes and will be again.
    Converted(Arc<T>),
    /// The bytes aren't a `T`: a counted miss.
    Unreadable,
}

impl<T> Read<T> {
    /// The value, if it could be read.
    pub fn ok(self) -> Option<Arc<T>> {
        match self {
            Self::Shared(value) | Self::Converted(value) => Some(value),
            Self::Unreadable => None,
        }
    }
}

/// A value, decoded or encoded or both. Either form is made from the other at most once.
///
/// ```
/// use std::sync::Arc;
/// use larder_core::codec::MessagePack;
/// use larder_core::{Value, ValueType};
///
/// let text = ValueType::of::<String, MessagePack>();
/// let value = Value::decoded(Arc::new("Heathrow".to_owned()), text);
/// let bytes = value.encoded()?.clone();
///
/// // What comes back from a store is decoded by its first reader, and stays decoded.
/// let stored = Value::encoded_as(bytes, text.codec());
/// let first = stored.read::<String>(text).ok().unwrap();
/// let second = stored.read::<String>(text).ok().unwrap();
/// assert!(Arc::ptr_eq(&first, &second));
/// # Ok::<_, larder_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Value {
    codec: CodecId,
    frames: u8,
    known_type: Option<&'static ValueType>,
    decoded: OnceLock<AnyValue>,
    encoded: OnceLock<Result<Bytes>>,
    weight: OnceLock<u64>,
}

impl Value {
    /// A decoded value; it is encoded when somebody asks for bytes.
    ///
    /// # Panics
    ///
    /// If `value_type` is not that of `T`.
    pub fn decoded<T: Send + Sync + 'static>(
        value: Arc<T>,
        value_type: &'static ValueType,
    ) -> Self {
        assert!(
            (value_type.type_id)() == TypeId::of::<T>(),
            "{value_type:?} is not the type of the value"
        );
        Self::from_parts(value_type.codec, 0, Some(value_type), Some(value), None)
    }

    /// Encoded bytes; they are decoded when somebody reads them. They are kept as they are: whoever
    /// cuts them from a larger buffer copies them first, or the buffer stays alive.
    pub fn encoded_as(bytes: Bytes, codec: CodecId) -> Self {
        Self::from_parts(codec, 0, None, None, Some(bytes))
    }

    /// Bytes that are the value.
    pub fn raw(bytes: Bytes) -> Self {
        Self::encoded_as(bytes, CodecId::RAW)
    }

    /// A counter.
    pub fn counter(value: i64) -> Self {
        Self::from_parts(
            CodecId::COUNTER,
            0,
            Some(COUNTER),
            Some(Arc::new(value)),
            None,
        )
    }

    /// No value: what an entry that records an absence, or a placeholder, carries.
    pub fn empty() -> Self {
        Self::raw(Bytes::new())
    }

    fn from_parts(
        codec: CodecId,
        frames: u8,
        value_type: Option<&'static ValueType>,
        decoded: Option<AnyValue>,
        encoded: Option<Bytes>,
    ) -> Self {
        Self {
            codec,
            frames,
            known_type: value_type,
            decoded: decoded.map_or_else(OnceLock::new, OnceLock::from),
            encoded: encoded.map_or_else(OnceLock::new, |bytes| OnceLock::from(Ok(bytes))),
            weight: OnceLock::new(),
        }
    }

    /// Fixes the weight in bytes; otherwise it is the encoded length, known or counted.
    pub fn with_weight(self, bytes: u64) -> Self {
        Self {
            weight: OnceLock::from(bytes),
            ..self
        }
    }

    /// Says how many byte layers have put a frame before the payload; for byte layers and readers of
    /// stored bytes.
    pub fn with_frames(self, frames: u8) -> Self {
        Self { frames, ..self }
    }

    /// How many byte layers' frames stand before the payload. A typed read wants zero.
    pub fn frames(&self) -> u8 {
        self.frames
    }

    /// The codec of the encoded form.
    pub fn codec(&self) -> CodecId {
        self.codec
    }

    /// Reads the value as `T`. The first read of an encoded value decodes it; later reads share that.
    #[inline]
    pub fn read<T: Send + Sync + 'static>(&self, value_type: &'static ValueType) -> Read<T> {
        match self.decoded.get() {
            Some(value) => match Arc::clone(value).downcast::<T>() {
                Ok(value) => Read::Shared(value),
                Err(_) => self.convert(value_type),
            },
            None => self.decode_once(value_type),
        }
    }

    #[cold]
    #[inline(never)]
    fn convert<T: Send + Sync + 'static>(&self, value_type: &'static ValueType) -> Read<T> {
        match self.decode(value_type) {
            Some(value) => Read::Converted(value),
            None => Read::Unreadable,
        }
    }

    #[cold]
    #[inline(never)]
    fn decode_once<T: Send + Sync + 'static>(&self, value_type: &'static ValueType) -> Read<T> {
        let Some(value) = self.decode::<T>(value_type) else {
            return Read::Unreadable;
        };
        // Where another reader was faster its value stays, so that all readers share one.
        let kept = self.decoded.get_or_init(|| value);
        match Arc::clone(kept).downcast::<T>() {
            Ok(value) => Read::Shared(value),
            Err(_) => self.convert(value_type),
        }
    }

    fn decode<T: Send + Sync + 'static>(&self, value_type: &'static ValueType) -> Option<Arc<T>> {
        if self.frames > 0 {
            return None;
        }
        let bytes = self.encoded().ok()?;
        value_type.decode(self.codec, bytes)?.downcast().ok()
    }

    /// The number, if this is a counter.
    pub fn as_counter(&self) -> Option<i64> {
        (self.codec == CodecId::COUNTER)
            .then(|| self.read::<i64>(COUNTER).ok().map(|value| *value))?
    }

    /// The encoded form, made on first need.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Encode`] if the type can't be encoded; asked again, the same error.
    pub fn encoded(&self) -> Result<&Bytes> {
        let encoded = self.encoded.get_or_init(|| {
            let encode = self.known_type.and_then(|value_type| value_type.encode);
            match (encode, self.decoded.get()) {
                (Some(encode), Some(value)) => encode(value),
                _ => Err(Error::new(
                    ErrorKind::Encode,
                    "a local value never becomes bytes",
                )),
            }
        });
        encoded.as_ref().map_err(Error::clone)
    }

    /// Whether this is a value of a type that never becomes bytes.
    pub fn is_local(&self) -> bool {
        self.codec == CodecId::LOCAL
    }

    /// What the value weighs in bytes: what [`Value::with_weight`] said, else the encoded length, known
    /// or counted by a serialisation that writes nothing. Encoded bytes that will be decoded are charged
    /// twice, because both forms stay. A local value weighs its size on the stack.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Encode`] if the type can't be encoded; [`Value::weight`] then is its size on the stack.
    pub fn weigh(&self) -> Result<u64> {
        if let Some(weight) = self.weight.get() {
            return Ok(*weight);
        }
        let weight = match (self.encoded.get(), self.decoded.get(), self.known_type) {
            (
                None,
                Some(value),
                Some(ValueType {
                    encoded_len: Some(encoded_len),
                    ..
                }),
            ) => encoded_len(value)?,
            (None, Some(_), Some(value_type)) => value_type.size,
            (Some(Ok(bytes)), None, _) if self.codec != CodecId::RAW => bytes.len() * 2,
            (Some(Ok(bytes)), None, _) => bytes.len(),
            (Some(Ok(bytes)), Some(_), _) => bytes.len() * 2,
            (Some(Err(error)), ..) => return Err(error.clone()),
            (None, ..) => 0,
        };
        Ok(*self.weight.get_or_init(|| weight as u64))
    }

    /// [`Value::weigh`], or the size on the stack where that fails; from then on always the same.
    pub fn weight(&self) -> u64 {
        if let Some(weight) = self.weight.get() {
            return *weight;
        }
        let size = || {
            self.known_type
                .map_or(0, |value_type| value_type.size as u64)
        };
        let weight = self.weigh().unwrap_or_else(|_| size());
        *self.weight.get_or_init(|| weight)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values are the user's data: only their shape is shown.
        f.debug_struct("Value")
            .field("codec", &self.codec.0)
            .field("frames", &self.frames)
            .field("type", &self.known_type.map(ValueType::type_name))
            .field("decoded", &self.decoded.get().is_some())
            .field(
                "encoded_len",
                &self
                    .encoded
                    .get()
                    .and_then(|encoded| encoded.as_ref().ok())
                    .map(Bytes::len),
            )
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "messagepack"))]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::codec::MessagePack;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Airport {
        name: String,
        elevation: i32,
    }

    const AIRPORT: &ValueType = ValueType::of::<Airport, MessagePack>();

    fn heathrow() -> Arc<Airport> {
        Arc::new(Airport {
            name: "Heathrow".into(),
            elevation: 83,
        })
    }

    #[test]
    fn a_decoded_value_is_handed_out_without_a_copy() {
        let original = heathrow();
        let value = Value::decoded(Arc::clone(&original), AIRPORT);
        let Read::Shared(read) = value.read::<Airport>(AIRPORT) else {
            panic!("not shared")
        };
        assert!(Arc::ptr_eq(&read, &original));
    }

    #[test]
    fn s1_reading_as_another_type_converts_or_misses() {
        #[derive(Serialize, Deserialize)]
        struct Name {
            name: String,
        }
        let value = Value::decoded(heathrow(), AIRPORT);
        let Read::Converted(read) = value.read::<Name>(ValueType::of::<Name, MessagePack>()) else {
            panic!("fields in common convert")
        };
        assert_eq!(read.name, "Heathrow");
        assert!(matches!(
            value.read::<u8>(ValueType::of::<u8, MessagePack>()),
            Read::Unreadable
        ));
        assert!(
            matches!(value.read::<Airport>(AIRPORT), Read::Shared(_)),
            "the kept form stays"
        );
    }

    #[test]
    fn s1_bytes_with_a_layers_frame_are_never_decoded() {
        let bytes = Value::decoded(heathrow(), AIRPORT)
            .encoded()
            .unwrap()
            .clone();
        let framed = Value::encoded_as(bytes, CodecId::MESSAGEPACK).with_frames(1);
        assert!(matches!(framed.read::<Airport>(AIRPORT), Read::Unreadable));
    }

    #[test]
    fn a_counter_reads_as_every_integer_it_fits() {
        let value = Value::counter(300);
        assert_eq!(value.as_counter(), Some(300));
        let read = |value: &Value| value.read::<u16>(ValueType::of::<u16, MessagePack>()).ok();
        assert_eq!(read(&value).as_deref(), Some(&300));
        assert_eq!(
            value.read::<u8>(ValueType::of::<u8, MessagePack>()).ok(),
            None
        );
        let stored = Value::encoded_as(value.encoded().unwrap().clone(), CodecId::COUNTER);
        assert_eq!(stored.as_counter(), Some(300));
    }

    #[test]
    fn the_weight_is_the_encoded_length_whether_encoded_or_not() {
        let value = Value::decoded(heathrow(), AIRPORT);
        let counted = value.weigh().unwrap();
        assert_eq!(counted, value.encoded().unwrap().len() as u64);
        let promoted = Value::encoded_as(value.encoded().unwrap().clone(), CodecId::MESSAGEPACK);
        assert_eq!(
            promoted.weigh().unwrap(),
            2 * counted,
            "both forms will stay"
        );
        assert_eq!(Value::raw(Bytes::from_static(b"12345")).weigh().unwrap(), 5);
    }

    #[test]
    fn a_type_that_fails_to_encode_still_has_a_weight() {
        #[derive(Deserialize)]
        struct Stubborn;
        impl Serialize for Stubborn {
            fn serialize<S: serde::Serializer>(
                &self,
                _: S,
            ) -> std::result::Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("never"))
            }
        }
        let value = Value::decoded(Arc::new(Stubborn), ValueType::of::<Stubborn, MessagePack>());
        assert_eq!(value.weigh().unwrap_err().kind(), ErrorKind::Encode);
        assert_eq!(value.encoded().unwrap_err().kind(), ErrorKind::Encode);
        assert_eq!(value.weight(), 0);
    }
}
