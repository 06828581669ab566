//! The keys and values of a measurement and the order in which they are asked for.

use std::sync::Arc;

use crate::values::Profile;
use crate::zipf;

/// How many keys there are.
pub(crate) const KEYS: usize = 10_000;
/// How many entries every cache has room for: more than there are keys, so that every lookup hits, and
/// less than twice as many, because moka counts popularity only in a cache that is at least half full.
pub(crate) const CAPACITY: u64 = 16_000;
/// Spaces have this prefix: `airport:gate:00000042` to a raw engine is `gate:00000042` in the space.
pub(crate) const PREFIX: &str = "airport";

/// A power of two, so that going round costs nothing.
const TRACE: usize = 1 << 17;

/// Keys of 21 bytes, values of about 500, and a trace.
pub(crate) struct Work {
    /// Whole keys.
    pub(crate) keys: Vec<String>,
    /// The same without [`PREFIX`].
    pub(crate) names: Vec<String>,
    /// One value per key, shared by all contenders.
    pub(crate) values: Vec<Arc<Profile>>,
    trace: Vec<u32>,
}

impl Work {
    /// Zipf 0.99 over all keys.
    pub(crate) fn zipf() -> Self {
        Self::along(zipf::trace(KEYS, 0.99, TRACE, 7))
    }

    /// The same key again and again: what remains when nothing misses the processor's caches.
    pub(crate) fn one_hot_key() -> Self {
        Self::along(vec![4_242; TRACE])
    }

    fn along(trace: Vec<u32>) -> Self {
        let names: Vec<String> = (0..KEYS).map(|at| format!("gate:{at:08}")).collect();
        Self {
            keys: names
                .iter()
                .map(|name| format!("{PREFIX}:{name}"))
                .collect(),
            names,
            values: Profile::samples(KEYS),
            trace,
        }
    }

    /// Which key the operation of this number is for.
    #[inline]
    pub(crate) fn at(&self, operation: usize) -> usize {
        self.trace[operation & (TRACE - 1)] as usize
    }

    /// Its whole key.
    #[inline]
    pub(crate) fn key(&self, operation: usize) -> &str {
        &self.keys[self.at(operation)]
    }

    /// Its name in the space.
    #[inline]
    pub(crate) fn name(&self, operation: usize) -> &str {
        &self.names[self.at(operation)]
    }
}

/// Makes a [`Run`](crate::harness::Run) of an expression that is evaluated for one operation after the other, with its key
/// or its name in space, and may await.
macro_rules! each {
    ($work:ident, $key:ident => $body:expr) => {
        Box::new(|range: std::ops::Range<usize>| {
            $crate::harness::ready(async {
                let mut sum = 0_u64;
                for operation in range {
                    let $key = $work.$key(operation);
                    sum = sum.wrapping_add($body);
                }
                std::hint::black_box(sum);
            });
        })
    };
}
pub(crate) use each;
