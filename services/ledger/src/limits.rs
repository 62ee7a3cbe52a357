//! Budgets and capacities, as the catalog has them.

use std::sync::{Mutex, PoisonError};

use dashmap::DashMap;
use tagbid_budget::{AccountId, Owner, Period, Unit};
use tagbid_catalog::{Budget, Capacity, Entity};
use tagbid_types::{AdvertiserId, Currency, Nanos, Revision, Timestamp};

use crate::counting::Capped;
use crate::pace::Flights;

/// What an owner may spend and deliver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Limit {
    budget: Budget,
    capacity: Capacity,
}

/// Budgets and capacities by whose they are. Owners without any are not in it.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    by_owner: DashMap<Owner, Limit>,
    /// What each owner belongs to: a line item its campaign, a campaign its advertiser.
    above: DashMap<Owner, Owner>,
    currencies: DashMap<AdvertiserId, Currency>,
    /// What budgets are paced by.
    pub(crate) flights: Flights,
    /// Which counts of users caps look at.
    pub(crate) capped: Capped,
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
    /// Takes an entity in; its owner if its budget or capacity is another than before.
    pub(crate) fn learn(&self, entity: &Entity) -> Option<Owner> {
        self.flights.learn(entity);
        self.capped.learn(entity);
        let (owner, budget, capacity) = match entity {
            Entity::Advertiser(one) => {
                self.currencies.insert(one.id, one.currency);
                (Owner::Advertiser(one.id), one.budget, one.capacity)
            }
            Entity::Campaign(one) => {
                self.above.insert(Owner::Campaign(one.id), Owner::Advertiser(one.advertiser));
                (Owner::Campaign(one.id), one.budget, one.capacity)
            }
            Entity::LineItem(one) => {
                self.above.insert(Owner::LineItem(one.id), Owner::Campaign(one.campaign));
                (Owner::LineItem(one.id), one.budget, one.capacity)
            }
            _ => return None,
        };
        let limit = Limit { budget, capacity };
        let before = if limit == Limit::default() {
            self.by_owner.remove(&owner).map(|(_, before)| before)
        } else {
            self.by_owner.insert(owner, limit)
        };
        (before.unwrap_or_default() != limit).then_some(owner)
    }

    /// An owner and what it belongs to, up to the advertiser. Without one at the end the catalog does not have the owner.
    pub(crate) fn chain(&self, owner: Owner) -> Vec<Owner> {
        std::iter::successors(Some(owner), |owner| self.above.get(owner).map(|above| *above)).collect()
    }

    /// What an advertiser's money is in; none: the catalog has not said yet.
    pub(crate) fn currency(&self, advertiser: AdvertiserId) -> Option<Currency> {
        self.currencies.get(&advertiser).map(|currency| *currency)
    }

    /// Sets a budget.
    #[cfg(test)]
    pub(crate) fn set(&self, owner: Owner, budget: Budget) {
        self.by_owner.entry(owner).or_default().budget = budget;
    }

    /// Sets a capacity.
    #[cfg(test)]
    pub(crate) fn set_capacity(&self, owner: Owner, capacity: Capacity) {
        self.by_owner.entry(owner).or_default().capacity = capacity;
    }

    /// So much of the catalog was taken in.
    pub(crate) fn reached(&self, read: Read) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
    }

    /// How much of the catalog they are of; none: nothing was read yet.
    pub(crate) fn read(&self) -> Option<Read> {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an account may spend or deliver; none: no limit.
    pub(crate) fn of(&self, account: AccountId) -> Option<Nanos> {
        let Limit { budget, capacity } = *self.by_owner.get(&account.owner)?;
        let impressions = |most: u64| Nanos(i64::try_from(most).unwrap_or(i64::MAX));
        match (account.unit, account.period) {
            (Unit::Money, Period::Lifetime) => budget.lifetime,
            (Unit::Money, Period::Day(_)) => budget.daily,
            (Unit::Impressions, Period::Lifetime) => capacity.lifetime.map(impressions),
            (Unit::Impressions, Period::Day(_)) => capacity.daily.map(impressions),
        }
    }
}
