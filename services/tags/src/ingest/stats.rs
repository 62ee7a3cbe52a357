//! What streams of events and impressions came to, for metrics.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::DescriptorEncoder;
use tagbid_ports::CountOutcome;
use tagbid_runtime::metrics::{Counter, encode_counters, encode_gauge};

use super::Reason;

/// Outcomes of events that are no rejects.
const TAKEN: [&str; 3] = ["stored", "repeated", "suppressed"];

/// Outcomes of impressions.
const COUNTED: [&str; 5] = ["counted", "repeated", "suppressed", "refused", "later"];

/// Of one node. Counted by the batch, so nothing here is contended.
#[derive(Debug, Default)]
pub(crate) struct IngestStats {
    taken: [Counter; TAKEN.len()],
    rejected: [Counter; Reason::LABELS.len()],
    impressions: [Counter; COUNTED.len()],
    /// Writes for which counts were forgotten that caps look at.
    pub(crate) crowded: Counter,
    streams: Level,
    batches: Level,
}

#[derive(Debug, Default)]
struct Level {
    began: Counter,
    ended: Counter,
}

/// A stream that is open, or a batch that is being taken in, until it is dropped.
#[derive(Debug)]
pub(crate) struct Busy(Arc<IngestStats>, fn(&IngestStats) -> &Level);

impl Drop for Busy {
    fn drop(&mut self) {
        self.1(&self.0).ended.inc();
    }
}

impl IngestStats {
    pub(crate) fn stream(self: &Arc<Self>) -> Busy {
        self.busy(|stats| &stats.streams)
    }

    pub(crate) fn batch(self: &Arc<Self>) -> Busy {
        self.busy(|stats| &stats.batches)
    }

    fn busy(self: &Arc<Self>, level: fn(&Self) -> &Level) -> Busy {
        level(self).began.inc();
        Busy(Arc::clone(self), level)
    }

    pub(super) fn stored(&self, events: usize) {
        self.taken[0].add(events as u64);
    }

    pub(super) fn repeated(&self, events: usize) {
        self.taken[1].add(events as u64);
    }

    pub(super) fn suppressed(&self, events: usize) {
        self.taken[2].add(events as u64);
    }

    pub(super) fn rejected(&self, reasons: impl Iterator<Item = Reason>) {
        reasons.for_each(|reason| self.rejected[reason as usize].inc());
    }

    pub(crate) fn counted(&self, outcomes: &[CountOutcome]) {
        for outcome in outcomes {
            let kind = match outcome {
                CountOutcome::Counted => 0,
                CountOutcome::Repeated => 1,
                CountOutcome::Suppressed => 2,
                CountOutcome::Refused(_) => 3,
                CountOutcome::Later(_) => 4,
            };
            self.impressions[kind].inc();
        }
    }

    pub(crate) fn encode(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let with = |names: &'static [&'static str], counters: &[Counter]| -> Vec<_> {
            names.iter().zip(counters).map(|(name, counter)| ([("result", *name)], counter.get())).collect()
        };
        let mut events = with(&TAKEN, &self.taken);
        events.extend(with(&Reason::LABELS, &self.rejected));
        encode_counters(to, "tagbid_tags_ingest_events", "Events, by what became of them", events)?;
        let help = "Impressions to count, by what became of them";
        encode_counters(to, "tagbid_tags_impressions", help, with(&COUNTED, &self.impressions))?;
        let help = "Writes for which counts of a user were forgotten that caps look at";
        encode_counters(
            to,
            "tagbid_tags_crowded",
            help,
            vec![([("kind", "frequency")], self.crowded.get())],
        )?;
        encode_gauge(
            to,
            "tagbid_tags_ingest_streams",
            "Streams of events that are open",
            self.streams.now(),
        )?;
        let help = "Batches of events that are being taken in";
        encode_gauge(to, "tagbid_tags_ingest_batches", help, self.batches.now())
    }
}

impl Level {
    fn now(&self) -> i64 {
        i64::try_from(self.began.get().saturating_sub(self.ended.get())).unwrap_or(i64::MAX)
    }
}
