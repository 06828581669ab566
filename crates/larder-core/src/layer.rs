//! Layers: wrappers around a store that are backends themselves.

use std::fmt;
use std::sync::Arc;

use crate::{Backend, Store};

/// What kind of layer it is; decides where in a stack it may stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LayerRole {
    /// May stand anywhere.
    #[default]
    Anywhere,
    /// Changes bytes (compression, encryption): below tiers that keep values decoded, directly around
    /// the store that needs bytes.
    Bytes,
    /// Checks tags: above every tier, so that memory is judged too.
    Tags,
    /// Guards a remote store (deadlines, breakers): directly around that store, below tiers.
    Guard,
    /// Feeds a system of record: above everything.
    WriteBehind,
}

/// Makes a wrapper around a store. The value holds settings and shared state and may be applied more
/// than once; nothing stateful is made in `apply`.
///
/// ```text
/// store.layer(&outer_right)        last applied is outermost
/// ```
pub trait Layer: Send + Sync + fmt::Debug {
    /// Wraps a store.
    fn apply(&self, inner: Store) -> Arc<dyn Backend>;

    /// Where in a stack it may stand. Default: anywhere.
    fn role(&self) -> LayerRole {
        LayerRole::Anywhere
    }
}
