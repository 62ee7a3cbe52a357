//! A bound on spans a second.

use std::sync::atomic::{AtomicU64, Ordering};

use tagbid_types::Monotonic;

/// Spans may come this much ahead of the rate, in nanoseconds: a second's worth at once.
const BURST: u64 = 1_000_000_000;

/// The generic cell rate algorithm (ITU-T I.371): what is taken moves the moment at which all of it would have been due.
#[derive(Debug)]
pub(super) struct Limit {
    /// Nanoseconds between spans at the full rate.
    interval: u64,
    due: AtomicU64,
}

impl Limit {
    pub(super) fn new(per_second: u32) -> Self {
        Self { interval: 1_000_000_000 / u64::from(per_second.max(1)), due: AtomicU64::new(0) }
    }

    /// Whether so many more fit now.
    pub(super) fn take(&self, spans: u32, now: Monotonic) -> bool {
        let now = now.0.saturating_mul(1_000);
        let next = |due: u64| {
            let next = due.max(now).saturating_add(self.interval.saturating_mul(spans.into()));
            // One request may have more than a second's worth: it waits for an idle second and then passes.
            (due <= now || next <= now.saturating_add(BURST)).then_some(next)
        };
        self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_second_pass_and_no_more() {
        let limit = Limit::new(100);
        let taken = |from: u64, to: u64| {
            (from..to).step_by(1_000).filter(|at| limit.take(4, Monotonic(*at))).count() * 4
        };
        let first = taken(10_000_000, 11_000_000);
        assert!((196..=204).contains(&first), "a second's worth at once, and the rate: {first}");
        let second = taken(11_000_000, 12_000_000);
        assert!((96..=104).contains(&second), "{second}");
    }

    #[test]
    fn a_request_of_more_than_a_seconds_worth_passes_when_nothing_else_did() {
        let limit = Limit::new(1);
        assert!(limit.take(8, Monotonic(1_000_000)));
        assert!(!limit.take(1, Monotonic(2_000_000)));
        assert!(limit.take(8, Monotonic(9_000_000)));
    }
}
