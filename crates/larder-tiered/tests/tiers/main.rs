//! Tiers: the contract over every stack that this crate makes, and what several tiers promise together.

mod build;
mod coherence;
mod conformance;
mod doubts;
mod ear;
mod leases;
mod lifetimes;
mod link;
mod middle;
mod node;
mod region;
mod remote;
mod service;
mod tiers_of_calls;
