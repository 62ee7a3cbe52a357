//! How long each stage took.

use tagbid_types::Monotonic;

use crate::metrics::Stage;
use crate::worker::Worker;

/// Laps of one request's clock. The total is recorded however the request ends.
pub(super) struct Timing<'w> {
    worker: &'w Worker,
    arrival: Monotonic,
    lap: Monotonic,
}

impl<'w> Timing<'w> {
    /// From the first byte.
    pub(super) fn start(worker: &'w Worker, arrival: Monotonic) -> Self {
        Self { worker, arrival, lap: arrival }
    }

    /// A stage is done; the next begins.
    pub(super) fn end(&mut self, stage: Stage) {
        let now = self.worker.monotonic();
        self.worker.metrics().stage(stage).record(self.lap, now);
        self.lap = now;
    }
}

impl Drop for Timing<'_> {
    fn drop(&mut self) {
        self.worker.metrics().stage(Stage::Total).record(self.arrival, self.worker.monotonic());
    }
}
