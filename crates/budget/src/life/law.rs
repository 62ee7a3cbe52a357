//! What is asked of a hold life, and what may be concluded from so many samples.

use tagbid_types::Timestamp;

/// How sure it has to be that a life is not too short: the quantile of the standard normal distribution for 95 %, squared,
/// in thousandths (1.645 x 1.645 = 2.706).
const SURE: u64 = 2_706;

/// How hold lives are made of delays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Law {
    /// One in so many bids that get billed may be billed when its hold is over.
    pub one_in: u32,
    /// No life is shorter, in seconds.
    pub shortest_s: u32,
    /// No life is longer, in seconds, and none is learnt in less time than this: the longest that a hold may last.
    pub longest_s: u32,
    /// After so many seconds a delay counts half, after twice as many a quarter, and so on.
    pub halves_every_s: u32,
}

impl Law {
    /// For exchanges: 999 of 1,000 billings come within the hold, what was seen counts half the next day, and no hold is shorter than ten
    /// seconds, so that a moment's jam at the exchange or here is not dear.
    pub const fn up_to(longest_s: u32) -> Self {
        Self { one_in: 1_000, shortest_s: 10, longest_s, halves_every_s: 24 * 3_600 }
    }

    /// The period that a moment belongs to.
    pub fn period(&self, at: Timestamp) -> i64 {
        at.secs().div_euclid(i64::from(self.halves_every_s.max(1)))
    }

    /// The first period that still counts.
    pub fn first_period(&self, now: Timestamp) -> i64 {
        self.period(now).saturating_sub(super::delays::PERIODS - 1)
    }

    /// How many of so many samples may lie above a value for it to be the quantile that is asked for or more, with 95 %
    /// certainty; none: no value of so few is.
    ///
    /// The number of samples above the true quantile is binomial, as good as Poisson with mean `m = samples / one_in`. Whoever
    /// takes the value that `c` of them are above is too low only where no more than `c` are above the quantile: with
    /// `c = m - 1.645 sqrt(m)` in one of twenty cases. Nothing is assumed of how delays are distributed. The greatest sample alone is
    /// enough from `3 x one_in` on, since `(1 - 1/one_in)^(3 x one_in)` is 5 %.
    pub(super) fn spare(&self, samples: u64) -> Option<u64> {
        let one_in = u64::from(self.one_in.max(1));
        if samples < one_in.saturating_mul(3) {
            return None;
        }
        let off = u128::from(samples) * u128::from(one_in) * u128::from(SURE) / 1_000;
        let off = u64::try_from(off.isqrt()).unwrap_or(u64::MAX);
        Some(samples.saturating_sub(off) / one_in)
    }

    /// The life that a delay asks for: a quarter more, because tomorrow is not today.
    pub(super) fn life(&self, delay_s: u32) -> u32 {
        delay_s.saturating_add(delay_s.div_ceil(4)).max(self.shortest_s).min(self.longest_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_samples_the_more_may_be_above() {
        let law = Law::up_to(3_600);
        // Poisson with these means: at most so many with 5 %.
        for (samples, spare) in
            [(2_999, None), (3_000, Some(0)), (4_800, Some(1)), (10_000, Some(4)), (100_000, Some(83))]
        {
            assert_eq!(law.spare(samples), spare, "{samples}");
        }
        assert!(law.spare(u64::MAX).is_some());
    }

    #[test]
    fn a_life_is_within_its_limits() {
        let law = Law::up_to(3_600);
        assert_eq!(
            [0, 8, 9, 100, 3_000, u32::MAX].map(|delay| law.life(delay)),
            [10, 10, 12, 125, 3_600, 3_600]
        );
    }
}
