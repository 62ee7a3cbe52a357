//! How much of a core the passes may take, whatever the catalog and the traffic are.

use std::time::{Duration, Instant};

/// One part in so many of one core.
const PART: u32 = 50;

/// What may be saved up for a burst, as time of passes.
const SAVED: Duration = Duration::from_millis(500);

/// Time for passes: it comes in steadily, is saved up to a bound, and whoever overdraws rests until it is paid back.
pub(super) struct Pace {
    saved: Duration,
    at: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { saved: SAVED, at: now }
    }

    /// How long to rest after a pass that ended now and took so long.
    pub(super) fn rest(&mut self, took: Duration, now: Instant) -> Duration {
        let came = now.saturating_duration_since(self.at) / PART;
        self.at = now;
        self.saved = SAVED.min(self.saved.saturating_add(came));
        let debt = took.saturating_sub(self.saved);
        self.saved = self.saved.saturating_sub(took);
        // What comes in during the rest pays the debt and is not saved besides.
        let rest = debt.saturating_mul(PART);
        self.at = now.checked_add(rest).unwrap_or(now);
        rest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_is_free_until_what_was_saved_is_spent() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        let pass = Duration::from_millis(100);
        let rests: Vec<_> = (0..6).map(|_| pace.rest(pass, now)).collect();
        assert_eq!(rests[..5], [Duration::ZERO; 5]);
        assert_eq!(rests[5], pass * PART);
    }

    proptest! {
        /// Passes never take more than their part of the time and what may be saved, but for the one that overdraws.
        #[test]
        fn passes_take_no_more_than_their_part(steps in prop::collection::vec((0_u64..400, 0_u64..5_000), 1..60)) {
            let start = Instant::now();
            let (mut pace, mut now, mut spent) = (Pace::new(start), start, Duration::ZERO);
            for (took, idle) in steps {
                let took = Duration::from_millis(took);
                let allowed = SAVED + now.duration_since(start) / PART;
                prop_assert!(spent <= allowed + Duration::from_micros(100), "{spent:?} of {allowed:?}");
                now += took;
                spent += took;
                now += pace.rest(took, now) + Duration::from_millis(idle);
            }
        }
    }
}
