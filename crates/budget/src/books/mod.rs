//! The ledger's half: accounts, sessions of bidders, their leases, and what became of holds.
//!
//! One value, changed by one caller at a time; who keeps it in a database writes [`Books::take_changes`] in the transaction
//! that gives the value its place in the order of all transactions, and restores it from there. A step that fails has changed
//! nothing.

mod buckets;
mod grant;
mod keep;
mod open;
mod session;
mod settle;
mod update;

use std::collections::{BTreeMap, BTreeSet};

use tagbid_types::{BudgetDay, MoneyError, Nanos, Timestamp};

use buckets::Buckets;
use open::OpenLeases;

pub use grant::{Ask, Grant, Refusal};
pub use keep::Changes;
pub use session::{Beat, Session, SessionOver, Stand};
pub use settle::{Charge, Release, Settled, Source};
pub use update::Update;

use crate::{Account, AccountId, Bucket, Epoch, Lease, LeaseId, Owner, Period, Pot, Second};

/// What the operator decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// For how long a bidder may go on without hearing from the ledger, in seconds.
    pub session_s: u32,
    /// The longest that any hold may last, in seconds.
    pub longest_hold_s: u32,
    /// How long after the end of a hold its notices are still waited for, in seconds: their way, and the queue.
    pub grace_s: u32,
}

/// What a move of the watermark did to leases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advanced {
    /// What was left of these is free again.
    pub closed: Vec<LeaseId>,
    /// These would have to be closed, and their accounts do not have what they say: the books are wrong.
    pub stuck: Vec<LeaseId>,
}

/// All that the ledger knows of money and impressions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Books {
    terms: Terms,
    accounts: BTreeMap<AccountId, Account>,
    sessions: BTreeMap<Epoch, Session>,
    leases: OpenLeases,
    buckets: Buckets,
    /// Accounts that have more committed than their limit allows.
    overcommitted: BTreeSet<AccountId>,
    watermark: Second,
    last_epoch: Epoch,
    last_lease: LeaseId,
    changes: Changes,
}

impl Books {
    /// Empty books.
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            accounts: BTreeMap::new(),
            sessions: BTreeMap::new(),
            leases: OpenLeases::default(),
            buckets: Buckets::default(),
            overcommitted: BTreeSet::new(),
            watermark: Second::NEVER,
            last_epoch: Epoch(0),
            last_lease: LeaseId(0),
            changes: Changes::default(),
        }
    }

    /// The operator's terms.
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// An account; one that nobody has moved money in is empty and has no limit.
    pub fn account(&self, id: AccountId) -> Account {
        self.accounts.get(&id).copied().unwrap_or_default()
    }

    /// All accounts, in the order of their ids.
    pub fn accounts(&self) -> impl Iterator<Item = (AccountId, &Account)> {
        self.accounts.iter().map(|(id, account)| (*id, account))
    }

    /// The accounts of one owner: of each unit the one for ever first, then by day.
    pub fn accounts_of(&self, owner: Owner) -> impl Iterator<Item = AccountId> {
        let first = AccountId::money(owner, Period::Lifetime);
        let last = AccountId::impressions(owner, Period::Day(BudgetDay(i32::MAX)));
        self.accounts.range(first..=last).map(|(id, _)| *id)
    }

    /// An open lease.
    pub fn lease(&self, id: LeaseId) -> Option<&Lease> {
        self.leases.get(id)
    }

    /// All open leases, in the order of their ids.
    pub fn leases(&self) -> impl Iterator<Item = (LeaseId, &Lease)> {
        self.leases.iter()
    }

    /// How many leases are open.
    pub fn open_leases(&self) -> usize {
        self.leases.len()
    }

    /// What became of holds of an open lease.
    pub fn bucket(&self, lease: LeaseId, ends: Second) -> Bucket {
        self.buckets.get(lease, ends).copied().unwrap_or_default()
    }

    /// All buckets of an open lease in which something was resolved.
    pub fn buckets(&self, lease: LeaseId) -> impl Iterator<Item = (Second, Bucket)> {
        self.buckets.of(lease, Second(i64::MAX))
    }

    /// Holds that end at this second or before are resolved for good.
    pub fn watermark(&self) -> Second {
        self.watermark
    }

    /// Sets what an account may spend in all; none: no limit. Below what is committed already it is kept all the same: nothing
    /// more is granted, and [`Books::recalled`] names the leases to stop.
    pub fn set_limit(&mut self, id: AccountId, limit: Option<Nanos>) -> Result<(), MoneyError> {
        let mut account = self.account(id);
        if account.limit() != limit {
            account.set_limit(limit)?;
            self.write(id, account);
        }
        Ok(())
    }

    /// Moves the watermark to where it may be at this time, never back, and closes the leases whose last hold is over. One that
    /// does not fit its accounts stays open and keeps nothing else waiting.
    pub fn advance(&mut self, now: Timestamp) -> Advanced {
        let Second(second) = Second::at_or_before(now);
        let watermark = Second(second.saturating_sub(i64::from(self.terms.grace_s))).max(self.watermark);
        let mut advanced = Advanced::default();
        for id in self.over(watermark) {
            match self.close(id) {
                Ok(()) => advanced.closed.push(id),
                Err(_) => advanced.stuck.push(id),
            }
        }
        if watermark > self.watermark {
            self.watermark = watermark;
            self.changes.head = true;
        }
        self.forget_sessions(now);
        advanced
    }

    /// Leases whose last hold is over by then: those whose day has ended, and those of bidders that are gone.
    fn over(&self, watermark: Second) -> BTreeSet<LeaseId> {
        let is_gone = |epoch: &Epoch| {
            let session = self.sessions.get(epoch);
            session.is_none_or(|session| Second::at_or_after(session.valid_until) <= watermark)
        };
        let of_gone = self.leases.epochs().filter(is_gone).flat_map(|epoch| self.leases.of_epoch(epoch));
        let of_gone = of_gone.filter(|(_, lease)| self.closes(lease) <= watermark).map(|(id, _)| id);
        self.leases.ended(watermark).chain(of_gone).collect()
    }

    /// When a lease's last hold may end: nothing of it can be billed from it after that.
    fn closes(&self, lease: &Lease) -> Second {
        let session = self.sessions.get(&lease.epoch);
        let session = session.map_or(Timestamp(i64::MIN), |session| session.valid_until);
        lease.over_by(session.min(lease.day_ends))
    }

    /// Gives what is left of a lease back to its accounts.
    fn close(&mut self, id: LeaseId) -> Result<(), MoneyError> {
        let Some(lease) = self.leases.get(id).copied() else { return Ok(()) };
        let leased = lease.outstanding().checked_sub(lease.held)?;
        let accounts = lease.accounts();
        self.post(&accounts, &[(Pot::Held, Pot::Free, lease.held), (Pot::Leased, Pot::Free, leased)])?;
        self.leases.remove(id);
        let buckets: Vec<Second> = self.buckets(id).map(|(ends, _)| ends).collect();
        for ends in buckets {
            self.buckets.remove(id, ends);
            self.changes.buckets.insert((id, ends));
        }
        self.changes.leases.insert(id);
        Ok(())
    }

    /// The same movements in each of the accounts, or none in any.
    fn post(&mut self, ids: &[AccountId], moves: &[(Pot, Pot, Nanos)]) -> Result<(), MoneyError> {
        let mut next = Vec::with_capacity(ids.len());
        for id in ids {
            let mut account = self.account(*id);
            for (from, to, amount) in moves {
                account.transfer(*from, *to, *amount)?;
            }
            next.push((*id, account));
        }
        for (id, account) in next {
            self.write(id, account);
        }
        Ok(())
    }

    fn write(&mut self, id: AccountId, account: Account) {
        self.put_account(id, account);
        self.changes.accounts.insert(id);
    }

    fn write_lease(&mut self, id: LeaseId, lease: Lease) {
        debug_assert!(lease.held >= Nanos::ZERO && lease.held <= lease.outstanding(), "{lease:?}");
        self.leases.insert(id, lease);
        self.changes.leases.insert(id);
    }

    /// The least that all of these accounts have to give.
    fn available(&self, ids: &[AccountId]) -> (Nanos, Option<AccountId>) {
        let least = ids.iter().map(|id| (self.account(*id).available(), *id)).min_by_key(|(free, _)| *free);
        least.map_or((Nanos::ZERO, None), |(free, id)| (free, Some(id)))
    }

    /// Checks that every account is balanced and that what all of them have leased and held is what open leases have. For
    /// tests and for a ledger that starts. The first difference is named.
    pub fn audit(&self) -> Result<(), String> {
        let mut committed: BTreeMap<AccountId, (i128, i128)> = BTreeMap::new();
        for (_, lease) in self.leases.iter() {
            for id in lease.accounts() {
                let (leased, held) = committed.entry(id).or_default();
                *leased += i128::from(lease.outstanding().0 - lease.held.0);
                *held += i128::from(lease.held.0);
            }
        }
        let ids: BTreeSet<&AccountId> = self.accounts.keys().chain(committed.keys()).collect();
        for id in ids {
            let account = self.account(*id);
            let (leased, held) = committed.get(id).copied().unwrap_or_default();
            let pots = (account.pot(Pot::Leased).0.into(), account.pot(Pot::Held).0.into());
            if !account.is_balanced() || pots != (leased, held) {
                return Err(format!("{id:?} has {account:?}, its leases {leased} and {held} in holds"));
            }
        }
        Ok(())
    }
}
