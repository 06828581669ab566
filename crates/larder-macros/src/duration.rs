//! Durations as people write them, `1h 30m`, read when the program is compiled.

use std::time::Duration;

/// The units, each with its length in milliseconds.
const UNITS: &[(&str, u64)] = &[
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// The most that can be stored: 40 bits of milliseconds, as `larder::Ttl::MAX`.
const MAX: Duration = Duration::from_millis((1 << 40) - 2);

/// Reads numbers with units, added up; what is wrong otherwise.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("an empty duration: write one such as \"5m\" or \"1h 30m\"".to_owned());
    }
    let mut total = Some(0u64);
    while !rest.is_empty() {
        let (number, after) = split(rest, |letter| letter.is_ascii_digit());
        let (unit, after) = split(after.trim_start(), char::is_alphabetic);
        let shown = rest.chars().next().unwrap_or_default();
        if number.is_empty() {
            return Err(format!(
                "expected a number and found `{shown}`: a duration is numbers with units, such as \"1h 30m\""
            ));
        }
        if unit.is_empty() {
            return Err(format!("`{number}` has no unit: {}", units()));
        }
        let Some((_, millis)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("`{unit}` is not a unit: {}", units()));
        };
        total = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(*millis))
            .and_then(|millis| total?.checked_add(millis));
        rest = after.trim_start();
    }
    total
        .map(Duration::from_millis)
        .filter(|duration| *duration <= MAX)
        .ok_or_else(|| "longer than can be stored: at most 12725 days".to_owned())
}

/// The first characters that fit, and what follows them.
fn split(text: &str, fits: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|letter| !fits(letter)).unwrap_or(text.len());
    text.split_at(end)
}

fn units() -> String {
    let names: Vec<&str> = UNITS.iter().map(|(name, _)| *name).collect();
    format!("the units are {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units_are_added_up() {
        let millis = |text| parse(text).unwrap().as_millis();
        assert_eq!(millis("250ms"), 250);
        assert_eq!(millis("5m"), 300_000);
        assert_eq!(millis(" 1h 30m "), 5_400_000);
        assert_eq!(millis("1d2h"), 93_600_000);
        assert_eq!(millis("2 h"), 7_200_000);
        assert_eq!(millis("0s"), 0);
        assert_eq!(parse("12725d"), Ok(Duration::from_secs(12_725 * 86_400)));
    }

    #[test]
    fn what_is_no_duration_is_refused_with_the_reason() {
        let refused = |text: &str, reason: &str| {
            let error = parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        };
        refused("", "an empty duration");
        refused("  ", "an empty duration");
        refused("5", "`5` has no unit");
        refused("5 minutes", "`minutes` is not a unit");
        refused("m", "found `m`");
        refused("-5m", "found `-`");
        refused("1.5h", "`1` has no unit");
        refused("5m!", "found `!`");
        refused("5µs", "`µs` is not a unit");
        refused("12726d", "longer than can be stored");
        refused("99999999999999999999s", "longer than can be stored");
        refused("18446744073709551615ms 1ms", "longer than can be stored");
    }
}
