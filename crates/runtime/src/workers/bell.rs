//! When a socket became readable, as well as a worker can know it. While the worker runs tasks it does not look at its
//! sockets; what it finds ready when it looks again came at some time in between.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Poll, Wake, Waker};

use futures_util::task::AtomicWaker;
use tagbid_types::{Clock, Monotonic};

/// Whoever was busy for longer than this, in microseconds, looks once more before sleeping: what is found then has waited. Others would
/// pay a system call a request to know of waits that matter to nobody.
const BUSY: u64 = 1_000;

/// A worker's looks at its sockets. Written and read on the worker's thread alone; atomics because wakers may be sent.
pub(super) struct Looks {
    clock: Arc<dyn Clock>,
    /// The look before the current one, and the current one, in microseconds.
    before: AtomicU64,
    current: AtomicU64,
    /// Whether nothing has run since the look.
    is_looking: AtomicBool,
    /// Whether the worker sleeps until something happens.
    is_asleep: AtomicBool,
    /// Wakes a task that does nothing, so that the worker looks without sleeping.
    nudge: AtomicWaker,
}

impl Looks {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let now = clock.monotonic().0;
        let [before, current] = [(); 2].map(|()| AtomicU64::new(now));
        let [is_looking, is_asleep] = [(); 2].map(|()| AtomicBool::new(false));
        Arc::new(Self { clock, before, current, is_looking, is_asleep, nudge: AtomicWaker::new() })
    }

    /// The task that does nothing. Runs on the worker for as long as that.
    pub(super) async fn stay(self: Arc<Self>) {
        poll_fn(|cx| {
            self.nudge.register(cx.waker());
            Poll::Pending
        })
        .await
    }

    /// Nothing is left to run. What wakes the worker has just come, unless it came while the worker was busy.
    pub(super) fn falls_asleep(&self) {
        self.is_over();
        let busy = self.clock.monotonic().0.saturating_sub(self.current.load(Ordering::Relaxed)) > BUSY;
        self.is_asleep.store(!busy, Ordering::Relaxed);
        if busy {
            self.nudge.wake();
        }
    }

    /// The worker has looked, and what it found has rung its bells.
    pub(super) fn wakes_up(&self) {
        self.is_asleep.store(false, Ordering::Relaxed);
        if !self.is_looking.load(Ordering::Relaxed) {
            self.current.store(self.clock.monotonic().0, Ordering::Relaxed);
        }
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
            let last = self.current.swap(now, Ordering::Relaxed);
            let before = if self.is_asleep.load(Ordering::Relaxed) { now } else { last };
            self.before.store(before, Ordering::Relaxed);
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
    pub(super) fn listen(&self, task: &Waker) {
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
