//! `#[cached]` as its users see it, on a cache in memory.

#![expect(clippy::unwrap_used, reason = "a test may")]
#![expect(clippy::unused_async, reason = "an origin in memory awaits nothing")]

mod arguments;
mod calls;
mod errors;
mod keys;
mod lifetimes;
mod methods;
mod origin;
mod siblings;
