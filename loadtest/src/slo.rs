//! Conditions on what a run saw: `p99<10ms,late<0.1%,errors<0.01%`. What must hold (`--slo`) and what must not
//! (`--fail-if`) are written alike.

use std::fmt;

use crate::record::{Record, Tallies};
use crate::units::{micros, parse_share, parse_span, show_micros, show_share};

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// A percentile, as a part of one, of corrected latencies of all served, in microseconds.
    Quantile(f64),
    /// A share of all requests that were due.
    Share(Share),
    /// Answers in time, a second.
    Rate,
}

/// Which share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// After `tmax`.
    Late,
    /// Refused for overload.
    Shed,
    /// Errors, and what was never sent.
    Errors,
    /// What was never sent.
    Skipped,
    /// All of these.
    Failures,
    /// Answered with a bid in time.
    Bids,
}

const SHARES: [(&str, Share); 6] = [
    ("late", Share::Late),
    ("shed", Share::Shed),
    ("errors", Share::Errors),
    ("skipped", Share::Skipped),
    ("failures", Share::Failures),
    ("bids", Share::Bids),
];

/// How a figure is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// Longer ones first: "<=" also begins with "<".
const ORDERS: [(&str, Order); 4] =
    [("<=", Order::AtMost), (">=", Order::AtLeast), ("<", Order::Below), (">", Order::Above)];

/// A figure compared with a bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    text: String,
    metric: Metric,
    order: Order,
    bound: f64,
}

/// Conditions, in the order in which they were written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions(Vec<Condition>);

/// What conditions look at.
pub struct Figures<'a> {
    /// The counts.
    pub tallies: Tallies,
    /// A quantile of corrected latencies of all served, in microseconds; none where nothing was served.
    pub quantile: &'a dyn Fn(f64) -> Option<f64>,
    /// How long it was, in seconds.
    pub seconds: f64,
}

impl Metric {
    /// Its value; none where there is nothing to have one.
    pub fn of(self, figures: &Figures<'_>) -> Option<f64> {
        let tallies = &figures.tallies;
        match self {
            Self::Quantile(quantile) => (figures.quantile)(quantile),
            Self::Rate => Some(tallies.good() as f64 / figures.seconds.max(0.001)),
            Self::Share(_) if tallies.due == 0 => None,
            Self::Share(share) => Some(tallies.share(match share {
                Share::Late => tallies.outcomes.late,
                Share::Shed => tallies.outcomes.shed,
                Share::Errors => tallies.errors(),
                Share::Skipped => tallies.skipped,
                Share::Failures => tallies.failures(),
                Share::Bids => tallies.outcomes.bid,
            })),
        }
    }

    /// Reads "p99", "p99.9", "max", "late", ...
    pub fn parse(name: &str) -> Result<Self, String> {
        let quantile = match name {
            "max" => Some(100.0),
            name => name.strip_prefix('p').and_then(|percent| percent.parse().ok()),
        };
        if let Some(percent) = quantile.filter(|percent| (0.0..=100.0).contains(percent)) {
            return Ok(Self::Quantile(percent / 100.0));
        }
        if name == "rate" {
            return Ok(Self::Rate);
        }
        let share = SHARES.iter().find(|(own, _)| *own == name).map(|(_, share)| Self::Share(*share));
        share.ok_or_else(|| {
            format!("{name:?} is no figure; use p50, p99, p99.9, max, late, shed, errors, skipped, failures, bids or rate")
        })
    }

    /// Its value as people read it.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Quantile(_) => show_micros(value),
            Self::Share(_) => show_share(value),
            Self::Rate => format!("{value:.0}/s"),
        }
    }

    /// Whether more of it is better.
    pub fn more_is_better(self) -> bool {
        matches!(self, Self::Rate | Self::Share(Share::Bids))
    }

    fn bound(self, text: &str) -> Result<f64, String> {
        match self {
            Self::Quantile(_) => parse_span(text).map(|span| micros(span) as f64),
            Self::Share(_) => parse_share(text),
            Self::Rate => {
                text.trim().parse().map_err(|_| format!("{text:?} is no rate: use a number a second"))
            }
        }
    }
}

impl fmt::Display for Metric {
    /// As it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quantile(1.0) => f.write_str("max"),
            // Three digits are all that a percentile is written with; a product of floating-point numbers has more.
            Self::Quantile(quantile) => write!(f, "p{}", (quantile * 1e5).round() / 1e3),
            Self::Rate => f.write_str("rate"),
            Self::Share(share) => {
                let name = SHARES.iter().find(|(_, own)| own == share).map(|(name, _)| *name);
                f.write_str(name.unwrap_or_default())
            }
        }
    }
}

impl Condition {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let split = ORDERS.iter().find_map(|(sign, order)| {
            let (name, bound) = text.split_once(sign)?;
            Some((name.trim(), *order, bound.trim()))
        });
        let (name, order, bound) =
            split.ok_or_else(|| format!("{text:?}: compare a figure with a bound, as in p99<10ms"))?;
        let metric = Metric::parse(name)?;
        let bound = metric.bound(bound).map_err(|problem| format!("{text:?}: {problem}"))?;
        Ok(Self { text: text.to_owned(), metric, order, bound })
    }

    /// What it is about.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Whether it is true; none where there is nothing to judge by.
    pub fn is_true(&self, figures: &Figures<'_>) -> Option<bool> {
        let value = self.metric.of(figures)?;
        Some(match self.order {
            Order::Below => value < self.bound,
            Order::AtMost => value <= self.bound,
            Order::Above => value > self.bound,
            Order::AtLeast => value >= self.bound,
        })
    }

    /// The condition with the value that was seen: "p99<10ms: 12.30 ms".
    pub fn tell(&self, figures: &Figures<'_>) -> String {
        let value = self.metric.of(figures);
        let value = value.map_or_else(|| "nothing was answered".to_owned(), |value| self.metric.show(value));
        format!("{}: {value}", self.text)
    }
}

impl Conditions {
    /// Reads a list. The error names the part and the remedy.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.split(',').map(Condition::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Condition> {
        self.0.iter()
    }

    /// Those that do not hold. What cannot be judged does not hold: a run without answers meets no SLO.
    pub fn broken<'c>(&'c self, figures: &Figures<'_>) -> Vec<&'c Condition> {
        self.0.iter().filter(|condition| condition.is_true(figures) != Some(true)).collect()
    }

    /// Those that are true, or cannot be judged: a run without answers fails.
    pub fn triggered<'c>(&'c self, figures: &Figures<'_>) -> Vec<&'c Condition> {
        self.0.iter().filter(|condition| condition.is_true(figures) != Some(false)).collect()
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<&str> = self.0.iter().map(|condition| condition.text.as_str()).collect();
        f.write_str(&texts.join(","))
    }
}

/// Looks at a whole record.
pub fn with_figures<T>(record: &Record, seconds: f64, look: impl FnOnce(&Figures<'_>) -> T) -> T {
    let served = record.served();
    let quantile = |quantile| (!served.is_empty()).then(|| served.quantile(quantile) as f64);
    look(&Figures { tallies: record.tallies(), quantile: &quantile, seconds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::ByOutcome;

    fn figures(p99: Option<f64>, look: impl FnOnce(&Figures<'_>)) {
        let outcomes = ByOutcome { bid: 600, no_bid: 390, late: 5, shed: 0, error: 1 };
        let tallies = Tallies { due: 1_000, skipped: 4, outcomes };
        look(&Figures { tallies, quantile: &|_| p99, seconds: 2.0 });
    }

    #[test]
    fn conditions_are_judged_by_what_was_seen() {
        figures(Some(9_999.0), |seen| {
            let holds = |text: &str| Conditions::parse(text).unwrap().broken(seen).is_empty();
            assert!(holds("p99<10ms,late<=0.5%,errors<=0.005"));
            assert!(!holds("p99<9ms") && !holds("late<0.5%") && !holds("failures<1%") && !holds("shed>0%"));
            assert!(holds("rate>=495,skipped<1%,bids>50%"));
            let slo = Conditions::parse("p99<1ms, late<1%").unwrap();
            assert_eq!(slo.broken(seen)[0].tell(seen), "p99<1ms: 10.00 ms");
            assert_eq!(slo.triggered(seen).len(), 1);
        });
    }

    #[test]
    fn without_answers_nothing_holds_and_everything_fails() {
        figures(None, |seen| {
            let slo = Conditions::parse("p99<10ms").unwrap();
            assert_eq!((slo.broken(seen).len(), slo.triggered(seen).len()), (1, 1));
            assert!(slo.broken(seen)[0].tell(seen).contains("nothing was answered"));
        });
    }

    #[test]
    fn what_cannot_be_read_is_told_with_the_remedy() {
        let cases = [
            ("p99", "compare a figure"),
            ("p101<1ms", "is no figure"),
            ("latency<1ms", "use p50"),
            ("p99<10", "write 10s"),
            ("late<5", "0% to 100%"),
            ("p99<1ms,,", "compare a figure"),
            ("rate>fast", "no rate"),
        ];
        for (text, told) in cases {
            let error = Conditions::parse(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn metrics_are_shown_as_they_are_written() {
        for name in ["p50", "p99", "p99.9", "p99.99", "max", "late", "errors", "rate"] {
            assert_eq!(Metric::parse(name).unwrap().to_string(), name);
        }
    }
}
