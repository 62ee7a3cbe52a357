//! Opportunities over a day.

use tagbid_exchange::Dice;

use super::scenario::Scenario;

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// Opportunities at each full hour beside the busiest. Drawn by hand after what publishers and measurement companies print of one
/// country's page views: least at four in the night, a slope through the morning, a plateau by day, most in the evening. It
/// is nobody's record; the profile that line items learn is learnt from the traffic made of it.
const BY_HOUR: [f64; 24] = [
    0.46, 0.33, 0.25, 0.20, 0.18, 0.21, 0.30, 0.43, 0.57, 0.67, 0.72, 0.75, 0.79, 0.79, 0.77, 0.77, 0.79,
    0.83, 0.90, 0.96, 1.00, 0.96, 0.82, 0.62,
];

/// Parts of the traffic that eight bidders get.
const PARTS: [f64; 8] = [0.30, 0.22, 0.15, 0.12, 0.09, 0.06, 0.04, 0.02];

/// How many bidders there are.
pub(super) const BIDDERS: usize = PARTS.len();

/// Between two draws of the noise, in seconds; what is kept of the last, and how much comes new.
const NOISE_EVERY: i64 = 20;
const NOISE_KEEPS: f64 = 0.9;
const NOISE: f64 = 0.12;

/// The traffic of one world.
pub(super) struct Traffic {
    noise: [f64; BIDDERS],
    drawn: i64,
}

impl Traffic {
    pub(super) fn new() -> Self {
        Self { noise: [0.0; BIDDERS], drawn: i64::MIN }
    }

    /// Opportunities a second for each bidder, at this second since the beginning.
    pub(super) fn rates(&mut self, scenario: &Scenario, second: i64, dice: &mut Dice) -> [f64; BIDDERS] {
        if second >= self.drawn.saturating_add(NOISE_EVERY) {
            self.drawn = second;
            for noise in &mut self.noise {
                *noise = *noise * NOISE_KEEPS + dice.normal() * NOISE;
            }
        }
        let out = scenario.is_out(second);
        let here = if out { 0.0 } else { scenario.opportunities * of_day(second) };
        let mut rates = PARTS;
        for (rate, noise) in rates.iter_mut().zip(self.noise) {
            *rate *= here * noise.exp();
        }
        rates
    }
}

/// The traffic of this second; its mean over the day is one.
pub(super) fn of_day(second: i64) -> f64 {
    let second = second.rem_euclid(DAY);
    let (hour, rest) = ((second / 3_600) as usize, (second % 3_600) as f64 / 3_600.0);
    let mean = BY_HOUR.iter().sum::<f64>() / 24.0;
    (BY_HOUR[hour] * (1.0 - rest) + BY_HOUR[(hour + 1) % 24] * rest) / mean
}

/// How many come in a step, where this many are expected.
pub(super) fn poisson(expected: f64, dice: &mut Dice) -> u32 {
    let (mut left, mut count) = (dice.unit(), 0);
    let mut chance = (-expected).exp();
    while left > chance && count < 1_000 {
        left -= chance;
        count += 1;
        chance *= expected / f64::from(count);
    }
    count
}
