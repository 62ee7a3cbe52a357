//! How far figures may be trusted: the bootstrap over slices of time.
//!
//! Latencies are anything but normal, and those of one second are anything but independent, so no formula gives the
//! spread of a p99. The bootstrap (Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7,
//! 1979) draws the run's own slices again, with replacement, and looks at how the figure varies. Slices are drawn in
//! blocks of neighbours (Künsch, "The jackknife and the bootstrap for general stationary observations", Annals of
//! Statistics 17, 1989), as long as the cube root of their number (Hall, Horowitz and Jing, Biometrika 82, 1995), so that
//! what holds on for seconds stays together. Where there are several runs, runs are drawn first, so that what differs
//! between runs is in the spread; of one run nobody can know it.

use tagbid_exchange::Dice;

use crate::record::{Tallies, Window};
use crate::results::Results;
use crate::slo::Figures;

/// Fewer slices say nothing about their spread.
pub const LEAST_SLICES: usize = 10;

/// Runs at the same load, to draw from.
#[derive(Clone, Debug)]
pub struct Pool {
    runs: Vec<Vec<Slice>>,
    /// Upper ends of all buckets that occur, rising.
    values: Vec<u32>,
    /// Length of a slice in seconds.
    width: f64,
}

#[derive(Clone, Debug)]
struct Slice {
    tallies: Tallies,
    /// Positions in `values`, and counts.
    buckets: Vec<(usize, u32)>,
}

/// Slices added up.
#[derive(Clone, Debug)]
pub struct Drawn<'p> {
    values: &'p [u32],
    counts: Vec<u64>,
    tallies: Tallies,
    seconds: f64,
}

impl Pool {
    /// The slices of these results; none when there are too few.
    pub fn new(results: &[Results]) -> Option<Self> {
        let windows = || results.iter().flat_map(|results| &results.record.windows);
        let mut values: Vec<u32> =
            windows().flat_map(|window| window.latency.buckets().iter().map(|(value, _)| *value)).collect();
        values.sort_unstable();
        values.dedup();
        let runs: Vec<Vec<Slice>> = results
            .iter()
            .map(|results| results.record.windows.iter().map(|window| Slice::new(window, &values)).collect())
            .filter(|run: &Vec<Slice>| !run.is_empty())
            .collect();
        let slices: usize = runs.iter().map(Vec::len).sum();
        let width = results.first().map_or(1.0, |results| results.run.window_us as f64 / 1e6);
        (slices >= LEAST_SLICES).then_some(Self { runs, values, width })
    }

    /// All slices, once each: what was seen.
    pub fn seen(&self) -> Drawn<'_> {
        let mut drawn = self.nothing();
        for slice in self.runs.iter().flatten() {
            drawn.add(slice, self.width);
        }
        drawn
    }

    /// As many slices again, by lot.
    pub fn draw(&self, dice: &mut Dice) -> Drawn<'_> {
        let mut drawn = self.nothing();
        for _ in &self.runs {
            if let Some(run) = self.runs.get(dice.below(self.runs.len())) {
                draw_blocks(run, dice, |slice| drawn.add(slice, self.width));
            }
        }
        drawn
    }

    fn nothing(&self) -> Drawn<'_> {
        Drawn {
            values: &self.values,
            counts: vec![0; self.values.len()],
            tallies: Tallies::default(),
            seconds: 0.0,
        }
    }
}

fn draw_blocks<'s>(run: &'s [Slice], dice: &mut Dice, mut take: impl FnMut(&'s Slice)) {
    let length = ((run.len() as f64).cbrt().round() as usize).clamp(1, run.len());
    let mut left = run.len();
    while left > 0 {
        let start = dice.below(run.len() - length + 1);
        for slice in run.iter().skip(start).take(length.min(left)) {
            take(slice);
        }
        left -= length.min(left);
    }
}

impl Slice {
    fn new(window: &Window, values: &[u32]) -> Self {
        let buckets = window.latency.buckets().iter();
        let buckets = buckets.map(|(value, count)| (values.partition_point(|own| own < value), *count));
        Self { tallies: window.tallies, buckets: buckets.collect() }
    }
}

impl Drawn<'_> {
    fn add(&mut self, slice: &Slice, seconds: f64) {
        self.tallies.add(&slice.tallies);
        self.seconds += seconds;
        for (position, count) in &slice.buckets {
            if let Some(own) = self.counts.get_mut(*position) {
                *own += u64::from(*count);
            }
        }
    }

    /// Looks at them as conditions do.
    pub fn look<T>(&self, look: impl FnOnce(&Figures<'_>) -> T) -> T {
        let total: u64 = self.counts.iter().sum();
        let quantile = |quantile: f64| {
            // The smallest value that this part of all does not exceed, as HdrHistogram has it.
            let wanted = ((quantile * total as f64).ceil() as u64).max(1);
            let mut below = 0;
            let found = self.values.iter().zip(&self.counts).find(|(_, count)| {
                below += **count;
                below >= wanted
            });
            found.map(|(value, _)| f64::from(*value))
        };
        look(&Figures { tallies: self.tallies, quantile: &quantile, seconds: self.seconds })
    }
}

/// The interval that holds the middle `confidence` of values (the percentile method). Values must not be empty.
pub fn interval(values: &mut [f64], confidence: f64) -> (f64, f64) {
    values.sort_unstable_by(f64::total_cmp);
    let at = |part: f64| {
        let position = (part * (values.len().saturating_sub(1)) as f64).round() as usize;
        values.get(position).copied().unwrap_or(0.0)
    };
    let tail = (1.0 - confidence) / 2.0;
    (at(tail), at(1.0 - tail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Outcome;
    use crate::results::tests::results;
    use crate::slo::Metric;

    /// A run of `seconds` with a hundred answers in each, as slow as `of` says for second and number.
    fn run(seconds: u64, of: impl Fn(u64, u64) -> u64) -> Results {
        let answers: Vec<(u64, u64, Outcome)> =
            (0..seconds * 100).map(|n| (n * 10, of(n / 100, n % 100), Outcome::NoBid)).collect();
        let mut made = results("a", &[]);
        made.record.windows.resize(seconds as usize, Window::default());
        for (due, latency, outcome) in answers {
            let seen = crate::record::Seen {
                due: std::time::Duration::from_millis(due),
                corrected: std::time::Duration::from_micros(latency),
                raw: std::time::Duration::ZERO,
                outcome,
            };
            made.record.plan(seen.due, std::time::Duration::ZERO, false, std::time::Duration::from_secs(1));
            made.record.see(seen, std::time::Duration::from_secs(1));
        }
        made
    }

    fn p50(drawn: &Drawn<'_>) -> f64 {
        drawn.look(|figures| Metric::Quantile(0.5).of(figures)).unwrap()
    }

    #[test]
    fn what_was_seen_is_the_histograms_own_word() {
        let run = run(20, |second, n| 100 + second * 37 + n * n);
        let pool = Pool::new(std::slice::from_ref(&run)).unwrap();
        for quantile in [0.0, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let own = pool.seen().look(|figures| Metric::Quantile(quantile).of(figures)).unwrap();
            assert_eq!(own, run.record.served().quantile(quantile) as f64, "{quantile}");
        }
        assert_eq!(pool.seen().look(|figures| figures.tallies.due), 2_000);
        assert!(Pool::new(&[self::run(9, |_, _| 1)]).is_none(), "nine seconds are too few");
    }

    #[test]
    fn equal_slices_have_no_spread_and_unequal_ones_have() {
        let mut dice = Dice::new(1);
        let steady = Pool::new(&[run(30, |_, n| 100 + n)]).unwrap();
        let medians: Vec<f64> = (0..50).map(|_| p50(&steady.draw(&mut dice))).collect();
        assert!(medians.iter().all(|median| *median == p50(&steady.seen())));
        let waving = Pool::new(&[run(30, |second, n| 100 + second % 7 * 50 + n)]).unwrap();
        let mut medians: Vec<f64> = (0..200).map(|_| p50(&waving.draw(&mut dice))).collect();
        let (low, high) = interval(&mut medians, 0.95);
        assert!(low < p50(&waving.seen()) && p50(&waving.seen()) < high, "{low} to {high}");
    }

    #[test]
    fn an_interval_covers_the_truth_about_as_often_as_it_says() {
        // Each second has a level of its own, drawn from 1,000 to 2,000: the median of medians is 1,500.
        let mut dice = Dice::new(9);
        let covered = (0..60).filter(|_| {
            let levels: Vec<u64> = (0..60).map(|_| 1_000 + dice.below(1_000) as u64).collect();
            let pool = Pool::new(&[run(60, |second, _| levels[second as usize])]).unwrap();
            let mut medians: Vec<f64> = (0..100).map(|_| p50(&pool.draw(&mut dice))).collect();
            let (low, high) = interval(&mut medians, 0.9);
            (low..=high).contains(&1_500.0)
        });
        // 54 of 60 with a deviation of 2.3; blocks of few slices make intervals somewhat narrow.
        let covered = covered.count();
        assert!((44..60).contains(&covered), "{covered}");
    }
}
