//! How much to ask for: as much as bids will hold until the next answer, and nothing that lies idle.

use tagbid_types::{BudgetDay, LineItemId, Monotonic, Nanos, Timestamp};

use super::Wallet;
use crate::{Ask, Line};

/// How a bidder keeps its wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// A lease is to last for so long at the rate at which bids hold, in milliseconds.
    pub horizon_ms: u32,
    /// A line item that nobody bid for in so long gives its money back, in milliseconds.
    pub idle_ms: u32,
    /// After it was refused, a line item is asked for again after so long, in milliseconds.
    pub again_ms: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self { horizon_ms: 2_000, idle_ms: 3_000, again_ms: 250 }
    }
}

/// What bids on one line item have wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Demand {
    /// Nanos a second, smoothed.
    rate: i64,
    /// What one bid holds.
    unit: i64,
    /// When somebody last wanted something.
    last: Monotonic,
    /// Not asked for before.
    not_before: Monotonic,
}

/// Bids that a lease is enough for at least.
const FEW: i64 = 4;

/// A line item of the catalog on the day that it is there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Today {
    /// The line item.
    pub line: Line,
    /// Its day.
    pub day: BudgetDay,
    /// When that day ends.
    pub ends: Timestamp,
    /// How long its holds last at most, in seconds.
    pub longest_hold_s: u32,
}

impl Wallet {
    /// Looks at what was wanted in the last `elapsed_ms`, gives idle money back, and says what to ask the ledger for.
    pub fn tick<'a>(
        &mut self,
        lines: impl IntoIterator<Item = &'a Today>,
        elapsed_ms: u32,
        now: Monotonic,
    ) -> Vec<Ask> {
        self.end_days(now);
        let Some(epoch) = self.epoch() else { return Vec::new() };
        let mut asks = Vec::new();
        for today in lines {
            let demand = self.measure(today.line.line_item, elapsed_ms, now);
            let lease = self.lease(today.line.line_item, today.day);
            if demand.is_idle(&self.policy, now) {
                lease.map(|lease| self.give_back(lease));
                continue;
            }
            let (known, remaining) = self.stand(lease);
            let want = demand.want(&self.policy, remaining);
            if want > Nanos::ZERO && demand.not_before <= now {
                asks.push(Ask {
                    epoch,
                    line: today.line,
                    day: today.day,
                    day_ends: today.ends,
                    known,
                    want,
                    least: Nanos((demand.unit - remaining.0).max(1)),
                    longest_hold_s: today.longest_hold_s,
                });
            }
        }
        asks
    }

    /// The ledger has nothing for this line item: it is left alone for a while. What is left and too little for a bid
    /// goes back: together with what others have left it may be enough.
    pub fn refused(&mut self, ask: &Ask, now: Monotonic) {
        let again = std::time::Duration::from_millis(self.policy.again_ms.into());
        let demand = self.demand.entry(ask.line.line_item).or_default();
        demand.not_before = now.after(again);
        let unit = demand.unit;
        if let Some(lease) = self.lease(ask.line.line_item, ask.day) {
            let (_, remaining) = self.stand(Some(lease));
            if remaining.0 < unit {
                self.give_back(lease);
            }
        }
    }

    /// Granted and remaining of a lease.
    fn stand(&self, lease: Option<crate::LeaseId>) -> (Nanos, Nanos) {
        let kept = lease.and_then(|lease| self.leases.get(&lease));
        kept.map_or((Nanos::ZERO, Nanos::ZERO), |kept| (kept.granted, kept.purse.remaining()))
    }

    fn measure(&mut self, line_item: LineItemId, elapsed_ms: u32, now: Monotonic) -> Demand {
        let (wanted, unit) = self.pockets.of(line_item).take_wanted();
        let demand = self.demand.entry(line_item).or_default();
        demand.add(wanted.0, unit.0, elapsed_ms, now);
        *demand
    }

    /// Leases of days that are over give back what they have, and what returns to them later.
    fn end_days(&mut self, now: Monotonic) {
        let time = self.time().at(now);
        let over = self.leases.iter().filter(|(_, kept)| time >= kept.purse.day_ends);
        let over: Vec<crate::LeaseId> = over.map(|(id, _)| *id).collect();
        for lease in over {
            self.give_back(lease);
        }
    }
}

impl Demand {
    fn add(&mut self, wanted: i64, unit: i64, elapsed_ms: u32, now: Monotonic) {
        let rate = wanted.saturating_mul(1_000) / i64::from(elapsed_ms.max(1));
        // Up at once, down by a quarter: a lease that is too small loses bids, one that is too large is given back.
        self.rate = rate.max(self.rate - self.rate / 4);
        if wanted > 0 {
            (self.unit, self.last) = (unit, now);
        }
    }

    fn is_idle(&self, policy: &Policy, now: Monotonic) -> bool {
        self.unit == 0 || now.since(self.last).as_millis() >= u128::from(policy.idle_ms)
    }

    fn want(&self, policy: &Policy, remaining: Nanos) -> Nanos {
        let lasting = self.rate.saturating_mul(policy.horizon_ms.into()) / 1_000;
        let target = lasting.max(self.unit.saturating_mul(FEW));
        if remaining.0 < target / 2 { Nanos(target - remaining.0) } else { Nanos::ZERO }
    }
}
