//! Keeps loads of snapshots from slowing lookups down.
//!
//! While loads write, this node measures what lookups of its store take: those that it answers, and beside them single users
//! of its own choice all over the store, because other nodes answer from the same store and this one may have no traffic.
//! [`control`] makes a rate of that, all loads of the node share it. Loads through several nodes at once each take the
//! others' writes for the store's own slowness when they rest: send them through one.

mod control;
mod spread;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tagbid_runtime::Drain;
use tagbid_tagset::UserKey;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::store::{Store, StoreError};

pub(crate) use self::control::Held;
use self::control::{Bucket, Control};
use self::spread::Counting;

/// Between two looks of ours.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// What takes longer counts as so long.
const LONGEST: Duration = Duration::from_millis(100);

/// How long one write may keep the store busy, in time of the rate: lookups behind it wait less than that.
const WRITE: Duration = Duration::from_millis(2);

/// Users of one write at least and at most.
const WRITES: (usize, usize) = (16, 1_000);

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pace(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    seen: Counting,
    loads: AtomicUsize,
    written: AtomicU64,
    control: Mutex<Control>,
    bucket: Mutex<Bucket>,
    /// Since when moments are counted.
    epoch: Instant,
    /// Whether writes may go on.
    open: watch::Sender<bool>,
    begun: Notify,
}

/// A load that is paced, until it is dropped.
pub(crate) struct Paced(Pace);

impl Drop for Paced {
    fn drop(&mut self) {
        self.0.0.loads.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Pace {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self(Arc::new(Inner {
            store,
            seen: Counting::default(),
            loads: AtomicUsize::new(0),
            written: AtomicU64::new(0),
            control: Mutex::default(),
            bucket: Mutex::default(),
            epoch: Instant::now(),
            open: watch::Sender::new(false),
            begun: Notify::new(),
        }))
    }

    /// A lookup of the store took so long.
    pub(crate) fn saw(&self, took: Duration) {
        if self.is_busy() {
            self.0.seen.add(took);
        }
    }

    fn is_busy(&self) -> bool {
        self.0.loads.load(Ordering::Relaxed) > 0
    }

    /// A load begins that is to be paced.
    pub(crate) fn begin(&self) -> Paced {
        if self.0.loads.fetch_add(1, Ordering::AcqRel) == 0 {
            self.0.begun.notify_one();
        }
        Paced(self.clone())
    }

    /// What holds loads back now; none while there are none.
    pub(crate) fn held(&self) -> Option<Held> {
        self.is_busy().then(|| lock(&self.0.control).held())
    }

    /// Runs until the drain.
    pub(crate) async fn drive(self, drain: Drain) {
        loop {
            tokio::select! {
                () = self.0.begun.notified() => {}
                () = drain.wait() => break,
            }
            lock(&self.0.control).begin();
            while self.is_busy() && !drain.started() {
                self.turn().await;
            }
            self.0.open.send_replace(false);
        }
        // What is under way ends with its streams.
        lock(&self.0.bucket).set(self.0.epoch.elapsed(), f64::from(u32::MAX));
        self.0.open.send_replace(true);
    }

    async fn turn(&self) {
        let turn = lock(&self.0.control).turn();
        if let Some(rate) = turn.rate {
            lock(&self.0.bucket).set(self.0.epoch.elapsed(), rate);
        }
        self.0.open.send_replace(turn.rate.is_some());
        if turn.rate.is_none() {
            // What was sent before is not idle time.
            sleep(WRITE).await;
        }
        let (_before, written) = (self.0.seen.take(), self.0.written.load(Ordering::Relaxed));
        self.look_until(Instant::now() + turn.lasts).await;
        let written = self.0.written.load(Ordering::Relaxed) - written;
        lock(&self.0.control).ended(turn, &self.0.seen.take(), written);
    }

    /// Looks users up that nobody has, one after the other.
    async fn look_until(&self, end: Instant) {
        let random = RandomState::new();
        for n in 0_u64.. {
            let (high, low) = (u128::from(random.hash_one((n, 0))), u128::from(random.hash_one((n, 1))));
            let user = UserKey((high << 64 | low).to_be_bytes());
            let began = Instant::now();
            if began >= end {
                return;
            }
            let found = self.0.store.read(&[user], false, LONGEST).await;
            // A part that is away is quick to say so, and no part is slower for it.
            if matches!(found.first(), Some(Ok(_) | Err(StoreError::Late))) {
                self.0.seen.add(began.elapsed());
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

impl Paced {
    /// How many users the next write may have.
    pub(crate) fn users(&self) -> usize {
        let rate = lock(&self.0.0.control).held().rate;
        ((rate * WRITE.as_secs_f64()) as usize).clamp(WRITES.0, WRITES.1)
    }

    /// Waits until so many users may be written.
    pub(crate) async fn admit(&self, users: usize) {
        let inner = &self.0.0;
        let mut open = inner.open.subscribe();
        let _unless_it_ends = open.wait_for(|open| *open).await.is_ok();
        let now = Instant::now();
        let wait = lock(&inner.bucket).take(now - inner.epoch, users);
        if !wait.is_zero() {
            sleep_until(now + wait).await;
            // A rest may have begun meanwhile.
            let _unless_it_ends = open.wait_for(|open| *open).await.is_ok();
        }
        inner.written.fetch_add(users as u64, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
