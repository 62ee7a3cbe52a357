//! How a run goes, told once a second while it runs.

use std::sync::mpsc;
use std::time::Duration;

use crate::record::{Latencies, Outcome, Tallies};

/// Seconds that the view may be behind. When it is further, they are not told.
const BEHIND: usize = 64;

/// What came in within a second, of one thread of the generator.
#[derive(Clone, Debug)]
pub struct Tick {
    /// The second's number, from the start of the warm-up.
    pub second: u64,
    /// What came in. Requests due count where they were due, answers where they came.
    pub tallies: Tallies,
    /// Corrected latencies of answers that came, sheds and errors not included.
    pub latency: Latencies,
    /// Requests unanswered at its end.
    pub outstanding: usize,
}

/// Takes what is told.
#[derive(Clone, Debug)]
pub struct Watcher(mpsc::SyncSender<Tick>);

impl Watcher {
    /// A watcher, and where its ticks come out.
    pub fn new() -> (Self, mpsc::Receiver<Tick>) {
        let (sender, receiver) = mpsc::sync_channel(BEHIND);
        (Self(sender), receiver)
    }
}

/// The second that is running.
#[derive(Default)]
pub(super) struct Live {
    second: u64,
    tallies: Tallies,
    latency: Latencies,
}

impl Live {
    pub(super) fn plan(&mut self, skipped: bool) {
        self.tallies.due += 1;
        self.tallies.skipped += u64::from(skipped);
    }

    pub(super) fn see(&mut self, outcome: Outcome, corrected: Duration) {
        *self.tallies.outcomes.get_mut(outcome) += 1;
        if outcome.is_served() {
            self.latency.record(corrected);
        }
    }

    /// Tells the second that has ended, if one has.
    pub(super) fn tell(&mut self, now: Duration, outstanding: usize, watcher: &Watcher) {
        if now.as_secs() == self.second {
            return;
        }
        let tick =
            Tick { second: self.second, tallies: self.tallies, latency: self.latency.clone(), outstanding };
        // Nobody looks, or nobody keeps up: the run matters more.
        let _told = watcher.0.try_send(tick);
        self.second = now.as_secs();
        self.tallies = Tallies::default();
        self.latency.reset();
    }
}
