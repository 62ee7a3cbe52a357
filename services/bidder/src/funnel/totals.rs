//! What the funnel shows of all line items together, for Prometheus.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use tagbid_ports::Loss;
use tagbid_runtime::metrics::{
    Counter, Histogram, HistogramSum, encode_counter, encode_counters, encode_histogram,
};

use super::pass::Passed;

/// Sums over all line items.
#[derive(Debug)]
pub(crate) struct FunnelTotals {
    /// Requests that were passed.
    pub(crate) samples: Counter,
    considered: Counter,
    matched: Counter,
    priced: Counter,
    bid: Counter,
    losses: [Counter; Loss::COUNT],
    /// How long a pass took.
    pub(crate) pass: Histogram,
}

impl Default for FunnelTotals {
    fn default() -> Self {
        let none = Counter::default;
        Self {
            samples: none(),
            considered: none(),
            matched: none(),
            priced: none(),
            bid: none(),
            losses: std::array::from_fn(|_| none()),
            pass: Histogram::default(),
        }
    }
}

impl FunnelTotals {
    /// Adds a pass over a book of so many line items.
    pub(super) fn add(&self, passed: &Passed, line_items: usize) {
        self.samples.inc();
        self.considered.add(passed.impressions.saturating_mul(line_items as u64));
        for (_, fate) in &passed.fates {
            self.matched.inc();
            if fate.is_priced() {
                self.priced.inc();
            }
            match fate.loss() {
                Some(loss) => {
                    if let Some(count) = self.losses.get(loss.index()) {
                        count.inc();
                    }
                }
                None => self.bid.inc(),
            }
        }
    }

    /// Writes all of it; `dropped` samples were chosen and not passed.
    pub(crate) fn encode(&self, to: &mut DescriptorEncoder<'_>, dropped: u64) -> fmt::Result {
        encode_counter(to, "tagbid_funnel_samples", "Requests passed for the funnel", self.samples.get())?;
        encode_counter(
            to,
            "tagbid_funnel_samples_dropped",
            "Requests chosen for the funnel and dropped because its passes were behind",
            dropped,
        )?;
        let stages = [
            ("considered", &self.considered),
            ("matched", &self.matched),
            ("priced", &self.priced),
            ("bid", &self.bid),
        ];
        let stages = stages.map(|(stage, count)| ([("stage", stage)], count.get()));
        let help = "Line items on sampled impressions, by how far they came";
        encode_counters(to, "tagbid_funnel_line_items", help, stages)?;
        let losses =
            Loss::all().zip(&self.losses).map(|(loss, count)| ([("reason", loss.as_str())], count.get()));
        let help = "Line items that matched a sampled impression and were not bid, by reason";
        encode_counters(to, "tagbid_funnel_lost", help, losses)?;
        let took = HistogramSum::of([&self.pass].into_iter());
        encode_histogram(to, "tagbid_funnel_pass_seconds", "Time that one pass of the funnel took", &took)
    }
}
