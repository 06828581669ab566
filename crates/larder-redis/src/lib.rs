#![doc = include_str!("../README.md")]

mod address;
mod ask;
mod backend;
mod batch;
mod canary;
mod check;
mod config;
mod credentials;
mod driver;
mod echoes;
mod facts;
mod fill;
mod finish;
mod held;
mod keep;
mod lease;
mod limit;
mod link;
mod marker;
mod names;
mod offset;
mod orphans;
mod read;
mod renew;
mod script;
mod self_test;
mod shared;
mod tls;
mod update;
mod write;

pub use self::backend::Redis;
pub use self::config::{RedisBuilder, Start};
pub use self::credentials::{CredentialProvider, Credentials};
pub use self::tls::Tls;
