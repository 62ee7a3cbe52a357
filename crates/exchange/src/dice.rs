//! Seeded draws. Only integers and IEEE division take part, so a seed gives the same draws on every platform.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of draws that its seed decides.
#[derive(Clone, Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from 0 to `bound - 1`; 0 when `bound` is 0. The bias of the multiplication is below 2^-32 for the
    /// bounds in use.
    pub fn below(&mut self, bound: usize) -> usize {
        let product = u128::from(self.bits()) * bound as u128;
        (product >> 64) as usize
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = usize::try_from(high.saturating_sub(low)).unwrap_or(0);
        low + self.below(span + 1) as i64
    }

    /// From 0, included, to 1, not included.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True once in a while: with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of a vocabulary, which is never empty.
    pub fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }

    /// One of a vocabulary, each as likely as its weight says. Weights must not all be zero.
    pub fn weighted<'t, T>(&mut self, from: &'t [T], weight: impl Fn(&T) -> u32) -> &'t T {
        let total: u32 = from.iter().map(&weight).sum();
        let mut left = self.below(total as usize) as u32;
        from.iter()
            .find(|item| {
                let own = weight(item);
                let hit = left < own;
                left = left.saturating_sub(own);
                hit
            })
            .unwrap_or(&from[0])
    }

    /// Up to `most` different entries of a vocabulary, in its order; at least one.
    pub fn some<'t, T>(&mut self, from: &'t [T], most: usize) -> Vec<&'t T> {
        let wanted = 1 + self.below(most.min(from.len()));
        let mut left = wanted;
        from.iter()
            .enumerate()
            .filter_map(|(seen, item)| {
                // Selection sampling (Knuth, TAOCP 3.4.2, algorithm S).
                let take = self.below(from.len() - seen) < left;
                left -= usize::from(take);
                take.then_some(item)
            })
            .collect()
    }

    /// About normal with mean 0 and deviation 1: the sum of twelve uniform draws, less six (Irwin-Hall).
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// Zipf's law with exponent 1 over 0..n: entry k is drawn in proportion to 1 / (k + 1).
#[derive(Clone, Debug)]
pub struct Zipf(Vec<f64>);

impl Zipf {
    /// Over `n` entries; `n` of 0 counts as 1.
    pub fn new(n: usize) -> Self {
        let mut total = 0.0;
        let sums = (1..=n.max(1)).map(|rank| {
            total += 1.0 / rank as f64;
            total
        });
        Self(sums.collect())
    }

    /// An entry; small ones are common.
    pub fn draw(&self, dice: &mut Dice) -> usize {
        let total = self.0.last().copied().unwrap_or(1.0);
        let point = dice.unit() * total;
        self.0.partition_point(|sum| *sum <= point).min(self.0.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zipf_draws_the_first_entry_about_as_often_as_the_law_says() {
        let (zipf, mut dice) = (Zipf::new(100), Dice::new(7));
        let draws: Vec<usize> = (0..20_000).map(|_| zipf.draw(&mut dice)).collect();
        assert!(draws.iter().all(|k| *k < 100));
        // 1 / H(100) = 0.1928: 3856 of 20,000, give or take four deviations of 56.
        let firsts = draws.iter().filter(|k| **k == 0).count();
        assert!((3_630..4_080).contains(&firsts), "{firsts}");
    }

    #[test]
    fn some_takes_different_entries_and_at_most_as_many_as_asked() {
        let mut dice = Dice::new(1);
        for _ in 0..200 {
            let taken = dice.some(&[1, 2, 3, 4, 5], 3);
            assert!((1..=3).contains(&taken.len()));
            assert!(taken.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn weights_are_kept() {
        let mut dice = Dice::new(3);
        let heavy = (0..1_000).filter(|_| *dice.weighted(&[0_u32, 1, 9], |w| *w) == 9).count();
        assert!((860..940).contains(&heavy), "{heavy}");
    }
}
