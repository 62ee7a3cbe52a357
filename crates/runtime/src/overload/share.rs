//! A part of a worker's time: a token bucket of microseconds.

use std::time::Duration;

use tagbid_types::Monotonic;

/// What may be saved up, and what may be owed: the share of so much time.
const DEPTH: Duration = Duration::from_millis(250);
const DEBT: Duration = Duration::from_secs(1);

/// Between two looks of who waits: short beside what anybody waits for, long beside the cost of a look.
const LOOK: Duration = Duration::from_millis(1);

/// How much time some kind of work has left of its share.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    percent: i64,
    /// Hundredths of microseconds; below zero: owed.
    left: i64,
    filled: Monotonic,
}

impl Share {
    /// A full share of so many percent.
    pub fn new(percent: u32, now: Monotonic) -> Self {
        let percent = i64::from(percent.min(100));
        Self { percent, left: percent * micros(DEPTH), filled: now }
    }

    /// Takes time that was used out of it. One long piece of work is not owed for ever.
    pub fn spend(&mut self, time: Duration, now: Monotonic) {
        self.fill(now);
        let owed = self.percent * micros(DEBT);
        self.left = self.left.saturating_sub(micros(time).saturating_mul(100)).max(-owed);
    }

    /// How long to wait until some of it is left; none: it is.
    pub fn wait(&mut self, now: Monotonic) -> Option<Duration> {
        self.fill(now);
        if self.left > 0 {
            return None;
        }
        let owed =
            self.left.unsigned_abs().checked_div(self.percent.unsigned_abs()).map(Duration::from_micros);
        Some(owed.unwrap_or(DEPTH).clamp(LOOK, DEPTH))
    }

    fn fill(&mut self, now: Monotonic) {
        let earned = micros(now.since(self.filled)).saturating_mul(self.percent);
        self.left = self.left.saturating_add(earned).min(self.depth());
        self.filled = self.filled.max(now);
    }

    fn depth(&self) -> i64 {
        self.percent * micros(DEPTH)
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
