//! The tag layer around memory, Redis, and memory before Redis; on real servers.

mod conformance;
mod late_fills;
mod stacks;
