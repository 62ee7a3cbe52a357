//! The bidder's half: a bucket of tokens beside each purse. A bid takes tokens of what it holds, and they do not come back when
//! it loses: they say how fast money may go out, not how much there is.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tagbid_types::{Monotonic, Nanos};

use super::amount::{Rate, scale};

/// The bucket fills up to the rate of this time, or to one bid where that is more.
const DEPTH: u64 = 1_000_000_000;

/// In place of a rate: whoever comes may bid.
const FREE: i64 = -1;

/// Tokens of one line item. What is in the bucket is kept as the time since when it fills, so that a bid is one exchange of one
/// number, and nothing has to be done while nobody bids.
#[derive(Debug)]
pub(crate) struct Tokens {
    /// Picos a second, or [`FREE`].
    rate: AtomicI64,
    /// When the bucket was empty, if it was filled at this rate since: nanoseconds of the boot-time clock.
    empty_at: AtomicU64,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { rate: AtomicI64::new(FREE), empty_at: AtomicU64::new(0) }
    }
}

impl Tokens {
    /// Whether the line item is paced at all. One that begins to be gets nothing until a rate is heard of.
    pub(crate) fn set_paced(&self, paced: bool) {
        let rate = self.rate.load(Ordering::Relaxed);
        match (paced, rate == FREE) {
            (true, true) => self.rate.store(0, Ordering::Relaxed),
            (false, false) => self.rate.store(FREE, Ordering::Relaxed),
            (true, false) | (false, true) => {}
        }
    }

    /// A new rate, which the ledger has told. What is in the bucket stays in it. Called by one thread.
    pub(crate) fn set(&self, rate: Rate, now: Monotonic) {
        let before = self.rate.load(Ordering::Relaxed);
        if before == FREE || before == rate.picos() {
            return;
        }
        let now = nanos(now);
        let _changed = self.empty_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |empty_at| {
            let filled = i64::try_from(now.saturating_sub(empty_at)).unwrap_or(i64::MAX);
            let filled = if before > 0 { scale(filled, before, rate.picos()) } else { 0 };
            Some(now.saturating_sub(filled.unsigned_abs()))
        });
        self.rate.store(rate.picos(), Ordering::Relaxed);
    }

    /// Takes tokens for this amount.
    pub(crate) fn take(&self, amount: Nanos, now: Monotonic) -> bool {
        let Some(rate) = self.rate() else { return true };
        let Some(cost) = cost(rate, amount) else { return false };
        let now = nanos(now);
        let less = |empty_at: u64| {
            let empty_at = empty_at.max(now.saturating_sub(cost.max(DEPTH)));
            empty_at.checked_add(cost).filter(|after| *after <= now)
        };
        self.empty_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// Puts tokens back that were taken for a bid that could not be made.
    pub(crate) fn put_back(&self, amount: Nanos) {
        if let Some(cost) = self.rate().and_then(|rate| cost(rate, amount)) {
            let more = |empty_at: u64| Some(empty_at.saturating_sub(cost));
            let _changed = self.empty_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        }
    }

    /// How long until there are tokens for this amount: none now, if it may bid; for ever, if no rate says otherwise.
    pub(crate) fn wait(&self, amount: Nanos, now: Monotonic) -> Option<Duration> {
        let rate = self.rate()?;
        let Some(cost) = cost(rate, amount) else { return Some(Duration::MAX) };
        let now = nanos(now);
        let empty_at = self.empty_at.load(Ordering::Relaxed).max(now.saturating_sub(cost.max(DEPTH)));
        let wait = empty_at.saturating_add(cost).saturating_sub(now);
        (wait > 0).then(|| Duration::from_nanos(wait))
    }

    /// How fast; none: nobody says.
    pub(crate) fn rate(&self) -> Option<Rate> {
        let rate = self.rate.load(Ordering::Relaxed);
        (rate != FREE).then(|| Rate::from_picos(rate))
    }
}

/// How long the bucket fills for this amount, in nanoseconds.
fn cost(rate: Rate, amount: Nanos) -> Option<u64> {
    u64::try_from(rate.time_for(amount)?.as_nanos()).ok()
}

fn nanos(moment: Monotonic) -> u64 {
    moment.0.saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Monotonic {
        Monotonic(1_000_000_000 + millis * 1_000)
    }

    /// So many nanos a second.
    fn flowing(nanos: i64) -> Tokens {
        let tokens = Tokens::default();
        tokens.set_paced(true);
        tokens.set(Rate::from_picos(nanos * 1_000), at(0));
        tokens
    }

    #[test]
    fn a_bucket_begins_empty_and_lets_through_what_flows_in() {
        let tokens = flowing(100);
        let taken = (0..60_000).filter(|milli| tokens.take(Nanos(10), at(*milli))).count();
        assert_eq!(taken, 599, "ten a second, of which the first had to wait");
    }

    #[test]
    fn what_nobody_takes_is_kept_for_a_second_or_for_one_bid() {
        let tokens = flowing(100);
        let burst = (0..50).filter(|_| tokens.take(Nanos(10), at(60_000))).count();
        assert_eq!(burst, 10);
        let tokens = flowing(1);
        let burst = (0..50).filter(|_| tokens.take(Nanos(10), at(60_000))).count();
        assert_eq!(burst, 1);
        assert_eq!(tokens.wait(Nanos(10), at(60_000)), Some(Duration::from_secs(10)));
    }

    #[test]
    fn a_new_rate_takes_nothing_out_and_puts_nothing_in() {
        let tokens = flowing(10);
        tokens.set(Rate::from_picos(20_000), at(500));
        assert!(!tokens.take(Nanos(6), at(500)));
        assert!(tokens.take(Nanos(5), at(500)));
        assert!(!tokens.take(Nanos(5), at(700)));
        assert!(tokens.take(Nanos(5), at(750)));
        tokens.put_back(Nanos(5));
        assert!(tokens.take(Nanos(5), at(750)));
    }

    #[test]
    fn a_paced_line_item_waits_for_its_first_rate_and_another_does_not() {
        let tokens = Tokens::default();
        tokens.set(Rate::ZERO, at(0));
        assert!(tokens.take(Nanos(i64::MAX), at(0)), "not paced");
        tokens.set_paced(true);
        assert!(!tokens.take(Nanos(1), at(5_000)));
        assert_eq!(tokens.wait(Nanos(1), at(0)), Some(Duration::MAX));
        tokens.set_paced(false);
        assert!(tokens.take(Nanos(1), at(5_000)));
    }
}
