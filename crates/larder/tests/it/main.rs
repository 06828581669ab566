//! The cache as its users see it: one binary, one file per promise or part.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod a1_cache_trouble;
mod a1_loaders_say;
mod a1_outcomes;
mod a3_cycles;
mod a3_loads;
mod a3_single_flight;
mod a4_freshness;
mod a4_stand_ins;
mod bad_input;
mod c1_late_fills;
mod c1_load_routes;
mod c4_tags;
mod c6_atomic;
mod c7_read_your_writes;
mod c8_one_truth;
mod corner_cases;
mod invalidators;
mod lifecycle;
mod limits;
mod many_corner_cases;
mod many_loads;
mod metrics;
mod nodes;
mod operations;
mod origin;
mod processes;
mod redis_gone;
mod s3_secrets;
mod s4_namespaces;
mod sliding_spaces;
mod spaces;
mod stacks;
mod start;
mod switches;
mod two_versions;
mod warming;
