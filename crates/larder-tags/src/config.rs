//! The layer's settings.

use std::sync::Arc;

use larder_core::{Backend, Layer, LayerRole, Store};

use crate::backend::Tagged;

/// Tags for the entries of a store: the layer. See the [crate's front page](crate).
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Tags;

impl Tags {
    /// The layer. It has no settings.
    pub fn new() -> Self {
        Self
    }
}

impl Layer for Tags {
    fn apply(&self, inner: Store) -> Arc<dyn Backend> {
        Arc::new(Tagged::new(inner))
    }

    fn role(&self) -> LayerRole {
        LayerRole::Tags
    }
}
