//! Where a value came from.

use std::sync::Arc;

/// What a load call came to, with how; see [`GetOrLoad::detailed`](crate::GetOrLoad::detailed).
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome<T> {
    /// The value; `None` where the origin has none.
    pub value: Option<Arc<T>>,
    /// Where it came from.
    pub source: Source,
    /// Whether its time to live was over. After a load that failed a stale value counts as fresh again for the
    /// [throttle interval](crate::LoadPolicy::throttle): who is answered within it can't tell.
    pub stale: bool,
    /// Whether this caller waited for a load that another one had begun.
    pub waited: bool,
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// The nearest tier, at once.
    Memory,
    /// A tier that had to be asked.
    Tier,
    /// The loader.
    Loader,
    /// The call's [default](crate::GetOrLoad::default_value).
    Default,
}

impl<T> Outcome<T> {
    pub(crate) fn new(value: Option<Arc<T>>, source: Source) -> Self {
        Self {
            value,
            source,
            stale: false,
            waited: false,
        }
    }
}

impl<T> Clone for Outcome<T> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
            source: self.source,
            stale: self.stale,
            waited: self.waited,
        }
    }
}
