//! How much to ask for: as much as bids will hold until the next answer, and nothing that lies idle.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Duration;

use tagbid_types::{BudgetDay, Monotonic, Nanos, Timestamp};

use super::Wallet;
use super::funds::Fund;
use super::purse::{Pocket, Wanted};
use crate::pace::Tokens;
use crate::{Ask, Epoch, Grant, LeaseId, Line, Unit};

/// How a bidder keeps its wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// A lease is to last for so long at the rate at which bids hold, in milliseconds.
    pub horizon_ms: u32,
    /// A line item that nobody bid for in so long gives its money back, in milliseconds.
    pub idle_ms: u32,
    /// Of what is next to nothing of the budget a lease may have so many times as much, for so many times as long.
    pub ample: u32,
    /// After it was refused, a line item is asked for again after so long, in milliseconds; after each further refusal in a row
    /// after twice as long, up to sixteen times.
    pub again_ms: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self { horizon_ms: 2_000, idle_ms: 3_000, ample: 10, again_ms: 250 }
    }
}

impl Policy {
    fn horizon(&self) -> Duration {
        Duration::from_millis(self.horizon_ms.into())
    }
}

/// What bids on one line item have wanted, of one unit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Demand {
    /// A second, smoothed, as of the last look.
    rate: i64,
    looked: Option<Monotonic>,
    /// What one bid holds, of late: the least and the most.
    least: i64,
    most: i64,
    /// When somebody last wanted something, and how long after the time before: up at once, down by a quarter.
    last: Monotonic,
    gap: Duration,
    /// Not asked for before.
    not_before: Monotonic,
    /// In a row.
    refusals: u32,
    /// What the ledger could have granted besides when it was last asked.
    spare: i64,
    /// Since when it is remembered how long bids want to hold, besides the time before.
    since: Option<Monotonic>,
}

/// Bids that a lease is enough for at least.
const FEW: i64 = 4;

/// Where bids are rare one is waited for so many times as long as it usually takes, but no longer than [`PATIENCE`].
const GAPS: u32 = 4;

/// A bid's worth of money lies idle for so long at most.
const PATIENCE: Duration = Duration::from_secs(600);

/// How seldom a line item is bid for is remembered for so long.
const MEMORY: Duration = Duration::from_secs(3_600);

/// How long bids want to hold is remembered for so long at least, and twice as long at most.
const HOLDS: Duration = Duration::from_secs(600);

/// The part by which a lease lets holds last longer than bids want: the next life that is learnt is some percent longer, and would
/// find all leases too short at once.
const ROOM: u32 = 8;

/// What is more than so many times as much as is to be there goes back.
const HOARD: i64 = 2;

/// What the first look is taken to look back on, and the time in which a rate that is over falls by a quarter.
const FIRST: Duration = Duration::from_millis(100);

/// In so long it is looked at what all line items want: as often as money of idle ones could go back. Those that run low call.
const ALL: Duration = Duration::from_secs(3);

/// Between two looks for leases of days that are over, and for those that nobody looks after.
const TIDY: Duration = Duration::from_secs(1);

/// As long as there are not too many: so many at once, some milliseconds. Only of more than some thousand line items it takes
/// longer until idle money goes back; those that run low call.
const LOOKS: usize = 1_000;

/// The part of what the ledger could spare that is next to nothing.
const NOTHING: i64 = 100;

/// Steps down of a rate after which nothing is left of it.
const QUARTERS: u128 = 160;

/// Refusals in a row that still double the time to the next question.
const DOUBLINGS: u32 = 4;

/// A line item of the catalog on the day that it is there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Today {
    /// The line item.
    pub line: Line,
    /// What of it is looked at.
    pub unit: Unit,
    /// Its day.
    pub day: BudgetDay,
    /// When that day ends.
    pub ends: Timestamp,
}

impl Today {
    /// Its money, or its impressions.
    pub fn fund(&self) -> Fund {
        Fund { line_item: self.line.line_item, unit: self.unit }
    }
}

impl Ask {
    /// What is asked for.
    pub fn fund(&self) -> Fund {
        Fund { line_item: self.line.line_item, unit: self.unit }
    }
}

impl Wallet {
    /// What to look at now ([`Wallet::tick`]): where bids find too little, what the ledger had none of and may be asked for again,
    /// and the next of all that anybody bids for.
    pub fn due(&mut self, now: Monotonic) -> BTreeSet<Fund> {
        let elapsed = self.looked.replace(now).map_or(ALL, |before| now.since(before).min(ALL));
        let turns = (self.demand.len() as u128 * elapsed.as_millis()).div_ceil(ALL.as_millis());
        let turns = usize::try_from(turns).unwrap_or(LOOKS).clamp(1, LOOKS);
        let after = self.demand.range((Bound::Excluded(self.turn), Bound::Unbounded));
        let next = after.chain(self.demand.range(..=self.turn)).map(|(id, _)| *id).take(turns);
        let next: Vec<Fund> = next.collect();
        self.turn = next.last().copied().unwrap_or(self.turn);
        let may_be_asked = |id: &&Fund| self.demand.get(id).is_none_or(|one| one.not_before <= now);
        let again = self.refused.iter().filter(may_be_asked).copied();
        again.chain(next).chain(self.pockets.take_calls()).collect()
    }

    /// Looks at what bids on these line items wanted since the last look, gives back what lies idle, and says what to ask the
    /// ledger for.
    pub fn tick<'a>(&mut self, lines: impl IntoIterator<Item = &'a Today>, now: Monotonic) -> Vec<Ask> {
        if self.days_ended.is_none_or(|before| now.since(before) >= TIDY) {
            self.end_days(now);
            self.days_ended = Some(now);
        }
        let Some(epoch) = self.epoch() else { return Vec::new() };
        let asks = lines.into_iter().filter_map(|today| self.look(epoch, today, now)).collect();
        if self.days_ended == Some(now) {
            self.leave_none_idle();
        }
        asks
    }

    /// The catalog has no such line item any more: nothing is leased for it again, and what is comes back.
    pub fn forget(&mut self, fund: Fund) {
        self.demand.remove(&fund);
        self.refused.remove(&fund);
        self.pockets.of(fund).set_low(i64::MAX);
    }

    /// What is left in leases that nobody looks after goes back: of line items that are gone, and grants that came too late.
    fn leave_none_idle(&mut self) {
        for kept in self.leases.values_mut() {
            if !self.demand.contains_key(&kept.fund) {
                kept.give_back(Nanos(i64::MAX));
            }
        }
    }

    fn look(&mut self, epoch: Epoch, today: &Today, now: Monotonic) -> Option<Ask> {
        let fund = today.fund();
        let pocket = self.pockets.of(fund);
        let demand = self.measure(fund, &pocket, now);
        let lease = self.lease(fund, today.day);
        let (known, remaining) = self.stand(lease);
        if demand.is_idle(&self.policy, remaining, now) {
            if demand.is_awaited(now) {
                self.give_back_all_but(lease, demand.most);
            } else {
                self.rest(fund, &pocket, lease, &demand, now);
            }
            return None;
        }
        if demand.is_held_back(&self.policy, &pocket.tokens, now) {
            // Bids that wait for their pace are no news.
            pocket.set_low(0);
            self.give_back_all_but(lease, 0);
            return None;
        }
        let target = demand.target(&self.policy, &pocket.tokens);
        pocket.set_low(target / 2);
        if remaining.0 > target.saturating_mul(HOARD) {
            self.give_back_all_but(lease, target);
        }
        let longest_hold_s = pocket.longest_hold_s();
        let ask = || Ask {
            epoch,
            line: today.line,
            unit: today.unit,
            day: today.day,
            day_ends: today.ends,
            known,
            want: Nanos((target - remaining.0).max(0)),
            least: Nanos((demand.least - remaining.0).max(1)),
            longest_hold_s: longest_hold_s.saturating_add(longest_hold_s / ROOM),
        };
        let is_short = remaining.0 < target / 2 || !self.lets_last(lease, longest_hold_s);
        (is_short && demand.not_before <= now).then(ask)
    }

    /// The ledger has nothing for this line item: it is left alone for a while, and its bids are not priced. What is left and
    /// too little for a bid goes back: together with what others have left it may be enough.
    pub fn refused(&mut self, ask: &Ask, now: Monotonic) {
        let demand = self.demand.entry(ask.fund()).or_default();
        let again = u64::from(self.policy.again_ms) << demand.refusals.min(DOUBLINGS);
        demand.refusals = demand.refusals.saturating_add(1);
        demand.not_before = now.after(Duration::from_millis(again));
        let (least, not_before) = (demand.least, demand.not_before);
        self.refused.insert(ask.fund());
        self.pockets.of(ask.fund()).set_dry(least, not_before);
        if let Some(lease) = self.lease(ask.fund(), ask.day) {
            let (_, remaining) = self.stand(Some(lease));
            if remaining.0 < least {
                self.give_back(lease);
            }
        }
    }

    /// Nobody bids for it: its money goes back, what bids hold when it comes back to it, and it is forgotten in the end.
    fn rest(&mut self, fund: Fund, pocket: &Pocket, lease: Option<LeaseId>, demand: &Demand, now: Monotonic) {
        // The next bid is news.
        pocket.set_low(i64::MAX);
        if let Some(lease) = lease {
            self.give_back(lease);
        }
        if demand.not_before <= now {
            self.refused.remove(&fund);
            if now.since(demand.last) >= MEMORY {
                self.demand.remove(&fund);
            }
        }
    }

    fn give_back_all_but(&mut self, lease: Option<LeaseId>, target: i64) {
        if let Some(kept) = lease.and_then(|lease| self.leases.get_mut(&lease)) {
            kept.give_back(Nanos(kept.purse.remaining().0.saturating_sub(target)));
        }
    }

    fn lets_last(&self, lease: Option<LeaseId>, hold_s: u32) -> bool {
        lease.and_then(|lease| self.leases.get(&lease)).is_some_and(|kept| kept.purse.lets_last(hold_s))
    }

    /// Granted and remaining of a lease.
    fn stand(&self, lease: Option<LeaseId>) -> (Nanos, Nanos) {
        let kept = lease.and_then(|lease| self.leases.get(&lease));
        kept.map_or((Nanos::ZERO, Nanos::ZERO), |kept| (kept.granted, kept.purse.remaining()))
    }

    fn measure(&mut self, fund: Fund, pocket: &Pocket, now: Monotonic) -> Demand {
        let wanted = pocket.take_wanted();
        if fund.unit == Unit::Money {
            self.reports.entry(fund.line_item).or_default().add(wanted, now);
        }
        let demand = self.demand.entry(fund).or_default();
        demand.add(wanted, now);
        if now.since(*demand.since.get_or_insert(now)) >= HOLDS {
            demand.since = Some(now);
            pocket.age();
        }
        *demand
    }

    /// How long holds have to last was not known until now: what bids wanted is no longer so.
    pub fn forget_holds(&self) {
        for pocket in self.pockets.all() {
            pocket.age();
            pocket.age();
        }
    }

    /// Leases of days that are over give back what they have, and what returns to them later.
    fn end_days(&mut self, now: Monotonic) {
        let time = self.time().at(now);
        let over = self.leases.iter().filter(|(_, kept)| time >= kept.purse.day_ends);
        let over: Vec<LeaseId> = over.map(|(id, _)| *id).collect();
        for lease in over {
            self.give_back(lease);
        }
    }
}

impl Demand {
    fn add(&mut self, wanted: Wanted, now: Monotonic) {
        let elapsed = self.looked.replace(now).map_or(FIRST, |before| now.since(before));
        let elapsed_us = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX).max(1);
        let rate = i128::from(wanted.sum) * 1_000_000 / i128::from(elapsed_us);
        let rate = i64::try_from(rate).unwrap_or(i64::MAX);
        // Up at once, down by a quarter: a lease that is too small loses bids, one that is too large is given back.
        let quarters = elapsed.as_millis() / FIRST.as_millis().max(1);
        let before = (0..quarters.clamp(1, QUARTERS)).fold(self.rate, |rate, _| rate - rate / 4);
        self.rate = rate.max(before);
        if wanted.least <= wanted.most {
            let gap = if self.most > 0 { now.since(self.last) } else { Duration::ZERO };
            self.gap = gap.max(self.gap - self.gap / 4);
            (self.least, self.most, self.last) = (wanted.least, wanted.most, now);
        }
    }

    /// The ledger had something.
    pub(super) fn granted(&mut self, grant: &Grant) {
        self.refusals = 0;
        self.spare = grant.spare.0;
    }

    /// Nobody bid for it in a while: a longer one, where what is left is next to nothing of the budget.
    fn is_idle(&self, policy: &Policy, remaining: Nanos, now: Monotonic) -> bool {
        let ample = remaining > Nanos::ZERO && remaining.0 <= self.spare / NOTHING;
        let times = if ample { policy.ample.max(1) } else { 1 };
        self.most == 0 || now.since(self.last).as_millis() >= u128::from(policy.idle_ms) * u128::from(times)
    }

    /// Whether a bid may be expected though none came for a while: then one bid's worth of money waits for it, or there would
    /// never be any when it comes.
    fn is_awaited(&self, now: Monotonic) -> bool {
        self.most > 0 && now.since(self.last) < (self.gap * GAPS).min(PATIENCE)
    }

    /// Whether its pace lets no bid through in the time that a lease is for. Its money is of more use to a bidder whose bucket is
    /// full: where there are a few bids' worth left, each bidder would keep one.
    fn is_held_back(&self, policy: &Policy, tokens: &Tokens, now: Monotonic) -> bool {
        let wait = tokens.wait(Nanos(self.least), now);
        wait.is_some_and(|wait| wait > policy.horizon())
    }

    /// What is to be there to bid with: what bids use in a while and its pace lets through, or next to nothing of the
    /// budget, where that lasts longer. So leases are small where money is short, and seldom asked for where it is not.
    fn target(&self, policy: &Policy, tokens: &Tokens) -> i64 {
        let lasting = i128::from(self.rate) * i128::from(policy.horizon_ms) / 1_000;
        let lasting = i64::try_from(lasting).unwrap_or(i64::MAX);
        let paced = tokens.rate().map_or(i64::MAX, |rate| rate.during(policy.horizon()).0);
        let few = lasting.min(paced).max(self.most.saturating_mul(FEW));
        (self.spare / NOTHING).clamp(few, few.saturating_mul(policy.ample.max(1).into()))
    }
}
