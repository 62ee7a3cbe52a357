//! Leaves a peer alone that does not answer, so that whoever would ask it is told so at once. Time comes in as readings of
//! one clock; any will do.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tagbid_types::Monotonic;

/// Calls in a row that got no answer, and how long no other did, before a peer is left alone.
const MISSES: u32 = 3;
const SILENCE: Duration = Duration::from_millis(100);

/// Shortest and longest pause between trials of a peer that is left alone; doubled each time, jittered by half.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// A caller that gave up sooner than this says nothing about the peer.
const SHORTEST: Duration = Duration::from_millis(1);

/// A caller that comes so long after its time was asleep, perhaps with this whole process, and says nothing either.
const ASLEEP: Duration = Duration::from_millis(20);

/// Closed: everybody asks. Open: nobody does. After a pause one caller tries; by how that ends it closes or the pause
/// grows.
#[derive(Debug, Default)]
pub struct Breaker {
    /// Calls in a row without an answer, and when the first of them was made.
    misses: AtomicU32,
    since: AtomicU64,
    /// Until when nobody asks; 0: closed.
    until: AtomicU64,
    /// When it opened, or the last trial began: calls that were made before say nothing new.
    opened: AtomicU64,
    trials: AtomicU32,
}

impl Breaker {
    /// Whether the caller may ask. After the pause one may, and the others wait for how it fares.
    pub fn admits(&self, now: Monotonic) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        if until == 0 {
            return true;
        }
        let next = now.after(PAUSE.1).0;
        let tries = now.0 >= until
            && self.until.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if tries {
            self.opened.store(now.0, Ordering::Relaxed);
        }
        tries
    }

    /// Whether nobody asks but now and then for a trial.
    pub fn is_open(&self) -> bool {
        self.until.load(Ordering::Relaxed) != 0
    }

    /// The peer answered.
    pub fn answered(&self) {
        if self.misses.load(Ordering::Relaxed) != 0 {
            self.misses.store(0, Ordering::Relaxed);
        }
        if self.is_open() {
            self.until.store(0, Ordering::Relaxed);
            self.trials.store(0, Ordering::Relaxed);
        }
    }

    /// A call that was made then and had time until then has no answer. True: nobody asks from now on.
    pub fn missed(&self, asked: Monotonic, until: Monotonic, now: Monotonic) -> bool {
        if self.is_open() {
            if asked.0 >= self.opened.load(Ordering::Relaxed) {
                self.open(now);
            }
            return false;
        }
        if now.since(asked) < SHORTEST || now.since(until) > ASLEEP {
            return false;
        }
        if self.misses.fetch_add(1, Ordering::Relaxed) == 0 {
            self.since.store(asked.0, Ordering::Relaxed);
        }
        let silence = now.since(Monotonic(self.since.load(Ordering::Relaxed)));
        let opens = self.misses.load(Ordering::Relaxed) >= MISSES && silence >= SILENCE;
        if opens {
            self.open(now);
        }
        opens
    }

    fn open(&self, now: Monotonic) {
        let trial = self.trials.fetch_add(1, Ordering::Relaxed);
        let pause = jittered(PAUSE, trial, random());
        // A call of this very moment was made before.
        self.opened.store(now.0 + 1, Ordering::Relaxed);
        self.until.store(now.after(pause).0.max(1), Ordering::Relaxed);
    }
}

/// The next pause after so many attempts: doubled each time, jittered down to half, so that a hundred callers do not come
/// back in one moment.
pub fn jittered((first, longest): (Duration, Duration), attempt: u32, random: u64) -> Duration {
    let whole = first.saturating_mul(2_u32.saturating_pow(attempt.min(10))).min(longest);
    whole * (50 + (random % 51) as u32) / 100
}

/// Good enough to jitter by: the standard library seeds its hashers from the operating system's randomness.
pub fn random() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000;
    const PAUSES: (u64, u64) = (100 * MS, 1_000 * MS);

    fn at(ms: u64) -> Monotonic {
        Monotonic(5_000_000 + ms * MS)
    }

    /// A call of 20 ms that was made then.
    fn miss(breaker: &Breaker, ms: u64) -> bool {
        breaker.missed(at(ms), at(ms + 20), at(ms + 20))
    }

    #[test]
    fn a_silent_peer_is_left_alone_tried_now_and_then_and_asked_again_when_it_answers() {
        let breaker = Breaker::default();
        let silent = (0..=2).map(|n| miss(&breaker, n * 20));
        assert!(silent.eq([false; 3]), "three misses, but 60 ms of silence only");
        assert!(miss(&breaker, 80) && breaker.is_open());
        assert!(!breaker.admits(at(100)));

        assert!(breaker.admits(at(200)), "one may try");
        assert!(!breaker.admits(at(200)), "and only one");
        miss(&breaker, 200);
        assert!(!breaker.admits(at(220)));

        assert!(breaker.admits(at(220 + 2 * PAUSES.1 / MS)));
        breaker.answered();
        let now = at(3_000);
        assert!(breaker.admits(now) && breaker.admits(now) && !breaker.is_open());
    }

    #[test]
    fn calls_that_were_under_way_when_it_opened_do_not_lengthen_the_pause() {
        let breaker = Breaker::default();
        assert_eq!((0..=4).filter(|n| miss(&breaker, n * 20)).count(), 1);
        assert!(breaker.is_open());
        (0..100).for_each(|_| assert!(!miss(&breaker, 90)));
        assert!(breaker.admits(at(100 + PAUSES.0 / MS + 10)), "the first pause is the shortest");
    }

    #[test]
    fn a_peer_that_answers_between_misses_is_asked_on() {
        let breaker = Breaker::default();
        for ms in (0..2_000).step_by(50) {
            assert!(!breaker.missed(at(ms), at(ms + 50), at(ms + 50)));
            if ms % 100 == 0 {
                breaker.answered();
            }
        }
    }

    #[test]
    fn whoever_has_no_time_or_was_asleep_says_nothing_about_the_peer() {
        let breaker = Breaker::default();
        for ms in 0..2_000 {
            assert!(!breaker.missed(at(ms), at(ms), at(ms)));
            assert!(!breaker.missed(at(ms), at(ms + 5), at(ms + 300)));
        }
    }
}
