//! Open leases, found by whatever is asked of them: nothing here looks at all of them.

use std::collections::{BTreeMap, BTreeSet};

use tagbid_types::{BudgetDay, LineItemId};

use super::Ask;
use crate::{Epoch, Lease, LeaseId, Second, Unit};

/// Open leases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OpenLeases {
    by_id: BTreeMap<LeaseId, Lease>,
    by_epoch: BTreeSet<(Epoch, LeaseId)>,
    /// By what they are for. The last is bid with; one before it was ended.
    by_line: BTreeSet<(Epoch, LineItemId, Unit, BudgetDay, LeaseId)>,
    /// By when the last hold is over that can be made on its day.
    by_end: BTreeSet<(Second, LeaseId)>,
}

impl OpenLeases {
    pub(super) fn get(&self, id: LeaseId) -> Option<&Lease> {
        self.by_id.get(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// In the order of their ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = (LeaseId, &Lease)> {
        self.by_id.iter().map(|(id, lease)| (*id, lease))
    }

    /// What a bidder bids with for the line item and day that it asks for.
    pub(super) fn of_line(&self, ask: &Ask) -> Option<(LeaseId, Lease)> {
        let key = |id| (ask.epoch, ask.line.line_item, ask.unit, ask.day, id);
        let (.., id) = self.by_line.range(key(LeaseId(0))..=key(LeaseId(u64::MAX))).next_back()?;
        Some((*id, *self.by_id.get(id)?))
    }

    /// Those of one bidder.
    pub(super) fn of_epoch(&self, epoch: Epoch) -> impl Iterator<Item = (LeaseId, &Lease)> {
        let mine = self.by_epoch.range((epoch, LeaseId(0))..=(epoch, LeaseId(u64::MAX)));
        mine.filter_map(|(_, id)| Some((*id, self.by_id.get(id)?)))
    }

    /// Bidders that have any.
    pub(super) fn epochs(&self) -> impl Iterator<Item = Epoch> {
        let first = |from: Epoch| self.by_epoch.range((from, LeaseId(0))..).next().map(|(epoch, _)| *epoch);
        let after = move |last: &Epoch| first(Epoch(last.0.checked_add(1)?));
        std::iter::successors(first(Epoch(0)), after)
    }

    /// Those whose day and last hold are over.
    pub(super) fn ended(&self, watermark: Second) -> impl Iterator<Item = LeaseId> {
        self.by_end.range(..=(watermark, LeaseId(u64::MAX))).map(|(_, id)| *id)
    }

    pub(super) fn insert(&mut self, id: LeaseId, lease: Lease) {
        self.remove(id);
        self.by_epoch.insert((lease.epoch, id));
        self.by_line.insert((lease.epoch, lease.line.line_item, lease.unit, lease.day, id));
        self.by_end.insert((lease.day_over(), id));
        self.by_id.insert(id, lease);
    }

    pub(super) fn remove(&mut self, id: LeaseId) -> Option<Lease> {
        let lease = self.by_id.remove(&id)?;
        self.by_epoch.remove(&(lease.epoch, id));
        self.by_end.remove(&(lease.day_over(), id));
        self.by_line.remove(&(lease.epoch, lease.line.line_item, lease.unit, lease.day, id));
        Some(lease)
    }
}
