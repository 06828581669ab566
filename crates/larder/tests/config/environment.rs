//! What the environment says, and over what it wins.

use std::time::Duration;

use larder::config::{Config, Driver, TlsConfig, TlsFiles};

use crate::with_env;

fn env(variables: &[(&str, &str)]) -> larder::Result<Config> {
    with_env(Config::default(), variables)
}

#[test]
fn a_variable_sets_any_key() {
    let config = env(&[
        ("LARDER__NAMESPACE", "shop"),
        ("LARDER__DEFAULT_TTL", "600"),
        ("LARDER__JITTER", "0.5"),
        ("LARDER__MEMORY__MAX_BYTES", "64 MiB"),
        ("LARDER__REDIS__DB", "3"),
        ("LARDER__REDIS__PASSWORD", "0123"),
        ("LARDER__REDIS__SENTINEL__MASTER", "main"),
        ("LARDER__REDIS__SENTINEL__NODES", "a:1, b:2"),
        ("LARDER__REDIS__TLS__CA_FILE", "ca.pem"),
        ("LARDER__REDIS__TLS", "true"),
        ("PATH", "/bin"),
    ])
    .unwrap();
    assert_eq!(config.namespace.as_deref(), Some("shop"));
    assert_eq!(
        config.default_ttl.and_then(larder::Ttl::duration),
        Some(Duration::from_secs(600))
    );
    assert_eq!(config.jitter, Some(0.5));
    assert_eq!(config.memory.max_bytes, Some(64 << 20));
    assert_eq!(config.redis.db, Some(3));
    assert_eq!(
        config.redis.sentinel.as_ref().unwrap().nodes,
        ["a:1", "b:2"]
    );
    let files = TlsFiles::default().with_ca_file("ca.pem");
    assert_eq!(config.redis.tls, Some(TlsConfig::On(files)));
    assert_eq!(config.effective_driver(), Driver::Tiered);
}

#[test]
fn a_server_in_the_environment_makes_the_cache_tiered() {
    for name in ["REDIS_URL", "REDIS_ADDR", "LARDER__REDIS__ADDR"] {
        let value = if name == "REDIS_URL" {
            "redis://a"
        } else {
            "a:1"
        };
        let config = env(&[(name, value)]).unwrap();
        assert_eq!(config.effective_driver(), Driver::Tiered, "{name}");
        config.validate().unwrap();
        let named = Config::from_yaml("driver: redis").unwrap();
        let config = with_env(named, &[(name, value)]).unwrap();
        assert_eq!(config.effective_driver(), Driver::Redis, "{name}");
    }
}

#[test]
fn the_conventional_variables_say_nothing_where_redis_is_not_used() {
    let memory = Config::from_yaml("driver: memory").unwrap();
    for config in [
        with_env(memory, &[("REDIS_URL", "redis://a"), ("REDIS_DB", "none")]),
        env(&[
            ("REDIS_PASSWORD", "x"),
            ("REDIS_DB", "7"),
            ("REDIS_POOL_SIZE", "9"),
        ]),
        env(&[("LARDER__DRIVER", "memory"), ("REDIS_ADDR", "a")]),
        env(&[("REDIS_URL", ""), ("LARDER__DEFAULT_TTL", "")]),
    ] {
        let config = config.unwrap();
        config.validate().unwrap();
        assert_eq!(config.effective_driver(), Driver::Memory);
        assert_eq!(config.redis.db, None);
    }
}

#[test]
fn the_url_wins_over_the_other_conventional_variables() {
    let config = env(&[
        ("REDIS_ADDR", "other:1"),
        ("REDIS_PASSWORD", "other"),
        ("REDIS_DB", "none at all"),
        ("REDIS_URL", "redis://:mine@a/1"),
        ("REDIS_POOL_SIZE", "7"),
    ])
    .unwrap();
    config.validate().unwrap();
    assert_eq!(
        (config.redis.addr.as_deref(), config.redis.db),
        (None, None)
    );
    assert_eq!(config.redis.pool_size, Some(7));
}

#[test]
fn own_variables_win_over_conventional_ones_and_those_over_the_file() {
    let file = || {
        Config::from_yaml(
            "driver: redis\ntimeout: 1s\nredis: {addr: file:1, db: 1, pool_size: 1, password: file}",
        )
        .unwrap()
    };
    let config = with_env(
        file(),
        &[
            ("REDIS_ADDR", "conventional:1"),
            ("REDIS_DB", "2"),
            ("LARDER__REDIS__DB", "3"),
        ],
    )
    .unwrap();
    assert_eq!(config.redis.addr.as_deref(), Some("conventional:1"));
    assert_eq!(config.redis.db, Some(3));
    assert_eq!(config.redis.pool_size, Some(1), "the file's");
    assert_eq!(config.timeout, Some(Duration::from_secs(1)), "the file's");
    config.validate().unwrap();

    // Code comes last.
    let mut config = with_env(file(), &[("LARDER__REDIS__DB", "3")]).unwrap();
    config.redis.db = Some(4);
    assert_eq!(config.with_namespace("code").redis.db, Some(4));

    // The order of the variables says nothing.
    let config = with_env(file(), &[("LARDER__REDIS__DB", "3"), ("REDIS_DB", "2")]).unwrap();
    assert_eq!(config.redis.db, Some(3));
}

#[test]
fn a_place_takes_what_would_contradict_it_further_down() {
    let url = "redis: {url: redis://me:file@file/1, pool_size: 4}";
    let addr = "redis: {addr: file:1, username: me, password: file, db: 1}";
    let sentinel = "redis: {sentinel: {master: file, nodes: [file]}}";
    for file in [url, addr, sentinel] {
        for variables in [
            &[("REDIS_URL", "redis://env")][..],
            &[("LARDER__REDIS__URL", "redis://env")],
            &[("REDIS_ADDR", "env:1")],
            &[("LARDER__REDIS__ADDR", "env:1")],
            &[
                ("LARDER__REDIS__SENTINEL__MASTER", "env"),
                ("LARDER__REDIS__SENTINEL__NODES", "env"),
            ],
        ] {
            let config = with_env(Config::from_yaml(file).unwrap(), variables).unwrap();
            let config = config.with_namespace("shop");
            config.validate().unwrap();
            let redis = &config.redis;
            if variables[0].0.ends_with("_URL") {
                // Nothing of the old place, least of all its password, goes to the new one.
                let shown = format!("{redis:?}");
                assert!(
                    shown.contains("password: None") && redis.db.is_none(),
                    "{shown}"
                );
                assert!(redis.username.is_none() && redis.addr.is_none(), "{shown}");
            }
            let builder = format!("{:?}", config.into_builder().unwrap());
            let expected = if variables[0].0.contains("SENTINEL") {
                "env:26379"
            } else {
                "env"
            };
            assert!(
                builder.contains(expected),
                "{file} {variables:?}: {builder}"
            );
            assert!(
                !builder.contains("file:"),
                "{file} {variables:?}: {builder}"
            );
        }
    }
    let kept = with_env(
        Config::from_yaml(url).unwrap(),
        &[("REDIS_URL", "redis://env")],
    )
    .unwrap();
    assert_eq!(kept.redis.pool_size, Some(4), "what isn't the place stays");
}

#[test]
fn a_driver_takes_the_sections_that_it_has_no_use_for() {
    let file = "driver: tiered\nmemory: {max_ttl: 5, max_entries: 9}\nredis: {addr: a}";
    for (driver, entries) in [("memory", Some(9)), ("redis", None), ("tiered", Some(9))] {
        let file = Config::from_yaml(file).unwrap();
        let config = with_env(file, &[("LARDER__DRIVER", driver)]).unwrap();
        config.validate().unwrap();
        assert_eq!(config.memory.max_entries, entries, "{driver}");
        assert_eq!(config.redis.addr.is_some(), driver != "memory");
    }
    let error = env(&[("LARDER__DRIVER", "memory"), ("LARDER__REDIS__ADDR", "a")])
        .unwrap()
        .validate()
        .unwrap_err();
    assert!(error.message().contains("contradicts"), "{error}");
}

#[test]
fn a_wrong_variable_is_named() {
    for (name, value, parts) in [
        (
            "LARDER__REDIS__ADR",
            "x",
            &[
                "LARDER__REDIS__ADR: no such setting",
                "LARDER__REDIS__ADDR?",
            ][..],
        ),
        (
            "LARDER__REDIS_ADDR",
            "x",
            &["LARDER__REDIS_ADDR", "did you mean LARDER__REDIS__ADDR?"],
        ),
        (
            "LARDER__CACHE__DRIVER",
            "memory",
            &["did you mean LARDER__DRIVER?"],
        ),
        (
            "LARDER__REDSI__ADDR",
            "",
            &["did you mean LARDER__REDIS__ADDR?"],
        ),
        ("LARDER__", "x", &["LARDER__: no such setting"]),
        ("LARDER__redis.addr", "x", &["no such setting"]),
        (
            "LARDER__DRIVER",
            "mongo",
            &["LARDER__DRIVER: no such driver"],
        ),
        ("LARDER__REDIS", "a", &["LARDER__REDIS: expected a section"]),
        (
            "LARDER__REDIS__DB",
            "first",
            &["LARDER__REDIS__DB", "0 to 255"],
        ),
        (
            "LARDER__DEFAULT_TTL",
            "0",
            &["LARDER__DEFAULT_TTL", "write forever"],
        ),
        (
            "LARDER__REDIS__CLUSTER",
            "true",
            &["LARDER__REDIS__CLUSTER", "isn't there yet"],
        ),
        ("REDIS_ADDR", "redis://a", &["REDIS_ADDR", "a URL goes to"]),
    ] {
        let error = env(&[(name, value)]).unwrap_err();
        for part in parts {
            assert!(
                error.message().contains(part),
                "{name}={value} lacks {part}: {error}"
            );
        }
    }
    for variables in [
        [
            ("LARDER__REDIS__TLS", "false"),
            ("LARDER__REDIS__TLS__CA_FILE", "x"),
        ],
        [
            ("LARDER__REDIS__TLS__CA_FILE", "x"),
            ("LARDER__REDIS__TLS", "false"),
        ],
    ] {
        let error = env(&variables).unwrap_err();
        assert!(
            error.message().contains("contradicts another variable"),
            "{error}"
        );
    }
    let error = env(&[("REDIS_ADDR", "a"), ("REDIS_POOL_SIZE", "many")]).unwrap_err();
    assert!(error.message().starts_with("REDIS_POOL_SIZE:"), "{error}");
}
