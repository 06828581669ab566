//! Random numbers that can be asked for again: by a seed.

use std::sync::atomic::{AtomicU64, Ordering};

/// A source that many threads draw from: splitmix64 (Steele, Lea, Flood, *Fast Splittable Pseudorandom Number
/// Generators*, 2014) over a shared counter.
#[derive(Debug)]
pub(crate) struct Random(AtomicU64);

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    pub(crate) const fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Above 0 and at most 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are kept")]
    pub(crate) fn fraction(&self) -> f64 {
        let mut z = self
            .0
            .fetch_add(GAMMA, Ordering::Relaxed)
            .wrapping_add(GAMMA);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        ((z >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}
