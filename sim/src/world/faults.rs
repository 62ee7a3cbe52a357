//! What goes wrong, and what people change.

use tagbid_budget::{AccountId, Books, Period};
use tagbid_types::Nanos;

use super::{Event, World};
use crate::setup::{SECOND, some_limit};

impl World {
    pub(super) fn fault(&mut self) {
        if self.is_over() {
            return;
        }
        let wait = self.dice.between(1, 2 * self.setup.weather.faults_every);
        self.after(wait, Event::Fault);
        self.totals.faults += 1;
        let bidder = self.dice.below(self.bidders.len());
        let ledger = self.dice.below(self.ledgers.len());
        let long = self.dice.between(SECOND, 40 * SECOND);
        match self.dice.below(5) {
            0 => {
                self.bidders[bidder].crash();
                self.after(long / 4, Event::Start { bidder });
            }
            3 => {
                for words in self.bidders[bidder].leave() {
                    self.post_to_ledger(bidder, words);
                }
                self.after(long / 4, Event::Start { bidder });
            }
            1 => self.bidders[bidder].paused_until = self.now + long,
            2 => {
                self.cut.insert((bidder, ledger));
                self.after(long, Event::Heal { bidder, ledger });
            }
            _ => self.crash_ledger(ledger),
        }
    }

    /// Raises or lowers a budget or a capacity, or takes it away.
    pub(super) fn change_budgets(&mut self) {
        if self.is_over() || self.limits.is_empty() {
            return;
        }
        let wait = self.dice.between(1, 2 * self.setup.weather.budgets_every);
        self.after(wait, Event::Budgets);
        let which = self.dice.below(self.limits.len());
        let Some((key, value)) = self.limits.iter_mut().nth(which) else { return };
        let (owner, unit, daily) = *key;
        // Now and then to next to nothing.
        let less = if self.dice.chance(0.2) { 100 } else { 1 };
        let limit = (!self.dice.chance(0.1)).then(|| Nanos(some_limit(unit, &mut self.dice).0 / less));
        *value = limit;
        let books = self.database.books(self.setup.terms).unwrap_or_else(|_| Books::new(self.setup.terms));
        let accounts = books.accounts().map(|(id, _)| id);
        let touched = accounts
            .filter(|id| (id.owner, id.unit) == (owner, unit) && (id.period != Period::Lifetime) == daily);
        let touched: Vec<AccountId> = touched.collect();
        for ledger in 0..self.ledgers.len() {
            self.transact(ledger, |books, _, _| {
                for id in &touched {
                    books.set_limit(*id, limit)?;
                }
                Ok(((), None))
            });
        }
    }
}
