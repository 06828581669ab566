//! What a space is made of, apart from its type.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use larder_core::{Error, ErrorKind, Result, Ttl};

use crate::load::LoadPolicy;

type Weigh = Arc<dyn Fn(&(dyn Any + Send + Sync)) -> u64 + Send + Sync>;

/// Prefix, schema version and defaults of a space.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) prefix: Box<str>,
    /// `None` reads every version: the prefixless operations of a cache.
    pub(crate) schema: Option<u32>,
    /// Whether `.version()` was called.
    pub(crate) schema_stated: bool,
    pub(crate) ttl: Ttl,
    pub(crate) stale_for: Option<Duration>,
    pub(crate) weigh: Option<Weigh>,
    pub(crate) policy: Option<Arc<LoadPolicy>>,
    /// Whether a hit makes an entry live on.
    pub(crate) sliding: bool,
    /// The first setting that is wrong; every operation answers it.
    problem: Option<Error>,
    warned: Arc<AtomicBool>,
}

impl Spec {
    /// Longest prefix in bytes.
    const MAX_PREFIX: usize = 128;

    /// No prefix, every schema version.
    pub(crate) fn root() -> Self {
        Self {
            prefix: "".into(),
            schema: None,
            schema_stated: false,
            ttl: Ttl::Default,
            stale_for: None,
            weigh: None,
            policy: None,
            sliding: false,
            problem: None,
            warned: Arc::default(),
        }
    }

    pub(crate) fn new(prefix: &str) -> Self {
        let mut spec = Self {
            prefix: prefix.into(),
            schema: Some(0),
            ..Self::root()
        };
        if prefix.is_empty()
            || prefix.len() > Self::MAX_PREFIX
            || prefix.chars().any(char::is_control)
        {
            spec.fail(Error::new(
                ErrorKind::KeyInvalid,
                format!(
                    "a space's prefix is 1 to {} bytes without control characters",
                    Self::MAX_PREFIX
                ),
            ));
        }
        spec
    }

    pub(crate) fn fail(&mut self, problem: Error) {
        self.problem.get_or_insert(problem);
    }

    pub(crate) fn set<T>(&mut self, value: Result<T>, set: impl FnOnce(&mut Self, T)) {
        match value {
            Ok(value) => set(self, value),
            Err(error) => self.fail(error),
        }
    }

    pub(crate) fn problem(&self) -> Option<&Error> {
        self.problem.as_ref()
    }

    /// The name of a key of this space, from its whole text.
    pub(crate) fn strip<'k>(&self, text: &'k str) -> Option<&'k str> {
        if self.prefix.is_empty() {
            Some(text)
        } else {
            text.strip_prefix(&*self.prefix)?.strip_prefix(':')
        }
    }

    /// Whether this is the first time that it is asked.
    pub(crate) fn warn_once(&self) -> bool {
        !self.warned.swap(true, Ordering::Relaxed)
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec")
            .field("prefix", &self.prefix)
            .field("schema", &self.schema)
            .field("ttl", &self.ttl)
            .field("stale_for", &self.stale_for)
            .field("problem", &self.problem)
            .finish_non_exhaustive()
    }
}
