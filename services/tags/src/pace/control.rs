//! How fast loads may write: as fast as lookups stay within twice their idle p99.
//!
//! Time is cut into turns. In a *rest* nobody writes, and how long lookups take then is the idle measure; it is taken anew
//! every few seconds, because traffic changes while a load runs for hours. In a *run* loads write at the rate, and at its end
//! the lookups of the run decide: more than one in a hundred over the limit and the rate falls by a share, else it grows by
//! a step (before the first fall by a share, as TCP does, so that it is at its place within seconds). The rate grows only
//! as far as it is used, and never falls below [`FLOOR`]: a load ends, whatever the store is like.

use std::time::Duration;

use super::spread::Spread;

/// Users a second that a load always may write: 100 million in 14 hours, some 0.5 % of one Redis core.
pub(crate) const FLOOR: f64 = 2_000.0;

/// Where it begins.
const START: f64 = 10_000.0;

/// What no store takes.
const CEILING: f64 = 2_000_000.0;

/// A rest lasts long enough for some hundred lookups, and costs a twentieth of the time.
const REST: Duration = Duration::from_millis(250);

/// Runs between rests.
const RUNS: u32 = 25;

/// A run: some hundred lookups too.
const RUN: Duration = Duration::from_millis(200);

/// Fewer lookups than this say nothing good.
const FEW: f64 = 20.0;

/// The limit, in idle p99s.
const LIMIT: u32 = 2;

/// A p99 below this costs no auction anything, whatever it is when idle: a thousandth of a tmax of 250 ms.
const UNFELT: Duration = Duration::from_micros(250);

/// The share of lookups that may be over the limit.
const OVER: f64 = 0.01;

/// What older rests count for at the next one: the idle measure is of the last four or so.
const FADE: f64 = 0.75;

/// What is left of the rate when lookups were slow; what it grows by when they were not, before the first fall and after.
const FALL: f64 = 0.6;
const SOAR: f64 = 1.5;
const STEP: f64 = 2_000.0;

/// The rate is used when that share of it was written.
const USED: f64 = 0.5;

/// What loads do until the next turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Turn {
    /// How long.
    pub(crate) lasts: Duration,
    /// Users a second; none: nobody writes.
    pub(crate) rate: Option<f64>,
}

/// What holds loads back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Held {
    /// Users a second that loads may write.
    pub(crate) rate: f64,
    /// The rate was used up in the last run: loads would write faster.
    pub(crate) binding: bool,
    /// The p99 of lookups while nobody writes, and while loads do; zero before it is known.
    pub(crate) idle: Duration,
    pub(crate) busy: Duration,
}

/// The controller. It knows no clock: who drives it tells what was seen in each turn.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    idle: Spread,
    runs_left: u32,
    soaring: bool,
    held: Held,
}

impl Default for Control {
    fn default() -> Self {
        let held = Held { rate: START, ..Held::default() };
        Self { idle: Spread::default(), runs_left: 0, soaring: true, held }
    }
}

impl Control {
    /// Loads begin after a while without any: the idle measure is taken before anything is written.
    pub(crate) fn begin(&mut self) {
        self.runs_left = 0;
        self.held.binding = false;
    }

    /// What comes next.
    pub(crate) fn turn(&self) -> Turn {
        match self.runs_left {
            0 => Turn { lasts: REST, rate: None },
            _ => Turn { lasts: RUN, rate: Some(self.held.rate) },
        }
    }

    /// A turn has ended: how long its lookups took, and how many users were written.
    pub(crate) fn ended(&mut self, turn: Turn, seen: &Spread, written: u64) {
        match turn.rate {
            None => {
                self.idle.renew(seen, FADE);
                self.held.idle = self.idle.p99().unwrap_or_default();
                self.runs_left = RUNS;
            }
            Some(rate) => {
                self.runs_left = self.runs_left.saturating_sub(1);
                self.judge(rate, seen, written as f64 / turn.lasts.as_secs_f64());
            }
        }
    }

    fn judge(&mut self, rate: f64, seen: &Spread, achieved: f64) {
        self.held.busy = seen.p99().unwrap_or(self.held.busy);
        self.held.binding = achieved >= rate * USED;
        let next = if seen.count() < 1.0 || seen.over(self.limit()) > (seen.count() * OVER).max(1.0) {
            self.soaring = false;
            rate.min(achieved.max(FLOOR)) * FALL
        } else if !self.held.binding || seen.count() < FEW {
            rate
        } else if self.soaring {
            rate * SOAR
        } else {
            rate + STEP
        };
        self.held.rate = next.clamp(FLOOR, CEILING);
    }

    /// What a lookup may take.
    fn limit(&self) -> Duration {
        (self.held.idle * LIMIT).max(UNFELT)
    }

    pub(crate) fn held(&self) -> Held {
        self.held
    }
}

/// Hands out what the rate allows, a little at a time: between two writes lookups get their turn.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    rate: f64,
    /// Users that may be written at `at`; below zero they were written ahead of time.
    users: f64,
    at: Duration,
}

/// How much comes together in a bucket that nobody takes from.
const GATHER: Duration = Duration::from_millis(5);

impl Bucket {
    /// From now on this rate; moments are durations since any fixed one.
    pub(crate) fn set(&mut self, now: Duration, rate: f64) {
        self.fill(now);
        self.rate = rate;
    }

    fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.users = (self.users + passed * self.rate).min(GATHER.as_secs_f64() * self.rate);
        self.at = now;
    }

    /// Takes so many users out; how long to wait before they are written.
    pub(crate) fn take(&mut self, now: Duration, users: usize) -> Duration {
        self.fill(now);
        self.users -= users as f64;
        match self.rate > 0.0 {
            true => Duration::from_secs_f64((-self.users).max(0.0) / self.rate),
            false => GATHER,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A store whose lookups wait behind writes: one that is as slow as this when idle, and serves so many users a second.
    /// Lookups take longer as it gets full, as in a queue: idle / (1 - load), one in fifty three times as long.
    #[derive(Clone, Copy)]
    struct Store {
        idle: Duration,
        serves: f64,
    }

    impl Store {
        fn lookups(&self, written_per_s: f64) -> Spread {
            let free = (1.0 - written_per_s / self.serves).max(0.01);
            let mut seen = Spread::default();
            for n in 0..200_u32 {
                let tail = if n % 50 == 0 { 3.0 } else { 0.8 + f64::from(n % 50) / 100.0 };
                seen.add(self.idle.mul_f64(tail / free));
            }
            seen
        }
    }

    /// Runs a load that would write `wants` users a second for so many turns; rates and p99s over the idle one by turn.
    fn run(
        control: &mut Control,
        turns: usize,
        store: impl Fn(usize) -> Store,
        wants: f64,
    ) -> Vec<(f64, f64)> {
        let mut all = Vec::new();
        for n in 0..turns {
            let (turn, store) = (control.turn(), store(n));
            let rate = turn.rate.map_or(0.0, |rate| rate.min(wants));
            let seen = store.lookups(rate);
            control.ended(turn, &seen, (rate * turn.lasts.as_secs_f64()) as u64);
            if turn.rate.is_some() {
                let slower =
                    seen.p99().unwrap().as_secs_f64() / store.lookups(0.0).p99().unwrap().as_secs_f64();
                all.push((rate, slower));
            }
        }
        all
    }

    fn mean(of: impl ExactSizeIterator<Item = f64>) -> f64 {
        let count = of.len() as f64;
        of.sum::<f64>() / count
    }

    #[test]
    fn it_finds_the_rate_at_which_lookups_take_twice_as_long_and_stays_there() {
        let store = Store { idle: Duration::from_micros(400), serves: 200_000.0 };
        let runs = run(&mut Control::default(), 1_000, |_| store, f64::MAX);
        let found = runs.iter().position(|(rate, _)| *rate > 70_000.0).unwrap();
        assert!(found < 20, "it takes {found} turns");
        let later = &runs[100..];
        let rate = mean(later.iter().map(|(rate, _)| *rate));
        assert!((60_000.0..110_000.0).contains(&rate), "twice as slow at 100,000; got {rate}");
        let slow = later.iter().filter(|(_, slower)| *slower > 2.1).count();
        assert!(slow * 10 < later.len(), "{slow} of {} runs were over the limit", later.len());
    }

    #[test]
    fn it_follows_a_store_that_gets_busy_and_recovers() {
        let (quick, busy) = (Duration::from_micros(300), Duration::from_micros(900));
        // More traffic from turn 200 to 600: slower when idle, and less left for loads.
        let store = |n| match n {
            200..600 => Store { idle: busy, serves: 50_000.0 },
            _ => Store { idle: quick, serves: 200_000.0 },
        };
        let runs = run(&mut Control::default(), 1_000, store, f64::MAX);
        let rate = |of: std::ops::Range<usize>| mean(runs[of].iter().map(|(rate, _)| *rate));
        let rates = [rate(100..190), rate(400..560), rate(800..960)];
        assert!(rates[0] > 60_000.0 && rates[2] > 60_000.0, "{rates:?}");
        assert!((15_000.0..32_000.0).contains(&rates[1]), "{rates:?}");
    }

    #[test]
    fn what_nobody_feels_is_not_slow() {
        // Lookups in memory: from 5 to 50 microseconds is ten times as long, and nothing.
        let store = Store { idle: Duration::from_micros(5), serves: 1_000_000.0 };
        let mut control = Control::default();
        run(&mut control, 200, |_| store, 800_000.0);
        assert!(control.held().rate > 800_000.0 && !control.held().binding, "{:?}", control.held());
    }

    #[test]
    fn it_never_starves_and_silence_is_slow() {
        let mut control = Control::default();
        run(&mut control, 10, |_| Store { idle: Duration::from_millis(1), serves: 1e6 }, f64::MAX);
        for _ in 0..100 {
            let turn = control.turn();
            assert!(turn.rate.is_none_or(|rate| rate >= FLOOR));
            control.ended(turn, &Spread::default(), 0);
        }
        assert_eq!(control.held().rate, FLOOR);
    }

    proptest! {
        #[test]
        fn a_bucket_never_hands_out_more_than_its_rate(
            rate in 1_000.0..100_000.0_f64,
            takes in prop::collection::vec((0_u64..20, 1_usize..500), 1..100),
        ) {
            let mut bucket = Bucket::default();
            bucket.set(Duration::ZERO, rate);
            let (mut now, mut total, mut last) = (Duration::ZERO, 0, Duration::ZERO);
            for (pause, users) in takes {
                now += Duration::from_millis(pause);
                let at = now + bucket.take(now, users);
                total += users;
                last = last.max(at);
                now = now.max(at);
            }
            prop_assert!(total as f64 <= rate * (last + GATHER).as_secs_f64() + 1.0);
        }
    }
}
