//! How a run goes, on standard error: a bar with figures where somebody looks, lines elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::load::Tick;
use crate::record::{Outcome, Tallies};
use crate::units::{show_micros, show_share};

/// Lines of a run that nobody watches, at most: a long one has a line every so many seconds.
const MOST_LINES: u64 = 120;

/// Says something.
pub fn note(text: &str) {
    // Nobody hears it: the run goes on.
    let _told = writeln!(io::stderr(), "{text}");
}

/// Whether a run that nobody watches leaves lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// It does.
    Kept,
    /// It is one of many, which tell of themselves when they end.
    None,
}

/// Shows ticks until the run is over.
pub fn watch(ticks: &Receiver<Tick>, warmup: Duration, length: Duration, lines: Lines) {
    let mut view = View::new(warmup, length, lines);
    let mut second: Option<Tick> = None;
    while let Ok(tick) = ticks.recv() {
        match &mut second {
            // Another thread's part of the same second.
            Some(own) if own.second == tick.second => add(own, &tick),
            Some(own) => {
                view.show(own);
                second = Some(tick);
            }
            None => second = Some(tick),
        }
    }
    if let Some(last) = &second {
        view.show(last);
    }
    view.end();
}

fn add(own: &mut Tick, other: &Tick) {
    own.tallies.add(&other.tallies);
    own.latency.add(&other.latency);
    own.outstanding += other.outstanding;
}

struct View {
    bar: Option<ProgressBar>,
    lines: Lines,
    warmup: u64,
    every: u64,
    /// Seconds that are not told yet, where not every one gets a line.
    gathered: Option<Tick>,
}

impl View {
    fn new(warmup: Duration, length: Duration, lines: Lines) -> Self {
        let seconds = (warmup + length).as_secs();
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(seconds);
            let template = "{bar:40.cyan/blue} {pos}/{len} s  {prefix}\n{msg}";
            bar.set_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        Self {
            bar,
            lines,
            warmup: warmup.as_secs(),
            every: seconds.div_ceil(MOST_LINES).max(1),
            gathered: None,
        }
    }

    fn show(&mut self, tick: &Tick) {
        if let Some(bar) = &self.bar {
            bar.set_position(tick.second + 1);
            bar.set_prefix(if tick.second < self.warmup { "warming up" } else { "" });
            bar.set_message(format!("{}\n{}", rates(&tick.tallies, 1, tick.outstanding), latencies(tick)));
            return;
        }
        if self.lines == Lines::None {
            return;
        }
        match &mut self.gathered {
            Some(own) => add(own, tick),
            None => self.gathered = Some(tick.clone()),
        }
        if (tick.second + 1).is_multiple_of(self.every)
            && let Some(gathered) = self.gathered.take()
        {
            note(&line(tick.second + 1, &gathered, self.every, tick.outstanding, tick.second < self.warmup));
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn line(second: u64, tick: &Tick, seconds: u64, outstanding: usize, warming: bool) -> String {
    let warming = if warming { " (warm-up)" } else { "" };
    format!("{second:>5} s{warming}  {}  {}", rates(&tick.tallies, seconds, outstanding), latencies(tick))
}

fn rates(tallies: &Tallies, seconds: u64, outstanding: usize) -> String {
    let answered = tallies.outcomes.total();
    let share = |count: u64| show_share(count as f64 / answered.max(1) as f64);
    let outcomes = Outcome::ALL
        .iter()
        .map(|outcome| format!("{} {}", outcome.as_str(), share(*tallies.outcomes.get(*outcome))));
    let skipped = if tallies.skipped > 0 { format!(", skipped {}", tallies.skipped) } else { String::new() };
    format!(
        "due {}/s, answered {}/s ({}), unanswered {outstanding}{skipped}",
        tallies.due / seconds.max(1),
        answered / seconds.max(1),
        outcomes.collect::<Vec<_>>().join(", "),
    )
}

fn latencies(tick: &Tick) -> String {
    let of = |quantile: f64| show_micros(tick.latency.quantile(quantile) as f64);
    format!("p50 {}, p90 {}, p99 {}, max {}", of(0.5), of(0.9), of(0.99), of(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Latencies;

    #[test]
    fn a_line_says_rates_outcomes_and_percentiles() {
        let mut tallies = Tallies { due: 4_000, skipped: 3, ..Tallies::default() };
        tallies.outcomes.bid = 1_000;
        tallies.outcomes.no_bid = 3_000;
        let mut latency = Latencies::default();
        latency.record(Duration::from_micros(750));
        let tick = Tick { second: 1, tallies, latency, outstanding: 7 };
        let line = line(2, &tick, 2, 7, false);
        for part in
            ["    2 s  due 2000/s, answered 2000/s", "bid 25.0 %", "unanswered 7, skipped 3", "p99 750 µs"]
        {
            assert!(line.contains(part), "{line}");
        }
    }
}
