//! The bidder's half: leases as one bidder has them. One value, kept by one thread; the bid path has the [`Pocket`]s.
//!
//! For every lease `granted = remaining + held + charged + returned`, where `held` is what bids hold whose end the
//! ledger has not confirmed. The wallet never decides by itself that a hold is over.

mod demand;
mod funds;
mod kept;
mod purse;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tagbid_types::{BudgetDay, LineItemId, Monotonic, Nanos, Timestamp};

pub use demand::{Demand, Policy, Today};
pub use funds::{Fund, Funds, Holds, Missing, Price};
use kept::Kept;
pub use purse::{Empty, Hold, Pocket, Pockets};

use crate::{Ask, Beat, Bucket, Epoch, Grant, LeaseId, LedgerTime, Second, Stand, Unit};
use purse::Purse;
use report::Report;

/// Leases that one beat speaks of: some hundred kilobytes. The others are spoken of in the next ones.
const STANDS: usize = 10_000;

/// All leases of one bidder.
#[derive(Debug)]
pub struct Wallet {
    session_s: u32,
    epoch: Option<Epoch>,
    watermark: Second,
    pockets: Arc<Pockets>,
    leases: BTreeMap<LeaseId, Kept>,
    by_fund: BTreeMap<(Fund, BudgetDay), LeaseId>,
    demand: BTreeMap<Fund, Demand>,
    /// Of money. Bounded by the line items of the catalog.
    reports: BTreeMap<LineItemId, Report>,
    policy: Policy,
    /// What the ledger had none of when it was last asked.
    refused: BTreeSet<Fund>,
    /// When it was last looked at what bids want, and at what last in turn.
    looked: Option<Monotonic>,
    turn: Fund,
    days_ended: Option<Monotonic>,
    /// The last lease that a beat spoke of.
    spoken: LeaseId,
    /// The last line item whose wants one told.
    told_of: LineItemId,
}

impl Wallet {
    /// An empty one, without a session, whose money is in these pockets.
    pub fn new(policy: Policy, pockets: Arc<Pockets>) -> Self {
        Self {
            session_s: 0,
            epoch: None,
            watermark: Second::NEVER,
            pockets,
            leases: BTreeMap::new(),
            by_fund: BTreeMap::new(),
            demand: BTreeMap::new(),
            reports: BTreeMap::new(),
            policy,
            refused: BTreeSet::new(),
            looked: None,
            turn: Fund::FIRST,
            days_ended: None,
            spoken: LeaseId(0),
            told_of: LineItemId(0),
        }
    }

    /// Where the bid path finds a line item's money, or its impressions.
    pub fn pocket(&self, fund: impl Into<Fund>) -> Arc<Pocket> {
        self.pockets.of(fund)
    }

    /// The session, if there is one.
    pub fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// The ledger's time.
    pub fn time(&self) -> LedgerTime {
        self.pockets.common.validity.time()
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
        self.spoken = LeaseId(0);
        self.reports.clear();
        (self.epoch, self.session_s, self.watermark) = (Some(epoch), session_s, watermark);
        self.go_on(asked, told);
    }

    /// The session is over: nothing may be bid with, and what is held is the ledger's matter.
    pub fn end(&mut self) {
        self.pockets.common.validity.end();
        self.epoch = None;
        self.leases.clear();
        self.by_fund.clear();
        self.pockets.all().iter().for_each(|pocket| pocket.purse.store(None));
    }

    /// Nothing is bid with any more; what is leased stays until [`Wallet::farewell`].
    pub fn stop(&self) {
        self.pockets.common.validity.end();
    }

    /// The ledger has answered this beat, which was sent at `asked`: the session goes on for so many seconds, and leases that are
    /// all given back and whose day is over are forgotten.
    pub fn beaten(&mut self, beat: &Beat, session_s: u32, asked: Monotonic, told: Timestamp) {
        if self.epoch != Some(beat.epoch) {
            return;
        }
        self.session_s = session_s;
        self.go_on(asked, told);
        for stand in &beat.leases {
            let Some(kept) = self.leases.get_mut(&stand.lease) else { continue };
            kept.was_told(stand);
            if kept.is_over(told) {
                let (fund, day) = (kept.fund, kept.purse.day);
                self.leases.remove(&stand.lease);
                self.by_fund.remove(&(fund, day));
            }
        }
    }

    /// Valid for as long after the question as the ledger promised after it, less a thousandth for clocks that do not run
    /// alike: so ours says that it is over before the ledger's does.
    fn go_on(&self, asked: Monotonic, told: Timestamp) {
        let until = asked.after(Duration::from_millis(u64::from(self.session_s) * 999));
        // An answer that was overtaken by a later one's promises less.
        if until > self.pockets.common.validity.until() {
            self.pockets.common.validity.set(until, LedgerTime::new(asked, told));
        }
    }

    /// How this bidder stands, as far as the ledger has not been heard to know it.
    pub fn beat(&mut self) -> Option<Beat> {
        let epoch = self.epoch?;
        let (before, after) = (self.leases.range(..=self.spoken), self.leases.range(self.spoken..));
        // Beginning after the last one: where more leases change than one beat holds, all have their turn.
        let news = after.skip_while(|(id, _)| **id == self.spoken).chain(before);
        let news = news.filter(|(_, kept)| kept.is_news()).map(|(id, kept)| kept.stand(*id));
        let leases: Vec<Stand> = news.take(STANDS).collect();
        if let Some(last) = leases.last() {
            self.spoken = last.lease;
        }
        Some(Beat { epoch, applied: self.watermark, leases, wants: Vec::new(), lives: 0 })
    }

    /// The last words of a bidder that bids no more: all is given back, and every lease ends with its last hold. In parts that
    /// may come in any order.
    pub fn farewell(&mut self) -> Vec<Beat> {
        let Some(epoch) = self.epoch else { return Vec::new() };
        self.give_back_all();
        let last_words = |(id, kept): (&LeaseId, &Kept)| Stand {
            last_end: Some(kept.last_end().unwrap_or(self.watermark)),
            ..kept.stand(*id)
        };
        let stands: Vec<Stand> = self.leases.iter().map(last_words).collect();
        let beat = |part: &[Stand]| Beat {
            epoch,
            applied: self.watermark,
            leases: part.to_vec(),
            wants: Vec::new(),
            lives: 0,
        };
        stands.chunks(STANDS).map(beat).collect()
    }

    /// The answer to an [`Ask`].
    pub fn granted(&mut self, ask: &Ask, grant: &Grant) {
        if self.epoch != Some(ask.epoch) {
            return;
        }
        let pocket = self.pocket(ask.fund());
        pocket.set_flowing();
        let kept = self.leases.entry(grant.lease).or_insert_with(|| {
            let purse = Purse::new(grant.lease, ask.epoch, ask.day, ask.day_ends);
            Kept::new(purse, ask.fund())
        });
        self.by_fund.insert((ask.fund(), ask.day), grant.lease);
        kept.grant(grant.granted);
        self.refused.remove(&ask.fund());
        kept.purse.allow(grant.longest_hold_s, ask.longest_hold_s);
        if let Some(demand) = self.demand.get_mut(&ask.fund()) {
            demand.granted(grant);
        }
        let newer = pocket.purse.load().as_deref().is_none_or(|current| current.day <= ask.day);
        if newer {
            pocket.purse.store(Some(Arc::clone(&kept.purse)));
        }
    }

    /// Takes in a hold whose bid was sent. All holds that end at or before a watermark have to be recorded before that
    /// watermark is taken in.
    pub fn record(&mut self, hold: &Hold) {
        if let Some(kept) = self.leases.get_mut(&hold.lease) {
            kept.hold(hold);
            if kept.fund.unit == Unit::Money {
                let report = self.reports.entry(kept.fund.line_item).or_default();
                report.made = report.made.wrapping_add(hold.amount.0);
            }
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
        if let Some(kept) = self.leases.get_mut(&lease).filter(|_| ends > self.watermark) {
            kept.resolve(ends, sums);
        }
    }

    /// Takes in a watermark: every hold that ends by then and was not resolved is over. What was resolved by then has to be
    /// taken in before.
    pub fn advance(&mut self, watermark: Second) {
        if watermark <= self.watermark {
            return;
        }
        self.watermark = watermark;
        for kept in self.leases.values_mut() {
            kept.advance(watermark);
        }
    }

    /// Gives back all that is left of a lease, because the ledger wants it or nobody needs it. The next beat says so.
    pub fn give_back(&mut self, lease: LeaseId) -> Nanos {
        self.leases.get_mut(&lease).map_or(Nanos::ZERO, |kept| kept.give_back(Nanos(i64::MAX)))
    }

    /// The same of every lease.
    pub fn give_back_all(&mut self) {
        let leases: Vec<LeaseId> = self.leases.keys().copied().collect();
        for lease in leases {
            self.give_back(lease);
        }
    }

    /// Whether for every lease `granted = remaining + held + charged + returned`: while no hold is on its way to
    /// [`Wallet::record`].
    pub fn audit(&self) -> Result<(), String> {
        for (id, kept) in &self.leases {
            let parts = [kept.purse.remaining(), kept.held(), kept.charged(), kept.returned];
            let sum: i64 = parts.iter().map(|part| part.0).sum();
            if sum != kept.granted.0 {
                return Err(format!("{id:?}: {} granted, but {parts:?}", kept.granted));
            }
        }
        Ok(())
    }

    /// What is left of each lease to bid with: for people and tests.
    pub fn credits(&self) -> Vec<(LeaseId, Fund, Nanos)> {
        let credit = |(id, kept): (&LeaseId, &Kept)| (*id, kept.fund, kept.purse.remaining());
        self.leases.iter().map(credit).collect()
    }

    /// The lease that a line item's bids of this day are held under.
    pub fn lease(&self, fund: impl Into<Fund>, day: BudgetDay) -> Option<LeaseId> {
        self.by_fund.get(&(fund.into(), day)).copied()
    }
}
