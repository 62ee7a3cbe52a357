//! The bidder's half: leases as one bidder has them. One value, kept by one thread; the bid path has the [`Pocket`]s.
//!
//! For every lease `granted = remaining + held + charged + returned`, where `held` is what bids hold whose end the
//! ledger has not confirmed. The wallet never decides by itself that a hold is over.

mod demand;
mod purse;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tagbid_types::{BudgetDay, LineItemId, Monotonic, Nanos, Timestamp};

pub use demand::{Demand, Policy, Today};
pub use purse::{Empty, Hold, Pocket, Pockets};

use crate::{Ask, Beat, Bucket, Epoch, Grant, LeaseId, LedgerTime, Second};
use purse::Purse;

/// One lease.
#[derive(Debug)]
struct Kept {
    purse: Arc<Purse>,
    line_item: LineItemId,
    granted: Nanos,
    returned: Nanos,
    charged: Nanos,
    /// Holds that may still be open, by their ends.
    open: BTreeMap<Second, Open>,
}

/// Holds of one lease that end in the same second.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    held: i64,
    /// As the ledger last said.
    resolved: Bucket,
}

impl Open {
    fn left(&self) -> i64 {
        (self.held - self.resolved.settled.0 - self.resolved.released.0).max(0)
    }
}

impl Kept {
    fn held(&self) -> Nanos {
        Nanos(self.open.values().map(Open::left).sum())
    }
}

/// All leases of one bidder.
#[derive(Debug)]
pub struct Wallet {
    session_s: u32,
    epoch: Option<Epoch>,
    watermark: Second,
    pockets: Arc<Pockets>,
    leases: BTreeMap<LeaseId, Kept>,
    by_line: BTreeMap<(LineItemId, BudgetDay), LeaseId>,
    demand: BTreeMap<LineItemId, Demand>,
    policy: Policy,
}

impl Wallet {
    /// An empty one, without a session, whose money is in these pockets.
    pub fn new(policy: Policy, pockets: Arc<Pockets>) -> Self {
        Self {
            session_s: 0,
            epoch: None,
            watermark: Second(i64::MIN),
            pockets,
            leases: BTreeMap::new(),
            by_line: BTreeMap::new(),
            demand: BTreeMap::new(),
            policy,
        }
    }

    /// Where the bid path finds a line item's money.
    pub fn pocket(&self, line_item: LineItemId) -> Arc<Pocket> {
        self.pockets.of(line_item)
    }

    /// The session, if there is one.
    pub fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// The ledger's time.
    pub fn time(&self) -> LedgerTime {
        self.pockets.validity.time()
    }

    /// A session has begun, by an answer to what was asked at `asked` that gave the ledger's time and watermark.
    pub fn begin(
        &mut self,
        epoch: Epoch,
        session_s: u32,
        asked: Monotonic,
        told: Timestamp,
        watermark: Second,
    ) {
        self.end();
        (self.epoch, self.session_s, self.watermark) = (Some(epoch), session_s, watermark);
        self.go_on(asked, told);
    }

    /// The session is over: nothing may be bid with, and what is held is the ledger's matter.
    pub fn end(&mut self) {
        self.pockets.validity.end();
        self.epoch = None;
        self.leases.clear();
        self.by_line.clear();
        self.pockets.all().iter().for_each(|pocket| pocket.purse.store(None));
    }

    /// The ledger has answered this beat, which was sent at `asked`: the session goes on, and leases that are all given back
    /// and whose day is over are forgotten.
    pub fn beaten(&mut self, beat: &Beat, asked: Monotonic, told: Timestamp) {
        if self.epoch != Some(beat.epoch) {
            return;
        }
        self.go_on(asked, told);
        for (id, _, returned) in &beat.leases {
            let done = self.leases.get(id).is_some_and(|kept| {
                let over = told >= kept.purse.day_ends && kept.open.is_empty();
                over && kept.returned == *returned && kept.purse.remaining() == Nanos::ZERO
            });
            if let Some(kept) = done.then(|| self.leases.remove(id)).flatten() {
                self.by_line.remove(&(kept.line_item, kept.purse.day));
            }
        }
    }

    /// Valid for as long after the question as the ledger promised after it, less a thousandth for clocks that do not run
    /// alike: so ours says that it is over before the ledger's does.
    fn go_on(&self, asked: Monotonic, told: Timestamp) {
        let until = asked.after(Duration::from_millis(u64::from(self.session_s) * 999));
        // An answer that was overtaken by a later one's promises less.
        if until > self.pockets.validity.until() {
            self.pockets.validity.set(until, LedgerTime::new(asked, told));
        }
    }

    /// How this bidder stands.
    pub fn beat(&self) -> Option<Beat> {
        let leases = self.leases.iter().map(|(id, kept)| (*id, kept.held(), kept.returned));
        Some(Beat { epoch: self.epoch?, applied: self.watermark, leases: leases.collect() })
    }

    /// The answer to an [`Ask`].
    pub fn granted(&mut self, ask: &Ask, grant: &Grant) {
        if self.epoch != Some(ask.epoch) {
            return;
        }
        let pocket = self.pocket(ask.line.line_item);
        let kept = self.leases.entry(grant.lease).or_insert_with(|| {
            let purse = Purse::new(grant.lease, ask.epoch, ask.day, ask.day_ends, grant.longest_hold_s);
            Kept {
                purse: Arc::new(purse),
                line_item: ask.line.line_item,
                granted: Nanos::ZERO,
                returned: Nanos::ZERO,
                charged: Nanos::ZERO,
                open: BTreeMap::new(),
            }
        });
        self.by_line.insert((ask.line.line_item, ask.day), grant.lease);
        let more = Nanos((grant.granted.0 - kept.granted.0).max(0));
        kept.granted = kept.granted.max(grant.granted);
        kept.purse.credit(more);
        let newer = pocket.purse.load().as_deref().is_none_or(|current| current.day <= ask.day);
        if newer {
            pocket.purse.store(Some(Arc::clone(&kept.purse)));
        }
    }

    /// Takes in a hold whose bid was sent. All holds that end at or before a watermark have to be recorded before that
    /// watermark is taken in.
    pub fn record(&mut self, hold: &Hold) {
        if let Some(kept) = self.leases.get_mut(&hold.lease) {
            kept.open.entry(hold.until).or_default().held += hold.amount.0;
        }
    }

    /// Puts a hold back whose bid was not sent and whose pocket has another lease by now. One of a lease that is gone is the
    /// ledger's matter.
    pub fn undo(&mut self, hold: &Hold) {
        if let Some(kept) = self.leases.get(&hold.lease) {
            kept.purse.credit(hold.amount);
        }
    }

    /// What the ledger says became of holds, as sums: what was not charged may be bid with again.
    pub fn resolved(&mut self, lease: LeaseId, ends: Second, sums: Bucket) {
        // What ends by then was credited whole when the watermark passed.
        let Some(kept) = self.leases.get_mut(&lease).filter(|_| ends > self.watermark) else { return };
        let open = kept.open.entry(ends).or_default();
        let before = open.resolved;
        if sums.settled < before.settled || sums.released < before.released {
            return;
        }
        let charged = sums.charged.0 - before.charged.0;
        let freed = sums.settled.0 - before.settled.0 + sums.released.0 - before.released.0 - charged;
        open.resolved = sums;
        kept.charged = Nanos(kept.charged.0 + charged);
        kept.purse.credit(Nanos(freed));
    }

    /// Takes in a watermark: every hold that ends by then and was not resolved is over. What was resolved by then has to be
    /// taken in before.
    pub fn advance(&mut self, watermark: Second) {
        if watermark <= self.watermark {
            return;
        }
        self.watermark = watermark;
        for kept in self.leases.values_mut() {
            let still_open = kept.open.split_off(&Second(watermark.0.saturating_add(1)));
            let over = std::mem::replace(&mut kept.open, still_open);
            kept.purse.credit(Nanos(over.values().map(Open::left).sum()));
        }
    }

    /// Gives back all that is left of a lease, because the ledger wants it or nobody needs it. The next beat says so.
    pub fn give_back(&mut self, lease: LeaseId) -> Nanos {
        let Some(kept) = self.leases.get_mut(&lease) else { return Nanos::ZERO };
        let taken = kept.purse.take_up_to(Nanos(i64::MAX));
        kept.returned = Nanos(kept.returned.0 + taken.0);
        taken
    }

    /// The same of every lease.
    pub fn give_back_all(&mut self) {
        let leases: Vec<LeaseId> = self.leases.keys().copied().collect();
        for lease in leases {
            self.give_back(lease);
        }
    }

    /// The line items that bids asked money for.
    pub fn line_items(&self) -> Vec<LineItemId> {
        self.pockets.line_items()
    }

    /// Whether for every lease `granted = remaining + held + charged + returned`: while no hold is on its way to
    /// [`Wallet::record`].
    pub fn audit(&self) -> Result<(), String> {
        for (id, kept) in &self.leases {
            let parts = [kept.purse.remaining(), kept.held(), kept.charged, kept.returned];
            let sum: i64 = parts.iter().map(|part| part.0).sum();
            if sum != kept.granted.0 {
                return Err(format!("{id:?}: {} granted, but {parts:?}", kept.granted));
            }
        }
        Ok(())
    }

    /// What is left of each lease to bid with: for people and tests.
    pub fn credits(&self) -> Vec<(LeaseId, LineItemId, Nanos)> {
        let credit = |(id, kept): (&LeaseId, &Kept)| (*id, kept.line_item, kept.purse.remaining());
        self.leases.iter().map(credit).collect()
    }

    /// The lease that a line item's bids of this day are held under.
    pub fn lease(&self, line_item: LineItemId, day: BudgetDay) -> Option<LeaseId> {
        self.by_line.get(&(line_item, day)).copied()
    }
}
