//! What a file or the environment says, before it is known whether it makes sense.

use std::fmt;
use std::marker::PhantomData;

use larder_core::{Error, ErrorKind};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A value and where it was said. There is no `Debug`: it may be a secret.
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

pub(super) enum Value {
    Nothing,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Something that no setting is; its kind.
    Other(&'static str),
}

pub(super) struct Entry {
    pub(super) name: String,
    /// Where the name stands.
    pub(super) origin: Origin,
    pub(super) node: Node,
}

/// Where something was said.
#[derive(Clone, Debug, Default)]
pub(super) enum Origin {
    #[default]
    Unknown,
    #[cfg(any(feature = "config-yaml", feature = "config-toml"))]
    At {
        line: u64,
        column: u64,
    },
    Variable(String),
}

impl Node {
    pub(super) fn new(value: Value) -> Self {
        Self {
            value,
            origin: Origin::Unknown,
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Nothing => "nothing",
            Value::Bool(_) => "true or false",
            Value::Integer(_) | Value::Float(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a section",
            Value::Other(kind) => kind,
        }
    }
}

impl Origin {
    /// An error about a setting. Its message never has the setting's value in it.
    pub(super) fn wrong(&self, path: &str, message: impl fmt::Display) -> Error {
        let path = if path.is_empty() {
            String::new()
        } else {
            format!("{path}: ")
        };
        invalid(match self {
            Self::Unknown => format!("{path}{message}"),
            #[cfg(any(feature = "config-yaml", feature = "config-toml"))]
            Self::At { line, column } => {
                format!("line {line}, column {column}: {path}{message}")
            }
            Self::Variable(name) => format!("{name}: {message}"),
        })
    }
}

pub(super) fn invalid(message: String) -> Error {
    Error::new(ErrorKind::ConfigInvalid, message)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let visitor = ValueVisitor::<Self>(PhantomData);
        deserializer.deserialize_any(visitor).map(Self::new)
    }
}

/// Takes whatever there is, so that no parser ever complains about a value, and quotes it.
pub(super) struct ValueVisitor<Child>(pub(super) PhantomData<Child>);

impl<'de, Child: Deserialize<'de> + Into<Node>> Visitor<'de> for ValueVisitor<Child> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("settings")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Value, E> {
        Ok(Value::Other("a number that is far too large"))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Value, E> {
        Ok(Value::Other("bytes"))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(child) = access.next_element::<Child>()? {
            list.push(child.into());
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries: Vec<Entry> = Vec::new();
        while let Some((name, node)) = access.next_entry::<Child, Child>()? {
            let Node { value, origin } = name.into();
            let Value::Text(name) = value else {
                return Err(de::Error::custom("the name of a setting must be text"));
            };
            if entries.iter().any(|entry| entry.name == name) {
                return Err(de::Error::custom("a setting is given twice"));
            }
            entries.push(Entry {
                name,
                origin,
                node: node.into(),
            });
        }
        Ok(Value::Map(entries))
    }
}
