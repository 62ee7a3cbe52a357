//! A clock turned by hand.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tagbid_types::{Clock, Monotonic, Timestamp};

/// A [`Clock`] that stands still until a test turns it. Share it as `Arc<FakeClock>`.
#[derive(Debug)]
pub struct FakeClock {
    wall: AtomicI64,
    monotonic: AtomicU64,
}

impl FakeClock {
    /// Stands at `now`; its monotonic side starts at one hour, so that subtracting a little never hits zero.
    pub fn at(now: Timestamp) -> Self {
        Self { wall: AtomicI64::new(now.0), monotonic: AtomicU64::new(3_600_000_000) }
    }

    /// Time passes: both clocks move on.
    pub fn advance(&self, span: Duration) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        self.monotonic.fetch_add(micros, Ordering::SeqCst);
        self.wall.fetch_add(i64::try_from(micros).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Somebody sets the wall clock, forwards or back; no time passes.
    pub fn set_wall(&self, now: Timestamp) {
        self.wall.store(now.0, Ordering::SeqCst);
    }
}

impl Default for FakeClock {
    /// Stands at 2025-01-01T00:00:00Z.
    fn default() -> Self {
        Self::at(Timestamp::from_secs(1_735_689_600))
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(self.monotonic.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_on_both_clocks_but_setting_the_wall_clock_is_not_time() {
        let clock = FakeClock::default();
        let (wall, monotonic) = (clock.now(), clock.monotonic());

        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.now().since(wall), Duration::from_secs(5));
        assert_eq!(clock.monotonic().since(monotonic), Duration::from_secs(5));

        clock.set_wall(Timestamp::from_secs(7));
        assert_eq!(clock.now(), Timestamp::from_secs(7));
        assert_eq!(clock.monotonic().since(monotonic), Duration::from_secs(5));
    }
}
