//! Leaves a node alone that does not answer, so that its users are told so at once.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use ahash::RandomState;
use tokio::time::Instant;

/// Calls in a row that got no answer, and how long no other did, before a node is left alone.
const MISSES: u32 = 3;
const SILENCE: Duration = Duration::from_millis(100);

/// Shortest and longest pause between trials of a node that is left alone; doubled each time, jittered by half.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// A caller that gave up sooner than this says nothing about the node.
const SHORTEST: Duration = Duration::from_millis(1);

/// A caller that comes so long after its time was asleep, perhaps with this whole process, and says nothing either.
const ASLEEP: Duration = Duration::from_millis(20);

/// Closed: everybody asks. Open: nobody does. After a pause one caller tries; by how that ends it closes or the pause
/// grows.
#[derive(Debug)]
pub(super) struct Breaker {
    epoch: Instant,
    /// Calls in a row without an answer, and when the first of them was made.
    misses: AtomicU32,
    since: AtomicU64,
    /// Until when nobody asks; 0: closed. Microseconds since the epoch, as all moments here.
    until: AtomicU64,
    trials: AtomicU32,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            misses: AtomicU32::new(0),
            since: AtomicU64::new(0),
            until: AtomicU64::new(0),
            trials: AtomicU32::new(0),
        }
    }

    fn micros(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_micros()).unwrap_or(u64::MAX)
    }

    /// Whether the caller may ask. After the pause one may, and the others wait for how it fares.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        if until == 0 {
            return true;
        }
        let (now, longest) = (self.micros(now), u64::try_from(PAUSE.1.as_micros()).unwrap_or(u64::MAX));
        let next = now.saturating_add(longest);
        now >= until && self.until.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The node answered.
    pub(super) fn answered(&self) {
        if self.misses.load(Ordering::Relaxed) != 0 {
            self.misses.store(0, Ordering::Relaxed);
        }
        if self.until.load(Ordering::Relaxed) != 0 {
            self.until.store(0, Ordering::Relaxed);
            self.trials.store(0, Ordering::Relaxed);
        }
    }

    /// A call that was made then and had time until then has no answer. True: nobody asks from now on.
    pub(super) fn missed(&self, asked: Instant, until: Instant, now: Instant) -> bool {
        let says_nothing =
            now.saturating_duration_since(asked) < SHORTEST || now.saturating_duration_since(until) > ASLEEP;
        if says_nothing && self.until.load(Ordering::Relaxed) == 0 {
            return false;
        }
        if self.until.load(Ordering::Relaxed) != 0 {
            self.open(now);
            return false;
        }
        if self.misses.fetch_add(1, Ordering::Relaxed) == 0 {
            self.since.store(self.micros(asked), Ordering::Relaxed);
        }
        let silence = self.micros(now).saturating_sub(self.since.load(Ordering::Relaxed));
        let opens =
            self.misses.load(Ordering::Relaxed) >= MISSES && u128::from(silence) >= SILENCE.as_micros();
        if opens {
            self.open(now);
        }
        opens
    }

    fn open(&self, now: Instant) {
        let trial = self.trials.fetch_add(1, Ordering::Relaxed);
        let pause = jittered(PAUSE, trial, RandomState::new().hash_one(trial));
        self.until.store(self.micros(now + pause).max(1), Ordering::Relaxed);
    }
}

/// The next pause after so many attempts: doubled each time, jittered down to half, so that a hundred nodes do not come
/// back in one moment.
pub(super) fn jittered((first, longest): (Duration, Duration), attempt: u32, random: u64) -> Duration {
    let whole = first.saturating_mul(2_u32.saturating_pow(attempt.min(10))).min(longest);
    whole * (50 + (random % 51) as u32) / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_silent_node_is_left_alone_tried_now_and_then_and_asked_again_when_it_answers() {
        let breaker = Breaker::new();
        let start = Instant::now();
        let miss = |ms: u32| {
            let now = start + MS * (ms + 20);
            breaker.missed(start + MS * ms, now, now)
        };
        assert!(!miss(0) && !miss(20) && !miss(40), "three misses, but 60 ms of silence only");
        assert!(miss(80));
        let mut now = start + MS * 100;
        assert!(!breaker.admits(now));

        now += PAUSE.0;
        assert!(breaker.admits(now), "one may try");
        assert!(!breaker.admits(now), "and only one");
        breaker.missed(now, now + MS * 20, now + MS * 20);
        assert!(!breaker.admits(now + MS * 20));

        now += PAUSE.1 * 2;
        assert!(breaker.admits(now));
        breaker.answered();
        assert!(breaker.admits(now) && breaker.admits(now));
    }

    #[test]
    fn a_node_that_answers_between_misses_is_asked_on() {
        let breaker = Breaker::new();
        let start = Instant::now();
        for ms in (0..2_000).step_by(50) {
            let now = start + MS * (ms + 50);
            assert!(!breaker.missed(start + MS * ms, now, now));
            if ms % 100 == 0 {
                breaker.answered();
            }
        }
    }

    #[test]
    fn whoever_has_no_time_or_was_asleep_says_nothing_about_the_node() {
        let breaker = Breaker::new();
        let start = Instant::now();
        for asked in (0..2_000).map(|ms| start + MS * ms) {
            assert!(!breaker.missed(asked, asked, asked));
            assert!(!breaker.missed(asked, asked + MS * 5, asked + MS * 300));
        }
    }
}
