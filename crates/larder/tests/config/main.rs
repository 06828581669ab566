//! Settings from files, the environment and code: what is taken, what is refused, and what is never shown.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod contradictions;
mod documentation;
mod environment;
mod files;
mod formats;
mod random;
mod secrets;
mod stacks;

use larder::ErrorKind;
use larder::config::Config;

/// What is said of a wrong file.
fn refused(yaml: &str) -> String {
    let error = Config::from_yaml(yaml)
        .and_then(Config::into_builder)
        .expect_err(yaml);
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{yaml}: {error}");
    error.message().to_owned()
}

/// Asserts that a wrong file is refused with these words.
fn assert_refused(yaml: &str, parts: &[&str]) {
    let message = refused(yaml);
    for part in parts {
        assert!(message.contains(part), "{yaml}\nlacks {part:?}: {message}");
    }
}

/// The variable that sets a key.
fn variable(key: &str) -> String {
    format!("LARDER__{}", key.to_uppercase().replace('.', "__"))
}

/// Settings, the environment laid over them.
fn with_env(config: Config, variables: &[(&str, &str)]) -> larder::Result<Config> {
    let variables = variables.iter();
    config.with_env_from(variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}
