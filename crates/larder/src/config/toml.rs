//! TOML text to a tree, with positions.

use larder_core::Result;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::tree::{Entry, Node, Origin, Value};

pub(super) fn parse(text: &str) -> Result<Node> {
    let table = DeTable::parse(text).map_err(|error| {
        let origin = error
            .span()
            .map_or(Origin::Unknown, |span| position(text, span.start));
        // The parser's messages say what it expected, never what it found.
        origin.wrong("", format_args!("TOML: {}", error.message()))
    })?;
    Ok(Node::new(entries(text, table.into_inner())))
}

fn position(text: &str, offset: usize) -> Origin {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .map_or(0, |line| line.chars().count())
        + 1;
    Origin::At {
        line: line as u64,
        column: column as u64,
    }
}

fn entries(text: &str, table: DeTable<'_>) -> Value {
    let entries = table.into_iter().map(|(name, value)| Entry {
        origin: position(text, name.span().start),
        name: name.into_inner().into_owned(),
        node: node(text, value),
    });
    Value::Map(entries.collect())
}

fn node(text: &str, value: Spanned<DeValue<'_>>) -> Node {
    let origin = position(text, value.span().start);
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(integer) => whole(&integer),
        DeValue::Float(float) => float
            .as_str()
            .parse()
            .map_or(Value::Other("a number that can't be read"), Value::Float),
        DeValue::Boolean(boolean) => Value::Bool(boolean),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(list) => {
            Value::List(list.into_iter().map(|value| node(text, value)).collect())
        }
        DeValue::Table(table) => entries(text, table),
    };
    Node { value, origin }
}

fn whole(integer: &DeInteger<'_>) -> Value {
    i128::from_str_radix(integer.as_str(), integer.radix()).map_or(
        Value::Other("a number that is far too large"),
        Value::Integer,
    )
}
