//! A counter for paths that many threads take at once.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const CELLS: usize = 8;

/// A counter that threads add to without waiting for each other's caches: each thread has its cell, which
/// it shares with every eighth other, and each cell a cache line of its own.
///
/// ```
/// let hits = larder_core::Tally::new();
/// hits.add(2);
/// assert_eq!(hits.total(), 2);
/// ```
#[derive(Default)]
pub struct Tally([Cell; CELLS]);

/// Two lines of 64 bytes, because processors fetch them in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Cell(AtomicU64);

thread_local! {
    static MINE: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % CELLS
    };
}

impl Tally {
    /// Zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds to it.
    #[inline]
    pub fn add(&self, n: u64) {
        // A thread that is ending counts in the first cell.
        let mine = MINE.try_with(|mine| *mine).unwrap_or(0);
        self.0[mine].0.fetch_add(n, Ordering::Relaxed);
    }

    /// What has been added, by every thread that is done with it; others may be about to add.
    pub fn total(&self) -> u64 {
        self.0
            .iter()
            .map(|cell| cell.0.load(Ordering::Relaxed))
            .sum()
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.total())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_whoever_adds() {
        let tally = Tally::new();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| (0..1_000).for_each(|_| tally.add(1)));
            }
        });
        assert_eq!(tally.total(), 20_000);
    }
}
