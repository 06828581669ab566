//! An allocator that counts, so that a row can say what it allocates and not only how long it takes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

/// The system's allocator with counters, which are off unless [`count`] runs.
pub(crate) struct Counting;

static ON: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicI64 = AtomicI64::new(0);

/// What was allocated while something ran, by all threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Allocations and reallocations.
    pub(crate) calls: u64,
    /// Bytes asked for.
    pub(crate) bytes: u64,
    /// Bytes asked for and not given back.
    pub(crate) live: i64,
}

/// Counts what `work` allocates.
pub(crate) fn count(work: impl FnOnce()) -> Counted {
    let before = (CALLS.load(Relaxed), BYTES.load(Relaxed), LIVE.load(Relaxed));
    ON.store(true, Relaxed);
    work();
    ON.store(false, Relaxed);
    Counted {
        calls: CALLS.load(Relaxed) - before.0,
        bytes: BYTES.load(Relaxed) - before.1,
        live: LIVE.load(Relaxed) - before.2,
    }
}

impl Counted {
    /// Allocations and bytes per operation.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    pub(crate) fn per(self, operations: usize) -> (f64, f64) {
        let operations = operations as f64;
        (
            self.calls as f64 / operations,
            self.bytes as f64 / operations,
        )
    }
}

fn signed(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn grown(asked: usize, change: i64) {
    CALLS.fetch_add(1, Relaxed);
    BYTES.fetch_add(asked as u64, Relaxed);
    LIVE.fetch_add(change, Relaxed);
}

#[expect(
    unsafe_code,
    reason = "the trait is unsafe; each call is handed to the system's allocator as it came"
)]
// SAFETY: every method calls the method of the same name with the same arguments on `System`, and
// touches nothing else but atomic integers.
unsafe impl GlobalAlloc for Counting {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if ON.load(Relaxed) {
            grown(layout.size(), signed(layout.size()));
        }
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    // Not left to the default, which would touch pages that the system hands out zeroed.
    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if ON.load(Relaxed) {
            grown(layout.size(), signed(layout.size()));
        }
        // SAFETY: as promised by the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if ON.load(Relaxed) {
            LIVE.fetch_sub(signed(layout.size()), Relaxed);
        }
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if ON.load(Relaxed) {
            grown(size, signed(size) - signed(layout.size()));
        }
        // SAFETY: as promised by the caller.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
