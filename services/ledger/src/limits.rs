//! Budgets, as the catalog has them.

use std::sync::{Mutex, PoisonError};

use dashmap::DashMap;
use tagbid_budget::{AccountId, Owner, Period};
use tagbid_catalog::{Budget, Entity};
use tagbid_types::{Nanos, Revision, Timestamp};

use crate::pace::Flights;

/// Budgets by whose they are. Owners without any are not in it.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    budgets: DashMap<Owner, Budget>,
    /// What each owner belongs to: a line item its campaign, a campaign its advertiser.
    above: DashMap<Owner, Owner>,
    /// What budgets are paced by.
    pub(crate) flights: Flights,
    /// How much of the catalog they are of; none was read yet.
    read: Mutex<Option<Read>>,
}

/// How much of the catalog a ledger has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    /// The last change.
    pub(crate) revision: Revision,
    /// The moment of it.
    pub(crate) changed: Timestamp,
}

impl Read {
    /// Whether another has read more. A catalog that was restored from a backup has fewer changes, and later ones.
    pub(crate) fn is_older_than(&self, other: &Self) -> bool {
        self.revision < other.revision && self.changed <= other.changed
    }
}

impl Limits {
    /// Takes an entity in; its owner if its budget is another than before.
    pub(crate) fn learn(&self, entity: &Entity) -> Option<Owner> {
        self.flights.learn(entity);
        let (owner, budget) = match entity {
            Entity::Advertiser(advertiser) => (Owner::Advertiser(advertiser.id), advertiser.budget),
            Entity::Campaign(campaign) => {
                self.above.insert(Owner::Campaign(campaign.id), Owner::Advertiser(campaign.advertiser));
                (Owner::Campaign(campaign.id), campaign.budget)
            }
            Entity::LineItem(item) => {
                self.above.insert(Owner::LineItem(item.id), Owner::Campaign(item.campaign));
                (Owner::LineItem(item.id), item.budget)
            }
            _ => return None,
        };
        let before = if budget == Budget::default() {
            self.budgets.remove(&owner).map(|(_, before)| before)
        } else {
            self.budgets.insert(owner, budget)
        };
        (before.unwrap_or_default() != budget).then_some(owner)
    }

    /// An owner and what it belongs to, up to the advertiser. Without one at the end the catalog does not have the owner.
    pub(crate) fn chain(&self, owner: Owner) -> Vec<Owner> {
        std::iter::successors(Some(owner), |owner| self.above.get(owner).map(|above| *above)).collect()
    }

    /// Sets a budget.
    #[cfg(test)]
    pub(crate) fn set(&self, owner: Owner, budget: Budget) {
        self.budgets.insert(owner, budget);
    }

    /// So much of the catalog was taken in.
    pub(crate) fn reached(&self, read: Read) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
    }

    /// How much of the catalog they are of; none: nothing was read yet.
    pub(crate) fn read(&self) -> Option<Read> {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an account may spend; none: no limit.
    pub(crate) fn of(&self, account: AccountId) -> Option<Nanos> {
        let budget = self.budgets.get(&account.owner)?;
        match account.period {
            Period::Lifetime => budget.lifetime,
            Period::Day(_) => budget.daily,
        }
    }
}
