//! Files on disk, and settings inside somebody else's.

use std::fs;

use larder::config::{Config, Driver};

#[test]
fn the_ending_says_the_format() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    for (name, text) in [
        ("a.yaml", "driver: redis"),
        ("a.YML", "driver: redis"),
        ("a.toml", "driver = \"redis\""),
    ] {
        let config = Config::from_file(write(name, text)).unwrap();
        assert_eq!(config.driver, Some(Driver::Redis), "{name}");
    }
    for (name, text, part) in [
        (
            "wrong.yaml",
            "drivr: x",
            "wrong.yaml: line 1, column 1: drivr",
        ),
        (
            "wrong.toml",
            "drivr = 1",
            "wrong.toml: line 1, column 1: drivr",
        ),
        ("a.json", "{}", "ends with .yaml, .yml or .toml"),
        ("yaml", "", "ends with .yaml, .yml or .toml"),
    ] {
        let error = Config::from_file(write(name, text)).unwrap_err();
        assert!(error.message().contains(part), "{name}: {error}");
    }
    let error = Config::from_file(folder.path().join("absent.yaml")).unwrap_err();
    assert!(error.message().contains("absent.yaml: "), "{error}");
}

#[test]
fn settings_can_be_a_part_of_others() {
    #[derive(serde::Deserialize)]
    struct Application {
        port: u16,
        cache: Config,
    }
    let json =
        r#"{"port": 80, "cache": {"driver": "redis", "redis": {"db": 3}, "default_ttl": "5m"}}"#;
    let application: Application = serde_json::from_str(json).unwrap();
    assert_eq!(application.port, 80);
    assert_eq!(application.cache.redis.db, Some(3));
    for (json, part) in [
        (
            r#"{"port": 80, "cache": {"redis": {"adr": 3}}}"#,
            "redis.adr: no such setting",
        ),
        (
            r#"{"port": 80, "cache": {"redis": {"db": "hunter2"}}}"#,
            "redis.db: expected",
        ),
        (
            r#"{"port": 80, "cache": {"driver": "redis", "driver": "redis"}}"#,
            "given twice",
        ),
    ] {
        let error = serde_json::from_str::<Application>(json)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(part), "{json}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
