//! Ledgers: what they do with what they hear, one transaction each.

use tagbid_budget::{AccountId, Books, Changes, Period, Source, Unit};
use tagbid_types::{MoneyError, Monotonic, Nanos, Timestamp};

use super::{Event, World};
use crate::Bug;
use crate::check::{learnt, noticed};
use crate::database::{BidRow, Database};
use crate::ledger::{Done, Ledger, take_notice};
use crate::net::{Notice, ToBidder, ToLedger, copies};
use crate::setup::{BEGIN, SECOND};

impl World {
    pub(super) fn at_ledger(&mut self, number: usize, message: ToLedger) {
        match message {
            ToLedger::Open { bidder, asked } => {
                let opened = self.transact(number, |books, _, now| {
                    let (epoch, _) = books.open_session(now);
                    Ok(((epoch, now, books.watermark()), None))
                });
                if let Some((epoch, told, watermark)) = opened {
                    self.post_to_bidder(number, bidder, ToBidder::Opened { asked, epoch, told, watermark });
                }
            }
            ToLedger::Beat { bidder, asked, beat } => {
                let beaten = self.transact(number, |books, _, now| {
                    let live = books.beat(&beat, now).is_ok();
                    Ok((live.then(|| (now, books.update(beat.epoch))), None))
                });
                let Some(answer) = beaten else { return };
                let lives = self.ledgers[number].learner.news(beat.lives);
                let answer = match answer {
                    Some((told, update)) => ToBidder::Beaten { asked, beat, told, update, lives },
                    None => ToBidder::Over { epoch: beat.epoch },
                };
                self.post_to_bidder(number, bidder, answer);
            }
            ToLedger::Ask { bidder, ask } => {
                let limits = self.limits_of(&ask.line.accounts(ask.unit, ask.day));
                let granted = self.transact(number, |books, _, now| {
                    for (id, limit) in &limits {
                        books.set_limit(*id, *limit)?;
                    }
                    Ok((books.grant(&ask, now), None))
                });
                if let Some(grant) = granted {
                    self.post_to_bidder(number, bidder, ToBidder::Granted { ask, grant });
                }
            }
            ToLedger::Notice(notice) => self.take(number, notice),
        }
    }

    pub(super) fn take(&mut self, number: usize, notice: Notice) {
        let Some(bid) = self.exchange.bids.get(&notice.bid).copied() else { return };
        let released = self.database.bids.get(&notice.bid).is_some_and(|row| row.released);
        let bug = self.bug;
        let mut checked = Ok(());
        let taken = self.transact(number, |books, database, _| {
            let (done, row) = take_notice(books, database, notice.bid, &bid, notice.says, bug)?;
            checked = noticed(done, &bid, released, books);
            Ok(((), Some((notice.bid, row, done))))
        });
        self.check(checked);
        if taken.is_some() {
            for wait in copies(&self.setup.weather, &mut self.dice) {
                self.after(wait, Event::Acknowledged { notice });
            }
        }
    }

    pub(super) fn advance(&mut self, number: usize) {
        // When all is over nobody waits for it.
        let wait = if self.is_over() { 5 * SECOND } else { SECOND / 2 };
        self.after(wait, Event::Advance { ledger: number });
        let advanced = self.transact(number, |books, _, now| {
            let advanced = books.advance(now);
            if !advanced.stuck.is_empty() {
                return Err(MoneyError::Overflow);
            }
            Ok((advanced, None))
        });
        if advanced.is_none() {
            return;
        }
        let Some(books) = self.ledgers[number].books.clone() else { return };
        for bidder in 0..self.bidders.len() {
            if let Some(epoch) = self.bidders[bidder].wallet.epoch().filter(|_| self.bidders[bidder].up) {
                let update = books.update(epoch);
                self.post_to_bidder(number, bidder, ToBidder::Update { epoch, update });
            }
        }
    }

    /// One transaction of a ledger: whole, or nothing is written. None when the ledger is down, or goes down in it: before
    /// or after it was written, which nobody can tell from outside.
    pub(super) fn transact<T>(
        &mut self,
        number: usize,
        step: impl FnOnce(
            &mut Books,
            &Database,
            Timestamp,
        ) -> Result<(T, Option<(u64, BidRow, Done)>), MoneyError>,
    ) -> Option<T> {
        if self.ledgers[number].down_until > self.now {
            return None;
        }
        if self.ledgers[number].down_until > 0 {
            self.ledgers[number] = self.start_ledger();
        }
        let crash = self.dice.chance(self.setup.weather.ledger_crash).then(|| self.dice.chance(0.5));
        if crash == Some(false) {
            self.crash_ledger(number);
            return None;
        }
        let (database, ledger) = (&mut self.database, &mut self.ledgers[number]);
        let now = ledger.clock.at(Monotonic((self.now - BEGIN).unsigned_abs()), database.written);
        database.teach(&mut ledger.learner, ledger.seen);
        let known = ledger.books.take().filter(|_| ledger.seen == database.seq);
        let result = known.map_or_else(|| database.books(self.setup.terms), Ok);
        let result = result.and_then(|mut books| Ok((step(&mut books, database, now)?, books)));
        match result {
            Ok(((answer, row), books)) => {
                self.commit(number, books, row, now);
                if crash.is_some() {
                    self.crash_ledger(number);
                    return None;
                }
                Some(answer)
            }
            Err(error) => {
                self.check(Err(error.to_string()));
                None
            }
        }
    }

    pub(super) fn commit(
        &mut self,
        number: usize,
        mut books: Books,
        row: Option<(u64, BidRow, Done)>,
        now: Timestamp,
    ) {
        let mut changes = books.take_changes();
        if self.bug == Some(Bug::ForgetsAnAccount) && self.dice.chance(0.01) {
            changes.accounts.pop_first();
        }
        self.database.write(&books, &changes, now);
        self.totals.commits += 1;
        self.learn(number, row.as_ref(), now);
        if let Some((id, row, done)) = row {
            self.count(done);
            // What is billed is counted by bid, so that billing one twice shows.
            let before = self.database.bids.insert(id, row).unwrap_or_default();
            let paid = |row: BidRow| i128::from(row.billed.map_or(0, |(_, paid)| paid.0));
            let delivered = |row: BidRow| i128::from(row.delivered.0);
            *self.checks.billed.entry(Unit::Money).or_default() += paid(row) - paid(before);
            *self.checks.billed.entry(Unit::Impressions).or_default() += delivered(row) - delivered(before);
        }
        if changes != Changes::default() {
            let result = self.checks.committed(&books, &self.database);
            self.check(result);
        }
        let ledger = &mut self.ledgers[number];
        (ledger.books, ledger.seen) = (Some(books), self.database.seq);
    }

    /// What the ledger makes of a committed transaction for the lives of holds. Its rows are written with it.
    fn learn(&mut self, number: usize, row: Option<&(u64, BidRow, Done)>, now: Timestamp) {
        let billed = row.filter(|(_, _, done)| matches!(done, Done::Billed(..)));
        let bid = billed.and_then(|(id, _, _)| self.exchange.bids.get(id));
        let billed = bid.map(|bid| bid.billed(&self.setup, now));
        let (learner, database) = (&mut self.ledgers[number].learner, &mut self.database);
        let rows = learner.to_write(now);
        database.add_delays(&rows);
        learner.wrote(&rows, now);
        if let Some(billed) = billed {
            learner.note(&billed, now);
        }
        if learner.look(now, database.seq) {
            let result = learnt(learner, database, self.setup.law, now);
            self.check(result);
        }
    }

    pub(super) fn count(&mut self, done: Done) {
        if let Done::Billed(money, impressions) = done {
            self.totals.billed += 1;
            self.totals.spent += i128::from(money.spent.0);
            self.totals.uncovered += i128::from(money.uncovered.0);
            self.totals.late += u64::from(money.source == Source::Free);
            self.totals.delivered += impressions.spent.0.unsigned_abs();
            self.totals.over_capacity += impressions.uncovered.0.unsigned_abs();
            self.totals.rationed += u64::from(impressions.source != Source::Unlimited);
        }
    }

    pub(super) fn start_ledger(&mut self) -> Ledger {
        let off = self.setup.weather.clocks_off;
        let wall = Timestamp(self.now + self.dice.between(-off, off));
        let boot = Monotonic((self.now - BEGIN).unsigned_abs());
        Ledger::start(self.setup.law, wall, boot)
    }

    pub(super) fn crash_ledger(&mut self, number: usize) {
        self.totals.faults += 1;
        let down = self.dice.between(SECOND / 10, 10 * SECOND);
        let ledger = &mut self.ledgers[number];
        (ledger.books, ledger.down_until) = (None, self.now + down);
    }

    pub(super) fn limits_of(&self, ids: &[AccountId]) -> Vec<(AccountId, Option<Nanos>)> {
        let limit = |id: &AccountId| {
            self.limits.get(&(id.owner, id.unit, id.period != Period::Lifetime)).copied().flatten()
        };
        ids.iter().map(|id| (*id, limit(id))).collect()
    }
}
