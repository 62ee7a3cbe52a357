//! Seeded randomness, written out so that a workload never changes with a library.

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

    /// The sequence of a seed. Neighbouring seeds give unrelated sequences.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(Self::GAMMA) ^ 0xD1B5_4A32_D192_ED03)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(Self::GAMMA);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in 0 (included) to 1 (excluded), with 53 bits.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        let scaled = (u128::from(self.bits()) * end as u128) >> 64;
        usize::try_from(scaled).unwrap_or(0)
    }

    /// Uniform from `first` to `last`, both included.
    pub fn between(&mut self, first: usize, last: usize) -> usize {
        first + self.below(last - first + 1)
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.fraction() < probability
    }

    /// One element of a few, each as likely; zero of none.
    pub(super) fn one_of(&mut self, values: &[u32]) -> u32 {
        values.get(self.below(values.len())).copied().unwrap_or(0)
    }
}

/// Popularity by rank: the n-th value is drawn in proportion to n to the power of -s.
#[derive(Debug)]
pub(super) struct Zipf(Vec<f64>);

impl Zipf {
    #[expect(clippy::cast_precision_loss, reason = "ranks are small")]
    pub(super) fn new(values: usize, s: f64) -> Self {
        let mut total = 0.0;
        let mut cumulative: Vec<f64> = (1..=values)
            .map(|rank| {
                total += 1.0 / (rank as f64).powf(s);
                total
            })
            .collect();
        for share in &mut cumulative {
            *share /= total;
        }
        Self(cumulative)
    }

    /// A value, 0 being the most popular.
    pub(super) fn draw(&self, random: &mut Random) -> u32 {
        let at = random.fraction();
        let rank = self.0.partition_point(|share| *share < at);
        u32::try_from(rank.min(self.0.len() - 1)).unwrap_or(0)
    }

    /// Different values, sorted; fewer than asked for when the popular ones keep coming.
    pub(super) fn distinct(&self, random: &mut Random, count: usize) -> Vec<u32> {
        let mut values = Vec::with_capacity(count);
        for _ in 0..count * 50 {
            if values.len() == count {
                break;
            }
            let value = self.draw(random);
            if !values.contains(&value) {
                values.push(value);
            }
        }
        values.sort_unstable();
        values
    }
}
