//! The cache as its users see it: one binary, one file per promise or part.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod a1_cache_trouble;
mod a3_loads;
mod bad_input;
mod c1_late_fills;
mod c6_atomic;
mod c7_read_your_writes;
mod c8_one_truth;
mod lifecycle;
mod limits;
mod metrics;
mod operations;
mod redis_gone;
mod s3_secrets;
mod s4_namespaces;
mod spaces;
mod stacks;
mod start;
mod switches;
