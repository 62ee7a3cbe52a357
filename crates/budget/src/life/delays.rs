//! How long billing took at one exchange and kind of place, and what that says of the next bid.

use std::collections::BTreeMap;

use tagbid_types::Timestamp;

use super::buckets::{BUCKETS, bound, bucket};
use super::law::Law;

/// Periods that count: each half as much as the one after it, so that what is older is less than a hundredth.
pub(super) const PERIODS: i64 = 8;

/// What one delay of the current period weighs: so that one of the oldest weighs 1.
const WHOLE: u64 = 1 << (PERIODS - 1);

/// The bids of one period that were billed, by their delay.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Period {
    /// When the first of them was.
    since: Timestamp,
    counts: Vec<u64>,
}

impl Period {
    fn new(since: Timestamp) -> Self {
        Self { since, counts: vec![0; BUCKETS] }
    }
}

/// The delays of the last periods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Delays(BTreeMap<i64, Period>);

impl Delays {
    /// Adds so many of one delay.
    pub(super) fn add(&mut self, period: i64, delay_s: u32, more: u64, since: Timestamp) {
        if let Some(count) = self.count(period, delay_s, since) {
            *count = count.saturating_add(more);
        }
    }

    /// The same of what is known to be all there are of this delay.
    pub(super) fn put(&mut self, period: i64, delay_s: u32, all: u64, since: Timestamp) {
        if let Some(count) = self.count(period, delay_s, since) {
            *count = all;
        }
    }

    fn count(&mut self, period: i64, delay_s: u32, since: Timestamp) -> Option<&mut u64> {
        let of = self.0.entry(period).or_insert_with(|| Period::new(since));
        of.since = of.since.min(since);
        of.counts.get_mut(bucket(delay_s))
    }

    /// Drops periods that count no more. Whether any is left.
    pub(super) fn forget_before(&mut self, period: i64) -> bool {
        self.0.retain(|of, _| *of >= period);
        !self.0.is_empty()
    }

    /// Since when there have been any.
    fn since(&self) -> Option<Timestamp> {
        self.0.values().map(|period| period.since).min()
    }

    /// The counts of all periods by their weights, in parts of [`WHOLE`].
    fn weighed(&self, current: i64) -> Vec<u64> {
        let mut sums = vec![0_u64; BUCKETS];
        for (period, of) in &self.0 {
            let age = current.saturating_sub(*period).max(0);
            let weight = u32::try_from(age).ok().and_then(|age| WHOLE.checked_shr(age)).unwrap_or(0);
            for (sum, count) in sums.iter_mut().zip(&of.counts) {
                *sum = sum.saturating_add(count.saturating_mul(weight));
            }
        }
        sums
    }

    /// How many there are, those of older periods counted by their weight.
    pub(super) fn samples(&self, current: i64) -> u64 {
        total(&self.weighed(current)) / WHOLE
    }

    /// How long a hold has to last; none: too few are known, or for too short a time.
    pub(super) fn life(&self, law: &Law, now: Timestamp) -> Option<u32> {
        // What was bid a moment ago and is billed in an hour is not among the first samples: these are the quick ones.
        let known_for = now.since(self.since()?).as_secs();
        if known_for < law.longest_s.into() {
            return None;
        }
        let counts = self.weighed(law.period(now));
        let spare = law.spare(total(&counts) / WHOLE)?.saturating_mul(WHOLE);
        let mut above = 0_u64;
        let needed = counts.iter().enumerate().rev().find(|(_, count)| {
            above = above.saturating_add(**count);
            above > spare
        });
        needed.map(|(bucket, _)| law.life(bound(bucket)))
    }
}

fn total(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
}
