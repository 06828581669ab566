//! S3: no secret in an error or in `Debug`, whatever the text was.

use larder::config::{Config, RedisConfig, SentinelConfig};

use crate::{variable, with_env};

const SECRET: &str = "hunter2";

fn assert_hidden(said: &str, of: &str) {
    assert!(!said.contains(SECRET), "of {of}:\n{said}");
}

/// Keys whose values people must see: they hold no secret.
fn is_shown(key: &str) -> bool {
    let names = ["namespace", "username", "master", "_file"];
    names.iter().any(|name| key.ends_with(name))
}

/// Keys whose values are shown, unless there is more than a host and a port in them.
fn is_address(key: &str) -> bool {
    key.ends_with("addr") || key.ends_with("nodes")
}

/// Everything that a text can make the settings say.
fn shown(config: larder::Result<Config>) -> Vec<String> {
    let mut shown = Vec::new();
    let mut push_error = |error: larder::Error| {
        shown.push(format!("{error} {error:?} {error:#?}"));
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            shown.push(format!("{error} {error:?}"));
            source = error.source();
        }
    };
    match config {
        Err(error) => push_error(error),
        Ok(config) => {
            let config = config.with_namespace("shop");
            let debug = format!("{config:?} {config:#?}");
            if let Err(error) = config.validate() {
                push_error(error);
            }
            match config.into_builder() {
                Err(error) => push_error(error),
                Ok(builder) => shown.push(format!("{builder:?}")),
            }
            shown.push(debug);
        }
    }
    shown
}

#[test]
fn s3_a_secret_in_its_place_is_not_shown() {
    for yaml in [
        "redis: {addr: a, password: hunter2}",
        "redis: {url: \"redis://:hunter2@a\"}",
        "redis: {url: \"redis://me:hunter2@a/x\"}",
        "redis: {url: \"http://me:hunter2@a\"}",
        "redis: {url: \"me:hunter2@a:6379\"}",
        "redis: {url: \"redis://:hunter2@a\", password: other}",
        "redis: {url: \"redis://:other@a\", password: hunter2}",
        "redis: {url: \"redis://:hunter2@a\", addr: a}",
        "redis: {sentinel: {master: m, nodes: [a], password: hunter2}}",
        "redis: {url: \"redis-sentinel://a?sentinelServiceName=m&sentinelPassword=hunter2\"}",
    ] {
        for said in shown(Config::from_yaml(yaml)) {
            assert_hidden(&said, yaml);
        }
    }
}

#[test]
fn s3_a_secret_in_the_wrong_place_is_not_shown_either() {
    // As the value of every key there is, plain, as a URL, in a list and in a section.
    for key in Config::KEYS {
        for value in [
            "hunter2",
            "\"redis://me:hunter2@a:1\"",
            "\"me:hunter2@a:1\"",
            "\"me:hunter2:a\"",
            "\"me:hunter2:1\"",
            "\"a:hunter2\"",
            "[hunter2]",
            "[[hunter2]]",
            "!!int hunter2",
            "!hunter2 x",
            "*hunter2",
            "\"hunter2",
            "hunter2: x",
            "{\"redis://:hunter2@a\": 1}",
        ] {
            let plain = value == "hunter2" || value == "[hunter2]";
            if is_shown(key) || plain && is_address(key) {
                continue;
            }
            let mut yaml = String::new();
            for (depth, part) in key.split('.').enumerate() {
                if depth > 0 {
                    yaml.push('\n');
                }
                yaml.push_str(&"  ".repeat(depth));
                yaml.push_str(part);
                yaml.push(':');
            }
            yaml.push(' ');
            yaml.push_str(value);
            for said in shown(Config::from_yaml(&yaml)) {
                assert_hidden(&said, &yaml);
            }
        }
    }
}

#[test]
fn s3_a_text_that_can_not_be_read_is_not_quoted() {
    for yaml in [
        "redis:\n  password: hunter2\n addr: x",
        "redis: {password: hunter2",
        "redis: {password: \"hunter2}",
        "redis:\n  password: 'hunter2\n  addr: a",
        "redis:\n\tpassword: hunter2",
        "redis:\n  password: hunter2\n  password: hunter2",
        "redis:\n  password: *hunter2",
        "redis:\n  password: !!float hunter2",
        "redis:\n  password: !!binary hunter2",
        "redis:\n  password: !!int hunter2",
        "redis:\n  password: &hunter2 [*hunter2]",
        "%hunter2\n---\nredis: x",
        "redis: x\n--- hunter2",
        "redis: hunter2: x",
        "redis:\n  password: @hunter2",
        "redis:\n  password: `hunter2",
        "redis:\n  password: \"\\hunter2\"",
        "redis:\n  password: |hunter2",
        "redis: \u{0}hunter2",
        "<<: hunter2",
        "redis:\n  <<: hunter2",
        "[hunter2]: x",
        "? {hunter2: x}\n: y",
        "redis: redis://:hunter2@a",
        "redis://:hunter2@a: x",
        // The parser names what is there twice.
        "redis://:hunter2@a: x\nredis://:hunter2@a: y",
        "redis: {\"me:hunter2@a\": 1, \"me:hunter2@a\": 2}",
        "hunter2",
    ] {
        for said in shown(Config::from_yaml(yaml)) {
            assert_hidden(&said, yaml);
        }
    }
    for toml in [
        "redis.password = hunter2",
        "redis.password = \"hunter2",
        "redis.password = 'hunter2'\nredis.password = 'hunter2'",
        "redis.password = \"\\hunter2\"",
        "[redis\npassword = \"hunter2\"",
        "[redis]\npassword \"hunter2\"",
        "redis = \"hunter2\"",
        "redis = [\"hunter2\"]",
        "redis.db = \"hunter2\"",
        "\"redis://:hunter2@a\" = 1",
        "= hunter2",
    ] {
        for said in shown(Config::from_toml(toml)) {
            assert_hidden(&said, toml);
        }
    }
}

#[test]
fn s3_a_secret_from_the_environment_is_not_shown() {
    for key in Config::KEYS {
        if is_shown(key) || is_address(key) {
            continue;
        }
        let name = variable(key);
        for said in shown(with_env(Config::default(), &[(&name, SECRET)])) {
            assert_hidden(&said, &name);
        }
    }
    for name in ["REDIS_URL", "REDIS_DB", "REDIS_POOL_SIZE", "REDIS_PASSWORD"] {
        let variables = [("LARDER__DRIVER", "redis"), (name, SECRET)];
        for said in shown(with_env(Config::default(), &variables)) {
            assert_hidden(&said, name);
        }
    }
    for value in ["redis://:hunter2@a", "me:hunter2@a", "a:hunter2"] {
        for said in shown(with_env(Config::default(), &[("REDIS_ADDR", value)])) {
            assert_hidden(&said, value);
        }
    }
}

#[test]
fn s3_settings_made_in_code_show_no_secret() {
    let mut config = Config::default();
    config.redis = RedisConfig::default()
        .with_url("redis://:hunter2@a")
        .with_password(SECRET);
    config.redis.addr = Some("me:hunter2@a".to_owned());
    config.redis.sentinel = Some(SentinelConfig::new("m", ["me:hunter2@a"]).with_password(SECRET));
    for said in shown(Ok(config)) {
        assert_hidden(&said, "code");
    }
}
