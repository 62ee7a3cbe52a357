//! What the exchange saw.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use tagbid_types::{Currency, Nanos};

use crate::auction::{NoticeKind, Outcome};
use crate::check::Rule;

use super::judge::Judged;

/// Examples of violations that a report keeps.
const EXAMPLES: usize = 5;

/// Counts of a run, so far or in all.
#[derive(Clone, Debug)]
pub struct Report {
    /// Requests sent.
    pub requests: u64,
    /// Answers by HTTP status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without an answer: refused, broken or timed out.
    pub failures: u64,
    /// Answers after the request's `tmax`: the exchange has gone on without them.
    pub late: u64,
    /// Answers with at least one bid.
    pub answers_with_bids: u64,
    /// Bids in all answers.
    pub bids: u64,
    /// Answers without a bid, by `nbr`; none where the answer gave no reason.
    pub no_bids: BTreeMap<Option<i64>, u64>,
    /// Impressions won.
    pub wins: u64,
    /// Bids lost.
    pub losses: u64,
    /// What the exchange charges for impressions shown.
    pub spend: BTreeMap<Currency, Nanos>,
    /// Broken rules.
    pub violations: BTreeMap<Rule, u64>,
    /// The first violations in words, each with its request's id.
    pub examples: Vec<String>,
    /// Notices answered with a 2xx or 3xx, by kind.
    pub notices: BTreeMap<NoticeKind, u64>,
    /// Notices without such an answer.
    pub notice_failures: u64,
    /// Notices to other machines, which the simulator never calls.
    pub notices_elsewhere: u64,
    /// From sending to the whole answer, in microseconds.
    pub latency: Histogram<u64>,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            requests: 0,
            statuses: BTreeMap::new(),
            failures: 0,
            late: 0,
            answers_with_bids: 0,
            bids: 0,
            no_bids: BTreeMap::new(),
            wins: 0,
            losses: 0,
            spend: BTreeMap::new(),
            violations: BTreeMap::new(),
            examples: Vec::new(),
            notices: BTreeMap::new(),
            notice_failures: 0,
            notices_elsewhere: 0,
            latency: latencies(),
        }
    }
}

/// An empty histogram of microseconds, up to a minute, to three digits.
pub fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("constant bounds that the crate takes")
}

impl Report {
    /// Counts an answer's time.
    pub(super) fn timed(&mut self, latency: Duration, tmax: Option<Duration>) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latency.saturating_record(micros);
        self.late += u64::from(tmax.is_some_and(|tmax| latency > tmax));
    }

    /// Counts what an answer said and what came of it.
    pub(super) fn judged(&mut self, id: &str, judged: &Judged) {
        *self.statuses.entry(judged.status).or_default() += 1;
        self.bids += judged.bids;
        if judged.bids > 0 {
            self.answers_with_bids += 1;
        } else {
            *self.no_bids.entry(judged.nbr).or_default() += 1;
        }
        for violation in &judged.violations {
            *self.violations.entry(violation.rule).or_default() += 1;
            if self.examples.len() < EXAMPLES {
                self.examples.push(format!("{id}: {violation}"));
            }
        }
        self.auctioned(&judged.outcome);
    }

    fn auctioned(&mut self, outcome: &Outcome) {
        self.wins += outcome.wins.len() as u64;
        self.losses += outcome.losses as u64;
        for win in &outcome.wins {
            let spend = self.spend.entry(win.currency).or_default();
            // A sum of 2^63 nanos is nine billion units: no run spends that.
            *spend = spend.checked_add(win.charged).unwrap_or(*spend);
        }
    }

    /// How many rules were broken, all kinds together.
    pub fn broken_rules(&self) -> u64 {
        self.violations.values().sum()
    }
}

impl fmt::Display for Report {
    /// A few lines for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "requests      {} ({} without answer, {} late)",
            self.requests, self.failures, self.late
        )?;
        writeln!(f, "statuses      {:?}", self.statuses)?;
        writeln!(f, "bids          {} in {} answers", self.bids, self.answers_with_bids)?;
        writeln!(f, "wins, losses  {}, {}", self.wins, self.losses)?;
        for (currency, amount) in &self.spend {
            writeln!(f, "spend         {amount} {currency}")?;
        }
        let at = |quantile| self.latency.value_at_quantile(quantile) as f64 / 1000.0;
        writeln!(f, "latency       p50 {:.2} ms, p99 {:.2} ms", at(0.5), at(0.99))?;
        write!(f, "violations    {}", self.broken_rules())?;
        self.examples.iter().try_for_each(|example| write!(f, "\n  {example}"))
    }
}
