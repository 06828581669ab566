#![doc = include_str!("../README.md")]

mod backend;
mod config;
mod eviction;
mod expiries;
mod leases;
mod markers;
mod region;
mod regions;
mod update;

pub use self::backend::Memory;
pub use self::config::{MemoryBuilder, Policy};
pub use self::eviction::{Eviction, EvictionCause};
