//! The language of `--rate`.

use std::fmt;
use std::time::Duration;

use crate::units::parse_positive_span;

/// Nobody means more; beyond, a slip of the finger would fill the memory.
const MOST_PER_SECOND: f64 = 10_000_000.0;

/// Longest run.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A part of a run in which the rate is steady or goes in a straight line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// Requests a second at its start.
    pub from: f64,
    /// And at its end.
    pub to: f64,
    /// How long it is.
    pub length: Duration,
}

/// How the rate of requests goes over a run: segments, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate(Vec<Segment>);

impl Rate {
    /// One rate for some time.
    pub fn steady(per_second: f64, length: Duration) -> Self {
        Self(vec![Segment { from: per_second, to: per_second, length }])
    }

    /// Reads a rate:
    ///
    /// - `2000`: so many a second, as long as `duration` says;
    /// - `1000..8000/60s`: rising, or falling, within a minute;
    /// - `1000:10s,2000:10s`: steps;
    /// - both kinds after each other: `1000:10s,1000..8000/60s`.
    ///
    /// The error names the part and what to write instead.
    pub fn parse(text: &str, duration: Option<Duration>) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(',').collect();
        let alone = parts.len() == 1;
        let mut own_time = false;
        let segments = parts.iter().map(|part| {
            let (speeds, length) = match part.split_once([':', '/']) {
                Some((speeds, length)) => {
                    own_time = true;
                    (speeds, parse_positive_span(length).map_err(|problem| format!("{part:?}: {problem}"))?)
                }
                None if alone => (*part, duration.unwrap_or(DEFAULT_LENGTH)),
                None => return Err(format!("{part:?}: say how long, as in {part}:10s")),
            };
            let (from, to) = speeds.split_once("..").unwrap_or((speeds, speeds));
            let (from, to) = (per_second(part, from)?, per_second(part, to)?);
            if from == 0.0 && to == 0.0 {
                return Err(format!("{part:?}: nothing would be sent; use a rate above zero"));
            }
            Ok(Segment { from, to, length })
        });
        let rate = Self(segments.collect::<Result<_, _>>()?);
        if own_time && duration.is_some() {
            return Err("the rate says how long already: leave --duration out".to_owned());
        }
        if rate.length() > LONGEST {
            return Err(format!("longer than {} hours: split the run", LONGEST.as_secs() / 3600));
        }
        Ok(rate)
    }

    /// Its parts.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// How long it is.
    pub fn length(&self) -> Duration {
        self.0.iter().map(|segment| segment.length).sum()
    }

    /// How many requests are due, on average where arrivals are random, until `at`.
    pub fn count_until(&self, at: Duration) -> f64 {
        let mut left = at.as_secs_f64();
        let mut count = 0.0;
        for segment in &self.0 {
            let within = left.clamp(0.0, segment.length.as_secs_f64());
            count += segment.count_within(within);
            left -= segment.length.as_secs_f64();
        }
        count
    }

    /// The same after a time at its first rate above zero.
    pub fn after_warmup(&self, warmup: Duration) -> Self {
        let first = self.0.first().map_or(0.0, |first| if first.from > 0.0 { first.from } else { first.to });
        let mut segments = self.0.clone();
        if !warmup.is_zero() {
            segments.insert(0, Segment { from: first, to: first, length: warmup });
        }
        Self(segments)
    }
}

/// How long a run is that does not say it.
pub const DEFAULT_LENGTH: Duration = Duration::from_secs(30);

fn per_second(part: &str, text: &str) -> Result<f64, String> {
    let number = text.trim().parse::<f64>().ok();
    let number = number.filter(|number| (0.0..=MOST_PER_SECOND).contains(number));
    number.ok_or_else(|| {
        format!(
            "{part:?}: {text:?} is no rate; use requests a second, such as 2000, 1000..8000/60s or 500:10s"
        )
    })
}

impl Segment {
    fn slope(&self) -> f64 {
        (self.to - self.from) / self.length.as_secs_f64()
    }

    /// Requests due in all.
    pub(super) fn count(&self) -> f64 {
        (self.from + self.to) / 2.0 * self.length.as_secs_f64()
    }

    fn count_within(&self, seconds: f64) -> f64 {
        self.from * seconds + self.slope() * seconds * seconds / 2.0
    }

    /// Seconds after which so many are due: the inverse of [`Self::count_within`], in the form of the quadratic
    /// formula that does not subtract near-equal numbers and holds where the slope is zero.
    pub(super) fn time_of(&self, count: f64) -> f64 {
        let root = (self.from * self.from + 2.0 * self.slope() * count).max(0.0).sqrt();
        let seconds = 2.0 * count / (self.from + root);
        if seconds.is_finite() { seconds.min(self.length.as_secs_f64()) } else { 0.0 }
    }
}

impl fmt::Display for Rate {
    /// In the language that it is read from.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, segment) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            let (from, to, seconds) = (segment.from, segment.to, segment.length.as_secs_f64());
            if from == to {
                write!(f, "{comma}{from}:{seconds}s")?;
            } else {
                write!(f, "{comma}{from}..{to}/{seconds}s")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn steady_stepped_and_ramped_rates_are_read() {
        let steady = Rate::parse("2000", Some(seconds(5))).unwrap();
        assert_eq!((steady.length(), steady.count_until(seconds(5))), (seconds(5), 10_000.0));
        let steps = Rate::parse("1000:10s,2000:10s", None).unwrap();
        assert_eq!((steps.length(), steps.count_until(seconds(15))), (seconds(20), 20_000.0));
        let ramp = Rate::parse("1000..8000/60s", None).unwrap();
        assert_eq!((ramp.length(), ramp.count_until(seconds(60))), (seconds(60), 270_000.0));
        assert_eq!(Rate::parse("5", None).unwrap().length(), DEFAULT_LENGTH);
        assert_eq!(Rate::parse("10:1s,10..20/2s", None).unwrap().to_string(), "10:1s,10..20/2s");
    }

    #[test]
    fn what_cannot_be_read_is_told_with_the_remedy() {
        let cases = [
            ("", "is no rate"),
            ("fast", "is no rate"),
            ("100,200:1s", "\"100\": say how long, as in 100:10s"),
            ("100:0s", "above zero"),
            ("100:10", "no span of time"),
            ("0", "nothing would be sent"),
            ("-5", "is no rate"),
            ("1e99", "is no rate"),
            ("1:48h", "longer than 24 hours"),
        ];
        for (text, told) in cases {
            let error = Rate::parse(text, None).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
        assert!(Rate::parse("1:1s", Some(seconds(3))).unwrap_err().contains("leave --duration out"));
    }

    proptest! {
        /// The time at which the n-th request is due is the time until which n are due.
        #[test]
        fn time_of_is_the_inverse_of_count(
            from in 0.0..10_000.0_f64, to in 1.0..10_000.0_f64, length in 1_u64..600, part in 0.0..1.0_f64,
        ) {
            let segment = Segment { from, to, length: seconds(length) };
            let count = segment.count() * part;
            let back = segment.count_within(segment.time_of(count));
            prop_assert!((back - count).abs() <= 1e-6 * count.max(1.0), "{back} instead of {count}");
        }
    }
}
