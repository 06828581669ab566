//! Whatever settings there are, YAML, TOML and the environment say them alike.

use std::fmt::Write as _;

use larder::config::Config;
use proptest::prelude::*;

use crate::{variable, with_env};

/// A value, as YAML and TOML write it alike, and as the environment does.
#[derive(Clone, Debug)]
struct Written {
    file: String,
    variable: String,
}

fn number(range: std::ops::Range<u64>) -> BoxedStrategy<Written> {
    let written = |number: u64| Written {
        file: number.to_string(),
        variable: number.to_string(),
    };
    range.prop_map(written).boxed()
}

fn words(words: &'static [&'static str]) -> BoxedStrategy<Written> {
    proptest::sample::select(words).prop_map(quoted).boxed()
}

fn quoted(text: impl Into<String>) -> Written {
    let text = text.into();
    let mut file = String::from("\"");
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            file.push('\\');
        }
        file.push(character);
    }
    file.push('"');
    Written {
        file,
        variable: text,
    }
}

fn duration() -> BoxedStrategy<Written> {
    prop_oneof![
        number(1..3_600),
        (1..3_600u64).prop_map(|count| quoted(format!("{count}s"))),
        (1..3_600u64).prop_map(|count| quoted(format!("{count}ms"))),
    ]
    .boxed()
}

fn size() -> BoxedStrategy<Written> {
    let units = proptest::sample::select(&["", "B", "KB", "MiB", " kib"][..]);
    let size = (1..500u64, units).prop_map(|(count, unit)| quoted(format!("{count}{unit}")));
    prop_oneof![number(1..1 << 30), size].boxed()
}

fn host() -> BoxedStrategy<Written> {
    "[a-z]{1,8}(:[1-9][0-9]{0,3})?".prop_map(quoted).boxed()
}

fn text() -> BoxedStrategy<Written> {
    "[ -~]{1,12}".prop_map(quoted).boxed()
}

/// A value that the key can have, if it can have any and nothing contradicts it.
fn value(key: &str) -> Option<BoxedStrategy<Written>> {
    Some(match key {
        "redis.url" | "redis.cluster" | "redis.max_ttl" | "redis.tls" => return None,
        "namespace" => "[A-Za-z0-9_.-]{1,64}".prop_map(quoted).boxed(),
        "driver" => words(&["tiered"]),
        "jitter" => (0..=100u32)
            .prop_map(|percent| quoted(format!("{}", f64::from(percent) / 100.0)))
            .boxed(),
        "max_retries" | "max_batch" => number(1..1_000),
        "redis.pool_size" => number(8..1_024),
        "redis.max_in_flight" | "memory.max_entries" => number(1_000..1 << 30),
        "max_value_bytes" | "memory.max_bytes" => size(),
        "memory.policy" => words(&["tinylfu", "lru"]),
        "redis.addr" | "redis.sentinel.nodes" => host(),
        "redis.db" => number(0..256),
        "redis.min_idle_conns" => number(0..8),
        "redis.start" => words(&["connected", "degraded"]),
        key if key.contains("ttl") || key.contains("time") || key.contains("beat") => duration(),
        "stale_for" | "retry_delay" => duration(),
        _ => text(),
    })
}

/// Some keys with values.
fn settings() -> impl Strategy<Value = Vec<(&'static str, Written)>> {
    let keys: Vec<_> = Config::KEYS
        .iter()
        .filter_map(|key| {
            let value = proptest::option::of(value(key)?);
            Some(value.prop_map(move |value| value.map(|value| (*key, value))))
        })
        .collect();
    keys.prop_map(|settings| settings.into_iter().flatten().collect())
}

fn yaml(settings: &[(&str, Written)]) -> String {
    let mut text = String::from("cache:\n");
    for (key, value) in settings.iter().filter(|(key, _)| !key.contains('.')) {
        writeln!(text, "  {key}: {}", value.file).unwrap();
    }
    for section in ["memory", "redis"] {
        writeln!(text, "  {section}:").unwrap();
        for (key, value) in direct(settings, section) {
            writeln!(text, "    {key}: {}", value.file).unwrap();
        }
        for inner in ["tls", "sentinel"] {
            let path = format!("{section}.{inner}");
            let entries: Vec<_> = direct(settings, &path).collect();
            if !entries.is_empty() {
                writeln!(text, "    {inner}:").unwrap();
            }
            for (key, value) in entries {
                writeln!(text, "      {key}: {}", value.file).unwrap();
            }
        }
    }
    text
}

fn toml(settings: &[(&str, Written)]) -> String {
    let mut text = String::new();
    for (key, value) in settings {
        writeln!(text, "{key} = {}", value.file).unwrap();
    }
    text
}

fn direct<'a>(
    settings: &'a [(&str, Written)],
    section: &'a str,
) -> impl Iterator<Item = (&'a str, &'a Written)> {
    settings.iter().filter_map(move |(key, value)| {
        let (parent, name) = key.rsplit_once('.')?;
        (parent == section).then_some((name, value))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_three_places_say_the_same(settings in settings()) {
        let yaml_text = yaml(&settings);
        let from_yaml = Config::from_yaml(&yaml_text);
        let from_toml = Config::from_toml(&toml(&settings));
        let variables: Vec<_> = settings
            .iter()
            .map(|(key, value)| (variable(key), value.variable.clone()))
            .collect();
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let from_env = with_env(Config::default(), &variables);
        let shown = format!("{:?}", from_yaml.unwrap());
        prop_assert_eq!(&shown, &format!("{:?}", from_toml.unwrap()));
        prop_assert_eq!(&shown, &format!("{:?}", from_env.unwrap()));
        for (key, _) in &settings {
            let name = key.rsplit('.').next().unwrap();
            let said = shown.contains(&format!("{name}: Some(")) || shown.contains(&format!("{name}: ["));
            prop_assert!(said, "{} is lost: {}", key, shown);
        }
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "[\\PC\n]{0,80}") {
        let _ = Config::from_yaml(&text);
        let _ = Config::from_toml(&text);
    }
}
