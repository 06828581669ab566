//! How much a caller may ask for at once.

use larder_core::{Entry, Error, ErrorKind, Result};

/// Limits on what is stored and asked for. Keys, tags and etags have fixed ones:
/// [`Key::MAX_BYTES`](crate::Key::MAX_BYTES), [`Entry::MAX_TAGS`](crate::Entry::MAX_TAGS),
/// [`TagName::MAX_BYTES`](crate::TagName::MAX_BYTES).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The most a value may weigh: its bytes when encoded, or what its space's `weigh` says. Default:
    /// 16 MiB.
    pub max_value_bytes: u64,
    /// The most operations a batch or pipeline may hold. Default: 10,000.
    pub max_batch: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_value_bytes: 16 << 20,
            max_batch: 10_000,
        }
    }
}

impl Limits {
    /// Sets the most bytes a value may have.
    pub fn with_max_value_bytes(self, max_value_bytes: u64) -> Self {
        Self {
            max_value_bytes,
            ..self
        }
    }

    /// Sets the most operations a batch may hold.
    pub fn with_max_batch(self, max_batch: usize) -> Self {
        Self { max_batch, ..self }
    }

    pub(crate) fn check_value(self, entry: &Entry) -> Result<()> {
        let bytes = entry.value().weight();
        if bytes > self.max_value_bytes {
            return Err(Error::new(
                ErrorKind::ValueTooLarge,
                format!(
                    "a value has at most {} bytes, this one has {bytes}",
                    self.max_value_bytes
                ),
            ));
        }
        Ok(())
    }

    pub(crate) fn check_batch(self, operations: usize) -> Result<()> {
        if operations > self.max_batch {
            return Err(Error::new(
                ErrorKind::BatchTooLarge,
                format!(
                    "a batch holds at most {} operations, this one has {operations}",
                    self.max_batch
                ),
            ));
        }
        Ok(())
    }
}
