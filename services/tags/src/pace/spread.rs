//! How long lookups took: a histogram fine enough to tell a p99 from twice that.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Buckets for each doubling: neighbours are 4.4 % apart.
const STEPS: usize = 16;

/// Doublings, from one microsecond to 67 seconds; what takes longer counts as that.
const DOUBLINGS: usize = 26;

const BUCKETS: usize = STEPS * DOUBLINGS;

/// Durations that were counted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spread {
    counts: Vec<f64>,
}

impl Default for Spread {
    fn default() -> Self {
        Self { counts: vec![0.0; BUCKETS] }
    }
}

fn bucket(took: Duration) -> usize {
    let micros = took.as_secs_f64() * 1e6;
    ((micros.max(1.0).log2() * STEPS as f64) as usize).min(BUCKETS - 1)
}

/// The upper bound of a bucket.
fn bound(bucket: usize) -> Duration {
    Duration::from_secs_f64(((bucket + 1) as f64 / STEPS as f64).exp2() / 1e6)
}

impl Spread {
    #[cfg(test)]
    pub(crate) fn add(&mut self, took: Duration) {
        self.counts[bucket(took)] += 1.0;
    }

    /// How many there are.
    pub(crate) fn count(&self) -> f64 {
        self.counts.iter().sum()
    }

    /// How many took longer, buckets that hold the limit left out.
    pub(crate) fn over(&self, limit: Duration) -> f64 {
        self.counts.iter().skip(bucket(limit) + 1).sum()
    }

    /// What 99 in 100 did not exceed; none when nothing was counted.
    pub(crate) fn p99(&self) -> Option<Duration> {
        let (rank, mut seen) = (self.count() * 0.99, 0.0);
        self.counts.iter().enumerate().find_map(|(bucket, count)| {
            seen += count;
            (*count > 0.0 && seen >= rank).then(|| bound(bucket))
        })
    }

    /// Takes newer ones in; those before them count for this share from now on.
    pub(crate) fn renew(&mut self, newer: &Self, share: f64) {
        for (count, newer) in self.counts.iter_mut().zip(&newer.counts) {
            *count = *count * share + newer;
        }
    }
}

/// The same, that many threads count in.
#[derive(Debug)]
pub(crate) struct Counting([AtomicU32; BUCKETS]);

impl Default for Counting {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU32::new(0)))
    }
}

impl Counting {
    pub(crate) fn add(&self, took: Duration) {
        if let Some(count) = self.0.get(bucket(took)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was counted since this was last asked.
    pub(crate) fn take(&self) -> Spread {
        let counts = self.0.iter().map(|count| f64::from(count.swap(0, Ordering::Relaxed)));
        Spread { counts: counts.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Duration = Duration::from_micros(1);

    #[test]
    fn the_p99_and_who_is_over_a_limit_are_told_within_a_bucket() {
        let counting = Counting::default();
        (1..=1_000).for_each(|micros| counting.add(US * micros));
        let spread = counting.take();
        let p99 = spread.p99().unwrap();
        assert!(p99 >= US * 990 && p99 < US * 1_040, "{p99:?}");
        let over = spread.over(US * 500);
        assert!((470.0..=500.0).contains(&over), "{over}");
        assert_eq!((counting.take().count(), counting.take().p99()), (0.0, None));
        for far in [Duration::ZERO, Duration::from_secs(3_600)] {
            counting.add(far);
        }
        assert_eq!(counting.take().count(), 2.0);
    }

    #[test]
    fn older_ones_fade() {
        let (mut spread, mut slow) = (Spread::default(), Spread::default());
        spread.add(US * 100);
        slow.add(US * 10_000);
        for _ in 0..20 {
            spread.renew(&slow, 0.5);
        }
        assert!(spread.p99().unwrap() > US * 9_000 && spread.count() < 2.1);
    }
}
