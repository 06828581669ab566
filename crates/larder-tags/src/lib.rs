#![doc = include_str!("../README.md")]

mod backend;
mod batch;
mod config;
mod judge;
mod late;
mod stamp;
mod state;
mod states;
mod update;

pub use self::config::Tags;
