//! What a cache hands to the backends it is built of.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Clock, Namespace, Result, Store};

/// What a cache's tiers have in common; handed to each when the cache is built.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TierContext {
    /// The cache's namespace: where its keys live, and the label of its metrics.
    pub namespace: Namespace,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl TierContext {
    /// A context.
    pub fn new(namespace: Namespace, clock: Arc<dyn Clock>) -> Self {
        Self { namespace, clock }
    }
}

/// Something a cache can be built of: a backend's builder, or a [`Store`] that already exists.
#[async_trait]
pub trait Tier: Send + fmt::Debug {
    /// Opens the tier.
    async fn open(self: Box<Self>, context: &TierContext) -> Result<Store>;
}

#[async_trait]
impl Tier for Store {
    async fn open(self: Box<Self>, _: &TierContext) -> Result<Store> {
        Ok(*self)
    }
}
