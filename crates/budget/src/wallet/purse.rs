//! What the threads of a bidder share: money and impressions to bid with, and for how long.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tagbid_types::{BudgetDay, Monotonic, Nanos, Timestamp};
use thiserror::Error;

use super::funds::{Fund, Taken};
use crate::pace::Tokens;
use crate::{Epoch, LeaseId, LedgerTime, Second};

/// Why nothing can be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Empty {
    /// There is no lease for this day that lets a hold last so long, or the ledger was not heard of for too long.
    #[error("no lease is valid")]
    NoLease,
    /// The lease does not have this much left.
    #[error("the lease has too little left")]
    TooLittle,
    /// Its pace holds it back. Whether there is money was not looked at.
    #[error("its pace holds it back")]
    Paced,
}

/// A hold that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Under which lease.
    pub lease: LeaseId,
    /// In which life of this bidder.
    pub epoch: Epoch,
    /// The day that the bid belongs to.
    pub day: BudgetDay,
    /// How much.
    pub amount: Nanos,
    /// When it ends.
    pub until: Second,
    /// For how long it was made, in seconds.
    pub hold_s: u32,
}

/// Until when any lease of a bidder may be bid with, and the ledger's time. One for all threads.
#[derive(Debug, Default)]
pub(super) struct Validity {
    /// [`Monotonic`] microseconds.
    until: AtomicU64,
    /// Microseconds from the boot-time clock to the ledger's.
    offset: AtomicI64,
}

impl Validity {
    pub(super) fn set(&self, until: Monotonic, time: LedgerTime) {
        self.offset.store(time.offset(), Ordering::Relaxed);
        self.until.store(until.0, Ordering::Release);
    }

    pub(super) fn end(&self) {
        self.until.store(0, Ordering::Release);
    }

    pub(super) fn until(&self) -> Monotonic {
        Monotonic(self.until.load(Ordering::Acquire))
    }

    pub(super) fn time(&self) -> LedgerTime {
        LedgerTime::from_offset(self.offset.load(Ordering::Relaxed))
    }
}

/// The money or impressions of one lease.
#[derive(Debug)]
pub(super) struct Purse {
    pub(super) lease: LeaseId,
    pub(super) epoch: Epoch,
    pub(super) day: BudgetDay,
    /// When the day is over, by the ledger's clock: ours may turn out to be behind it.
    pub(super) day_ends: Timestamp,
    longest_hold_s: AtomicU32,
    /// What was asked for: more than the lease allows where the ledger allows nobody more.
    asked_hold_s: AtomicU32,
    remaining: AtomicI64,
}

impl Purse {
    pub(super) fn new(lease: LeaseId, epoch: Epoch, day: BudgetDay, day_ends: Timestamp) -> Self {
        let (longest_hold_s, asked_hold_s) = (AtomicU32::new(0), AtomicU32::new(0));
        Self { lease, epoch, day, day_ends, longest_hold_s, asked_hold_s, remaining: AtomicI64::new(0) }
    }

    /// The ledger lets holds last so long from now on, which was asked to let them last for `asked_hold_s`; never shorter than
    /// before.
    pub(super) fn allow(&self, longest_hold_s: u32, asked_hold_s: u32) {
        self.longest_hold_s.fetch_max(longest_hold_s, Ordering::Relaxed);
        self.asked_hold_s.fetch_max(asked_hold_s, Ordering::Relaxed);
    }

    /// Whether a hold may last so long, or as long as the ledger allows anybody.
    pub(super) fn lets_last(&self, hold_s: u32) -> bool {
        hold_s <= self.asked_hold_s.load(Ordering::Relaxed)
    }

    pub(super) fn remaining(&self) -> Nanos {
        Nanos(self.remaining.load(Ordering::Relaxed))
    }

    pub(super) fn credit(&self, amount: Nanos) {
        self.remaining.fetch_add(amount.0, Ordering::Relaxed);
    }

    /// Takes an amount if it is there. What is left then.
    fn take(&self, amount: Nanos) -> Option<i64> {
        let less = |remaining: i64| remaining.checked_sub(amount.0).filter(|left| *left >= 0);
        let before = self.remaining.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        before.ok().map(|before| before - amount.0)
    }

    /// Takes what is there, so much at most.
    pub(super) fn take_up_to(&self, most: Nanos) -> Nanos {
        let less = |remaining: i64| Some(remaining - remaining.clamp(0, most.0.max(0)));
        let before = self.remaining.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        Nanos(before.unwrap_or(0).clamp(0, most.0.max(0)))
    }
}

/// The pockets of all line items, one for each fund: made when first asked for, and shared by the wallet and the bid path.
#[derive(Debug, Default)]
pub struct Pockets {
    pub(super) common: Arc<Common>,
    by_fund: Mutex<HashMap<Fund, Arc<Pocket>>>,
}

/// What all pockets of a bidder share.
#[derive(Debug, Default)]
pub(super) struct Common {
    pub(super) validity: Validity,
    /// Those that are to be looked at. Each is here once at most, so there are twice as many as line items; its lock is
    /// taken by a bid that finds too little, once between two looks.
    calls: Mutex<Vec<Fund>>,
}

impl Pockets {
    /// Where the bid path finds a line item's money, or its impressions.
    pub fn of(&self, fund: impl Into<Fund>) -> Arc<Pocket> {
        let (fund, mut pockets) = (fund.into(), self.by_fund.lock().unwrap_or_else(PoisonError::into_inner));
        let pocket = pockets.entry(fund);
        Arc::clone(pocket.or_insert_with(|| Arc::new(Pocket::new(fund, Arc::clone(&self.common)))))
    }

    /// Those that have to be looked at because a bid found too little, and cannot wait for the next look at all of them.
    pub(super) fn take_calls(&self) -> Vec<Fund> {
        let calls = std::mem::take(&mut *self.common.calls.lock().unwrap_or_else(PoisonError::into_inner));
        let pockets = self.by_fund.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = calls.iter().filter_map(|id| pockets.get(id));
        heard.for_each(|pocket| pocket.called.store(false, Ordering::Release));
        calls
    }

    /// All that were asked for.
    pub(super) fn all(&self) -> Vec<Arc<Pocket>> {
        let pockets = self.by_fund.lock().unwrap_or_else(PoisonError::into_inner);
        pockets.values().cloned().collect()
    }
}

/// What the bid path has of one line item's money or impressions. Lives as long as the line item; leases come and go in it.
#[derive(Debug)]
pub struct Pocket {
    fund: Fund,
    pub(super) purse: ArcSwapOption<Purse>,
    common: Arc<Common>,
    /// With less left than this it is to be looked at. [`i64::MAX`]: the wallet knows of nobody who wants it.
    low: AtomicI64,
    /// It is among [`Common::calls`].
    called: AtomicBool,
    /// What bids tried to hold since it was last looked at.
    wanted: AtomicI64,
    /// The least and the most that one of them tried to hold; the least is above the most when there was none.
    least: AtomicI64,
    most: AtomicI64,
    /// The ledger had nothing: until then bids that need this much or more need not be priced.
    dry_until: AtomicU64,
    dry_from: AtomicI64,
    /// For how long the last of them, in seconds.
    hold_s: AtomicU32,
    /// For how long any of them, of late and in the time before: leases are asked to let holds last so long, and no longer, as what
    /// a bidder has that is never heard of again is held for that time.
    longest_hold_s: AtomicU32,
    longest_before_s: AtomicU32,
    /// How fast it may go out.
    pub(super) tokens: Tokens,
}

/// What bids wanted in a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// All of them together.
    pub(super) sum: i64,
    /// The one that wanted least; above `most` when nobody wanted anything.
    pub(super) least: i64,
    /// The one that wanted most.
    pub(super) most: i64,
}

impl Pocket {
    pub(super) fn new(fund: Fund, common: Arc<Common>) -> Self {
        Self {
            fund,
            purse: ArcSwapOption::empty(),
            common,
            low: AtomicI64::new(i64::MAX),
            called: AtomicBool::new(false),
            wanted: AtomicI64::new(0),
            least: AtomicI64::new(i64::MAX),
            most: AtomicI64::new(0),
            dry_until: AtomicU64::new(0),
            dry_from: AtomicI64::new(0),
            hold_s: AtomicU32::new(0),
            longest_hold_s: AtomicU32::new(0),
            longest_before_s: AtomicU32::new(0),
            tokens: Tokens::default(),
        }
    }

    /// Takes what a bid can cost at most out of the lease, until the bid's hold is over: `hold_s` seconds from now, or the
    /// longest that the ledger allows. The hold has to be recorded ([`Wallet::record`](crate::Wallet::record)) if the bid is
    /// sent, and undone if it is not.
    pub fn hold(&self, amount: Nanos, hold_s: u32, now: Monotonic) -> Result<Hold, Empty> {
        self.take(amount, hold_s, now).map(|taken| taken.hold)
    }

    /// The same, with where it came from.
    pub(super) fn take(&self, amount: Nanos, hold_s: u32, now: Monotonic) -> Result<Taken<'_>, Empty> {
        self.want(amount, hold_s);
        self.hold_s.store(hold_s, Ordering::Relaxed);
        if !self.tokens.take(amount, now) {
            return Err(Empty::Paced);
        }
        self.lease(amount, hold_s, now).inspect_err(|_| self.tokens.put_back(amount))
    }

    fn lease(&self, amount: Nanos, hold_s: u32, now: Monotonic) -> Result<Taken<'_>, Empty> {
        let guard = self.purse.load();
        let valid = guard.as_deref().filter(|purse| self.is_valid_for(purse, now) && purse.lets_last(hold_s));
        let taken = valid.filter(|_| amount >= Nanos::ZERO).and_then(|purse| purse.take(amount));
        if taken.is_none_or(|left| left < self.low.load(Ordering::Relaxed)) {
            self.call();
        }
        let purse = valid.ok_or(Empty::NoLease)?;
        taken.ok_or(Empty::TooLittle)?;
        let hold_s = hold_s.min(purse.longest_hold_s.load(Ordering::Relaxed));
        let until = self.common.validity.time().hold_until(now, hold_s);
        let hold = Hold { lease: purse.lease, epoch: purse.epoch, day: purse.day, amount, until, hold_s };
        Ok(Taken { pocket: self, purse: guard, hold })
    }

    /// Whether a hold made a moment ago may still be used: to be asked right before the bid is sent.
    pub fn still_valid(&self, hold: &Hold, now: Monotonic) -> bool {
        let purse = self.purse.load();
        purse.as_deref().is_some_and(|purse| purse.lease == hold.lease && self.is_valid_for(purse, now))
    }

    /// Puts a hold back whose bid was not sent. False: its lease is not the one in force any more, and the hold is for
    /// [`Wallet::undo`](crate::Wallet::undo).
    #[must_use]
    pub fn undo(&self, hold: &Hold) -> bool {
        let purse = self.purse.load();
        let same = purse.as_deref().filter(|purse| purse.lease == hold.lease);
        self.tokens.put_back(hold.amount);
        same.map(|purse| purse.credit(hold.amount)).is_some()
    }

    /// Whether a bid could hold this now, for so many seconds.
    pub fn has(&self, amount: Nanos, hold_s: u32, now: Monotonic) -> Result<(), Empty> {
        if self.wait(amount, now).is_some() {
            return Err(Empty::Paced);
        }
        let purse = self.purse.load();
        let purse = purse.as_deref().filter(|purse| self.is_valid_for(purse, now) && purse.lets_last(hold_s));
        let purse = purse.ok_or(Empty::NoLease)?;
        if purse.remaining() >= amount { Ok(()) } else { Err(Empty::TooLittle) }
    }

    /// How long its pace holds a bid of this amount back; none: it does not. [`Duration::MAX`]: until a rate is heard of.
    pub fn wait(&self, amount: Nanos, now: Monotonic) -> Option<Duration> {
        self.tokens.wait(amount, now)
    }

    /// Whether the line item is paced. One that is bids nothing until its first rate is heard of ([`Wallet::pace`]).
    ///
    /// [`Wallet::pace`]: crate::Wallet::pace
    pub fn set_paced(&self, paced: bool) {
        self.tokens.set_paced(paced);
    }

    pub(super) fn hold_s(&self) -> u32 {
        self.hold_s.load(Ordering::Relaxed)
    }

    /// The longest that bids have wanted to hold, of late.
    pub(super) fn longest_hold_s(&self) -> u32 {
        self.longest_hold_s.load(Ordering::Relaxed).max(self.longest_before_s.load(Ordering::Relaxed))
    }

    /// What bids wanted until now was a while ago, and what they wanted before that is forgotten.
    pub(super) fn age(&self) {
        let before = self.longest_hold_s.swap(0, Ordering::Relaxed);
        self.longest_before_s.store(before, Ordering::Relaxed);
    }

    /// What could be held now.
    pub fn remaining(&self, now: Monotonic) -> Nanos {
        let purse = self.purse.load();
        purse.as_deref().filter(|purse| self.is_valid_for(purse, now)).map_or(Nanos::ZERO, Purse::remaining)
    }

    fn is_valid_for(&self, purse: &Purse, now: Monotonic) -> bool {
        let validity = &self.common.validity;
        now < validity.until() && validity.time().at(now) < purse.day_ends
    }

    /// Has the wallet look at it soon.
    fn call(&self) {
        if !self.called.load(Ordering::Relaxed) && !self.called.swap(true, Ordering::AcqRel) {
            let mut calls = self.common.calls.lock().unwrap_or_else(PoisonError::into_inner);
            calls.push(self.fund);
        }
    }

    /// What is left has become too little when it is below this; [`i64::MAX`]: whoever wants anything is news.
    pub(super) fn set_low(&self, low: i64) {
        self.low.store(low, Ordering::Relaxed);
    }

    /// A bid that would have held this was not made, for this reason: the next is to be.
    pub fn missed(&self, amount: Nanos, hold_s: u32, why: Empty) {
        self.want(amount, hold_s);
        if why != Empty::Paced {
            self.call();
        }
    }

    fn want(&self, amount: Nanos, hold_s: u32) {
        if self.low.load(Ordering::Relaxed) == i64::MAX {
            self.call();
        }
        if hold_s > self.longest_hold_s.load(Ordering::Relaxed) {
            let is_news = hold_s > self.longest_hold_s();
            self.longest_hold_s.fetch_max(hold_s, Ordering::Relaxed);
            if is_news {
                self.call();
            }
        }
        self.wanted.fetch_add(amount.0.max(0), Ordering::Relaxed);
        // Bids of one line item want much the same: as good as always there is nothing to write.
        if amount.0 < self.least.load(Ordering::Relaxed) {
            self.least.fetch_min(amount.0, Ordering::Relaxed);
        }
        if amount.0 > self.most.load(Ordering::Relaxed) {
            self.most.fetch_max(amount.0, Ordering::Relaxed);
        }
    }

    /// Whether no bid can be paid for the time being, so that none need be priced: the ledger had nothing when it was
    /// last asked, and what is left is too little for the smallest.
    pub fn is_dry(&self, now: Monotonic) -> bool {
        let until = Monotonic(self.dry_until.load(Ordering::Relaxed));
        now < until && self.remaining(now).0 < self.dry_from.load(Ordering::Relaxed)
    }

    /// Whether the ledger had nothing when it was last asked.
    pub(super) fn is_short(&self) -> bool {
        self.dry_until.load(Ordering::Relaxed) != 0
    }

    /// The ledger had something.
    pub(super) fn set_flowing(&self) {
        self.dry_until.store(0, Ordering::Relaxed);
    }

    /// The ledger has nothing until then for bids that need this much or more.
    pub(super) fn set_dry(&self, from: i64, until: Monotonic) {
        self.dry_from.store(from, Ordering::Relaxed);
        self.dry_until.store(until.0, Ordering::Relaxed);
    }

    /// What was wanted since the last look, which does not end by this.
    pub(super) fn untaken(&self) -> i64 {
        self.wanted.load(Ordering::Relaxed).max(0)
    }

    /// What was wanted since the last call.
    pub(super) fn take_wanted(&self) -> Wanted {
        Wanted {
            sum: self.wanted.swap(0, Ordering::Relaxed),
            least: self.least.swap(i64::MAX, Ordering::Relaxed),
            most: self.most.swap(0, Ordering::Relaxed),
        }
    }
}
