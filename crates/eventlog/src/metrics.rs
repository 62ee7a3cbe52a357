//! What a log counts.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use tagbid_ports::EventKind;
use tagbid_runtime::metrics::{
    Counter, Histogram, HistogramSum, encode_counter, encode_counters, encode_gauge, encode_histogram,
};
use tagbid_types::Revision;

/// The metrics of one log.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    written: [Counter; EventKind::ALL.len()],
    pub(crate) bytes: Counter,
    /// Sampled events that found no room or no disk.
    pub(crate) dropped: Counter,
    /// Writes and syncs that the disk refused.
    pub(crate) failed: Counter,
    pub(crate) commit: Histogram,
    pub(crate) torn_bytes: Counter,
    /// Damaged places found, when opening and when rewriting.
    pub(crate) damage: Counter,
    pub(crate) rewritten: Counter,
    pub(crate) keys_removed: Counter,
    pub(crate) deleted: Counter,
    segments: AtomicI64,
    disk_bytes: AtomicI64,
    hidden: AtomicI64,
    people: AtomicI64,
}

impl Totals {
    pub(crate) fn written(&self, kind: EventKind) -> &Counter {
        &self.written[kind as usize]
    }

    pub(crate) fn set_size(&self, segments: usize, bytes: u64) {
        self.segments.store(i64::try_from(segments).unwrap_or(i64::MAX), Ordering::Relaxed);
        self.disk_bytes.store(i64::try_from(bytes).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn set_hidden(&self, users: usize, position: Revision) {
        self.hidden.store(i64::try_from(users).unwrap_or(i64::MAX), Ordering::Relaxed);
        self.people.store(i64::try_from(position.0).unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}

/// The log as Prometheus sees it.
#[derive(Debug)]
pub(crate) struct Exposed(pub(crate) Arc<Totals>);

impl Collector for Exposed {
    fn encode(&self, mut to: DescriptorEncoder) -> Result<(), fmt::Error> {
        let kinds = EventKind::ALL.into_iter();
        let written = kinds.map(|kind| ([("kind", kind.as_str())], self.0.written(kind).get()));
        encode_counters(
            &mut to,
            "tagbid_events_written",
            "Events written to the event log, by kind",
            written,
        )?;
        self.encode_plain(&mut to)?;
        let gauges = [
            ("tagbid_events_segments", "Segments of the event log", &self.0.segments),
            ("tagbid_events_disk_bytes", "Bytes of all segments", &self.0.disk_bytes),
            ("tagbid_events_hidden_users", "Users whose keys are hidden in the event log", &self.0.hidden),
            (
                "tagbid_events_people_position",
                "How far the event log is in the list of people",
                &self.0.people,
            ),
        ];
        for (name, help, gauge) in gauges {
            encode_gauge(&mut to, name, help, gauge.load(Ordering::Relaxed))?;
        }
        let commit = HistogramSum::of(std::iter::once(&self.0.commit));
        encode_histogram(
            &mut to,
            "tagbid_events_commit_seconds",
            "Time that a durable write of events took",
            &commit,
        )
    }
}

impl Exposed {
    fn encode_plain(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let plain: [(&str, &str, &Counter); 8] = [
            ("tagbid_events_bytes", "Bytes written to the event log", &self.0.bytes),
            (
                "tagbid_events_dropped",
                "Sampled events that found no room in the queue or on the disk",
                &self.0.dropped,
            ),
            ("tagbid_events_failed", "Writes of the event log that the disk refused", &self.0.failed),
            (
                "tagbid_events_torn_bytes",
                "Bytes of a torn end, cut when the event log was opened",
                &self.0.torn_bytes,
            ),
            ("tagbid_events_damage", "Damaged places found in the event log", &self.0.damage),
            ("tagbid_events_segments_rewritten", "Segments rewritten without user keys", &self.0.rewritten),
            ("tagbid_events_keys_removed", "User keys removed from segments", &self.0.keys_removed),
            ("tagbid_events_segments_deleted", "Segments deleted for their age", &self.0.deleted),
        ];
        for (name, help, counter) in plain {
            encode_counter(to, name, help, counter.get())?;
        }
        Ok(())
    }
}
