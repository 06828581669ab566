//! Settings to a cache: the builders they come to.

use larder_core::{Result, Ttl};

use super::contradictions;
use super::model::Config;
use super::tree::invalid;
use crate::builder::CacheBuilder;
use crate::cache::Cache;
use crate::limits::Limits;

impl Config {
    /// Whether the settings make sense together and can be had in this build. Reads no file and asks no
    /// server. The namespace may still be missing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConfigInvalid`](crate::ErrorKind::ConfigInvalid), naming the key.
    pub fn validate(&self) -> Result<()> {
        contradictions::check(self)?;
        #[cfg(feature = "memory")]
        if self.effective_driver().uses_memory() {
            super::memory::tier(&self.memory).build()?;
        }
        #[cfg(feature = "redis")]
        if self.effective_driver().uses_redis() {
            super::redis::tier(self).validate()?;
        }
        let namespace = self.namespace.as_deref().unwrap_or("unnamed");
        self.without_tiers(namespace).check().map(drop)
    }

    /// The builder of the cache, to which more can be added, such as layers; what is set on it wins over
    /// what is here.
    ///
    /// # Errors
    ///
    /// As [`Config::validate`], and for a missing namespace or a file with certificates that can't be read.
    pub fn into_builder(self) -> Result<CacheBuilder> {
        self.validate()?;
        let Some(namespace) = &self.namespace else {
            return Err(invalid(
                "namespace is missing: 1 to 64 of the characters A-Z a-z 0-9 _ . -".to_owned(),
            ));
        };
        let builder = self.without_tiers(namespace);
        #[cfg(feature = "memory")]
        let builder = if self.effective_driver().uses_memory() {
            super::memory::add(&self.memory, builder)
        } else {
            builder
        };
        #[cfg(feature = "redis")]
        let builder = if self.effective_driver().uses_redis() {
            builder.tier(super::redis::tier_with_files(&self)?)
        } else {
            builder
        };
        Ok(builder)
    }

    /// The cache.
    ///
    /// # Errors
    ///
    /// As [`Config::into_builder`] and [`CacheBuilder::build`].
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing is left behind but connections that are being closed.
    pub async fn build(self) -> Result<Cache> {
        self.into_builder()?.build().await
    }

    fn without_tiers(&self, namespace: &str) -> CacheBuilder {
        let mut limits = Limits::default();
        if let Some(bytes) = self.max_value_bytes {
            limits = limits.with_max_value_bytes(bytes);
        }
        if let Some(operations) = self.max_batch {
            limits = limits.with_max_batch(operations);
        }
        let mut builder = Cache::builder(namespace).limits(limits);
        if let Some(ttl) = self.default_ttl.and_then(Ttl::duration) {
            builder = builder.ttl(ttl);
        }
        if let Some(jitter) = self.jitter {
            builder = builder.jitter(jitter);
        }
        if let Some(stale_for) = self.stale_for {
            builder = builder.stale_for(stale_for);
        }
        if let Some(load_timeout) = self.load_timeout {
            builder = builder.load_timeout(load_timeout);
        }
        builder
    }
}
