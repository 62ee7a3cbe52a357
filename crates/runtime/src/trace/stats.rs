//! What became of spans.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::metrics::{Counter, encode_counter, encode_counters};

/// Counters of the tracer and its exporter.
#[derive(Debug, Default)]
pub(super) struct Stats {
    /// Spans that the collector has taken.
    pub(super) exported: Counter,
    /// Spans that found no room in the queue.
    pub(super) dropped_queue: Counter,
    /// Spans that the collector did not take in time.
    pub(super) dropped_export: Counter,
    /// Requests that were not recorded because of the bound on spans.
    pub(super) limited: Counter,
}

/// Shows them to Prometheus.
#[derive(Debug)]
pub(super) struct Exposition(pub(super) Arc<Stats>);

impl Collector for Exposition {
    fn encode(&self, mut to: DescriptorEncoder) -> fmt::Result {
        let stats = &self.0;
        let help = "Spans that the collector has taken";
        encode_counter(&mut to, "tagbid_trace_spans_exported", help, stats.exported.get())?;
        let dropped = [("queue", &stats.dropped_queue), ("export", &stats.dropped_export)];
        let dropped = dropped.map(|(why, count)| ([("why", why)], count.get()));
        let help = "Spans that found no room in the queue, or that the collector did not take";
        encode_counters(&mut to, "tagbid_trace_spans_dropped", help, dropped)?;
        let help = "Requests that were served and not recorded, because of the bound on spans a second";
        encode_counter(&mut to, "tagbid_traces_limited", help, stats.limited.get())
    }
}
