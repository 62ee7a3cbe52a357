//! A batch of work, done in memory: what becomes of each piece, and what is to be written. Pure; both databases use it.

use std::collections::HashMap;

use dashmap::DashMap;

use tagbid_budget::life::Learner;
use tagbid_budget::{
    AccountId, Ask, Beat, Books, Charge, Epoch, Grant, LeaseId, Line, Owner, Period, Pot, Refusal, Release,
    Second, SessionOver, Settled, Source, Unit,
};
use tagbid_notice::{NoticeKind, Token};
use tagbid_ports::{Beaten, Opened};
use tagbid_tagset::UserKey;
use tagbid_types::{BudgetDay, Cpm, MoneyError, Nanos, Timestamp};

use super::batch::{Effect, NoticeInsert, QuarantineDelta, Sums, TallyDelta};
use super::counting::Impressions;
use super::{Key, Verdict, conversions, report};
use crate::holds;
use crate::judge::{Outcome, Record, Suspicion};
use crate::limits::Limits;
use crate::pace::Pacer;
use crate::standing::News;
use crate::work::{Done, Work};

/// Days before the latest one whose accounts a changed budget is still set in.
const DAYS_BACK: i32 = 4;

/// Work under way in one transaction.
pub(super) struct Desk<'a> {
    books: &'a mut Books,
    /// None: another ledger has set later ones.
    limits: Option<&'a Limits>,
    pacer: &'a mut Pacer,
    learner: &'a Learner,
    now: Timestamp,
    /// The prices of notices that are kept, of all bids in the batch.
    known: HashMap<Key, Option<Cpm>>,
    inserts: Vec<NoticeInsert>,
    sums: Sums,
    conversions: conversions::Desk,
    pub(super) impressions: Impressions,
    news: News,
}

/// What there is to write besides the books.
pub(super) struct Written {
    pub(super) inserts: Vec<NoticeInsert>,
    pub(super) tallies: Vec<TallyDelta>,
    pub(super) quarantine: Vec<QuarantineDelta>,
    pub(super) report: report::Written,
    pub(super) conversions: conversions::Desk,
    pub(super) impressions: Impressions,
    /// Not to be written: what counts once the rest is.
    pub(super) news: News,
}

impl Written {
    /// Keeps nobody's key who was erased after the bid: notices come late.
    pub(super) fn forget(&mut self, forgotten: &DashMap<UserKey, i64>) {
        let is_forgotten =
            |user: UserKey, issued: i64| forgotten.get(&user).is_some_and(|until| issued <= *until);
        self.inserts.iter_mut().for_each(|insert| insert.forget(is_forgotten));
        self.impressions.forget(is_forgotten);
    }
}

impl<'a> Desk<'a> {
    pub(super) fn new(
        books: &'a mut Books,
        limits: Option<&'a Limits>,
        (pacer, learner): (&'a mut Pacer, &'a Learner),
        now: Timestamp,
        known: HashMap<Key, Option<Cpm>>,
        conversions: conversions::Desk,
    ) -> Self {
        Self {
            books,
            limits,
            pacer,
            learner,
            now,
            known,
            inserts: Vec::new(),
            sums: Sums::default(),
            conversions,
            impressions: Impressions::default(),
            news: News::default(),
        }
    }

    /// Does one piece of work.
    pub(super) fn take(&mut self, work: &Work) -> Done {
        match work {
            Work::Notice(record) => Done::Notice(self.notice(record)),
            Work::Conversion(conversion) => {
                Done::Converted(self.conversions.take(conversion, &mut self.sums.report))
            }
            Work::Open => Done::Opened(self.open()),
            Work::Beat(beat) => Done::Beaten(self.beat(beat)),
            Work::Acquire(_) if self.limits.is_none() => Done::Behind,
            Work::Acquire(asks) => Done::Acquired(asks.iter().map(|ask| self.acquire(ask)).collect()),
            Work::Limits(owners) => {
                self.change_limits(owners);
                Done::Changed
            }
            Work::Counted(_) | Work::Erased(_) => {
                self.impressions.remove(work);
                Done::Changed
            }
            Work::AllLimits => {
                self.change_all_limits();
                Done::Changed
            }
            Work::Advance => {
                let advanced = self.books.advance(self.now);
                if let Some(lease) = advanced.stuck.first() {
                    tracing::error!(
                        lease = lease.0,
                        leases = advanced.stuck.len(),
                        "leases cannot be closed: their accounts do not have what they say"
                    );
                }
                self.pace();
                Done::Changed
            }
        }
    }

    /// What is to be written.
    pub(super) fn finish(self) -> Written {
        let (tallies, quarantine, report) = self.sums.finish();
        let Self { inserts, conversions, impressions, news, .. } = self;
        Written { inserts, tallies, quarantine, report, conversions, impressions, news }
    }

    fn acquire(&mut self, ask: &Ask) -> Result<Grant, Refusal> {
        let account = AccountId {
            owner: Owner::LineItem(ask.line.line_item),
            unit: ask.unit,
            period: Period::Lifetime,
        };
        let before = self.books.account(account).pot(Pot::Leased);
        let limited = self.set_limits(ask.line.accounts(ask.unit, ask.day));
        let answer = limited.map_err(Refusal::from).and_then(|()| self.books.grant(ask, self.now));
        // A grant that is told again moves nothing.
        let more = self.books.account(account).pot(Pot::Leased).0 - before.0;
        self.news.flows.asked((ask.line.advertiser, ask.unit), &answer, Nanos(more));
        answer
    }

    fn beat(&mut self, beat: &Beat) -> Result<Beaten, SessionOver> {
        self.books.beat(beat, self.now)?;
        if self.limits.is_none_or(|limits| limits.flights.any_paced()) {
            self.pacer.hear(beat.epoch, &beat.wants);
        }
        let session_s = self.books.terms().session_s;
        let lives = self.learner.news(beat.lives);
        Ok(Beaten { session_s, told: self.now, rates: self.pacer.rates(beat.epoch), lives })
    }

    /// Finds anew how fast line items may bid. Their limits are set first: one that is waiting for its first rate has not
    /// been granted anything.
    fn pace(&mut self) {
        let Some(limits) = self.limits else { return };
        let todays = self.pacer.todays(self.books, &limits.flights, self.now);
        for today in &todays {
            if let Err(problem) = self.set_limits(today.line.accounts(Unit::Money, today.day)) {
                tracing::error!(%problem, line = ?today.line, "a budget could not be set");
            }
        }
        self.pacer.step(self.books, &todays, self.now);
    }

    fn open(&mut self) -> Opened {
        let (epoch, _) = self.books.open_session(self.now);
        let session_s = self.books.terms().session_s;
        Opened { epoch, session_s, told: self.now, watermark: self.books.watermark() }
    }

    /// New, said before, or contradicting what was.
    fn notice(&mut self, record: &Record) -> Verdict {
        let key = Key::of(record);
        let suspicion = match (record.outcome, self.known.get(&key)) {
            (Outcome::Suspect(suspicion), _) => Some(suspicion),
            (_, Some(price)) if *price == record.price => {
                self.sums.duplicate(record);
                return Verdict::Duplicate;
            }
            (_, Some(_)) => Some(Suspicion::Price),
            (_, None) => None,
        };
        let settled = match suspicion {
            Some(suspicion) => Err(suspicion),
            None => self.settle(record),
        };
        match settled {
            Ok(effect) => {
                self.known.insert(key, record.price);
                self.inserts.push(NoticeInsert::of(record, &effect));
                self.sums.recorded(record, &effect);
                self.impressions.recorded(record);
                self.news.billed.extend(holds::billed(record, self.now));
                self.news.uncovered += u64::from(effect.uncovered > Nanos::ZERO);
                if record.outcome == Outcome::Billed {
                    let currency = record.token.budget_currency;
                    self.news.flows.billed(currency, effect.billed, effect.uncovered);
                }
                Verdict::Recorded
            }
            Err(suspicion) => {
                self.sums.quarantined(record, suspicion);
                Verdict::Quarantined
            }
        }
    }

    /// What the notice does to money and impressions.
    fn settle(&mut self, record: &Record) -> Result<Effect, Suspicion> {
        let token = &record.token;
        match (record.outcome, record.kind) {
            (Outcome::Billed, _) => {
                let released = self.is_known(record, NoticeKind::Loss, false);
                let hold = money(token).map_err(|_| Suspicion::Overflow)?;
                let charge = Charge { hold, amount: record.charged, released };
                let billed = self.charge(&charge).map_err(|_| Suspicion::Overflow)?;
                let over_capacity = self.deliver(token, released);
                Ok(Effect { billed: billed.spent, uncovered: billed.uncovered, over_capacity, lost: false })
            }
            (Outcome::NotBilling, NoticeKind::Loss) => {
                if !self.is_known(record, token.bills.kind(), true) {
                    self.release(token).map_err(|_| Suspicion::Overflow)?;
                }
                Ok(Effect::default())
            }
            (Outcome::NotBilling, NoticeKind::Imp | NoticeKind::Click) => {
                Ok(Effect { lost: self.is_known(record, NoticeKind::Loss, false), ..Effect::default() })
            }
            _ => Ok(Effect::default()),
        }
    }

    fn charge(&mut self, charge: &Charge) -> Result<Settled, MoneyError> {
        let hold = &charge.hold;
        if hold.lease == LeaseId(0) {
            // Nothing limited it when it was bid. What limits it now nobody may have asked money of yet.
            self.change(hold.line.accounts(hold.unit, hold.day));
        }
        let settled = self.books.settle(charge)?;
        if settled.source == Source::Overdrawn {
            self.news.overdrawn += 1;
            let (lease, epoch) = (charge.hold.lease.0, charge.hold.epoch.0);
            tracing::error!(lease, epoch, "a bidder has used more than its lease");
        }
        Ok(settled)
    }

    /// Counts a billed bid's impressions, and says how many are above a capacity. Money decides whether it is billed: accounts that
    /// cannot count any further do not stop that.
    fn deliver(&mut self, token: &Token, released: bool) -> i64 {
        let hold = impressions(token);
        match self.charge(&Charge { hold, amount: hold.amount, released }) {
            Ok(settled) => settled.uncovered.0,
            Err(problem) => {
                tracing::error!(%problem, line_item = token.line_item.0, "impressions cannot be counted");
                hold.amount.0
            }
        }
    }

    /// Gives back what a lost bid holds.
    fn release(&mut self, token: &Token) -> Result<(), MoneyError> {
        if token.lease != 0 {
            self.books.release(&money(token)?)?;
        }
        if token.capacity_lease != 0
            && let Err(problem) = self.books.release(&impressions(token))
        {
            tracing::error!(%problem, line_item = token.line_item.0, "impressions cannot be given back");
        }
        Ok(())
    }

    /// Whether another notice of the bid is kept.
    fn is_known(&self, record: &Record, kind: NoticeKind, priced: bool) -> bool {
        self.known.contains_key(&Key { kind, priced, ..Key::of(record) })
    }

    /// The catalog's limits into accounts that are about to be granted from.
    fn set_limits(&mut self, accounts: impl IntoIterator<Item = AccountId>) -> Result<(), MoneyError> {
        for account in accounts {
            if let Some(limits) = self.limits {
                self.books.set_limit(account, limits.of(account))?;
            }
        }
        Ok(())
    }

    /// The catalog's limits into accounts that there are, of days that are not long over.
    fn change_limits(&mut self, owners: &[Owner]) {
        let since = self.current_days();
        let of_theirs = owners.iter().flat_map(|owner| self.books.accounts_of(*owner));
        let touched: Vec<AccountId> = of_theirs.filter(|id| is_current(id, since)).collect();
        self.change(touched);
    }

    /// The same of all accounts: also of owners that have lost their budget while nobody listened.
    fn change_all_limits(&mut self) {
        let since = self.current_days();
        let all = self.books.accounts().map(|(id, _)| id);
        let touched: Vec<AccountId> = all.filter(|id| is_current(id, since)).collect();
        self.change(touched);
    }

    /// From when on days are not long over.
    fn current_days(&self) -> Option<BudgetDay> {
        let days = self.books.accounts().filter_map(|(id, _)| match id.period {
            Period::Day(day) => Some(day),
            Period::Lifetime => None,
        });
        days.max().map(|BudgetDay(day)| BudgetDay(day.saturating_sub(DAYS_BACK)))
    }

    fn change(&mut self, accounts: impl IntoIterator<Item = AccountId>) {
        for account in accounts {
            if let Err(problem) = self.set_limits([account]) {
                tracing::error!(%problem, ?account, "a budget could not be set");
            }
        }
    }
}

fn is_current(id: &AccountId, since: Option<BudgetDay>) -> bool {
    match id.period {
        Period::Lifetime => true,
        Period::Day(day) => since.is_none_or(|since| day >= since),
    }
}

/// The hold of money that a token stands for: the most that its bid can cost.
fn money(token: &Token) -> Result<Release, MoneyError> {
    let amount = token.cost(token.max_price)?;
    Ok(Release { lease: LeaseId(token.lease), unit: Unit::Money, amount, ..impressions(token) })
}

/// Its hold of impressions.
fn impressions(token: &Token) -> Release {
    Release {
        lease: LeaseId(token.capacity_lease),
        epoch: Epoch(token.epoch),
        line: Line { advertiser: token.advertiser, campaign: token.campaign, line_item: token.line_item },
        unit: Unit::Impressions,
        day: token.budget_day,
        amount: Nanos(token.impressions()),
        until: Second(token.hold_until_s),
    }
}
