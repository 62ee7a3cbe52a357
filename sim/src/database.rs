//! What is durable: rows, as a database has them. A transaction is whole or not at all.

use std::collections::BTreeMap;

use tagbid_budget::life::{Cell, DelayRow, Learner};
use tagbid_budget::{
    Account, AccountId, Books, Bucket, Changes, Epoch, Lease, LeaseId, Pot, Second, Session, Terms,
};
use tagbid_types::{MoneyError, Nanos, Timestamp};

/// An account as it is written: what is free follows.
type AccountRow = (Option<Nanos>, Nanos, Nanos, Nanos);

/// What became of a bid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BidRow {
    pub(crate) released: bool,
    /// The price that it was billed at, and how much of that the advertiser paid.
    pub(crate) billed: Option<(Nanos, Nanos)>,
    /// Of its impressions, those that capacities covered.
    pub(crate) delivered: Nanos,
}

/// The rows.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    /// Counts transactions: their order.
    pub(crate) seq: u64,
    /// The latest time that a ledger wrote at.
    pub(crate) written: Timestamp,
    head: (Second, Epoch, LeaseId),
    accounts: BTreeMap<AccountId, AccountRow>,
    sessions: BTreeMap<Epoch, Session>,
    leases: BTreeMap<LeaseId, Lease>,
    buckets: BTreeMap<(LeaseId, Second), Bucket>,
    pub(crate) bids: BTreeMap<u64, BidRow>,
    delays: BTreeMap<(Cell, i64, u32), DelayRow>,
    /// The transaction that added the last of them.
    delays_as_of: u64,
}

impl Database {
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            seq: 0,
            written: Timestamp(i64::MIN),
            head: Books::new(terms).head(),
            accounts: BTreeMap::new(),
            sessions: BTreeMap::new(),
            leases: BTreeMap::new(),
            buckets: BTreeMap::new(),
            bids: BTreeMap::new(),
            delays: BTreeMap::new(),
            delays_as_of: 0,
        }
    }

    pub(crate) fn session(&self, epoch: Epoch) -> Option<&Session> {
        self.sessions.get(&epoch)
    }

    /// The books that the rows say.
    pub(crate) fn books(&self, terms: Terms) -> Result<Books, MoneyError> {
        let (watermark, epoch, lease) = self.head;
        let mut books = Books::restore(terms, watermark, epoch, lease);
        for (id, (limit, leased, held, spent)) in &self.accounts {
            books.put_account(*id, Account::restore(*limit, *leased, *held, *spent)?);
        }
        for (epoch, session) in &self.sessions {
            books.put_session(*epoch, Some(*session));
        }
        for (id, lease) in &self.leases {
            books.put_lease(*id, Some(*lease));
        }
        for ((lease, ends), bucket) in &self.buckets {
            books.put_bucket(*lease, *ends, Some(*bucket));
        }
        Ok(books)
    }

    /// What the rows say of delays, to a ledger that has seen this transaction last.
    pub(crate) fn teach(&self, learner: &mut Learner, seen: u64) {
        if seen < self.delays_as_of {
            self.delays.values().for_each(|row| learner.put(row));
        }
    }

    /// Adds delays to what is there, in the transaction of now.
    pub(crate) fn add_delays(&mut self, rows: &[DelayRow]) {
        if !rows.is_empty() {
            self.delays_as_of = self.seq.max(1);
        }
        for row in rows {
            let key = (row.cell.clone(), row.period, row.within_s);
            self.delays
                .entry(key)
                .and_modify(|there| {
                    there.count += row.count;
                    there.since = there.since.min(row.since);
                })
                .or_insert_with(|| row.clone());
        }
    }

    /// Commits what changed in these books.
    pub(crate) fn write(&mut self, books: &Books, changes: &Changes, now: Timestamp) {
        self.seq += 1;
        self.written = self.written.max(now);
        if changes.head {
            self.head = books.head();
        }
        for id in &changes.accounts {
            let account = books.account(*id);
            let [leased, held, spent] = [Pot::Leased, Pot::Held, Pot::Spent].map(|pot| account.pot(pot));
            self.accounts.insert(*id, (account.limit(), leased, held, spent));
        }
        for epoch in &changes.sessions {
            put(&mut self.sessions, *epoch, books.stored_session(*epoch).copied());
        }
        for id in &changes.leases {
            put(&mut self.leases, *id, books.lease(*id).copied());
        }
        for (lease, ends) in &changes.buckets {
            let bucket = books.buckets(*lease).find(|(second, _)| second == ends).map(|(_, bucket)| bucket);
            put(&mut self.buckets, (*lease, *ends), bucket);
        }
    }
}

fn put<K: Ord, V>(rows: &mut BTreeMap<K, V>, key: K, row: Option<V>) {
    match row {
        Some(row) => rows.insert(key, row),
        None => rows.remove(&key),
    };
}
