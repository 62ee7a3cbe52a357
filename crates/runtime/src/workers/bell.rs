//! When a socket became readable, as well as a worker can know it. While the worker runs tasks it does not look at its
//! sockets; what it finds ready when it looks again came at some time in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Wake;

use futures_util::task::AtomicWaker;
use tagbid_types::{Clock, Monotonic};

/// A worker's looks at its sockets. Written and read on the worker's thread alone; atomics because wakers may be sent.
pub(super) struct Looks {
    clock: Arc<dyn Clock>,
    /// The look before the current one, and the current one, in microseconds.
    before: AtomicU64,
    current: AtomicU64,
    /// Whether nothing has run since the look.
    is_looking: AtomicBool,
}

impl Looks {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let now = AtomicU64::new(clock.monotonic().0);
        let before = AtomicU64::new(now.load(Ordering::Relaxed));
        Arc::new(Self { clock, before, current: now, is_looking: AtomicBool::new(false) })
    }

    /// The worker slept until something happened: what it finds now has just come.
    pub(super) fn woke_up(&self) {
        let now = self.clock.monotonic().0;
        self.before.store(now, Ordering::Relaxed);
        self.current.store(now, Ordering::Relaxed);
        self.is_looking.store(true, Ordering::Relaxed);
    }

    /// A task runs.
    fn is_over(&self) {
        self.is_looking.store(false, Ordering::Relaxed);
    }

    /// When that came what is found now: in the middle between the looks, in the mean and in the median. To take the
    /// earlier look would turn requests away that have just come, the later one would answer some too late.
    fn came(&self) -> u64 {
        if !self.is_looking.swap(true, Ordering::Relaxed) {
            let now = self.clock.monotonic().0;
            self.before.store(self.current.swap(now, Ordering::Relaxed), Ordering::Relaxed);
        }
        let (before, now) = (self.before.load(Ordering::Relaxed), self.current.load(Ordering::Relaxed));
        before + now.saturating_sub(before) / 2
    }
}

/// Rung by the runtime's I/O driver for one socket; wakes the task that waits for it.
pub(super) struct Bell {
    looks: Arc<Looks>,
    /// When that came for which it rang first since it was last answered, in microseconds; 0: it did not ring.
    rang: AtomicU64,
    task: AtomicWaker,
}

impl Bell {
    /// One that rang when the connection was accepted: what there is to read at once came while that waited for its worker.
    pub(super) fn new(looks: Arc<Looks>, accepted: Monotonic) -> Arc<Self> {
        Arc::new(Self { looks, rang: AtomicU64::new(accepted.0), task: AtomicWaker::new() })
    }

    /// Before each read: whom to wake.
    pub(super) fn listen(&self, task: &std::task::Waker) {
        self.looks.is_over();
        self.task.register(task);
    }

    /// When that came which was just read. Silent again.
    pub(super) fn answer(&self) -> Monotonic {
        match self.rang.swap(0, Ordering::Relaxed) {
            0 => self.looks.clock.monotonic(),
            rang => Monotonic(rang),
        }
    }

    /// There was nothing to read.
    pub(super) fn silence(&self) {
        self.rang.store(0, Ordering::Relaxed);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.rang.load(Ordering::Relaxed) == 0 {
            self.rang.store(self.looks.came().max(1), Ordering::Relaxed);
        }
        self.task.wake();
    }
}
