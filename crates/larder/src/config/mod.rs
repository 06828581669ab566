//! Settings as data: from YAML, from TOML, from the environment and from code.
//!
//! Every key, its type and its default are in `docs/configuration.md`. What holds for all of them:
//!
//! - Whatever is left out has its default.
//! - A key that is none is an error, which names the nearest that is one. So is a driver that isn't in
//!   this build (the error names the feature), and a setting that contradicts another.
//! - What is said last wins: code over `LARDER__SECTION__KEY` over `REDIS_URL` and its like over the file.
//! - Errors and `Debug` never show a value: it may be a password.
//!
//! ```
//! use larder::config::Config;
//!
//! # fn main() -> larder::Result<()> {
//! let variables = [("LARDER__DEFAULT_TTL".to_owned(), "10m".to_owned())];
//! let config = Config::default()
//!     .with_namespace("shop")
//!     .with_env_from(variables)?; // `with_env` reads the process's own
//! let builder = config.into_builder()?;
//! # Ok(()) }
//! ```
//!
//! A [`Config`] can also be a part of an application's own settings: it implements
//! [`serde::Deserialize`].

mod address;
mod assemble;
mod contradictions;
mod environment;
mod file;
mod keys;
#[cfg(feature = "memory")]
mod memory;
mod model;
mod overlay;
mod quantity;
mod read;
#[cfg(feature = "redis")]
mod redis;
mod section;
#[cfg(feature = "config-toml")]
mod toml;
mod tree;
#[cfg(feature = "config-yaml")]
mod yaml;

pub use self::model::{
    Config, Driver, EvictionPolicy, MemoryConfig, RedisConfig, SentinelConfig, StartMode,
    TlsConfig, TlsFiles,
};
