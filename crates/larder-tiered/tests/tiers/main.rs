//! Tiers: the contract over every stack that this crate makes, and what several tiers promise together.

mod build;
mod coherence;
mod conformance;
mod leases;
mod lifetimes;
mod link;
mod middle;
mod node;
mod remote;
mod service;
mod tiers_of_calls;
