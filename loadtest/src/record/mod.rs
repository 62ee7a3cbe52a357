//! What a run saw, in a form that adds up exactly: over the threads of a generator, and over machines.

mod latencies;
mod outcome;
mod window;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use latencies::{HistogramError, Latencies, Sparse};
pub use outcome::{ByOutcome, Outcome};
pub use window::{Tallies, Window};

/// Different words under which reasons and errors are counted; more count as [`OTHER`].
const MOST_WORDS: usize = 64;

/// Reasons beyond those that are told apart.
const OTHER: &str = "other";

/// Windows of a run: a longer run has longer ones.
const MOST_WINDOWS: u64 = 3_600;

/// What a run saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// From the intended send time to the whole answer, by outcome. For an error without an answer: until that was
    /// clear.
    pub latency: ByOutcome<Latencies>,
    /// From the actual send time to the whole answer, of answers that count in [`Self::served`]: what a closed-loop
    /// tool would report.
    pub raw: Latencies,
    /// From the intended send time until the generator got to it: its own lateness.
    pub lag: Latencies,
    /// From the intended send time until a connection was free.
    pub wait: Latencies,
    /// Requests that the generator got to only after the end of the run.
    pub after_end: u64,
    /// In closed loop: the part of the time in which the busiest thread of the generator worked.
    pub busy: f64,
    /// Requests that were never sent because too many were unanswered.
    pub skipped: u64,
    /// The run in slices of time.
    pub windows: Vec<Window>,
    /// Answers by HTTP status, or by the number of the gRPC status.
    pub statuses: BTreeMap<u16, u64>,
    /// Why there was no bid, where answers say it.
    pub reasons: BTreeMap<String, u64>,
    /// What went wrong, in words.
    pub errors: BTreeMap<String, u64>,
    /// Some requests with their answers, to be checked afterwards.
    #[serde(skip)]
    pub samples: Vec<(Bytes, Bytes)>,
    /// From the start to the last answer.
    pub elapsed: Duration,
}

/// An answer, or that there was none, with its times.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// When it was due, from the start of what is measured.
    pub due: Duration,
    /// From the intended send time.
    pub corrected: Duration,
    /// From the actual one.
    pub raw: Duration,
    /// What it was.
    pub outcome: Outcome,
}

impl Record {
    /// One that has slices of this length.
    pub fn new(windows: usize) -> Self {
        Self { windows: vec![Window::default(); windows], ..Self::default() }
    }

    /// Counts an answer in the slice of time in which its request was due.
    pub fn see(&mut self, seen: Seen, window: Duration) {
        self.latency.get_mut(seen.outcome).record(seen.corrected);
        if seen.outcome.is_served() {
            self.raw.record(seen.raw);
        }
        if let Some(window) = self.window_of(seen.due, window) {
            *window.tallies.outcomes.get_mut(seen.outcome) += 1;
            if seen.outcome.is_served() {
                window.latency.record(seen.corrected);
            }
        }
    }

    /// Counts a request that is due now, and whether it is sent at all.
    pub fn plan(&mut self, due: Duration, lag: Duration, skipped: bool, window: Duration) {
        self.lag.record(lag);
        let last = window.saturating_mul(u32::try_from(self.windows.len()).unwrap_or(u32::MAX));
        self.after_end += u64::from(due + lag > last);
        self.skipped += u64::from(skipped);
        if let Some(window) = self.window_of(due, window) {
            window.tallies.due += 1;
            window.tallies.skipped += u64::from(skipped);
        }
    }

    fn window_of(&mut self, due: Duration, window: Duration) -> Option<&mut Window> {
        let number = due.as_micros() / window.as_micros().max(1);
        self.windows.get_mut(usize::try_from(number).ok()?)
    }

    /// Counts a word under which answers say why there is no bid.
    pub fn reason(&mut self, word: &str) {
        count(&mut self.reasons, word);
    }

    /// Counts an error by its words.
    pub fn error(&mut self, word: &str) {
        count(&mut self.errors, word);
    }

    /// Answers that an exchange could use had they come in time: bids and no-bids, late ones included. Sheds and errors
    /// are quick, and would make percentiles look better the more there are.
    pub fn served(&self) -> Latencies {
        let mut served = self.latency.bid.clone();
        served.add(&self.latency.no_bid);
        served.add(&self.latency.late);
        served
    }

    /// Every count.
    pub fn tallies(&self) -> Tallies {
        let outcomes = self.latency.map(Latencies::len);
        Tallies { due: outcomes.total() + self.skipped, skipped: self.skipped, outcomes }
    }

    /// Answers in all, whatever they say.
    pub fn answers(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.answers() as f64 / self.elapsed.as_secs_f64().max(0.001)
    }

    /// Adds what another thread or machine saw at the same time.
    pub fn add(&mut self, other: &Self) {
        for outcome in Outcome::ALL {
            self.latency.get_mut(outcome).add(other.latency.get(outcome));
        }
        self.raw.add(&other.raw);
        self.lag.add(&other.lag);
        self.wait.add(&other.wait);
        self.skipped += other.skipped;
        self.after_end += other.after_end;
        self.busy = self.busy.max(other.busy);
        let longest = self.windows.len().max(other.windows.len());
        self.windows.resize_with(longest, Window::default);
        for (own, other) in self.windows.iter_mut().zip(&other.windows) {
            own.add(other);
        }
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        merge(&mut self.reasons, &other.reasons);
        merge(&mut self.errors, &other.errors);
        self.samples.extend_from_slice(&other.samples);
        self.elapsed = self.elapsed.max(other.elapsed);
    }
}

/// The length of slices of a run: a second, or more where there would be too many.
pub fn window_length(run: Duration) -> Duration {
    Duration::from_secs(run.as_secs().div_ceil(MOST_WINDOWS).max(1))
}

fn count(words: &mut BTreeMap<String, u64>, word: &str) {
    match words.get_mut(word) {
        Some(count) => *count += 1,
        None => {
            let word = if words.len() < MOST_WORDS { word } else { OTHER };
            *words.entry(word.to_owned()).or_default() += 1;
        }
    }
}

fn merge(words: &mut BTreeMap<String, u64>, others: &BTreeMap<String, u64>) {
    for (word, count) in others {
        *words.entry(word.clone()).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(due_ms: u64, latency_us: u64, outcome: Outcome) -> Seen {
        let corrected = Duration::from_micros(latency_us);
        Seen { due: Duration::from_millis(due_ms), corrected, raw: corrected / 2, outcome }
    }

    fn record(answers: &[Seen]) -> Record {
        let mut record = Record::new(3);
        for answer in answers {
            record.plan(answer.due, Duration::from_micros(10), false, Duration::from_secs(1));
            record.see(*answer, Duration::from_secs(1));
        }
        record
    }

    #[test]
    fn two_halves_add_up_to_the_whole() {
        let answers: Vec<Seen> = (0..2_900)
            .map(|n| seen(n, 100 + n * 7 % 5_000, Outcome::ALL[n as usize % Outcome::ALL.len()]))
            .collect();
        let (left, right) = answers.split_at(1_234);
        let mut sum = record(left);
        sum.add(&record(right));
        assert_eq!(sum, record(&answers));
        assert_eq!(sum.windows.iter().map(|window| window.tallies.due).sum::<u64>(), 2_900);
    }

    #[test]
    fn an_answer_counts_where_its_request_was_due() {
        let record = record(&[seen(999, 5_000_000, Outcome::Late), seen(1_000, 100, Outcome::Bid)]);
        let late: Vec<u64> = record.windows.iter().map(|window| window.tallies.outcomes.late).collect();
        assert_eq!(late, [1, 0, 0]);
        assert_eq!(record.windows[1].latency.len(), 1);
    }

    #[test]
    fn sheds_and_errors_do_not_flatter_percentiles() {
        let record =
            record(&[seen(0, 50, Outcome::Shed), seen(0, 60, Outcome::Error), seen(0, 9_000, Outcome::Bid)]);
        assert_eq!((record.served().len(), record.raw.len()), (1, 1));
        assert_eq!(record.tallies().outcomes.total(), 3);
    }

    #[test]
    fn words_are_bounded() {
        let mut record = Record::default();
        for n in 0..200 {
            record.reason(&format!("reason {n}"));
        }
        assert_eq!(record.reasons.len(), MOST_WORDS + 1);
        assert_eq!(record.reasons[OTHER], 200 - MOST_WORDS as u64);
    }

    #[test]
    fn a_day_has_no_more_slices_than_an_hour() {
        assert_eq!(window_length(Duration::from_secs(30)), Duration::from_secs(1));
        assert_eq!(window_length(Duration::from_secs(86_400)), Duration::from_secs(24));
    }
}
