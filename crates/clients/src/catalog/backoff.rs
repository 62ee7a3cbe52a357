//! Waiting between attempts.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Growing, jittered pauses: between half of a span and the whole, the span doubling from attempt to attempt. The jitter
/// keeps a fleet from coming back all at once.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    span: Duration,
    random: StdRng,
}

impl Backoff {
    /// Pauses from about `first` to `longest`. The seed tells processes apart.
    pub fn new(first: Duration, longest: Duration, seed: u64) -> Self {
        Self { first, longest, span: first, random: StdRng::seed_from_u64(seed) }
    }

    /// How long to wait before the next attempt.
    pub fn pause(&mut self) -> Duration {
        let whole = u64::try_from(self.span.as_micros()).unwrap_or(u64::MAX);
        self.span = self.span.saturating_mul(2).min(self.longest);
        Duration::from_micros(self.random.random_range(whole / 2..=whole))
    }

    /// An attempt worked: the next pause is short again.
    pub fn reset(&mut self) {
        self.span = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_start_anew_after_success() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(100), ms(1_000), 7);
        let pauses: Vec<_> = (0..6).map(|_| backoff.pause()).collect();
        for (pause, span) in pauses.iter().zip([100, 200, 400, 800, 1_000, 1_000]) {
            assert!((ms(span / 2)..=ms(span)).contains(pause), "{pauses:?}");
        }
        backoff.reset();
        assert!(backoff.pause() <= ms(100));
    }
}
