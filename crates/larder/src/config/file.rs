//! Settings from files.

use std::fs;
use std::path::Path;

use larder_core::Result;

use super::model::Config;
use super::tree::invalid;

impl Config {
    /// Reads YAML. Needs the feature `config-yaml`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConfigInvalid`](crate::ErrorKind::ConfigInvalid) with the line, the column and the key,
    /// and never with a value: for text that is no YAML, a key that is none, and a value that a key can't
    /// have.
    #[cfg(feature = "config-yaml")]
    pub fn from_yaml(text: &str) -> Result<Self> {
        super::read::config(super::yaml::parse(text)?)
    }

    /// Reads TOML. Needs the feature `config-toml`.
    ///
    /// # Errors
    ///
    /// As [`Config::from_yaml`].
    #[cfg(feature = "config-toml")]
    pub fn from_toml(text: &str) -> Result<Self> {
        super::read::config(super::toml::parse(text)?)
    }

    /// Reads a file: YAML if its name ends with `.yaml` or `.yml`, TOML if with `.toml`.
    ///
    /// # Errors
    ///
    /// As those two, with the file's name; and for a file that can't be read, another ending, and a format
    /// whose feature is off.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display();
        let read = format(path).map_err(|message| invalid(format!("{name}: {message}")))?;
        let text = fs::read_to_string(path)
            .map_err(|error| invalid(format!("{name}: {error}")).with_source(error))?;
        read(&text).map_err(|error| invalid(format!("{name}: {}", error.message())))
    }
}

/// How files with such a name are read.
fn format(path: &Path) -> std::result::Result<fn(&str) -> Result<Config>, &'static str> {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    match extension.to_str() {
        #[cfg(feature = "config-yaml")]
        Some("yaml" | "yml") => Ok(Config::from_yaml),
        #[cfg(not(feature = "config-yaml"))]
        Some("yaml" | "yml") => {
            Err("YAML needs the feature `config-yaml` of larder, which is off in this build")
        }
        #[cfg(feature = "config-toml")]
        Some("toml") => Ok(Config::from_toml),
        #[cfg(not(feature = "config-toml"))]
        Some("toml") => {
            Err("TOML needs the feature `config-toml` of larder, which is off in this build")
        }
        _ => Err("a file of settings ends with .yaml, .yml or .toml"),
    }
}
