//! All metrics of the ledger, by name.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use tagbid_runtime::metrics::{Counter, HistogramSum, encode_counter, encode_counters, encode_gauge};

use tagbid_types::Clock;

use crate::counting::CountingStats;
use crate::queue::Queue;
use crate::standing::Standing;
use crate::stats::{BATCH_BOUNDS, Batches, ByKind, Stats};

/// Shows [`Stats`] and the queue to Prometheus.
pub(crate) struct Metrics {
    pub(crate) stats: Arc<Stats>,
    pub(crate) queue: Queue,
    pub(crate) counting: Arc<CountingStats>,
    pub(crate) standing: Arc<Standing>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

type OfKind = fn(&Stats) -> &ByKind;
type Single = fn(&Stats) -> &Counter;

/// Families with a series for each kind of notice.
const BY_KIND: [(&str, &str, OfKind); 8] = [
    ("tagbid_notices_received", "Requests for a notice URL", |s| &s.received),
    ("tagbid_notices_recorded", "New notices that are on disk", |s| &s.recorded),
    ("tagbid_notices_duplicate", "Notices that repeat one on disk", |s| &s.duplicates),
    ("tagbid_notices_quarantined", "Notices that contradict one on disk, or their bid", |s| &s.quarantined),
    ("tagbid_notices_late", "Notices that came too long after their bid", |s| &s.late),
    ("tagbid_notices_invalid", "Notices refused with 400", |s| &s.invalid),
    ("tagbid_notices_queue_full", "Notices refused with 503 for a full queue", |s| &s.queue_full),
    ("tagbid_notices_unavailable", "Notices refused with 503 for the database", |s| &s.unavailable),
];

const SINGLE: [(&str, &str, Single); 6] = [
    ("tagbid_notices_overpriced", "Notices whose price was above the bid's", |s| &s.overpriced),
    ("tagbid_notices_billed", "Notices that were billed", |s| &s.billed),
    ("tagbid_ledger_commits", "Transactions that recorded notices", |s| &s.commits),
    ("tagbid_ledger_commits_failed", "Transactions that the database did not take", |s| &s.failed_commits),
    ("tagbid_clicks_lost", "Clicks sent on before they were on disk", |s| &s.clicks_lost),
    ("tagbid_ledger_events_logged", "Events of the ledger that the event log has taken", |s| {
        &s.events_logged
    }),
];

/// What became of conversions, by the word for it.
const CONVERSIONS: [(&str, Single); 7] = [
    ("click", |s| &s.conversions.by_click),
    ("view", |s| &s.conversions.by_view),
    ("unattributed", |s| &s.conversions.unattributed),
    ("repeated", |s| &s.conversions.repeats),
    ("conflict", |s| &s.conversions.conflicts),
    ("refused", |s| &s.conversions.refused),
    ("not_taken", |s| &s.conversions.not_taken),
];

impl Collector for Metrics {
    fn encode(&self, mut to: DescriptorEncoder) -> fmt::Result {
        for (name, help, pick) in BY_KIND {
            let series = pick(&self.stats).iter().map(|(kind, count)| ([("kind", kind.as_str())], count));
            encode_counters(&mut to, name, help, series)?;
        }
        for (name, help, pick) in SINGLE {
            encode_counter(&mut to, name, help, pick(&self.stats).get())?;
        }
        let series =
            CONVERSIONS.into_iter().map(|(word, pick)| ([("result", word)], pick(&self.stats).get()));
        encode_counters(&mut to, "tagbid_conversions", "Conversions by what became of them", series)?;
        let waiting = i64::try_from(self.queue.waiting()).unwrap_or(i64::MAX);
        encode_gauge(&mut to, "tagbid_ledger_queue", "Notices that wait for the database", waiting)?;
        self.counting.encode(&mut to, self.clock.now())?;
        self.standing.encode(&mut to)?;
        let help = "Time of a transaction that recorded notices";
        let time = to.encode_descriptor("tagbid_ledger_commit_seconds", help, None, MetricType::Histogram)?;
        HistogramSum::of([&self.stats.commit_time].into_iter()).encode(&mut { time })?;
        encode_batches(&mut to, &self.stats.batches)
    }
}

fn encode_batches(to: &mut DescriptorEncoder<'_>, batches: &Batches) -> fmt::Result {
    let bounds = BATCH_BOUNDS.iter().map(|bound| *bound as f64).chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(batches.counts()).collect();
    let transactions = batches.counts().sum();
    let help = "Notices in one transaction";
    to.encode_descriptor("tagbid_ledger_batch_notices", help, None, MetricType::Histogram)?
        .encode_histogram::<NoLabelSet>(batches.notices() as f64, transactions, &buckets, None)
}
