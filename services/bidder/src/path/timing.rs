//! How long each stage took, and how the request ended.

use bumpalo::Bump;
use bytes::Bytes;
use tagbid_runtime::trace::Field;
use tagbid_types::{Monotonic, NoBidReason, TraceContext};

use super::Stop;
use super::recording::{Recording, Stopwatch};
use crate::metrics::{ExchangeShard, Outcome, Stage};
use crate::worker::{Incoming, Worker};

/// Laps of one request's clock. The total is recorded however the request ends, also when nobody waits for it any more.
pub(crate) struct Timing<'w> {
    worker: &'w Worker,
    exchange: Option<&'w ExchangeShard>,
    arrival: Monotonic,
    lap: Monotonic,
    deadline: Option<Monotonic>,
    outcome: Outcome,
    /// Why there was no bid.
    reason: Option<NoBidReason>,
    /// Of a request that is traced.
    recording: Option<Box<Recording>>,
}

impl<'w> Timing<'w> {
    /// From the first byte.
    pub(crate) fn start(worker: &'w Worker, incoming: &Incoming) -> Self {
        let arrival = incoming.arrival;
        Self {
            worker,
            exchange: worker.of_exchange(&incoming.exchange),
            arrival,
            lap: arrival,
            deadline: None,
            outcome: Outcome::default(),
            reason: None,
            recording: incoming.trace.map(|begun| Box::new(Recording::new(begun, incoming, worker.clock()))),
        }
    }

    /// From then on an answer is late.
    pub(super) fn until(&mut self, deadline: Monotonic) {
        self.deadline = Some(deadline);
    }

    /// A stage is done; the next begins. `tell`: what is told of it where the request is traced.
    pub(super) fn end<const N: usize>(&mut self, stage: Stage, tell: impl FnOnce() -> [Field; N]) {
        let (worker, from, now) = (self.worker, self.lap, self.worker.monotonic());
        worker.metrics().stage(stage).record(from, now);
        if let Some(recording) = &mut self.recording {
            recording.stage(stage.as_str(), (from, now), tell().into(), || worker.random_u64());
        }
        self.lap = now;
    }

    /// The search is done, and gates and price with it: candidates are pulled one by one through all three.
    pub(super) fn end_match(&mut self, watch: Option<&Stopwatch>, bids: usize) {
        let (worker, from, now) = (self.worker, self.lap, self.worker.monotonic());
        worker.metrics().stage(Stage::Match).record(from, now);
        if let Some((recording, watch)) = self.recording.as_mut().zip(watch) {
            recording.search(watch, bids, (from, now), || worker.random_u64());
        }
        self.lap = now;
    }

    /// The span of the stage under way, for those whom it asks; none: the request is not traced.
    pub(super) fn asking(&mut self) -> Option<TraceContext> {
        let worker = self.worker;
        self.recording.as_mut().map(|recording| recording.asking(|| worker.random_u64()))
    }

    /// Where the search notes what gates and price took; none: the request is not traced.
    pub(super) fn stopwatch<'a>(&self, arena: &'a Bump) -> Option<&'a Stopwatch> {
        self.recording.is_some().then(|| &*arena.alloc(Stopwatch::default()))
    }

    /// The request has ended.
    pub(crate) fn finish(mut self, ended: &Result<Bytes, Stop<'_>>) {
        self.outcome = match ended {
            Ok(_) => Outcome::Bid,
            Err(Stop::NoBid { .. }) => Outcome::NoBid,
            Err(Stop::Refused(_)) => Outcome::Refused,
        };
        self.reason = match ended {
            Ok(_) => None,
            Err(Stop::NoBid { reason, .. }) => Some(*reason),
            Err(Stop::Refused(refusal)) => Some(refusal.reason),
        };
    }
}

impl Drop for Timing<'_> {
    fn drop(&mut self) {
        let now = self.worker.monotonic();
        self.worker.metrics().stage(Stage::Total).record(self.arrival, now);
        let late = self.deadline.is_some_and(|deadline| now >= deadline);
        if let Some(exchange) = self.exchange {
            exchange.took(self.outcome, now.0.saturating_sub(self.arrival.0));
            // Those that ended for want of time are counted by that reason.
            if late && self.outcome == Outcome::NoBid && self.reason != Some(NoBidReason::NoTime) {
                exchange.late_no_bids.inc();
            }
        }
        if let Some(recording) = self.recording.take() {
            let worker = self.worker;
            let ended = (self.outcome, self.reason, late);
            recording.finish(ended, (self.arrival, self.lap, now), || worker.random_u64());
        }
    }
}
