//! How much to ask for: as much as bids will hold until the next answer, and nothing that lies idle.

use std::time::Duration;

use tagbid_types::{BudgetDay, LineItemId, Monotonic, Nanos, Timestamp};

use super::Wallet;
use super::purse::Wanted;
use crate::pace::Tokens;
use crate::{Ask, Line};

/// How a bidder keeps its wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// A lease is to last for so long at the rate at which bids hold, in milliseconds.
    pub horizon_ms: u32,
    /// A line item that nobody bid for in so long gives its money back, in milliseconds.
    pub idle_ms: u32,
    /// After it was refused, a line item is asked for again after so long, in milliseconds; after each further refusal in a row
    /// after twice as long, up to sixteen times.
    pub again_ms: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self { horizon_ms: 2_000, idle_ms: 3_000, again_ms: 250 }
    }
}

impl Policy {
    fn horizon(&self) -> Duration {
        Duration::from_millis(self.horizon_ms.into())
    }
}

/// What bids on one line item have wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Demand {
    /// Nanos a second, smoothed.
    rate: i64,
    /// What one bid holds, of late: the least and the most.
    least: i64,
    most: i64,
    /// When somebody last wanted something.
    last: Monotonic,
    /// Not asked for before.
    not_before: Monotonic,
    /// In a row.
    refusals: u32,
}

/// Bids that a lease is enough for at least.
const FEW: i64 = 4;

/// What is more than so many times as much as is to be there goes back.
const HOARD: i64 = 2;

/// What the first look is taken to look back on.
const FIRST: Duration = Duration::from_millis(100);

/// Refusals in a row that still double the time to the next question.
const DOUBLINGS: u32 = 4;

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
    /// Looks at what was wanted since the last look, gives back what lies idle, and says what to ask the ledger for.
    pub fn tick<'a>(&mut self, lines: impl IntoIterator<Item = &'a Today>, now: Monotonic) -> Vec<Ask> {
        let elapsed = self.looked.replace(now).map(|before| now.since(before)).unwrap_or(FIRST);
        self.end_days(now);
        let Some(epoch) = self.epoch() else { return Vec::new() };
        let mut asks = Vec::new();
        for today in lines {
            let demand = self.measure(today.line.line_item, elapsed, now);
            let lease = self.lease(today.line.line_item, today.day);
            let tokens = &self.pockets.of(today.line.line_item).tokens;
            if demand.is_idle(&self.policy, now) {
                self.rest(today.line.line_item, lease, &demand, now);
                continue;
            }
            if demand.is_held_back(&self.policy, tokens, now) {
                self.give_back_all_but(lease, 0);
                continue;
            }
            let (known, remaining) = self.stand(lease);
            let target = demand.target(&self.policy, tokens);
            if remaining.0 > target.saturating_mul(HOARD) {
                self.give_back_all_but(lease, target);
            } else if remaining.0 < target / 2 && demand.not_before <= now {
                asks.push(Ask {
                    epoch,
                    line: today.line,
                    day: today.day,
                    day_ends: today.ends,
                    known,
                    want: Nanos(target - remaining.0),
                    least: Nanos((demand.least - remaining.0).max(1)),
                    longest_hold_s: today.longest_hold_s,
                });
            }
        }
        asks
    }

    /// The ledger has nothing for this line item: it is left alone for a while, and its bids are not priced. What is left and
    /// too little for a bid goes back: together with what others have left it may be enough.
    pub fn refused(&mut self, ask: &Ask, now: Monotonic) {
        let demand = self.demand.entry(ask.line.line_item).or_default();
        let again = u64::from(self.policy.again_ms) << demand.refusals.min(DOUBLINGS);
        demand.refusals = demand.refusals.saturating_add(1);
        demand.not_before = now.after(Duration::from_millis(again));
        let (least, not_before) = (demand.least, demand.not_before);
        self.pockets.of(ask.line.line_item).set_dry(least, not_before);
        if let Some(lease) = self.lease(ask.line.line_item, ask.day) {
            let (_, remaining) = self.stand(Some(lease));
            if remaining.0 < least {
                self.give_back(lease);
            }
        }
    }

    /// Nobody bids for it: its money goes back, and it is forgotten when there is nothing to remember.
    fn rest(
        &mut self,
        line_item: LineItemId,
        lease: Option<crate::LeaseId>,
        demand: &Demand,
        now: Monotonic,
    ) {
        match lease {
            // What bids hold comes back to it later, and goes back then.
            Some(lease) => drop(self.give_back(lease)),
            None if demand.not_before <= now => drop(self.demand.remove(&line_item)),
            None => {}
        }
    }

    fn give_back_all_but(&mut self, lease: Option<crate::LeaseId>, target: i64) {
        if let Some(kept) = lease.and_then(|lease| self.leases.get_mut(&lease)) {
            kept.give_back(Nanos(kept.purse.remaining().0.saturating_sub(target)));
        }
    }

    /// Granted and remaining of a lease.
    fn stand(&self, lease: Option<crate::LeaseId>) -> (Nanos, Nanos) {
        let kept = lease.and_then(|lease| self.leases.get(&lease));
        kept.map_or((Nanos::ZERO, Nanos::ZERO), |kept| (kept.granted, kept.purse.remaining()))
    }

    fn measure(&mut self, line_item: LineItemId, elapsed: Duration, now: Monotonic) -> Demand {
        let wanted = self.pockets.of(line_item).take_wanted();
        self.reports.entry(line_item).or_default().add(wanted, now);
        let demand = self.demand.entry(line_item).or_default();
        demand.add(wanted, elapsed, now);
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
    fn add(&mut self, wanted: Wanted, elapsed: Duration, now: Monotonic) {
        let elapsed_us = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX).max(1);
        let rate = i128::from(wanted.sum) * 1_000_000 / i128::from(elapsed_us);
        let rate = i64::try_from(rate).unwrap_or(i64::MAX);
        // Up at once, down by a quarter: a lease that is too small loses bids, one that is too large is given back.
        self.rate = rate.max(self.rate - self.rate / 4);
        if wanted.least <= wanted.most {
            (self.least, self.most, self.last) = (wanted.least, wanted.most, now);
        }
    }

    /// The ledger had something.
    pub(super) fn granted(&mut self) {
        self.refusals = 0;
    }

    fn is_idle(&self, policy: &Policy, now: Monotonic) -> bool {
        self.most == 0 || now.since(self.last).as_millis() >= u128::from(policy.idle_ms)
    }

    /// Whether its pace lets no bid through in the time that a lease is for. Its money is of more use to a bidder whose bucket is
    /// full: where there are a few bids' worth left, each bidder would keep one.
    fn is_held_back(&self, policy: &Policy, tokens: &Tokens, now: Monotonic) -> bool {
        let wait = tokens.wait(Nanos(self.least), now);
        wait.is_some_and(|wait| wait > policy.horizon())
    }

    /// What is to be there to bid with: no more than its pace lets through.
    fn target(&self, policy: &Policy, tokens: &Tokens) -> i64 {
        let lasting = i128::from(self.rate) * i128::from(policy.horizon_ms) / 1_000;
        let lasting = i64::try_from(lasting).unwrap_or(i64::MAX);
        let paced = tokens.rate().map_or(i64::MAX, |rate| rate.during(policy.horizon()).0);
        lasting.min(paced).max(self.most.saturating_mul(FEW))
    }
}
