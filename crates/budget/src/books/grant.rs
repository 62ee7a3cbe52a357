//! Granting: out of six accounts at once, and never more than the one with least has.

use tagbid_types::{BudgetDay, MoneyError, Nanos, Timestamp};
use thiserror::Error;

use super::{Books, SessionOver};
use crate::{AccountId, Epoch, Lease, LeaseId, Line, Pot, Unit};

/// What a bidder asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Who asks.
    pub epoch: Epoch,
    /// For which line item.
    pub line: Line,
    /// Of what.
    pub unit: Unit,
    /// For bids of which day.
    pub day: BudgetDay,
    /// When that day ends.
    pub day_ends: Timestamp,
    /// What it knows to have been granted of this for the line item and day in this life. If more was, the answer to that grant was
    /// lost, and it is told again instead of being given more.
    pub known: Nanos,
    /// How much more it could use.
    pub want: Nanos,
    /// What it needs for one bid: less than that is no use.
    pub least: Nanos,
    /// The longest that a hold of this line item may last, in seconds.
    pub longest_hold_s: u32,
}

/// What a bidder has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Under which lease.
    pub lease: LeaseId,
    /// How much in all, under this lease.
    pub granted: Nanos,
    /// The longest that a hold under it may last, in seconds.
    pub longest_hold_s: u32,
    /// What it could have got besides at that moment; zero where a grant is told again. A hint: how much is left for all.
    pub spare: Nanos,
}

/// Why a bidder gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It has to begin a new session first.
    #[error("{0}")]
    Session(#[from] SessionOver),
    /// The day is over.
    #[error("the budget day is over")]
    DayOver,
    /// This account has too little to give now. Leases of others may still return to it.
    #[error("too little is free in {0:?}")]
    Empty(AccountId),
    /// An amount does not fit.
    #[error("{0}")]
    Money(#[from] MoneyError),
}

impl Books {
    /// Grants what is asked for, as far as there is; where little is left, so much that all bidders that live get some.
    pub fn grant(&mut self, ask: &Ask, now: Timestamp) -> Result<Grant, Refusal> {
        self.session(ask.epoch, now)?;
        if ask.day_ends <= now {
            return Err(Refusal::DayOver);
        }
        let known = self.leases.of_line(ask);
        let known = known.filter(|(_, lease)| lease.day_ends > now);
        // Billing may take longer than it did when the lease began. Never shorter: holds may be open that long.
        let longest = |lease: &Lease| lease.longest_hold_s.max(self.longest(ask));
        if let Some((id, mut lease)) = known.filter(|(_, lease)| lease.granted > ask.known) {
            lease.longest_hold_s = longest(&lease);
            self.write_lease(id, lease);
            return Ok(granted(id, &lease, Nanos::ZERO));
        }
        let (amount, spare) = match (self.portion(ask, now), known) {
            // Nothing is free, and what the bidder has left is of use to it if holds may last longer.
            (Err(Refusal::Empty(by)), Some((id, mut lease)))
                if longest(&lease) > lease.longest_hold_s && !self.account(by).is_overcommitted() =>
            {
                lease.longest_hold_s = longest(&lease);
                self.write_lease(id, lease);
                return Ok(granted(id, &lease, Nanos::ZERO));
            }
            (portion, _) => portion?,
        };
        let (id, mut lease) = known.unwrap_or_else(|| self.fresh(ask));
        lease.granted = lease.granted.checked_add(amount)?;
        lease.longest_hold_s = longest(&lease);
        self.post(&lease.accounts(), &[(Pot::Free, Pot::Leased, amount)])?;
        self.last_lease = self.last_lease.max(id);
        self.changes.head = true;
        self.write_lease(id, lease);
        Ok(granted(id, &lease, spare))
    }

    /// How much of what is free: half of an equal share, but what a bid needs at least, so that the last money is not split
    /// into what nobody can bid with. And what that leaves of the share.
    fn portion(&self, ask: &Ask, now: Timestamp) -> Result<(Nanos, Nanos), Refusal> {
        let (free, by) = self.available(&ask.line.accounts(ask.unit, ask.day));
        let bidders = i64::try_from(self.live_sessions(now)).unwrap_or(i64::MAX).max(1);
        let share = if bidders == 1 { free.0 } else { free.0 / bidders.saturating_mul(2) };
        let least = ask.least.0.max(1);
        let amount = ask.want.0.min(share).max(least).min(free.0);
        match by {
            Some(by) if amount < least => Err(Refusal::Empty(by)),
            _ => Ok((Nanos(amount), Nanos((share - amount).max(0)))),
        }
    }

    fn fresh(&self, ask: &Ask) -> (LeaseId, Lease) {
        let lease = Lease {
            epoch: ask.epoch,
            line: ask.line,
            unit: ask.unit,
            day: ask.day,
            day_ends: ask.day_ends,
            longest_hold_s: self.longest(ask),
            granted: Nanos::ZERO,
            returned: Nanos::ZERO,
            charged: Nanos::ZERO,
            held: Nanos::ZERO,
        };
        (LeaseId(self.last_lease.0 + 1), lease)
    }

    fn longest(&self, ask: &Ask) -> u32 {
        ask.longest_hold_s.min(self.terms.longest_hold_s)
    }
}

fn granted(lease: LeaseId, state: &Lease, spare: Nanos) -> Grant {
    Grant { lease, granted: state.granted, longest_hold_s: state.longest_hold_s, spare }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tagbid_types::{AdvertiserId, CampaignId, LineItemId, Monotonic};

    use super::*;
    use crate::{Policy, Second, Terms, Wallet};

    fn ask(epoch: Epoch, known: i64, longest_hold_s: u32) -> Ask {
        Ask {
            epoch,
            line: Line { advertiser: AdvertiserId(1), campaign: CampaignId(1), line_item: LineItemId(1) },
            unit: Unit::Money,
            day: BudgetDay(0),
            day_ends: Timestamp::from_secs(86_400),
            known: Nanos(known),
            want: Nanos(100),
            least: Nanos(1),
            longest_hold_s,
        }
    }

    #[test]
    fn a_lease_lets_holds_last_longer_when_more_is_granted_and_closes_accordingly() {
        let mut books = Books::new(Terms { session_s: 10, longest_hold_s: 60, grace_s: 2 });
        let now = Timestamp::from_secs(0);
        let (epoch, _) = books.open_session(now);
        let mut wallet = Wallet::new(Policy::default(), Arc::default());
        wallet.begin(epoch, 10, Monotonic(0), now, books.watermark());
        let mut hold = |books: &mut Books, known, longest| {
            let ask = ask(epoch, known, longest);
            wallet.granted(&ask, &books.grant(&ask, now).unwrap());
            wallet.pocket(ask.line.line_item).hold(Nanos(1), longest, Monotonic(0)).unwrap()
        };
        let first = hold(&mut books, 0, 30);
        assert_eq!((first.hold_s, first.until), (30, Second(30)));
        assert_eq!(hold(&mut books, 100, 50).hold_s, 50);
        assert_eq!(hold(&mut books, 200, 20).hold_s, 20);
        let last = hold(&mut books, 300, 1_000);
        assert_eq!(last.hold_s, 60, "what the operator allows");
        // Its bidder is never heard of again: a session of 10 s, a hold of 60, 2 s of grace.
        assert_eq!(books.advance(Timestamp::from_secs(71)).closed, []);
        assert_eq!(books.advance(Timestamp::from_secs(72)).closed, [last.lease]);
    }
}
