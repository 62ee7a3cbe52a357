//! Money and impressions to bid with: what the workers take from, and the keeper that fills it.
//!
//! A line item without any limit (its own, its campaign's, its advertiser's) bids without a lease. Every other one bids only
//! what leases cover: where there is a budget the path takes a bid's highest cost from the line item's pocket, where there is a
//! capacity the impressions that it stands for, and the worker tells the keeper of bids that were sent.

mod keeper;
mod lives;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tagbid_budget::{Empty, Hold, Holds, Missing, Pocket, Pockets, Price, Unit};
use tagbid_types::{Monotonic, Nanos, NoBidReason};

pub(crate) use keeper::keep;
pub(crate) use lives::{Learnt, Lives, place, usual_hold_s};

use crate::book::Entry;

/// Why nobody bids who lacks this.
fn reason(missing: Missing) -> NoBidReason {
    match (missing.unit, missing.why) {
        (_, Empty::Paced) => NoBidReason::Paced,
        (Unit::Money, Empty::NoLease | Empty::TooLittle) => NoBidReason::NoBudget,
        (Unit::Impressions, Empty::NoLease | Empty::TooLittle) => NoBidReason::NoCapacity,
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
    /// The keeper was not told of every hold.
    lost_holds: AtomicBool,
}

impl Money {
    /// Empty pockets.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            pockets: Arc::default(),
            journals: (0..workers.max(1)).map(|_| Mutex::default()).collect(),
            lost_holds: AtomicBool::new(false),
        }
    }

    /// Whether the line item could hold this now. For a bid that cannot, `wanted` has the keeper see to it that the next can.
    pub(crate) fn has(
        &self,
        entry: &Entry,
        price: &Price,
        now: Monotonic,
        wanted: bool,
    ) -> Result<(), NoBidReason> {
        entry.funds(&self.pockets).has(price, now, wanted).map_err(reason)
    }

    /// Why nothing that the line item could bid can be held now, if the ledger has just said so.
    #[inline]
    pub(crate) fn dry(&self, entry: &Entry, now: Monotonic) -> Option<NoBidReason> {
        if !entry.is_leased() {
            return None;
        }
        let dry = entry.funds(&self.pockets).dry(now)?;
        Some(reason(Missing { unit: dry, why: Empty::TooLittle }))
    }

    /// Holds it, as far as there are limits to hold against.
    pub(crate) fn hold(&self, entry: &Entry, price: &Price, now: Monotonic) -> Result<Holds, NoBidReason> {
        entry.funds(&self.pockets).hold(price, now).map_err(reason)
    }

    /// How long its pace holds a bid of this cost back; none: it does not.
    pub(crate) fn wait(&self, entry: &Entry, cost: Nanos, now: Monotonic) -> Option<Duration> {
        entry.pocket(&self.pockets).wait(cost, now)
    }

    /// What a line item could hold now: money and impressions, each where there is a limit.
    pub(crate) fn remaining(&self, entry: &Entry, now: Monotonic) -> (Option<Nanos>, Option<Nanos>) {
        let funds = entry.funds(&self.pockets);
        let left = |pocket: Option<&Pocket>| pocket.map(|pocket| pocket.remaining(now));
        (left(funds.money), left(funds.impressions))
    }

    /// Whether holds made a moment ago may still be used.
    pub(crate) fn still_valid(&self, entry: &Entry, holds: &Holds, now: Monotonic) -> bool {
        entry.funds(&self.pockets).still_valid(holds, now)
    }

    /// The holds' bid is being sent. How many of them the keeper will not hear of.
    #[must_use]
    pub(crate) fn sent(&self, worker: usize, holds: &Holds) -> u64 {
        holds.iter().map(|hold| u64::from(!self.note(worker, Kept::Sent(hold)))).sum()
    }

    /// The holds' bid will not be sent. How many of them the keeper will not hear of.
    #[must_use]
    pub(crate) fn undo(&self, worker: usize, entry: &Entry, holds: &Holds) -> u64 {
        let left = entry.funds(&self.pockets).undo(holds).into_iter();
        left.map(|hold| u64::from(!self.note(worker, Kept::Undone(hold)))).sum()
    }

    fn note(&self, worker: usize, kept: Kept) -> bool {
        let Some(journal) = self.journals.get(worker) else { return false };
        let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
        // What the keeper never hears of stays held until the lease is closed: less to bid with, and nothing overspent.
        let has_room = journal.len() < MAX_JOURNAL;
        if has_room {
            journal.push(kept);
        } else {
            self.lost_holds.store(true, Ordering::Relaxed);
        }
        has_room
    }

    /// Whether there was a hold, since the start, that the keeper was not told of.
    fn lost_holds(&self) -> bool {
        self.lost_holds.load(Ordering::Relaxed)
    }

    /// What all workers noted since the last call.
    fn take(&self) -> Vec<Kept> {
        let take = |journal: &Mutex<Vec<Kept>>| {
            std::mem::take(&mut *journal.lock().unwrap_or_else(PoisonError::into_inner))
        };
        self.journals.iter().flat_map(take).collect()
    }
}
