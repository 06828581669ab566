//! How single values are written: numbers, durations, sizes, texts. What is said of a wrong one never quotes it.

use std::path::PathBuf;
use std::time::Duration;

use larder_core::Ttl;
use secrecy::SecretString;

use super::tree::{Node, Value};

/// A value, or what should have been written.
pub(super) type Read<T> = Result<T, String>;

fn expected<T>(what: &str, node: &Node) -> Read<T> {
    Err(format!("expected {what}, found {}", node.kind()))
}

pub(super) fn text(node: &Node) -> Read<String> {
    match &node.value {
        Value::Text(text) => Ok(text.clone()),
        Value::Integer(_) | Value::Float(_) | Value::Bool(_) => Err(format!(
            "expected text, found {}: write it in quotes",
            node.kind()
        )),
        _ => expected("text", node),
    }
}

/// What one of some words stands for.
pub(super) fn word<T: Copy>(node: &Node, words: &[(&str, T)], otherwise: &str) -> Read<T> {
    let written = text(node)?;
    let found = words.iter().find(|(word, _)| *word == written);
    found
        .map(|(_, meant)| *meant)
        .ok_or_else(|| otherwise.to_owned())
}

/// A secret; an empty one is none.
pub(super) fn secret(node: &Node) -> Read<Option<SecretString>> {
    text(node).map(|text| (!text.is_empty()).then(|| text.into()))
}

pub(super) fn path(node: &Node) -> Read<PathBuf> {
    match text(node)? {
        path if path.is_empty() => Err("expected the path of a file, found an empty text".into()),
        path => Ok(path.into()),
    }
}

pub(super) fn boolean(node: &Node) -> Read<bool> {
    match &node.value {
        Value::Bool(boolean) => Ok(*boolean),
        // From the environment.
        Value::Text(text) if text == "true" => Ok(true),
        Value::Text(text) if text == "false" => Ok(false),
        Value::Text(_) => Err("write true or false".into()),
        _ => expected("true or false", node),
    }
}

/// A list, or texts joined by commas.
pub(super) fn list(node: &Node) -> Read<Vec<String>> {
    match &node.value {
        Value::List(nodes) => nodes.iter().map(text).collect(),
        Value::Text(joined) => Ok(joined
            .split(',')
            .map(|part| part.trim().to_owned())
            .filter(|part| !part.is_empty())
            .collect()),
        _ => expected("a list, or texts joined by commas", node),
    }
}

/// A whole number. In quotes or from the environment it is one too.
fn integer(node: &Node) -> Option<i128> {
    match &node.value {
        Value::Integer(integer) => Some(*integer),
        Value::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A whole number of a type's range.
pub(super) fn whole<T: TryFrom<i128>>(node: &Node, range: &str) -> Read<T> {
    match integer(node) {
        Some(integer) => T::try_from(integer)
            .ok()
            .ok_or_else(|| format!("write {range}")),
        None => expected(range, node),
    }
}

pub(super) fn count<T: TryFrom<i128>>(node: &Node) -> Read<T> {
    whole(node, "a whole number, zero or more")
}

pub(super) fn fraction(node: &Node) -> Read<f64> {
    match &node.value {
        Value::Float(float) => Ok(*float),
        #[expect(clippy::cast_precision_loss, reason = "only 0 and 1 are taken later")]
        Value::Integer(integer) => Ok(*integer as f64),
        Value::Text(text) => text
            .trim()
            .parse()
            .ok()
            .ok_or_else(|| "write a fraction from 0 to 1".into()),
        _ => expected("a fraction from 0 to 1", node),
    }
}

const DURATION: &str = "a number of seconds or a duration like 500ms, 5s, 1h 30m";

/// A number of seconds, or a duration with units.
pub(super) fn duration(node: &Node) -> Read<Duration> {
    let wrong = || format!("write {DURATION}");
    if let Some(seconds) = integer(node) {
        let seconds = u64::try_from(seconds).ok().map(Duration::from_secs);
        return seconds.ok_or_else(wrong);
    }
    match &node.value {
        Value::Float(seconds) => Duration::try_from_secs_f64(*seconds).ok().ok_or_else(wrong),
        Value::Text(text) => {
            let text = text.trim();
            text.parse()
                .ok()
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                .or_else(|| humantime::parse_duration(text).ok())
                .ok_or_else(wrong)
        }
        _ => expected(DURATION, node),
    }
}

/// A time to live: a duration that isn't zero, or `forever`.
pub(super) fn ttl(node: &Node) -> Read<Ttl> {
    if let Value::Text(text) = &node.value
        && text.trim() == "forever"
    {
        return Ok(Ttl::Forever);
    }
    let duration = duration(node).map_err(|message| format!("{message}, or forever"))?;
    if duration.is_zero() {
        return Err("a time to live can't be zero: write forever, or leave the key out".into());
    }
    Ttl::after(duration)
        .ok()
        .ok_or_else(|| "a time to live can't be over 34 years: write forever, or less".into())
}

const SIZE: &str = "a number of bytes or a size like 512KiB, 64MiB, 1GB";

/// A number of bytes, with a unit or without: `KB`, `MB`, `GB`, `TB` are powers of 1000, `KiB`, `MiB`,
/// `GiB`, `TiB` powers of 1024.
pub(super) fn size(node: &Node) -> Read<u64> {
    let wrong = || format!("write {SIZE}");
    if let Some(bytes) = integer(node) {
        return u64::try_from(bytes).ok().ok_or_else(wrong);
    }
    let Value::Text(text) = &node.value else {
        return expected(SIZE, node);
    };
    let text = text.trim();
    let digits = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(wrong()),
    };
    let number: Option<u64> = number.parse().ok();
    number
        .ok_or_else(wrong)?
        .checked_mul(unit)
        .ok_or_else(|| "more bytes than there are".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Node {
        Node::new(Value::Text(text.to_owned()))
    }

    #[test]
    fn sizes_have_binary_and_decimal_units() {
        for (text, bytes) in [
            ("0", 0),
            ("1024", 1_024),
            ("7 b", 7),
            ("64MiB", 64 << 20),
            ("64 MB", 64_000_000),
            (" 2 kib ", 2_048),
            ("3GB", 3_000_000_000),
            ("1TiB", 1 << 40),
        ] {
            assert_eq!(size(&said(text)), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "MiB",
            "64M",
            "64Mi",
            "-1",
            "1.5MiB",
            "64 MiB extra",
            "99999999TiB",
        ] {
            assert!(size(&said(text)).is_err(), "{text}");
        }
        assert!(size(&Node::new(Value::Integer(-1))).is_err());
    }

    #[test]
    fn a_number_is_seconds_and_a_text_is_a_duration() {
        for (text, millis) in [
            ("600", 600_000),
            ("0.5", 500),
            ("5s", 5_000),
            ("250ms", 250),
            ("1h 30m", 5_400_000),
            ("1h30m", 5_400_000),
            ("0", 0),
        ] {
            let millis = Duration::from_millis(millis);
            assert_eq!(duration(&said(text)), Ok(millis), "{text}");
        }
        for text in ["", "soon", "-1", "5 parsecs", "inf", "NaN", "1e300"] {
            assert!(duration(&said(text)).is_err(), "{text}");
        }
        for value in [
            Value::Float(-0.5),
            Value::Float(f64::NAN),
            Value::Bool(true),
        ] {
            assert!(duration(&Node::new(value)).is_err());
        }
    }

    #[test]
    fn a_time_to_live_is_never_zero() {
        assert_eq!(ttl(&said("forever")), Ok(Ttl::Forever));
        assert_eq!(
            ttl(&said("600")).unwrap().duration(),
            Some(Duration::from_secs(600))
        );
        for text in ["0", "0s", "0.0"] {
            let error = ttl(&said(text)).unwrap_err();
            assert!(
                error.contains("write forever, or leave the key out"),
                "{error}"
            );
        }
        assert!(ttl(&said("50y")).unwrap_err().contains("34 years"));
    }

    #[test]
    fn s3_a_wrong_value_is_not_quoted() {
        let values = || {
            [
                Value::Text("hunter2".to_owned()),
                Value::List(vec![said("hunter2")]),
                Value::Integer(-4_711),
                Value::Float(-47.11),
            ]
        };
        let mut errors = Vec::new();
        for value in values().map(Node::new) {
            errors.extend(list(&value).err());
            errors.extend(boolean(&value).err());
            errors.extend(fraction(&value).err());
            errors.extend(duration(&value).err());
            errors.extend(ttl(&value).err());
            errors.extend(size(&value).err());
            errors.extend(whole::<u8>(&value, "0 to 255").err());
        }
        errors.extend(
            values()
                .map(Node::new)
                .iter()
                .filter_map(|node| secret(node).err()),
        );
        assert!(errors.len() > 20);
        for error in errors {
            assert!(
                !error.contains("hunter2") && !error.contains("47"),
                "{error}"
            );
        }
    }
}
