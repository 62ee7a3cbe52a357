//! All answers together.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};
use tagbid_exchange::simulator::latencies;

use super::answer::{Answered, Outcome};

/// Counts of a replay.
#[derive(Clone, Debug)]
pub(super) struct Summary {
    /// Answers by HTTP status.
    pub(super) statuses: BTreeMap<u16, u64>,
    /// Bids in all answers.
    pub(super) bids: u64,
    /// Lines that were not sent.
    pub(super) unreadable: u64,
    /// Requests without an answer.
    pub(super) failed: u64,
    /// 200s that break OpenRTB.
    pub(super) invalid: u64,
    /// No-bids by reason, where the answer gave one.
    reasons: BTreeMap<String, u64>,
    latency: hdrhistogram::Histogram<u64>,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            statuses: BTreeMap::new(),
            bids: 0,
            unreadable: 0,
            failed: 0,
            invalid: 0,
            reasons: BTreeMap::new(),
            latency: latencies(),
        }
    }
}

/// The percentiles that are shown.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)];

impl Summary {
    pub(super) fn add(&mut self, answered: &Answered) {
        match &answered.outcome {
            Outcome::Unreadable(_) => self.unreadable += 1,
            Outcome::Failed(_) => self.failed += 1,
            Outcome::Answer { status, bids, time, reason, violations } => {
                *self.statuses.entry(*status).or_default() += 1;
                self.bids += *bids as u64;
                self.invalid += u64::from(!violations.is_empty());
                self.latency.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
                // What is wrong with one request is its own; only what many share is worth counting.
                if let Some(reason) = reason.as_ref().filter(|_| *status != 400) {
                    *self.reasons.entry(reason.clone()).or_default() += 1;
                }
            }
        }
    }

    /// Whether the exit code is 1.
    pub(super) fn is_failure(&self, strict: bool) -> bool {
        let broken = self.failed > 0 || self.statuses.keys().any(|status| *status >= 500);
        broken || (strict && (self.unreadable > 0 || self.invalid > 0))
    }

    fn percentiles(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        QUANTILES
            .into_iter()
            .map(|(name, quantile)| (name, self.latency.value_at_quantile(quantile) as f64 / 1000.0))
    }

    /// For machines.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "answers": self.latency.len(),
            "statuses": self.statuses,
            "bids": self.bids,
            "no_bid_reasons": self.reasons,
            "invalid": self.invalid,
            "failed": self.failed,
            "unreadable": self.unreadable,
            "latency_ms": self.percentiles().collect::<BTreeMap<_, _>>(),
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "answers       {}", self.latency.len())?;
        for (status, count) in &self.statuses {
            writeln!(f, "  {status}         {count}")?;
        }
        writeln!(f, "bids          {}", self.bids)?;
        for (reason, count) in &self.reasons {
            writeln!(f, "  no bid: {reason}: {count}")?;
        }
        let times: Vec<String> = self.percentiles().map(|(name, ms)| format!("{name} {ms:.2} ms")).collect();
        writeln!(f, "latency       {}", times.join(", "))?;
        write!(
            f,
            "problems      {} invalid answers, {} requests without answer, {} lines not sent",
            self.invalid, self.failed, self.unreadable
        )
    }
}
