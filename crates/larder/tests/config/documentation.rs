//! `docs/configuration.md` says what the code does.

use std::collections::BTreeSet;

use larder::config::{Config, Driver};

const PAGE: &str = include_str!("../../../../docs/configuration.md");

fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    let blocks = PAGE.split(fence.as_str()).skip(1);
    blocks
        .map(|rest| rest.split("```").next().expect("the block ends"))
        .collect()
}

/// The first cells of the rows that follow a heading, up to the next.
fn first_cells(heading: &str) -> Vec<&'static str> {
    let section = PAGE
        .split(&format!("\n## {heading}\n"))
        .nth(1)
        .expect("there is such a heading");
    let section = section.split("\n## ").next().expect("at least itself");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().expect("the name ends"))
        .collect()
}

#[test]
fn the_examples_load_and_say_the_same() {
    let (yaml, toml) = (blocks("yaml"), blocks("toml"));
    assert_eq!(
        (yaml.len(), toml.len()),
        (1, 1),
        "an example in each format"
    );
    let yaml = Config::from_yaml(yaml[0]).unwrap();
    let toml = Config::from_toml(toml[0]).unwrap();
    assert_eq!(format!("{yaml:?}"), format!("{toml:?}"));
    assert_eq!(yaml.driver, Some(Driver::Tiered));
    drop(yaml.into_builder().unwrap());
    drop(toml.into_builder().unwrap());
}

#[test]
fn every_key_has_a_row_and_every_row_a_key() {
    let rows = first_cells("Keys");
    let documented: BTreeSet<&str> = rows.iter().copied().collect();
    assert_eq!(rows.len(), documented.len(), "a row is there twice");
    let known: BTreeSet<&str> = Config::KEYS.iter().copied().collect();
    assert_eq!(documented, known);
}

#[test]
fn every_key_that_is_known_is_read() {
    // A value that no key can have: whoever reads it complains.
    for key in Config::KEYS {
        let name = crate::variable(key);
        let text = "default_ttl driver load_timeout";
        let before = format!("{:?}", Config::default());
        let read = crate::with_env(Config::default(), &[(&name, text)]);
        let changed = read.is_err() || read.is_ok_and(|config| format!("{config:?}") != before);
        assert!(changed, "{key} is known and nobody reads it");
    }
}

#[test]
fn the_conventional_variables_are_all_there() {
    let rows = first_cells("The environment");
    assert_eq!(
        rows,
        [
            "REDIS_URL",
            "REDIS_ADDR",
            "REDIS_PASSWORD",
            "REDIS_DB",
            "REDIS_POOL_SIZE"
        ]
    );
}
