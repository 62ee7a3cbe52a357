//! How much memory a structure holds, whatever it is made of.
#![expect(unsafe_code, reason = "a counting allocator has to be an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes handed out and not yet given back, while somebody counts; it wraps when older ones are given back.
static HELD: AtomicUsize = AtomicUsize::new(0);
/// Otherwise threads that fill a catalog would wait for each other's counts.
static COUNTING: AtomicBool = AtomicBool::new(false);

fn count(more: usize, less: usize) {
    if COUNTING.load(Ordering::Relaxed) {
        HELD.fetch_add(more.wrapping_sub(less), Ordering::Relaxed);
    }
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; the counters are atomics beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `build` makes, and the bytes that it still holds on the heap.
pub(crate) fn held<T>(build: impl FnOnce() -> T) -> (T, usize) {
    HELD.store(0, Ordering::Relaxed);
    COUNTING.store(true, Ordering::Relaxed);
    let built = build();
    COUNTING.store(false, Ordering::Relaxed);
    (built, HELD.load(Ordering::Relaxed))
}
