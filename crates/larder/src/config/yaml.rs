//! YAML text to a tree, with positions.

use std::collections::HashSet;
use std::marker::PhantomData;

use larder_core::{Error, Result};
use serde::de::{Deserialize, Deserializer};
use serde_saphyr::{MessageFormatter, NonFiniteFloatPolicy, Spanned, UserMessageFormatter};

use super::keys;
use super::tree::{Node, Origin, Value, ValueVisitor};

/// A node, and where it stands.
struct Located(Node);

struct Bare(Value);

impl<'de> Deserialize<'de> for Located {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let spanned = Spanned::<Bare>::deserialize(deserializer)?;
        Ok(Self(Node {
            value: spanned.value.0,
            origin: Origin::At {
                line: spanned.referenced.line(),
                column: spanned.referenced.column(),
            },
        }))
    }
}

impl<'de> Deserialize<'de> for Bare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let visitor = ValueVisitor::<Located>(PhantomData);
        deserializer.deserialize_any(visitor).map(Self)
    }
}

impl From<Located> for Node {
    fn from(located: Located) -> Self {
        located.0
    }
}

pub(super) fn parse(text: &str) -> Result<Node> {
    let options = serde_saphyr::options! {
        // So that an unquoted password keeps its zeros.
        leading_zero_numbers_as_strings: true,
        strict_booleans: true,
        // Whether a number makes sense is decided where its key is read.
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
    };
    // A file of nothing but comments says nothing.
    serde_saphyr::from_str_with_options::<Option<Located>>(text, options)
        .map(|node| node.map_or_else(|| Node::new(Value::Nothing), Node::from))
        .map_err(|error| unreadable(&error, text))
}

fn unreadable(error: &serde_saphyr::Error, text: &str) -> Error {
    let location = error.location();
    // Without the lines that the parser would show: there may be a password in them.
    let message = UserMessageFormatter.format_message(error.without_snippet());
    let message = if quotes(&message, text) {
        "this can't be read as YAML".into()
    } else {
        message
    };
    let origin = location.map_or(Origin::Unknown, |location| Origin::At {
        line: location.line(),
        column: location.column(),
    });
    origin.wrong("", format_args!("YAML: {message}"))
}

/// Whether a message has a word of the text in it that is no name of a setting.
fn quotes(message: &str, text: &str) -> bool {
    fn words(text: &str) -> impl Iterator<Item = &str> {
        text.split(|character: char| !character.is_alphanumeric())
            .filter(|word| !word.is_empty())
    }
    let known: HashSet<&str> = keys::KEYS.iter().copied().flat_map(words).collect();
    let said: HashSet<&str> = words(text).filter(|word| !known.contains(word)).collect();
    words(message).any(|word| said.contains(word))
}
