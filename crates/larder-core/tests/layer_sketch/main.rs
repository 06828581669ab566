//! The compiled proof that [`Backend`](larder_core::Backend) suffices: an authoritative store that keeps
//! encoded bytes, a memory tier, both as one, and above and below them every kind of layer, each in a page
//! or two and against the public contract alone. They are sketches: they show that it can be written, not how
//! it is written well.
//!
//! ```text
//! WriteBehind → Tags → Tiered ─┬─ Memory
//!                              └─ Breaker → Mask → Remote
//! ```

#![cfg(feature = "messagepack")]
#![expect(
    clippy::unwrap_used,
    reason = "a test that fails may as well do it here"
)]

mod behind;
mod bytes;
mod guard;
mod memory;
mod near;
mod remote;
mod stack;
mod support;
mod tags;
mod tiered;
mod wrapper;
