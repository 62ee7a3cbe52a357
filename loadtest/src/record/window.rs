//! A slice of a run's time.

use serde::{Deserialize, Serialize};

use super::{ByOutcome, Outcome, Sparse};

/// Counts of requests. A request that is neither skipped nor has an outcome yet is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tallies {
    /// Requests due.
    pub due: u64,
    /// Those that were never sent.
    pub skipped: u64,
    /// What became of those that were.
    pub outcomes: ByOutcome<u64>,
}

impl Tallies {
    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.due += other.due;
        self.skipped += other.skipped;
        for outcome in Outcome::ALL {
            *self.outcomes.get_mut(outcome) += other.outcomes.get(outcome);
        }
    }

    /// A part of all that were due; none: no part.
    pub fn share(&self, of: u64) -> f64 {
        of as f64 / self.due.max(1) as f64
    }

    /// Answers in time.
    pub fn good(&self) -> u64 {
        self.outcomes.bid + self.outcomes.no_bid
    }

    /// Requests without a usable answer for a fault: errors, and those that were never sent.
    pub fn errors(&self) -> u64 {
        self.outcomes.error + self.skipped
    }

    /// All that an exchange could not use: late, shed, errors, never sent.
    pub fn failures(&self) -> u64 {
        self.outcomes.late + self.outcomes.shed + self.errors()
    }
}

/// A slice of a run: what became of the requests that were due in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The counts.
    #[serde(flatten)]
    pub tallies: Tallies,
    /// Corrected latencies of those served, late ones included.
    pub latency: Sparse,
}

impl Window {
    /// Adds the same slice of another machine.
    pub fn add(&mut self, other: &Self) {
        self.tallies.add(&other.tallies);
        self.latency.add(&other.latency);
    }
}
