//! The largest rate that holds an SLO: doubling, bisection, and runs that confirm it. What a run is does not matter here.

use crate::units::show_share;

/// How a run at some rate ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The SLO held.
    Holds,
    /// It did not.
    Breaks,
    /// The generator did not do what it promised, twice.
    Invalid,
}

/// How to search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// The first rate.
    pub from: f64,
    /// The largest to try.
    pub most: f64,
    /// How near to the truth: 0.05 for five percent.
    pub precision: f64,
    /// Runs that must all hold at the rate that is told.
    pub confirm: u32,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Found {
    /// The largest rate that held, confirmed.
    Rate(f64),
    /// This one held, confirmed, and the generator could not send more, or was not to.
    AtLeast(f64, Why),
    /// None that was tried.
    None,
}

/// Why no larger rate was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The generator was late, or missed its rate.
    Generator,
    /// It was the largest allowed.
    Most,
}

/// Which kind of run is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A quick look.
    Probe,
    /// One that confirms.
    Confirm,
}

/// How often the rate is lowered when a run that is to confirm it breaks.
const LOWERED: u32 = 8;

/// How often the first rate is halved before nothing is found.
const HALVED: u32 = 10;

/// The smallest rate that did not hold.
#[derive(Clone, Copy, Debug)]
struct Limit {
    rate: f64,
    /// What kept it from being tried; none: it was, and the SLO broke.
    why: Option<Why>,
}

/// What is known after some runs.
#[derive(Clone, Copy, Debug, Default)]
struct Bounds {
    /// The largest rate that held.
    holds: Option<f64>,
    limit: Option<Limit>,
}

impl Bounds {
    fn learn(&mut self, rate: f64, verdict: Verdict) {
        match verdict {
            Verdict::Holds => self.holds = Some(rate),
            Verdict::Breaks => self.limit = Some(Limit { rate, why: None }),
            Verdict::Invalid => self.limit = Some(Limit { rate, why: Some(Why::Generator) }),
        }
    }
}

impl Search {
    /// Searches. `run` runs at a rate and judges.
    pub fn search<E>(&self, mut run: impl FnMut(f64, Kind) -> Result<Verdict, E>) -> Result<Found, E> {
        let mut bounds = self.bracket(&mut run)?;
        while let (Some(holds), Some(limit)) = (bounds.holds, bounds.limit)
            && limit.rate / holds > 1.0 + self.precision
        {
            let middle = (holds * limit.rate).sqrt();
            bounds.learn(middle, run(middle, Kind::Probe)?);
        }
        match bounds.holds {
            Some(holds) => self.confirm(holds, bounds.limit.and_then(|limit| limit.why), &mut run),
            None => Ok(Found::None),
        }
    }

    /// Halves the first rate until it holds, then doubles it until it does not.
    fn bracket<E>(&self, run: &mut impl FnMut(f64, Kind) -> Result<Verdict, E>) -> Result<Bounds, E> {
        let mut bounds = Bounds::default();
        let mut rate = self.from.min(self.most);
        for _ in 0..HALVED {
            bounds.learn(rate, run(rate, Kind::Probe)?);
            if bounds.holds.is_some() {
                break;
            }
            rate /= 2.0;
        }
        while let (Some(holds), None) = (bounds.holds, bounds.limit) {
            if holds >= self.most {
                bounds.limit = Some(Limit { rate: holds, why: Some(Why::Most) });
            } else {
                let rate = (holds * 2.0).min(self.most);
                bounds.learn(rate, run(rate, Kind::Probe)?);
            }
        }
        Ok(bounds)
    }

    /// Repeats the rate, and lowers it by the precision each time that a run breaks.
    fn confirm<E>(
        &self,
        rate: f64,
        limited: Option<Why>,
        run: &mut impl FnMut(f64, Kind) -> Result<Verdict, E>,
    ) -> Result<Found, E> {
        let (mut rate, mut limited) = (rate, limited);
        for _ in 0..=LOWERED {
            let mut held = 0;
            while held < self.confirm && run(rate, Kind::Confirm)? == Verdict::Holds {
                held += 1;
            }
            if held == self.confirm {
                return Ok(limited.map_or(Found::Rate(rate), |why| Found::AtLeast(rate, why)));
            }
            rate /= 1.0 + self.precision;
            limited = None;
        }
        Ok(Found::None)
    }
}

/// What `passes` of as many runs prove: with 95 % confidence a run at this rate breaks the SLO less often than this. For n
/// of n the exact binomial bound is 1 - 0.05^(1/n) (Clopper and Pearson, Biometrika 26, 1934).
pub fn proven(passes: u32) -> String {
    let bound = 1.0 - 0.05_f64.powf(1.0 / f64::from(passes.max(1)));
    show_share(bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    const SEARCH: Search = Search { from: 500.0, most: 1e6, precision: 0.05, confirm: 3 };

    /// A server that holds up to `capacity`, seen through a generator that can send up to `able`.
    fn search(search: Search, capacity: f64, able: f64) -> (Found, Vec<(f64, Kind)>) {
        let mut runs = Vec::new();
        let found = search.search(|rate, kind| {
            runs.push((rate, kind));
            let verdict = if rate > able {
                Verdict::Invalid
            } else if rate <= capacity {
                Verdict::Holds
            } else {
                Verdict::Breaks
            };
            Ok::<_, Infallible>(verdict)
        });
        (found.unwrap(), runs)
    }

    proptest! {
        /// Whatever the capacity and the first rate, what is found holds and lies within the precision below it.
        #[test]
        fn the_capacity_is_found(capacity in 10.0..200_000.0_f64, from in 50.0..5_000.0_f64) {
            let (found, runs) = search(Search { from, ..SEARCH }, capacity, 1e9);
            let Found::Rate(rate) = found else { return Err(TestCaseError::fail(format!("{found:?}"))) };
            prop_assert!(rate <= capacity && rate * 1.05 >= capacity * 0.999, "{rate} of {capacity}");
            prop_assert_eq!(runs.iter().filter(|(rate_run, kind)| *kind == Kind::Confirm && *rate_run == rate).count(), 3);
            prop_assert!(runs.len() < 40, "{} runs", runs.len());
        }
    }

    #[test]
    fn a_generator_that_cannot_send_more_gives_a_bound() {
        let (found, _) = search(SEARCH, 50_000.0, 9_000.0);
        let Found::AtLeast(rate, Why::Generator) = found else { panic!("{found:?}") };
        assert!((8_500.0..=9_000.0).contains(&rate), "{rate}");
        let (found, _) = search(Search { most: 4_000.0, ..SEARCH }, 50_000.0, 1e9);
        assert_eq!(found, Found::AtLeast(4_000.0, Why::Most));
    }

    #[test]
    fn a_server_that_never_holds_has_no_rate() {
        let (found, runs) = search(SEARCH, 0.0, 1e9);
        assert_eq!((found, runs.len()), (Found::None, HALVED as usize));
    }

    #[test]
    fn a_rate_that_held_by_luck_is_lowered() {
        let mut confirmed = 0;
        let found = SEARCH.search(|rate, kind| {
            // Probes are too short to see what breaks above 2,000.
            confirmed += u32::from(kind == Kind::Confirm);
            let capacity = if kind == Kind::Probe { 2_200.0 } else { 2_000.0 };
            Ok::<_, Infallible>(if rate <= capacity { Verdict::Holds } else { Verdict::Breaks })
        });
        let Found::Rate(rate) = found.unwrap() else { panic!("{found:?}") };
        assert!((1_850.0..=2_000.0).contains(&rate), "{rate}");
        assert!(confirmed > 3);
    }

    #[test]
    fn three_of_three_prove_little() {
        assert_eq!(proven(3), "63.2 %");
        assert_eq!(proven(59), "4.95 %");
    }
}
