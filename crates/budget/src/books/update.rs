//! What a bidder hears of its holds: in parts, so that none is too large to send.

use super::Books;
use crate::{Bucket, Epoch, LeaseId, Second};

/// What a bidder hears of its holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Holds that end by then are over. To be taken in after the sums. [`Second::NEVER`] in all parts but the last.
    pub watermark: Second,
    /// Sums of what notices did to holds, by lease and end.
    pub buckets: Vec<(LeaseId, Second, Bucket)>,
    /// Leases to give back at once.
    pub recalled: Vec<LeaseId>,
}

impl Default for Update {
    fn default() -> Self {
        Self { watermark: Second::NEVER, buckets: Vec::new(), recalled: Vec::new() }
    }
}

impl Books {
    /// Leases of this bidder that must not be bid with any more, because a limit was lowered below what is committed.
    pub fn recalled(&self, epoch: Epoch) -> impl Iterator<Item = LeaseId> {
        let over = |lease: &crate::Lease| {
            lease.accounts().iter().any(|account| self.overcommitted.contains(account))
        };
        // As good as always none is.
        let mine = (!self.overcommitted.is_empty()).then(|| self.leases.of_epoch(epoch));
        mine.into_iter().flatten().filter(move |(_, lease)| over(lease)).map(|(id, _)| id)
    }

    /// All that this bidder has to hear of its holds.
    pub fn update(&self, epoch: Epoch) -> Update {
        self.update_since(epoch, 0, usize::MAX).0
    }

    /// What changed of this bidder's holds after a place in the order of changes, so many sums at most, and the place after
    /// that. The watermark is in the part that has the last of them: whatever was resolved before it was told. Places are
    /// those of this value: another one that was read from the database has its own.
    pub fn update_since(&self, epoch: Epoch, place: u64, most: usize) -> (Update, u64) {
        let mut changed = self.buckets.since(epoch, place);
        let mut update = Update::default();
        let mut reached = place;
        for (change, lease, ends, bucket) in changed.by_ref().take(most) {
            update.buckets.push((lease, ends, bucket));
            reached = change;
        }
        if changed.next().is_none() {
            update.watermark = self.watermark;
            update.recalled = self.recalled(epoch).collect();
            reached = self.buckets.last_change();
        }
        (update, reached)
    }
}
