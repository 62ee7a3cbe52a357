//! Budgets, as the catalog has them.

use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use tagbid_budget::{AccountId, Owner, Period};
use tagbid_catalog::{Budget, Entity};
use tagbid_types::{Nanos, Revision};

/// Budgets by whose they are. Owners without any are not in it.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    budgets: DashMap<Owner, Budget>,
    /// One more than the catalog's revision that they are of; 0: no catalog was read yet.
    revision: AtomicU64,
}

impl Limits {
    /// Takes an entity in; its owner if its budget is another than before.
    pub(crate) fn learn(&self, entity: &Entity) -> Option<Owner> {
        let (owner, budget) = match entity {
            Entity::Advertiser(advertiser) => (Owner::Advertiser(advertiser.id), advertiser.budget),
            Entity::Campaign(campaign) => (Owner::Campaign(campaign.id), campaign.budget),
            Entity::LineItem(item) => (Owner::LineItem(item.id), item.budget),
            _ => return None,
        };
        let before = if budget == Budget::default() {
            self.budgets.remove(&owner).map(|(_, before)| before)
        } else {
            self.budgets.insert(owner, budget)
        };
        (before.unwrap_or_default() != budget).then_some(owner)
    }

    /// Sets a budget.
    #[cfg(test)]
    pub(crate) fn set(&self, owner: Owner, budget: Budget) {
        self.budgets.insert(owner, budget);
    }

    /// All that was taken in is of this revision.
    pub(crate) fn reached(&self, revision: Revision) {
        self.revision.store(revision.0.saturating_add(1), Ordering::Release);
    }

    /// The revision that they are of; none: there are none yet.
    pub(crate) fn revision(&self) -> Option<Revision> {
        self.revision.load(Ordering::Acquire).checked_sub(1).map(Revision)
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
