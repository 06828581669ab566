//! Commands and replies, in the protocol's own terms.

use std::fmt;

use bytes::Bytes;

use super::Fault;

/// A command with its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(super) name: &'static str,
    pub(super) arguments: Vec<Bytes>,
}

impl Command {
    pub(crate) fn new(name: &'static str, arguments: impl Into<Vec<Bytes>>) -> Self {
        Self {
            name,
            arguments: arguments.into(),
        }
    }

    /// A command whose arguments are fixed texts.
    pub(crate) fn fixed(name: &'static str, arguments: &[&'static str]) -> Self {
        let arguments: Vec<Bytes> = arguments.iter().map(|text| fixed(text)).collect();
        Self::new(name, arguments)
    }
}

/// An argument that is a fixed text.
pub(crate) const fn fixed(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// An argument that is a number.
pub(crate) fn number(number: impl fmt::Display + Copy) -> Bytes {
    number.to_string().into()
}

/// What the server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Nil,
    Integer(i64),
    Bytes(Bytes),
    List(Vec<Result<Reply, Fault>>),
    /// The key holds something that is no string, so nothing of ours.
    Foreign,
}

impl Reply {
    /// The bytes, or `None` for nil.
    pub(crate) fn into_bytes(self) -> Result<Option<Bytes>, Fault> {
        match self {
            Self::Nil => Ok(None),
            Self::Bytes(bytes) => Ok(Some(bytes)),
            other => Err(other.out_of_place()),
        }
    }

    /// The number.
    pub(crate) fn into_integer(self) -> Result<i64, Fault> {
        match self {
            Self::Integer(number) => Ok(number),
            other => Err(other.out_of_place()),
        }
    }

    /// The parts.
    pub(crate) fn into_list(self) -> Result<Vec<Result<Self, Fault>>, Fault> {
        match self {
            Self::List(parts) => Ok(parts),
            other => Err(other.out_of_place()),
        }
    }

    /// A reply that the protocol doesn't have to this command.
    pub(crate) fn out_of_place(self) -> Fault {
        let kind = match self {
            Self::Nil => "nil",
            Self::Integer(_) => "a number",
            Self::Bytes(_) => "a string",
            Self::List(_) => "a list",
            Self::Foreign => "something that is no string",
        };
        Fault::Refused(format!("ERR {kind} is no answer to that command"))
    }
}
