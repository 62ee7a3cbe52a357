//! All metrics of the role, by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prost::Message;
use tagbid_runtime::metrics::{
    Counter, Histogram, HistogramSum, encode_counter, encode_counters, encode_gauge, encode_histograms,
};
use tonic::Code;

use crate::feed::Hub;

/// What happened since the start of the process.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Names of our methods: whoever asks for another must not make a label of it.
    known: BTreeSet<String>,
    calls: Mutex<BTreeMap<(String, i32), u64>>,
    /// From asking for the catalog's lock to the end of the commit.
    pub(crate) writes: Histogram,
    /// Until a connection of the pool was there, and for writers the lock.
    pub(crate) waits: Histogram,
    /// Requests that were answered as the first time.
    pub(crate) replays: Counter,
    /// Statements and connections that failed.
    pub(crate) database_errors: Counter,
    /// Changes that were handed to readers of the catalog.
    pub(crate) changes_sent: Counter,
    /// Whole catalogs that were handed to readers.
    pub(crate) snapshots_sent: Counter,
    /// Tags made of names that nobody knew.
    pub(crate) registered: Counter,
    /// Users that are suppressed.
    pub(crate) suppressed: AtomicU64,
    watchers: AtomicI64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            known: methods(),
            calls: Mutex::default(),
            writes: Histogram::default(),
            waits: Histogram::default(),
            replays: Counter::default(),
            database_errors: Counter::default(),
            changes_sent: Counter::default(),
            snapshots_sent: Counter::default(),
            registered: Counter::default(),
            suppressed: AtomicU64::default(),
            watchers: AtomicI64::default(),
        }
    }
}

impl Metrics {
    /// A call was answered with this code; that of a stream is how it began.
    pub(crate) fn called(&self, method: &str, code: i32) {
        let method = if self.known.contains(method) { method } else { "other" };
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry((method.to_owned(), code)).or_default() += 1;
    }

    /// A reader of the catalog; it is one until this is dropped.
    pub(crate) fn watcher(self: &Arc<Self>) -> Watcher {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        Watcher(Arc::clone(self))
    }
}

/// One reader of the catalog.
pub(crate) struct Watcher(Arc<Metrics>);

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The methods of all services that are described; one name in two of them has one series.
fn methods() -> BTreeSet<String> {
    let described = prost_types::FileDescriptorSet::decode(tagbid_wire::DESCRIPTORS).unwrap_or_default();
    let services = described.file.into_iter().flat_map(|file| file.service);
    services.flat_map(|service| service.method).filter_map(|method| method.name).collect()
}

/// Shows the metrics to Prometheus.
pub(crate) struct Exposed(pub(crate) Arc<Hub>);

impl fmt::Debug for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exposed")
    }
}

type Labels = [(&'static str, String); 2];
type Single = fn(&Metrics) -> &Counter;

const SINGLE: [(&str, &str, Single); 5] = [
    ("tagbid_campaigns_replays", "Requests answered as the first time, by their request id", |m| &m.replays),
    (
        "tagbid_campaigns_database_errors",
        "Statements and connections to the catalog database that failed",
        |m| &m.database_errors,
    ),
    ("tagbid_catalog_changes_sent", "Changes handed to readers of the catalog", |m| &m.changes_sent),
    ("tagbid_tags_registered", "Tags made of unknown names by the policy of their dataset", |m| {
        &m.registered
    }),
    ("tagbid_catalog_snapshots_sent", "Whole catalogs handed to readers", |m| &m.snapshots_sent),
];

impl Collector for Exposed {
    fn encode(&self, mut to: DescriptorEncoder) -> fmt::Result {
        let metrics = self.0.metrics();
        let calls = metrics.calls.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let calls = calls.into_iter().map(|((method, code), count)| -> (Labels, u64) {
            ([("method", method), ("code", name(code))], count)
        });
        encode_counters(&mut to, "tagbid_campaigns_calls", "gRPC calls by method and code", calls)?;
        for (name, help, counter) in SINGLE {
            encode_counter(&mut to, name, help, counter(metrics).get())?;
        }
        let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let gauges = [
            ("tagbid_catalog_revision", "The catalog's revision", whole(self.0.revision().0)),
            ("tagbid_catalog_watchers", "Readers of the catalog", metrics.watchers.load(Ordering::Relaxed)),
            (
                "tagbid_suppressed_users",
                "Users that are suppressed",
                whole(metrics.suppressed.load(Ordering::Relaxed)),
            ),
        ];
        for (name, help, value) in gauges {
            encode_gauge(&mut to, name, help, value)?;
        }
        let times = [("write", &metrics.writes), ("wait", &metrics.waits)];
        let times = times.map(|(what, time)| ([("what", what)], HistogramSum::of([time].into_iter())));
        let help =
            "Time of a write of the catalog, lock and commit included, and of waiting for a connection";
        encode_histograms(&mut to, "tagbid_campaigns_database_seconds", help, times)
    }
}

/// "not_found" for NotFound.
fn name(code: i32) -> String {
    let mut name = String::new();
    for letter in format!("{:?}", Code::from(code)).chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_methods_make_labels() {
        let metrics = Metrics::default();
        for method in ["CreateCampaign", "CreateCampaign", "Evil1", "Evil2"] {
            metrics.called(method, 16);
        }
        let calls = metrics.calls.into_inner().unwrap();
        let counted: Vec<_> =
            calls.into_iter().map(|((method, code), count)| (method, name(code), count)).collect();
        let series = |method: &str| (method.to_owned(), "unauthenticated".to_owned(), 2);
        assert_eq!(counted, [series("CreateCampaign"), series("other")]);
    }
}
