//! One budget or capacity, and where its money or impressions are.

use tagbid_types::{AdvertiserId, BudgetDay, CampaignId, LineItemId, MoneyError, Nanos};

/// Whose budget or capacity it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// All campaigns of an advertiser.
    Advertiser(AdvertiserId),
    /// All line items of a campaign.
    Campaign(CampaignId),
    /// One line item.
    LineItem(LineItemId),
}

/// What time it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// For ever.
    Lifetime,
    /// One day in the advertiser's time zone.
    Day(BudgetDay),
}

/// What is counted. Amounts of two units never meet: not in one account, and not in one lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// Nanos of the advertiser's currency: budgets.
    #[default]
    Money,
    /// Impressions: capacities.
    Impressions,
}

/// Identity of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId {
    /// Whose.
    pub owner: Owner,
    /// In what it counts.
    pub unit: Unit,
    /// For what time.
    pub period: Period,
}

impl AccountId {
    /// That of an owner's budget.
    pub fn money(owner: Owner, period: Period) -> Self {
        Self { owner, unit: Unit::Money, period }
    }

    /// That of an owner's capacity.
    pub fn impressions(owner: Owner, period: Period) -> Self {
        Self { owner, unit: Unit::Impressions, period }
    }
}

/// Where money or impressions of an account are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pot {
    /// Nobody has it. Negative when the limit was lowered below what is committed, or where there is no limit.
    Free,
    /// A bidder may bid with it.
    Leased,
    /// Bids that may still win hold it.
    Held,
    /// It is billed: money spent, impressions delivered.
    Spent,
}

/// A budget or capacity as double entry: amounts move between pots and are never made by moving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    limit: Option<Nanos>,
    free: i64,
    leased: i64,
    held: i64,
    spent: i64,
}

impl Account {
    /// An account as it was stored: what is free follows from the rest.
    pub fn restore(
        limit: Option<Nanos>,
        leased: Nanos,
        held: Nanos,
        spent: Nanos,
    ) -> Result<Self, MoneyError> {
        let mut account = Self { limit, free: 0, leased: leased.0, held: held.0, spent: spent.0 };
        let committed = leased.checked_add(held)?.checked_add(spent)?;
        account.free = limit.unwrap_or_default().checked_sub(committed)?.0;
        Ok(account)
    }

    /// How much may be spent in all; none: no limit.
    pub fn limit(&self) -> Option<Nanos> {
        self.limit
    }

    /// What is in a pot.
    pub fn pot(&self, pot: Pot) -> Nanos {
        Nanos(match pot {
            Pot::Free => self.free,
            Pot::Leased => self.leased,
            Pot::Held => self.held,
            Pot::Spent => self.spent,
        })
    }

    /// How much can be granted or paid out of it now: zero or more.
    pub fn available(&self) -> Nanos {
        match self.limit {
            Some(_) => Nanos(self.free.max(0)),
            None => Nanos(i64::MAX),
        }
    }

    /// Whether more is committed than the limit allows, because it was lowered.
    pub fn is_overcommitted(&self) -> bool {
        self.limit.is_some() && self.free < 0
    }

    /// Whether `limit = free + leased + held + spent`, and nothing but `free` is below zero.
    pub fn is_balanced(&self) -> bool {
        let pots = [self.free, self.leased, self.held, self.spent];
        let sum: i128 = pots.iter().map(|pot| i128::from(*pot)).sum();
        let limit = self.limit.unwrap_or_default().0;
        sum == i128::from(limit) && pots.iter().skip(1).all(|pot| *pot >= 0)
    }

    /// Raises or lowers the limit. What is committed stays; `free` takes the difference.
    pub fn set_limit(&mut self, limit: Option<Nanos>) -> Result<(), MoneyError> {
        let change = limit.unwrap_or_default().checked_sub(self.limit.unwrap_or_default())?;
        self.free = Nanos(self.free).checked_add(change)?.0;
        self.limit = limit;
        Ok(())
    }

    /// Moves an amount, zero or more. Only `free` may go below zero; nothing has moved when it cannot be.
    pub fn transfer(&mut self, from: Pot, to: Pot, amount: Nanos) -> Result<(), MoneyError> {
        let mut next = *self;
        let left = next.pot(from).checked_sub(amount)?;
        if amount < Nanos::ZERO || (left < Nanos::ZERO && from != Pot::Free) {
            return Err(MoneyError::Overflow);
        }
        *next.pot_mut(from) = left.0;
        *next.pot_mut(to) = next.pot(to).checked_add(amount)?.0;
        debug_assert!(next.is_balanced(), "{next:?} after {amount} from {from:?} to {to:?}");
        *self = next;
        Ok(())
    }

    fn pot_mut(&mut self, pot: Pot) -> &mut i64 {
        match pot {
            Pot::Free => &mut self.free,
            Pot::Leased => &mut self.leased,
            Pot::Held => &mut self.held,
            Pot::Spent => &mut self.spent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(limit: i64) -> Account {
        Account::restore(Some(Nanos(limit)), Nanos::ZERO, Nanos::ZERO, Nanos::ZERO).unwrap()
    }

    #[test]
    fn money_moves_and_its_sum_stays() {
        let mut account = account(100);
        account.transfer(Pot::Free, Pot::Leased, Nanos(60)).unwrap();
        account.transfer(Pot::Leased, Pot::Held, Nanos(20)).unwrap();
        account.transfer(Pot::Held, Pot::Spent, Nanos(5)).unwrap();
        let pots = [Pot::Free, Pot::Leased, Pot::Held, Pot::Spent].map(|pot| account.pot(pot).0);
        assert_eq!(pots, [40, 40, 15, 5]);
        assert!(account.is_balanced());
    }

    #[test]
    fn what_is_not_there_cannot_move() {
        let mut account = account(100);
        assert!(account.transfer(Pot::Leased, Pot::Spent, Nanos(1)).is_err());
        assert!(account.transfer(Pot::Free, Pot::Leased, Nanos(-1)).is_err());
        assert_eq!(account.pot(Pot::Free), Nanos(100));
    }

    #[test]
    fn a_limit_lowered_below_what_is_committed_leaves_nothing_to_give() {
        let mut account = account(100);
        account.transfer(Pot::Free, Pot::Spent, Nanos(80)).unwrap();
        account.set_limit(Some(Nanos(50))).unwrap();
        assert_eq!((account.available(), account.is_overcommitted()), (Nanos::ZERO, true));
        account.set_limit(Some(Nanos(90))).unwrap();
        assert_eq!((account.available(), account.is_overcommitted()), (Nanos(10), false));
        account.set_limit(None).unwrap();
        assert_eq!((account.available(), account.is_overcommitted()), (Nanos(i64::MAX), false));
        assert!(account.is_balanced());
    }
}
