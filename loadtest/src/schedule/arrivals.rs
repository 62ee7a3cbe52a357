//! Arrivals of a rate, one after the other.

use std::time::Duration;

use tagbid_exchange::Dice;

use super::{Rate, Segment};

/// How arrivals lie within the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Spacing {
    /// At equal distances: the least variance that traffic can have.
    Even,
    /// As independent callers come (a Poisson process): in bursts and gaps.
    Poisson,
}

impl Spacing {
    /// The name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Even => "even",
            Self::Poisson => "poisson",
        }
    }
}

/// Goes through the arrivals in terms of how many are due: even ones lie at 0, 1, 2, ..., those of a Poisson process at
/// distances drawn from the exponential distribution with mean one. The rate turns both into time (time-rescaling of an
/// inhomogeneous Poisson process), so ramps need nothing of their own.
pub(super) struct Arrivals<'r> {
    segments: std::slice::Iter<'r, Segment>,
    current: Option<&'r Segment>,
    /// Requests due, and seconds gone, before the current segment.
    before: (f64, f64),
    next: f64,
    dice: Option<Dice>,
}

/// So near to a segment's end counts as its end: sums of floating-point numbers are not exact.
const NEAR: f64 = 1e-6;

impl<'r> Arrivals<'r> {
    pub(super) fn new(rate: &'r Rate, spacing: Spacing, seed: u64) -> Self {
        let mut segments = rate.segments().iter();
        let current = segments.next();
        let dice = (spacing == Spacing::Poisson).then(|| Dice::new(seed));
        let mut arrivals = Self { segments, current, before: (0.0, 0.0), next: 0.0, dice };
        if arrivals.dice.is_some() {
            arrivals.next = arrivals.gap();
        }
        arrivals
    }

    fn gap(&mut self) -> f64 {
        self.dice.as_mut().map_or(1.0, |dice| -(1.0 - dice.unit()).ln())
    }
}

impl Iterator for Arrivals<'_> {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        loop {
            let segment = self.current?;
            let within = self.next - self.before.0;
            if within < segment.count() - NEAR {
                let seconds = self.before.1 + segment.time_of(within.max(0.0));
                self.next += self.gap();
                return Some(Duration::from_secs_f64(seconds));
            }
            self.before.0 += segment.count();
            self.before.1 += segment.length.as_secs_f64();
            self.current = self.segments.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(rate: &str, spacing: Spacing, seed: u64) -> Vec<Duration> {
        Arrivals::new(&Rate::parse(rate, None).unwrap(), spacing, seed).collect()
    }

    #[test]
    fn even_arrivals_keep_their_distance_through_steps() {
        let times = times("10:1s,2:1s", Spacing::Even, 0);
        let millis: Vec<u128> = times.iter().map(Duration::as_millis).collect();
        assert_eq!(millis, [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1500]);
        assert_eq!(
            Arrivals::new(&Rate::steady(500.0, Duration::from_millis(600)), Spacing::Even, 0).count(),
            300
        );
    }

    #[test]
    fn a_ramp_is_denser_at_its_fast_end() {
        let times = times("0..1000/10s", Spacing::Even, 0);
        assert_eq!(times.len(), 5_000);
        // A quarter of a triangle lies in the first half of its base.
        let early = times.iter().filter(|time| **time < Duration::from_secs(5)).count();
        assert_eq!(early, 1_250);
        assert!(times.is_sorted());
    }

    #[test]
    fn poisson_arrivals_are_repeatable_and_vary_as_the_law_says() {
        let times = times("1000:100s", Spacing::Poisson, 7);
        assert_eq!(times, self::times("1000:100s", Spacing::Poisson, 7));
        assert_ne!(times, self::times("1000:100s", Spacing::Poisson, 8));
        // 100,000 with deviation 316: four of them either way.
        assert!((98_730..101_270).contains(&times.len()), "{}", times.len());
        let mut in_second = [0_f64; 100];
        for time in &times {
            in_second[time.as_secs() as usize] += 1.0;
        }
        let mean = in_second.iter().sum::<f64>() / 100.0;
        let variance = in_second.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 99.0;
        // Equal to the mean; the estimate from 100 seconds has a relative deviation of 0.14.
        assert!((0.43..1.57).contains(&(variance / mean)), "variance {variance} at mean {mean}");
    }
}
