//! The exchange: auctions, and the notices that it sends until they are acknowledged or it gives up.

use std::collections::BTreeMap;

use tagbid_budget::life::Billed;
use tagbid_budget::{Charge, Hold, Line, Release, Second};
use tagbid_exchange::Dice;
use tagbid_types::{Nanos, Timestamp};

use crate::net::{Notice, Says};
use crate::setup::{SECOND, Setup};

/// A bid that was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bid {
    pub(crate) line: Line,
    pub(crate) hold: Hold,
    /// What the exchange bills; none: it lost.
    pub(crate) price: Option<i64>,
    /// The ledger has acknowledged the billing.
    pub(crate) acknowledged: bool,
}

impl Bid {
    /// What its token says of its hold.
    pub(crate) fn release(&self) -> Release {
        Release {
            lease: self.hold.lease,
            epoch: self.hold.epoch,
            line: self.line,
            day: self.hold.day,
            amount: self.hold.amount,
            until: self.hold.until,
        }
    }

    /// What its billing now says of how long holds have to last.
    pub(crate) fn billed(&self, setup: &Setup, now: Timestamp) -> Billed {
        let begun = self.hold.until.0 - i64::from(self.hold.hold_s);
        let delay = Second::at_or_after(now).0 - begun;
        Billed { cell: setup.cell(self.line.line_item), delay_s: u32::try_from(delay).unwrap_or(0) }
    }

    pub(crate) fn charge(&self, price: i64, released: bool) -> Charge {
        Charge { hold: self.release(), amount: Nanos(price), released }
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
        line: Line,
        hold: Hold,
        (setup, now): (&Setup, i64),
        dice: &mut Dice,
    ) -> Vec<Planned> {
        let id = self.bids.len() as u64 + 1;
        let lowest = if setup.first_price { hold.amount.0 } else { 1 };
        let price = dice.chance(setup.win_rate).then(|| dice.between(lowest, hold.amount.0));
        self.bids.insert(id, Bid { line, hold, price, acknowledged: false });
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
