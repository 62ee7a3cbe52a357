//! Metrics that cost the bid path an uncontended increment: counters and fixed-bucket histograms, one shard a worker,
//! added up when somebody scrapes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use tagbid_types::Monotonic;

/// A counter of one shard.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// So many more. Relaxed: a scrape may see one counter ahead of another, never a lost increment.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of the latency buckets in microseconds; one more bucket takes the rest.
pub const BUCKETS_US: [u64; 16] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000,
];

/// A latency histogram of one shard.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    /// Counts one latency.
    pub fn record_us(&self, micros: u64) {
        let bucket = BUCKETS_US.partition_point(|bound| *bound < micros);
        if let Some(count) = self.buckets.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(micros, Ordering::Relaxed);
    }

    /// Counts the time from one reading of the clock to a later one.
    pub fn record(&self, from: Monotonic, to: Monotonic) {
        self.record_us(to.0.saturating_sub(from.0));
    }
}

/// A latency histogram of one shard that also knows exactly how many were within an objective, whatever that is: so it has a
/// bucket that ends there.
#[derive(Debug, Default)]
pub struct SloHistogram {
    all: Histogram,
    within: Counter,
}

impl SloHistogram {
    /// Counts one latency; `slo_us` is the same at every call.
    pub fn record_us(&self, micros: u64, slo_us: u64) {
        if micros <= slo_us {
            self.within.inc();
        }
        self.all.record_us(micros);
    }
}

/// A histogram summed over shards.
#[derive(Clone, Debug, Default)]
pub struct HistogramSum {
    counts: [u64; BUCKETS_US.len() + 1],
    sum_us: u64,
    /// An objective in microseconds, and how many were within it.
    slo: Option<(u64, u64)>,
}

impl HistogramSum {
    /// The sum of these.
    pub fn of<'a>(histograms: impl Iterator<Item = &'a Histogram>) -> Self {
        let mut total = Self::default();
        for one in histograms {
            for (sum, count) in total.counts.iter_mut().zip(&one.buckets) {
                *sum += count.load(Ordering::Relaxed);
            }
            total.sum_us += one.sum_us.load(Ordering::Relaxed);
        }
        total
    }

    /// The sum of these, with a bucket that ends at the objective.
    pub fn with_slo<'a>(histograms: impl Iterator<Item = &'a SloHistogram> + Clone, slo_us: u64) -> Self {
        let within = histograms.clone().map(|one| one.within.get()).sum();
        Self { slo: Some((slo_us, within)), ..Self::of(histograms.map(|one| &one.all)) }
    }

    /// How many latencies were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The mean in microseconds; 0 when nothing was counted.
    pub fn mean_us(&self) -> u64 {
        self.sum_us.checked_div(self.count()).unwrap_or(0)
    }

    /// The upper bound in microseconds of the bucket that holds this quantile (0 to 1); the greatest bound for the
    /// rest, 0 when nothing was counted.
    pub fn quantile_us(&self, quantile: f64) -> u64 {
        let rank = (quantile * self.count() as f64).ceil() as u64;
        let mut seen = 0;
        for (count, bound) in
            self.counts.iter().zip(BUCKETS_US.iter().chain([&BUCKETS_US[BUCKETS_US.len() - 1]]))
        {
            seen += count;
            if seen >= rank && seen > 0 {
                return *bound;
            }
        }
        0
    }

    /// Upper bounds in seconds, and how many are in each bucket alone. The one that the objective lies in is split there.
    fn buckets(&self) -> Vec<(f64, u64)> {
        let mut buckets = Vec::with_capacity(BUCKETS_US.len() + 2);
        let (mut below, mut before) = (0, 0);
        let bounds = BUCKETS_US.iter().copied().chain([u64::MAX]);
        let seconds = |us: u64| if us == u64::MAX { f64::INFINITY } else { us as f64 / 1e6 };
        for (bound, count) in bounds.zip(self.counts) {
            let split = self.slo.filter(|(slo, _)| before < *slo && *slo < bound);
            // Counted a moment apart: a scrape in between may see one more here than there.
            let lower = split.map_or(0, |(_, within)| within.saturating_sub(below).min(count));
            buckets.extend(split.map(|(slo, _)| (seconds(slo), lower)));
            buckets.push((seconds(bound), count - lower));
            (below, before) = (below + count, bound);
        }
        buckets
    }

    /// Writes it for Prometheus, in seconds.
    pub fn encode(&self, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        let buckets = self.buckets();
        encoder.encode_histogram::<NoLabelSet>(self.sum_us as f64 / 1e6, self.count(), &buckets, None)
    }
}

/// One value a worker, each on cache lines of its own so that workers do not slow each other down.
#[derive(Debug)]
pub struct Sharded<T>(Arc<[Padded<T>]>);

impl<T> Clone for Sharded<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// 128 bytes: x86 prefetches cache lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T: Default> Sharded<T> {
    /// So many shards, at least one.
    pub fn new(shards: usize) -> Self {
        Self::with(shards, T::default)
    }
}

impl<T> Sharded<T> {
    /// The same of values that are not made of nothing.
    pub fn with(shards: usize, make: impl Fn() -> T) -> Self {
        Self((0..shards.max(1)).map(|_| Padded(make())).collect())
    }

    /// The shard of this worker.
    pub fn shard(&self, worker: usize) -> &T {
        &self.0[worker % self.0.len()].0
    }

    /// All shards.
    pub fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.0.iter().map(|padded| &padded.0)
    }

    /// The sum over all shards of one of their counters.
    pub fn sum(&self, counter: impl Fn(&T) -> &Counter) -> u64 {
        self.iter().map(|shard| counter(shard).get()).sum()
    }
}

/// Writes one counter. `name` without the `_total` that the exposition adds.
pub fn encode_counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    count: u64,
) -> fmt::Result {
    let mut one = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    one.encode_counter::<NoLabelSet, _, u64>(&count, None)
}

/// Writes a family of counters that differ in one label. `name` without the `_total` that the exposition adds.
pub fn encode_counters<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: impl IntoIterator<Item = (L, u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, count) in series {
        family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
    }
    Ok(())
}

/// Writes one histogram.
pub fn encode_histogram(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    histogram: &HistogramSum,
) -> fmt::Result {
    let mut one = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    histogram.encode(&mut one)
}

/// Writes a family of histograms that differ in one label.
pub fn encode_histograms<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: impl IntoIterator<Item = (L, HistogramSum)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for (labels, histogram) in series {
        histogram.encode(&mut family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// Writes a family of gauges that differ in their labels.
pub fn encode_gauges<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: impl IntoIterator<Item = (L, f64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in series {
        family.encode_family(&labels)?.encode_gauge(&value)?;
    }
    Ok(())
}

/// Writes one gauge.
pub fn encode_gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: i64) -> fmt::Result {
    encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_add_up() {
        let shards: Sharded<Histogram> = Sharded::new(2);
        shards.shard(0).record_us(10);
        shards.shard(1).record_us(11);
        shards.shard(1).record_us(5_000_000);
        let sum = HistogramSum::of(shards.iter());
        assert_eq!(sum.count(), 3);
        assert_eq!(sum.quantile_us(0.3), 10, "a bound belongs to its bucket");
        assert_eq!(sum.quantile_us(0.6), 25);
        assert_eq!(sum.quantile_us(1.0), 1_000_000);
        assert_eq!(HistogramSum::default().quantile_us(0.5), 0);
    }

    #[test]
    fn there_is_a_bucket_that_ends_at_the_objective_wherever_that_is() {
        let buckets = |slo_us| {
            let shards: Sharded<SloHistogram> = Sharded::new(2);
            for (worker, micros) in [9, 10, 11, 12_000, 12_001, 15_000, 2_000_000].into_iter().enumerate() {
                shards.shard(worker).record_us(micros, slo_us);
            }
            let buckets = HistogramSum::with_slo(shards.iter(), slo_us).buckets();
            assert!(buckets.is_sorted_by(|one, next| one.0 < next.0), "{buckets:?}");
            assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), 7);
            let within = buckets.iter().filter(|(bound, _)| *bound <= slo_us as f64 / 1e6);
            (buckets.len(), within.map(|(_, count)| count).sum::<u64>())
        };
        assert_eq!(buckets(10_000), (17, 3), "there already");
        assert_eq!(buckets(12_000), (18, 4));
        assert_eq!(buckets(5), (18, 0));
        assert_eq!(buckets(3_000_000), (18, 7));
    }
}
