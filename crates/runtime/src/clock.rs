//! The one place that reads the system's clocks.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use tagbid_types::{Clock, Monotonic, Timestamp};

/// The system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the place that the ban points to")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    /// CLOCK_BOOTTIME: a machine that slept must not believe that a lease is still good.
    fn monotonic(&self) -> Monotonic {
        let time = clock_gettime(ClockId::Boottime);
        let secs = u64::try_from(time.tv_sec).unwrap_or(0);
        let micros = u64::try_from(time.tv_nsec / 1_000).unwrap_or(0);
        Monotonic(secs.saturating_mul(1_000_000).saturating_add(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_run_forward() {
        let clock = SystemClock;
        let (wall, mono) = (clock.now(), clock.monotonic());
        assert!(wall > Timestamp::from_secs(1_700_000_000), "the wall clock is in this century");
        assert!(clock.monotonic() >= mono);
    }
}
