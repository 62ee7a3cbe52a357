//! Counters of the outbox.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

use prometheus_client::encoding::DescriptorEncoder;
use tagbid_ports::CountOutcome;
use tagbid_runtime::metrics::{Counter, encode_counters, encode_gauge};
use tagbid_types::Timestamp;

/// What became of impressions that were told to the tag store; "later" counts tries.
const RESULTS: [&str; 5] = ["counted", "repeated", "suppressed", "refused", "later"];

/// What is told of the outbox.
#[derive(Debug, Default)]
pub(crate) struct CountingStats {
    results: [Counter; RESULTS.len()],
    /// Microseconds since 1970 of the oldest row; 0: there is none.
    oldest: AtomicI64,
}

impl CountingStats {
    /// An impression was told.
    pub(super) fn count(&self, outcome: &CountOutcome) {
        let result = match outcome {
            CountOutcome::Counted => 0,
            CountOutcome::Repeated => 1,
            CountOutcome::Suppressed => 2,
            CountOutcome::Refused(_) => 3,
            CountOutcome::Later(_) => 4,
        };
        self.results.get(result).into_iter().for_each(Counter::inc);
    }

    /// When what waits longest was shown.
    pub(super) fn oldest(&self, seen: Option<Timestamp>) {
        self.oldest.store(seen.map_or(0, |seen| seen.0), Ordering::Relaxed);
    }

    /// For Prometheus.
    pub(crate) fn encode(&self, to: &mut DescriptorEncoder<'_>, now: Timestamp) -> fmt::Result {
        let results =
            RESULTS.into_iter().zip(&self.results).map(|(name, count)| ([("result", name)], count.get()));
        let help = "Billed impressions told to the tag store, by its answer";
        encode_counters(to, "tagbid_outbox_impressions", help, results)?;
        let age = match self.oldest.load(Ordering::Relaxed) {
            0 => 0,
            oldest => i64::try_from(now.since(Timestamp(oldest)).as_secs()).unwrap_or(i64::MAX),
        };
        let help =
            "Age of the billed impression that waits longest to be counted for its user; 0: none waits";
        encode_gauge(to, "tagbid_outbox_age_seconds", help, age)
    }
}
