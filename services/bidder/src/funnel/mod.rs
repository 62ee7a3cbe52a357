//! The funnel: how far each line item came on a sample of the requests.
//!
//! One request in so many is copied when its answer is written, and a thread of low priority goes through it again:
//! not as the path does, candidate by candidate until nothing better can come, but with every line item that matches,
//! each to the first thing that stops it. What decides is the path's own code (`path::terms`, `path::best`), so that
//! the counts cannot tell another story than the bids. The copy holds the book that the request was answered from and
//! what was known of its user, not who the user is; it goes when the pass is over, and only counts stay.
//!
//! The passes take a fiftieth of one core at most, whatever the catalog: when they are behind, samples are dropped and
//! counted.

mod pace;
mod pass;
mod sample;
mod tally;
#[cfg(test)]
mod tests;
mod totals;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use bumpalo::Bump;
use tagbid_ports::{Funnel as Report, FunnelError, FunnelSource};
use tagbid_runtime::metrics::Counter;
use tagbid_runtime::{Drain, background};
use tagbid_types::{LineItemId, Timestamp};

use crate::shared::Shared;
use pace::Pace;
use pass::pass;
use tally::Tally;

pub(crate) use sample::Sample;
pub(crate) use totals::FunnelTotals;

/// Copies that may wait for their pass; what comes while so many wait is dropped and counted. With a body of 256 KiB
/// each they are 16 MiB.
const WAITING: usize = 64;

/// The sample and what came of it.
pub(crate) struct Funnel {
    /// One request in so many; none when 0.
    every: u32,
    queue: SyncSender<Sample>,
    waiting: Mutex<Option<Receiver<Sample>>>,
    tally: Tally,
}

impl Funnel {
    /// Takes one request in `every`, from now on.
    pub(crate) fn new(every: u32, now: Timestamp) -> Self {
        let (queue, waiting) = sync_channel(WAITING);
        Self { every, queue, waiting: Mutex::new(Some(waiting)), tally: Tally::new(now) }
    }

    /// Whether this request is one to copy.
    pub(crate) fn wants(&self, random: impl FnOnce() -> u64) -> bool {
        self.every != 0 && random().is_multiple_of(self.every.into())
    }

    /// Leaves a copy for the next pass. Never waits.
    pub(crate) fn offer(&self, sample: Sample, dropped: &Counter) {
        if self.queue.try_send(sample).is_err() {
            dropped.inc();
        }
    }

    /// The copy that waits longest, for tests that pass it themselves.
    #[cfg(test)]
    fn sampled(&self) -> Option<Sample> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.as_ref()?.try_recv().ok()
    }

    fn take_queue(&self) -> Option<Receiver<Sample>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Shared {
    /// The funnels of these line items. Requests are the exact number; what is being passed now is not in it yet.
    pub(crate) fn funnel_report(&self, line_items: &[LineItemId]) -> Result<Report, FunnelError> {
        if self.funnel.every == 0 {
            return Err(FunnelError("the bidder takes no samples; set bidder.funnel_every".into()));
        }
        let source = FunnelSource {
            bidder: "in process".into(),
            since: Some(self.funnel.tally.since()),
            requests: self.metrics.searched(),
            sampled: self.metrics.funnel.samples.get(),
            dropped: self.metrics.funnel_dropped(),
            problem: String::new(),
        };
        Ok(Report { sources: vec![source], line_items: self.funnel.tally.of(line_items) })
    }
}

/// Passes samples on a thread of low priority until the drain.
pub(crate) async fn run(shared: Arc<Shared>, drain: Drain) {
    let Some(waiting) = shared.funnel.take_queue().filter(|_| shared.funnel.every != 0) else { return };
    // The thread ends when the bidder is gone, so it must not be what holds the bidder.
    let watched = Arc::downgrade(&shared);
    drop(shared);
    tokio::select! {
        () = drain.wait() => {}
        ended = background("funnel", move || passes(&watched, &waiting)) => {
            if ended.is_err() {
                tracing::error!("the funnel's thread could not run; its counts stand still");
            }
        }
    }
}

fn passes(bidder: &Weak<Shared>, waiting: &Receiver<Sample>) {
    let (mut arena, mut pace) = (Bump::new(), Pace::new(Instant::now()));
    while let (Ok(sample), Some(shared)) = (waiting.recv(), bidder.upgrade()) {
        let began = Instant::now();
        // As on a connection, a panic costs the one request that it came with.
        let passed = catch_unwind(AssertUnwindSafe(|| take(&shared, &sample, &arena)));
        if passed.is_err() {
            tracing::error!("a pass of the funnel panicked");
            arena = Bump::new();
        }
        let took = began.elapsed();
        shared.metrics.funnel.pass.record_us(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        arena.reset();
        drop((sample, shared));
        // Meanwhile samples queue up, and then are dropped: the sample gets smaller, the bids no slower.
        std::thread::sleep(pace.rest(took, Instant::now()));
    }
}

/// One sample from the copy to the counts.
fn take(shared: &Shared, sample: &Sample, arena: &Bump) {
    shared.funnel.tally.follow(sample, &shared.fx);
    let scope = shared.funnel.tally.scope();
    if let Some(passed) = pass(shared, sample, &scope, arena) {
        shared.metrics.funnel.add(&passed, sample.book.len());
        shared.funnel.tally.add(&passed, sample.settled.now);
    }
}
