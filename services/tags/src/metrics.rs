//! All metrics of the tags role, by name. Callers count in shards of their own.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use tagbid_ports::{SourceStatus, TagAnswer};
use tagbid_runtime::metrics::{
    Counter, Histogram, HistogramSum, Sharded, encode_counter, encode_counters, encode_gauge, encode_gauges,
    encode_histograms,
};
use tagbid_types::{Clock, DatasetId, Timestamp};

use crate::ingest::IngestStats;
use crate::readiness::Readiness;
use crate::sample::Sampler;
use crate::store::{Store, StoreError};
use crate::versions::Versions;

/// Shards: lookups are opened by as many workers, or streams, as there are cores, and some share.
const SHARDS: usize = 16;

/// How a user's lookup ended.
const LOOKUPS: [&str; 6] = ["known", "suppressed", "late", "failed", "uncertain", "partly"];

/// What is written.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub(crate) enum Kind {
    Offline,
    Realtime,
    Frequency,
    Suppression,
}

const KINDS: [&str; 4] = ["offline", "realtime", "frequency", "suppression"];

/// How a write ended.
const RESULTS: [&str; 4] = ["ok", "refused", "failed", "uncertain"];

/// Why a store did not do what it was asked.
const ERRORS: [&str; 8] = ["down", "forgot", "contended", "failed", "late", "full", "moving", "partly"];

/// Upper bounds of users in a frame; a frame of the protocol has 64 at most.
const SIZES: [u64; 7] = [1, 2, 4, 8, 16, 32, 64];

/// What one caller counts.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    lookups: [Counter; LOOKUPS.len()],
    frames: [Counter; SIZES.len() + 1],
    users: Counter,
    began: Counter,
    ended: Counter,
    store: Histogram,
    total: Histogram,
    writes: [[Counter; RESULTS.len()]; KINDS.len()],
    errors: [Counter; ERRORS.len()],
    turned_away: Counter,
}

impl Shard {
    /// A frame of so many users begins; it has ended when the guard goes, also when nobody waited for it.
    pub(crate) fn frame(&self, users: usize) -> InFlight<'_> {
        let users = users as u64;
        if let Some(size) = self.frames.get(SIZES.partition_point(|bound| *bound < users)) {
            size.inc();
        }
        self.users.add(users);
        self.began.inc();
        InFlight(self)
    }

    /// So many users were late at once, because too many were being looked up.
    pub(crate) fn turned_away(&self, users: usize) {
        self.lookups[2].add(users as u64);
        self.turned_away.add(users as u64);
    }

    pub(crate) fn answered(&self, answers: &[TagAnswer]) {
        for answer in answers {
            let status = match answer.offline_status {
                SourceStatus::Known if answer.suppressed => 1,
                SourceStatus::Known if answer.offline.iter().any(|one| !one.status.is_usable()) => 5,
                SourceStatus::Known | SourceStatus::Stale => 0,
                SourceStatus::Late => 2,
                SourceStatus::Failed => 3,
                SourceStatus::Uncertain => 4,
            };
            self.lookups[status].inc();
        }
    }

    /// Time that a frame waited for the store, and that it took as a whole.
    pub(crate) fn store(&self) -> &Histogram {
        &self.store
    }

    pub(crate) fn total(&self) -> &Histogram {
        &self.total
    }

    pub(crate) fn written<T>(&self, kind: Kind, result: &Result<T, StoreError>) {
        let result = match result {
            Ok(_) => 0,
            Err(
                StoreError::Blob(..)
                | StoreError::NoVersion(_)
                | StoreError::Lost(_)
                | StoreError::TooManyVersions,
            ) => 1,
            Err(StoreError::Forgot | StoreError::Partly(_)) => 3,
            Err(_) => 2,
        };
        self.writes[kind as usize][result].inc();
    }

    pub(crate) fn failed(&self, error: &StoreError) {
        let kind = match error {
            StoreError::Down => 0,
            StoreError::Forgot => 1,
            StoreError::Contended(..) => 2,
            StoreError::Failed(_) => 3,
            StoreError::Late => 4,
            StoreError::Full => 5,
            StoreError::Moving => 6,
            StoreError::Partly(_) => 7,
            // The caller's mistake, not the store's.
            StoreError::Blob(..)
            | StoreError::NoVersion(_)
            | StoreError::Lost(_)
            | StoreError::TooManyVersions => {
                return;
            }
        };
        self.errors[kind].inc();
    }
}

/// A frame under way.
pub(crate) struct InFlight<'a>(&'a Shard);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.ended.inc();
    }
}

/// The shard of one caller.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    shards: Sharded<Shard>,
    next: Arc<AtomicUsize>,
    mine: usize,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self { shards: Sharded::new(SHARDS), next: Arc::default(), mine: 0 }
    }

    /// For another caller.
    pub(crate) fn another(&self) -> Self {
        Self { mine: self.next.fetch_add(1, Ordering::Relaxed), ..self.clone() }
    }

    pub(crate) fn shard(&self) -> &Shard {
        self.shards.shard(self.mine)
    }

    fn sum(&self, counter: impl Fn(&Shard) -> &Counter) -> u64 {
        self.shards.sum(counter)
    }

    /// Counts a write and what went wrong with it.
    pub(crate) fn wrote<T>(&self, kind: Kind, result: &Result<T, StoreError>) {
        self.shard().written(kind, result);
        if let Err(error) = result {
            self.shard().failed(error);
        }
    }
}

/// What a store says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Users and their bytes, where they are in this process.
    pub held: Option<(u64, u64)>,
    /// Parts of versions that were lost and then begun anew by writes of single users.
    pub begun_anew: u64,
    /// Connections that were made after the first one, where there are connections.
    pub reconnects: Option<u64>,
    /// The active datasets. The as-of time is the latest that was written; none: none was since that is noted.
    pub datasets: Vec<DatasetStats>,
}

/// An active dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatasetStats {
    /// The dataset.
    pub dataset: DatasetId,
    /// Its active version.
    pub version: u32,
    /// The latest moment that its tags describe.
    pub as_of: Option<Timestamp>,
}

/// Shows everything to Prometheus.
pub(crate) struct Exposition {
    pub(crate) metrics: Metrics,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) readiness: Readiness,
    pub(crate) sampler: Sampler,
    pub(crate) ingest: Arc<IngestStats>,
    pub(crate) versions: Versions,
    pub(crate) clock: Arc<dyn Clock>,
}

impl fmt::Debug for Exposition {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Exposition").finish_non_exhaustive()
    }
}

type Pick = fn(&Shard) -> &Histogram;
type Label = [(&'static str, &'static str); 1];

impl Collector for Exposition {
    fn encode(&self, mut to: DescriptorEncoder) -> fmt::Result {
        self.encode_lookups(&mut to)?;
        self.encode_writes(&mut to)?;
        self.ingest.encode(&mut to)?;
        self.versions.encode(&mut to)?;
        self.encode_suppression(&mut to)?;
        self.encode_store(&mut to)?;
        self.encode_sample(&mut to)
    }
}

impl Exposition {
    fn encode_lookups(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let m = &self.metrics;
        let lookups = (0..).zip(LOOKUPS);
        let lookups =
            lookups.map(|(i, name)| -> (Label, u64) { ([("status", name)], m.sum(|s| &s.lookups[i])) });
        encode_counters(to, "tagbid_tags_lookups", "Users looked up, by status", lookups)?;
        let help = "Users who were late at once, because too many were being looked up";
        encode_counter(to, "tagbid_tags_turned_away", help, m.sum(|s| &s.turned_away))?;
        let (began, ended) = (m.sum(|s| &s.began), m.sum(|s| &s.ended));
        let in_flight = i64::try_from(began.saturating_sub(ended)).unwrap_or(i64::MAX);
        encode_gauge(
            to,
            "tagbid_tags_frames_in_flight",
            "Frames of users that are being answered",
            in_flight,
        )?;
        let mut frames =
            to.encode_descriptor("tagbid_tags_frame_users", "Users in a frame", None, MetricType::Histogram)?;
        let bounds = SIZES.iter().map(|size| *size as f64).chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip((0..).map(|i| m.sum(|s| &s.frames[i]))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        frames.encode_histogram::<NoLabelSet>(m.sum(|s| &s.users) as f64, count, &buckets, None)?;
        let stages: [(&str, Pick); 2] = [("store", Shard::store), ("total", Shard::total)];
        let stages = stages.into_iter().map(|(name, pick)| -> (Label, HistogramSum) {
            ([("stage", name)], HistogramSum::of(m.shards.iter().map(pick)))
        });
        encode_histograms(to, "tagbid_tags_stage_seconds", "Time of a frame in a stage", stages)
    }

    fn encode_writes(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let m = &self.metrics;
        let of_kind = |(k, kind): (usize, &'static str)| {
            let results = (0..).zip(RESULTS);
            results.map(move |(r, result)| ([("kind", kind), ("result", result)], m.sum(|s| &s.writes[k][r])))
        };
        let writes = (0..).zip(KINDS).flat_map(of_kind);
        encode_counters(to, "tagbid_tags_writes", "Writes, by kind and result", writes)?;
        let errors = (0..).zip(ERRORS);
        let errors = errors.map(|(i, name)| -> (Label, u64) { ([("kind", name)], m.sum(|s| &s.errors[i])) });
        encode_counters(to, "tagbid_tags_store_errors", "What the store did not do, by cause", errors)
    }

    fn encode_suppression(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (applied, told) = self.readiness.progress();
        let states = [("applied", applied.0), ("told", told.0)];
        let states = states.map(|(name, revision)| -> (Label, f64) { ([("state", name)], revision as f64) });
        let help = "Position in the suppression list: what the store has, and what this node was told";
        encode_gauges(to, "tagbid_tags_suppression_revision", help, states)?;
        // Positions are moments.
        let told_at = Timestamp(i64::try_from(told.0).unwrap_or(i64::MAX));
        let lag = if applied < told { self.clock.now().since(told_at).as_secs() } else { 0 };
        let help = "Age of the last change of the suppression list that the store was told and does not have";
        let lag = i64::try_from(lag).unwrap_or(i64::MAX);
        encode_gauge(to, "tagbid_tags_suppression_lag_seconds", help, lag)?;
        let help = "1 while the store has the whole suppression list and lookups are answered";
        encode_gauge(to, "tagbid_tags_suppression_certain", help, self.readiness.ready().into())
    }

    fn encode_sample(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Some(sample) = self.sampler.stats() else { return Ok(()) };
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let help = "Users in the sample that estimates of reach are made from";
        encode_gauge(to, "tagbid_tags_sample_users", help, count(sample.users))?;
        let help =
            "Zero bits that the sampled users' keys begin with: one user in 2 to this power is sampled";
        encode_gauge(to, "tagbid_tags_sample_stratum", help, sample.level.into())?;
        encode_gauge(to, "tagbid_tags_sample_bytes", "Bytes of the sampled users", count(sample.bytes))?;
        let none: [(&'static str, &'static str); 0] = [];
        let seconds = |span: std::time::Duration| [(none, span.as_secs_f64())];
        let help = "Time since the pass over the store began that made the sample";
        encode_gauges(to, "tagbid_tags_sample_age_seconds", help, seconds(sample.age))?;
        let help = "Time that this pass took, its rests included";
        encode_gauges(to, "tagbid_tags_sample_pass_seconds", help, seconds(sample.took))
    }

    fn encode_store(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let stats = self.store.stats();
        if let Some((users, bytes)) = stats.held {
            let gauge = |count| i64::try_from(count).unwrap_or(i64::MAX);
            encode_gauge(to, "tagbid_tags_memory_users", "Users in the memory store", gauge(users))?;
            let help = "Bytes of the users in the memory store, without those of its tables";
            encode_gauge(to, "tagbid_tags_memory_bytes", help, gauge(bytes))?;
        }
        let help = "Parts of versions that the store had lost and that writes of single users began anew";
        encode_counter(to, "tagbid_tags_versions_begun_anew", help, stats.begun_anew)?;
        if let Some(reconnects) = stats.reconnects {
            encode_counter(
                to,
                "tagbid_tags_redis_reconnects",
                "Connections to Redis after the first",
                reconnects,
            )?;
        }
        let label = |one: &DatasetStats| [("dataset", one.dataset.0)];
        let versions = stats.datasets.iter().map(|one| (label(one), f64::from(one.version)));
        encode_gauges(to, "tagbid_tags_dataset_version", "Active version of a dataset", versions)?;
        let now = self.clock.now();
        let ages = stats.datasets.iter();
        let ages = ages.filter_map(|one| Some((label(one), now.since(one.as_of?).as_secs_f64())));
        let help = "Age of the latest as-of time that was written to a dataset";
        encode_gauges(to, "tagbid_tags_dataset_age_seconds", help, ages)
    }
}

/// A gauge that many threads add to and take from.
#[derive(Debug, Default)]
pub(crate) struct Sum(AtomicU64);

impl Sum {
    /// Takes the first away and adds the second.
    pub(crate) fn replace(&self, old: usize, new: usize) {
        self.0.fetch_add((new as u64).wrapping_sub(old as u64), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
