//! Sums of what notices did to holds, and in which order they changed.

use std::collections::BTreeMap;

use crate::{Bucket, Epoch, LeaseId, Second};

/// The sums of one second of one lease.
#[derive(Clone, Copy, Debug)]
struct Sums {
    bucket: Bucket,
    epoch: Epoch,
    change: u64,
}

/// Buckets of open leases.
#[derive(Clone, Debug, Default)]
pub(super) struct Buckets {
    by_key: BTreeMap<(LeaseId, Second), Sums>,
    /// Where each stands in the order of changes of its bidder: the last change counts.
    by_change: BTreeMap<(Epoch, u64), (LeaseId, Second)>,
    changes: u64,
}

/// How things stand. In which order they came to is not part of it.
impl PartialEq for Buckets {
    fn eq(&self, other: &Self) -> bool {
        let stand = |buckets: &Self| -> Vec<_> {
            buckets.by_key.iter().map(|(key, sums)| (*key, sums.bucket)).collect()
        };
        stand(self) == stand(other)
    }
}

impl Eq for Buckets {}

impl Buckets {
    pub(super) fn get(&self, lease: LeaseId, ends: Second) -> Option<&Bucket> {
        self.by_key.get(&(lease, ends)).map(|sums| &sums.bucket)
    }

    /// Those of one lease that end by then, in the order of their ends.
    pub(super) fn of(&self, lease: LeaseId, until: Second) -> impl Iterator<Item = (Second, Bucket)> {
        let range = (lease, Second(i64::MIN))..=(lease, until);
        self.by_key.range(range).map(|((_, ends), sums)| (*ends, sums.bucket))
    }

    /// Those of a bidder that changed after this change, in that order, with their places in it.
    pub(super) fn since(
        &self,
        epoch: Epoch,
        change: u64,
    ) -> impl Iterator<Item = (u64, LeaseId, Second, Bucket)> {
        let range = (epoch, change.saturating_add(1))..=(epoch, u64::MAX);
        self.by_change.range(range).filter_map(|((_, change), key)| {
            let sums = self.by_key.get(key)?;
            Some((*change, key.0, key.1, sums.bucket))
        })
    }

    /// The place of the last change.
    pub(super) fn last_change(&self) -> u64 {
        self.changes
    }

    pub(super) fn insert(&mut self, epoch: Epoch, lease: LeaseId, ends: Second, bucket: Bucket) {
        self.changes += 1;
        let sums = Sums { bucket, epoch, change: self.changes };
        if let Some(before) = self.by_key.insert((lease, ends), sums) {
            self.by_change.remove(&(before.epoch, before.change));
        }
        self.by_change.insert((epoch, self.changes), (lease, ends));
    }

    pub(super) fn remove(&mut self, lease: LeaseId, ends: Second) {
        if let Some(sums) = self.by_key.remove(&(lease, ends)) {
            self.by_change.remove(&(sums.epoch, sums.change));
        }
    }
}
