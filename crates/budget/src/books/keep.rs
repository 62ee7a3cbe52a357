//! Books in a database: what to write after a step, and how to be made again from what was written.

use std::collections::BTreeSet;

use super::{Books, Session, Terms};
use tagbid_types::BudgetDay;

use crate::{Account, AccountId, Bucket, Epoch, Lease, LeaseId, Period, Second};

/// What changed since it was last asked for: write what is there now, delete what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The watermark or the last numbers given out.
    pub head: bool,
    /// Accounts; never deleted.
    pub accounts: BTreeSet<AccountId>,
    /// Sessions.
    pub sessions: BTreeSet<Epoch>,
    /// Leases.
    pub leases: BTreeSet<LeaseId>,
    /// Buckets.
    pub buckets: BTreeSet<(LeaseId, Second)>,
}

impl Books {
    /// Empty books that go on where these numbers were.
    pub fn restore(terms: Terms, watermark: Second, last_epoch: Epoch, last_lease: LeaseId) -> Self {
        Self { watermark, last_epoch, last_lease, ..Self::new(terms) }
    }

    /// The numbers that [`Books::restore`] takes.
    pub fn head(&self) -> (Second, Epoch, LeaseId) {
        (self.watermark, self.last_epoch, self.last_lease)
    }

    /// Puts back the numbers that were stored.
    pub fn put_head(&mut self, watermark: Second, last_epoch: Epoch, last_lease: LeaseId) {
        (self.watermark, self.last_epoch, self.last_lease) = (watermark, last_epoch, last_lease);
    }

    /// What changed since the last call.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// Whether the account is in memory. One that was spent from long ago need not be; it has to be put back before
    /// anything is done with it.
    pub fn has_account(&self, id: AccountId) -> bool {
        self.accounts.contains_key(&id)
    }

    /// Drops accounts of earlier days from memory: the caller knows that nothing will change them any more, or puts them back
    /// first.
    pub fn forget_days_before(&mut self, day: BudgetDay) {
        let kept = |id: &AccountId| !matches!(id.period, Period::Day(one) if one < day);
        self.accounts.retain(|id, _| kept(id));
        self.overcommitted.retain(kept);
    }

    /// A session that is known, over or not.
    pub fn stored_session(&self, epoch: Epoch) -> Option<&Session> {
        self.sessions.get(&epoch)
    }

    /// A bucket that is known.
    pub fn stored_bucket(&self, lease: LeaseId, ends: Second) -> Option<&Bucket> {
        self.buckets.get(lease, ends)
    }

    /// Puts back what was stored. Changes nothing that would have to be written.
    pub fn put_account(&mut self, id: AccountId, account: Account) {
        if account.is_overcommitted() {
            self.overcommitted.insert(id);
        } else {
            self.overcommitted.remove(&id);
        }
        self.accounts.insert(id, account);
    }

    /// The same; none: it was deleted.
    pub fn put_session(&mut self, epoch: Epoch, session: Option<Session>) {
        match session {
            Some(session) => self.sessions.insert(epoch, session),
            None => self.sessions.remove(&epoch),
        };
    }

    /// The same; none: it was closed.
    pub fn put_lease(&mut self, id: LeaseId, lease: Option<Lease>) {
        match lease {
            Some(lease) => self.leases.insert(id, lease),
            None => drop(self.leases.remove(id)),
        }
    }

    /// The same; none: the bidder has taken it in. After the leases: one of a lease that is closed says nothing to anybody.
    pub fn put_bucket(&mut self, lease: LeaseId, ends: Second, bucket: Option<Bucket>) {
        let epoch = self.leases.get(lease).map(|lease| lease.epoch);
        match (bucket, epoch) {
            (Some(bucket), Some(epoch)) => self.buckets.insert(epoch, lease, ends, bucket),
            _ => self.buckets.remove(lease, ends),
        }
    }
}
