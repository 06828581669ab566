#![doc = include_str!("../README.md")]

mod backend;
mod batch;
mod config;
mod copies;
mod doubts;
mod fence;
mod middle;
mod near;
mod promotion;
mod service;

pub use self::backend::Tiered;
pub use self::config::{TierLimits, TieredBuilder};
