//! Whether one set of runs is worse than another: see [`crate::stats`] for the method.

use tagbid_exchange::Dice;

use crate::results::Results;
use crate::slo::Metric;
use crate::stats::{Pool, interval};
use crate::units::show_share;

/// How often slices are drawn again: enough for the ends of an interval at 99.5 %.
pub const DRAWS: u32 = 4_000;

/// How much worse is not worse yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Of latencies and rates, as a part of A's.
    pub relative: f64,
    /// Of shares, as a part of all requests.
    pub share: f64,
}

/// A figure on both sides.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Which.
    pub metric: Metric,
    /// Its value in A; none: nothing was served.
    pub a: Option<f64>,
    /// And in B.
    pub b: Option<f64>,
    /// How much more it is in B, from and to: for shares the difference, else as a part of A's. None where a side has no
    /// value.
    pub change: Option<(f64, f64)>,
}

/// Compares, with intervals that together are as sure as `confidence` says. None when a side has too few slices.
pub fn compare(
    a: &[Results],
    b: &[Results],
    metrics: &[Metric],
    confidence: f64,
    seed: u64,
    draws: u32,
) -> Option<Vec<Line>> {
    let (a, b) = (Pool::new(a)?, Pool::new(b)?);
    let mut dice = Dice::new(seed);
    let mut changes: Vec<Vec<f64>> = vec![Vec::new(); metrics.len()];
    for _ in 0..draws {
        let (drawn_a, drawn_b) = (a.draw(&mut dice), b.draw(&mut dice));
        for (metric, changes) in metrics.iter().zip(&mut changes) {
            let (a, b) = (drawn_a.look(|seen| metric.of(seen)), drawn_b.look(|seen| metric.of(seen)));
            changes.extend(a.zip(b).map(|(a, b)| change(*metric, a, b)));
        }
    }
    // Bonferroni: all intervals together are as sure as was asked for.
    let each = 1.0 - (1.0 - confidence) / metrics.len().max(1) as f64;
    let (seen_a, seen_b) = (a.seen(), b.seen());
    let lines = metrics.iter().zip(&mut changes).map(|(metric, changes)| Line {
        metric: *metric,
        a: seen_a.look(|seen| metric.of(seen)),
        b: seen_b.look(|seen| metric.of(seen)),
        change: (!changes.is_empty()).then(|| interval(changes, each)),
    });
    Some(lines.collect())
}

fn change(metric: Metric, a: f64, b: f64) -> f64 {
    match metric {
        Metric::Share(_) => b - a,
        // A latency of zero is below a microsecond, a rate of zero below one: no division by them.
        _ => b / a.max(1e-9) - 1.0,
    }
}

impl Line {
    /// Whether B is worse by more than the tolerance, as far as the interval can tell. A side on which nothing was served
    /// is worse.
    pub fn is_worse(&self, tolerance: Tolerance) -> bool {
        let limit = self.limit(tolerance);
        match self.change {
            None => self.a.is_some() && self.b.is_none(),
            Some((_, to)) if self.metric.more_is_better() => to < -limit,
            Some((from, _)) => from > limit,
        }
    }

    fn limit(&self, tolerance: Tolerance) -> f64 {
        if matches!(self.metric, Metric::Share(_)) { tolerance.share } else { tolerance.relative }
    }

    fn is_better(&self) -> bool {
        self.change.is_some_and(|(from, to)| if self.metric.more_is_better() { from > 0.0 } else { to < 0.0 })
    }

    /// One line of text.
    pub fn tell(&self, tolerance: Tolerance) -> String {
        let show = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| self.metric.show(value));
        let verdict = match () {
            () if self.is_worse(tolerance) => "WORSE",
            () if self.is_better() => "better",
            () => "no difference shown",
        };
        let unit = if matches!(self.metric, Metric::Share(_)) { " of all" } else { "" };
        let change = self
            .change
            .map_or_else(String::new, |(from, to)| format!("{} to {}{unit}: ", signed(from), signed(to)));
        format!(
            "{:<10}{:>12}{:>12}  {change}{verdict}\n",
            self.metric.to_string(),
            show(self.a),
            show(self.b)
        )
    }
}

fn signed(part: f64) -> String {
    format!("{}{}", if part < 0.0 { "-" } else { "+" }, show_share(part.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Outcome, Record, Seen};
    use crate::results::tests::results;
    use std::time::Duration;

    const TOLERANCE: Tolerance = Tolerance { relative: 0.05, share: 0.001 };

    /// Forty seconds of two hundred answers with a level that wanders from second to second, by this factor slower; one in
    /// so many is late.
    fn run(seed: u64, factor: f64, late_every: u64) -> Results {
        let (mut dice, second) = (Dice::new(seed), Duration::from_secs(1));
        let mut made = results("a", &[]);
        made.record = Record::new(40);
        for slot in 0..40_u32 {
            let level = 1_000.0 * factor * (1.0 + 0.1 * dice.unit());
            for n in 0..200 {
                let micros = level * (1.0 + dice.unit().powi(8) * 5.0);
                let late = u64::from(slot * 200 + n).is_multiple_of(late_every);
                let seen = Seen {
                    due: second * slot,
                    corrected: Duration::from_micros(micros as u64),
                    raw: Duration::ZERO,
                    outcome: if late { Outcome::Late } else { Outcome::Bid },
                };
                made.record.plan(seen.due, Duration::ZERO, false, second);
                made.record.see(seen, second);
            }
        }
        made
    }

    fn metrics() -> Vec<Metric> {
        ["p50", "p99", "late", "rate"].iter().map(|name| Metric::parse(name).unwrap()).collect()
    }

    fn worse(a: &[Results], b: &[Results]) -> Vec<String> {
        let comparison = compare(a, b, &metrics(), 0.95, 1, 400).unwrap();
        let worse = comparison.iter().filter(|line| line.is_worse(TOLERANCE));
        worse.map(|line| line.metric.to_string()).collect()
    }

    #[test]
    fn a_slower_build_is_told_and_the_same_one_is_not() {
        assert_eq!(worse(&[run(1, 1.0, 1_000)], &[run(2, 1.3, 1_000)]), ["p50", "p99"]);
        assert_eq!(worse(&[run(1, 1.0, 1_000)], &[run(2, 1.0, 1_000)]), [""; 0]);
        assert_eq!(worse(&[run(1, 1.3, 1_000)], &[run(2, 1.0, 1_000)]), [""; 0], "faster is not worse");
        assert_eq!(worse(&[run(1, 1.0, 1_000)], &[run(2, 1.0, 10)]), ["late", "rate"]);
    }

    #[test]
    fn equal_builds_are_told_apart_less_often_than_the_confidence_allows() {
        let none = Tolerance { relative: 0.0, share: 0.0 };
        let wrong = (0..20).filter(|n| {
            let (a, b) = (run(n * 2 + 10, 1.0, 1_000), run(n * 2 + 11, 1.0, 1_000));
            let comparison = compare(&[a], &[b], &metrics()[..2], 0.95, 1, 200).unwrap();
            comparison.iter().any(|line| line.is_worse(none))
        });
        // 2.5 % of twenty are half a run; more than three would be one in fifty thousand.
        assert!(wrong.count() <= 3);
    }

    #[test]
    fn several_runs_that_differ_by_themselves_widen_the_interval() {
        let side = |seed| [run(seed, 1.0, 1_000), run(seed + 1, 1.25, 1_000), run(seed + 2, 0.8, 1_000)];
        assert_eq!(worse(&side(1), &side(7)), [""; 0]);
        let line = |a: &[Results], b: &[Results]| {
            compare(a, b, &metrics(), 0.95, 1, 400).unwrap()[0].change.unwrap()
        };
        let (one, several) = (line(&side(1)[..1], &side(7)[..1]), line(&side(1), &side(7)));
        assert!(several.1 - several.0 > 2.0 * (one.1 - one.0), "{several:?} beside {one:?}");
    }

    #[test]
    fn a_side_without_answers_is_worse() {
        let mut silent = run(1, 1.0, 1_000);
        silent.record = Record::new(40);
        assert!(worse(&[run(1, 1.0, 1_000)], &[silent]).contains(&"p50".to_owned()));
    }
}
