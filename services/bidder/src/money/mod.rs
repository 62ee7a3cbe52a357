//! Money to bid with: what the workers take from, and the keeper that fills it.
//!
//! A line item without any limit (its own, its campaign's, its advertiser's) bids without a lease. Every other one bids only
//! what a lease covers: the path takes a bid's highest cost from the line item's pocket, and the worker tells the keeper
//! of bids that were sent.

mod keeper;
mod lives;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tagbid_budget::{Empty, Hold, Pockets};
use tagbid_types::{Monotonic, Nanos, NoBidReason};

pub(crate) use keeper::keep;
pub(crate) use lives::{Learnt, Lives, place, usual_hold_s};

use crate::book::Entry;

/// Why nobody bids who has no money to.
pub(crate) fn no_money(empty: Empty) -> NoBidReason {
    match empty {
        Empty::NoLease | Empty::TooLittle => NoBidReason::NoBudget,
        Empty::Paced => NoBidReason::Paced,
    }
}

/// Most that one worker notes between two looks of the keeper.
const MAX_JOURNAL: usize = 65_536;

/// What became of a hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kept {
    /// Its bid was sent.
    Sent(Hold),
    /// Its bid was not, and its lease is no longer the one in force.
    Undone(Hold),
}

/// What the workers share. One journal a worker: its lock is taken by that worker, and ten times a second by the keeper,
/// which swaps what is in it.
#[derive(Debug)]
pub(crate) struct Money {
    pub(crate) pockets: Arc<Pockets>,
    journals: Vec<Mutex<Vec<Kept>>>,
}

impl Money {
    /// Empty pockets.
    pub(crate) fn new(workers: usize) -> Self {
        Self { pockets: Arc::default(), journals: (0..workers.max(1)).map(|_| Mutex::default()).collect() }
    }

    /// Whether the line item could hold this now. For a bid that cannot, `wanted` has the keeper see to it that the next can.
    pub(crate) fn has(&self, entry: &Entry, cost: Nanos, now: Monotonic, wanted: bool) -> Result<(), Empty> {
        if !entry.limited {
            return Ok(());
        }
        let pocket = entry.pocket(&self.pockets);
        let has = pocket.has(cost, now);
        has.inspect_err(|why| {
            if wanted {
                pocket.missed(cost, *why);
            }
        })
    }

    /// Whether nothing that the line item could bid can be paid for now: the ledger has just said so.
    #[inline]
    pub(crate) fn is_dry(&self, entry: &Entry, now: Monotonic) -> bool {
        entry.limited && entry.pocket(&self.pockets).is_dry(now)
    }

    /// Holds it; none: there is no limit to hold against.
    pub(crate) fn hold(
        &self,
        entry: &Entry,
        cost: Nanos,
        hold_s: u32,
        now: Monotonic,
    ) -> Result<Option<Hold>, Empty> {
        if entry.limited { entry.pocket(&self.pockets).hold(cost, hold_s, now).map(Some) } else { Ok(None) }
    }

    /// How long its pace holds a bid of this cost back; none: it does not.
    pub(crate) fn wait(&self, entry: &Entry, cost: Nanos, now: Monotonic) -> Option<Duration> {
        entry.pocket(&self.pockets).wait(cost, now)
    }

    /// What a line item could hold now.
    pub(crate) fn remaining(&self, entry: &Entry, now: Monotonic) -> Nanos {
        entry.pocket(&self.pockets).remaining(now)
    }

    /// Whether a hold made a moment ago may still be used.
    pub(crate) fn still_valid(&self, entry: &Entry, hold: &Hold, now: Monotonic) -> bool {
        entry.pocket(&self.pockets).still_valid(hold, now)
    }

    /// The hold's bid is being sent. False: the keeper will not hear of it.
    #[must_use]
    pub(crate) fn sent(&self, worker: usize, hold: Hold) -> bool {
        self.note(worker, Kept::Sent(hold))
    }

    /// The hold's bid will not be sent. False: the keeper will not hear of it.
    #[must_use]
    pub(crate) fn undo(&self, worker: usize, entry: &Entry, hold: Hold) -> bool {
        entry.pocket(&self.pockets).undo(&hold) || self.note(worker, Kept::Undone(hold))
    }

    fn note(&self, worker: usize, kept: Kept) -> bool {
        let Some(journal) = self.journals.get(worker) else { return false };
        let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
        // What the keeper never hears of stays held until the lease is closed: less to bid with, and nothing overspent.
        let has_room = journal.len() < MAX_JOURNAL;
        if has_room {
            journal.push(kept);
        }
        has_room
    }

    /// What all workers noted since the last call.
    fn take(&self) -> Vec<Kept> {
        let take = |journal: &Mutex<Vec<Kept>>| {
            std::mem::take(&mut *journal.lock().unwrap_or_else(PoisonError::into_inner))
        };
        self.journals.iter().flat_map(take).collect()
    }
}
