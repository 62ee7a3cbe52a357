//! The exchange: auctions, and the notices that it sends until they are acknowledged or it gives up.

use std::collections::BTreeMap;

use tagbid_budget::life::Billed;
use tagbid_budget::{Charge, Epoch, Holds, LeaseId, Line, Price, Release, Second, Unit};
use tagbid_exchange::Dice;
use tagbid_types::{BudgetDay, Nanos, Timestamp};

use crate::net::{Notice, Says};
use crate::setup::{Item, SECOND, Setup};

/// A bid that was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bid {
    pub(crate) line: Line,
    pub(crate) holds: Holds,
    /// Impressions that it stands for.
    pub(crate) impressions: Nanos,
    /// What the exchange bills; none: it lost.
    pub(crate) price: Option<i64>,
    /// The ledger has acknowledged the billing.
    pub(crate) acknowledged: bool,
}

impl Bid {
    /// What its token says of its holds: one moment, day and life for both.
    pub(crate) fn release(&self, unit: Unit) -> Release {
        let (hold, amount) = match unit {
            Unit::Money => (self.holds.money, self.holds.money.map_or(Nanos::ZERO, |hold| hold.amount)),
            Unit::Impressions => (self.holds.impressions, self.impressions),
        };
        let any = self.holds.any();
        Release {
            lease: hold.map_or(LeaseId(0), |hold| hold.lease),
            epoch: any.map_or(Epoch(0), |hold| hold.epoch),
            line: self.line,
            unit,
            day: any.map_or(BudgetDay(0), |hold| hold.day),
            amount,
            until: any.map_or(Second::NEVER, |hold| hold.until),
        }
    }

    /// What its billing now says of how long holds have to last.
    pub(crate) fn billed(&self, setup: &Setup, now: Timestamp) -> Billed {
        let begun = self.holds.any().map_or(0, |hold| hold.until.0 - i64::from(hold.hold_s));
        let delay = Second::at_or_after(now).0 - begun;
        Billed { cell: setup.cell(self.line.line_item), delay_s: u32::try_from(delay).unwrap_or(0) }
    }

    pub(crate) fn charge(&self, price: i64, released: bool) -> Charge {
        Charge { hold: self.release(Unit::Money), amount: Nanos(price), released }
    }

    pub(crate) fn delivery(&self, released: bool) -> Charge {
        Charge { hold: self.release(Unit::Impressions), amount: self.impressions, released }
    }
}

/// A notice, to be sent so many microseconds from now.
pub(crate) struct Planned {
    pub(crate) after: i64,
    pub(crate) notice: Notice,
}

/// All bids that were sent.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) bids: BTreeMap<u64, Bid>,
}

impl Exchange {
    /// Takes a bid into its auction, and says which notices there will be.
    pub(crate) fn take(
        &mut self,
        item: &Item,
        holds: Holds,
        (setup, now): (&Setup, i64),
        dice: &mut Dice,
    ) -> Vec<Planned> {
        let id = self.bids.len() as u64 + 1;
        let Price { cost: Nanos(cost), impressions, .. } = item.price;
        let lowest = if setup.first_price { cost } else { 1 };
        let price = dice.chance(setup.win_rate).then(|| dice.between(lowest, cost));
        self.bids.insert(id, Bid { line: item.line, holds, impressions, price, acknowledged: false });
        let planned = |after, says| Planned { after, notice: Notice { bid: id, says } };
        let Some(price) = price else {
            let lost = planned(dice.between(1, 3 * SECOND), Says::Lost);
            return if setup.tells_losses { vec![lost] } else { Vec::new() };
        };
        let after = billed_after(setup.late, setup.billed_within(now), dice);
        let mut notices = vec![planned(after, Says::Billed(price))];
        if dice.chance(0.02) {
            notices.push(planned(dice.between(1, after), Says::Lost));
        }
        if dice.chance(0.2) {
            for _ in 0..4 {
                notices.push(planned(after + dice.between(0, 90 * SECOND), Says::Billed(price)));
            }
        }
        if dice.chance(0.02) {
            notices
                .push(planned(after + dice.between(-SECOND, SECOND).max(1 - after), Says::Billed(price / 2)));
        }
        notices
    }
}

/// Most ads are shown soon, some when their hold is over.
fn billed_after(late: f64, usual: i64, dice: &mut Dice) -> i64 {
    if dice.chance(late) { dice.between(SECOND, 90 * SECOND) } else { dice.between(10_000, usual) }
}
