//! What has to hold after every transaction, and when all is over.

use std::collections::BTreeMap;

use tagbid_budget::life::{Law, Learner};
use tagbid_budget::{AccountId, Books, Owner, Period, Pot, Settled, Source, Unit};
use tagbid_types::{Nanos, Timestamp};

use crate::database::Database;
use crate::exchange::{Bid, Exchange};
use crate::ledger::Done;

/// What was found wrong, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Microseconds since the beginning.
    pub at: i64,
    /// What does not hold.
    pub what: String,
}

/// What the checks remember.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    /// What may be spent of an account at most: its limit, or what was committed when that was lowered below it.
    ceilings: BTreeMap<AccountId, (Option<Nanos>, Option<i128>)>,
    /// What was billed by now: nanos, and impressions that capacities covered.
    pub(crate) billed: BTreeMap<Unit, i128>,
}

impl Checks {
    /// After a transaction: the rows say what the ledger thinks, money is where leases say it is, no account is overspent,
    /// and what was spent is what was billed.
    pub(crate) fn committed(&mut self, books: &Books, database: &Database) -> Result<(), String> {
        let written = database.books(books.terms()).map_err(|error| error.to_string())?;
        if written != *books {
            return Err("the rows are not what the ledger thinks they are".into());
        }
        books.audit()?;
        let mut spent: BTreeMap<Unit, i128> = BTreeMap::new();
        for (id, account) in books.accounts() {
            let paid = account.pot(Pot::Spent).0;
            if let (Owner::LineItem(_), Period::Lifetime) = (id.owner, id.period) {
                *spent.entry(id.unit).or_default() += i128::from(paid);
            }
            let (limit, ceiling) = self.ceilings.entry(id).or_default();
            if *limit != account.limit() {
                *limit = account.limit();
                let committed =
                    [Pot::Leased, Pot::Held, Pot::Spent].map(|pot| i128::from(account.pot(pot).0));
                *ceiling = limit.map(|limit| i128::from(limit.0).max(committed.iter().sum()));
            }
            if ceiling.is_some_and(|ceiling| i128::from(paid) > ceiling) {
                return Err(format!("{id:?} is overspent: {account:?}"));
            }
        }
        let of = |sums: &BTreeMap<Unit, i128>, unit| sums.get(&unit).copied().unwrap_or_default();
        for unit in [Unit::Money, Unit::Impressions] {
            let (spent, billed) = (of(&spent, unit), of(&self.billed, unit));
            if spent != billed {
                return Err(format!("{unit:?}: {spent} are spent, and {billed} billed"));
            }
        }
        Ok(())
    }

    /// When all is over: nothing is leased, and what was acknowledged was kept, once.
    pub(crate) fn over(&self, books: &Books, database: &Database, exchange: &Exchange) -> Result<(), String> {
        if let Some((id, lease)) = books.leases().next() {
            return Err(format!("{id:?} never came back: {lease:?}"));
        }
        let committed = |pot| books.accounts().find(|(_, account)| account.pot(pot) != Nanos::ZERO);
        if let Some((id, account)) = committed(Pot::Leased).or_else(|| committed(Pot::Held)) {
            return Err(format!("{id:?} has {account:?} and no lease"));
        }
        for (id, bid) in exchange.bids.iter().filter(|(_, bid)| bid.acknowledged) {
            let row = database.bids.get(id).copied().unwrap_or_default();
            // Of contradicting notices the first one counts.
            let said =
                |price: i64| bid.price.is_some_and(|true_one| price == true_one || price == true_one / 2);
            if !row.billed.is_some_and(|(price, _)| said(price.0)) {
                return Err(format!("bid {id} was acknowledged at {:?} and kept as {row:?}", bid.price));
            }
        }
        recount(books, database, exchange)
    }
}

/// After hold lives were looked at: they are what the rows say to anybody, and within their limits.
pub(crate) fn learnt(learner: &Learner, database: &Database, law: Law, now: Timestamp) -> Result<(), String> {
    let mut reader = Learner::new(law);
    database.teach(&mut reader, 0);
    reader.look(now, 1);
    let lives = |learner: &Learner| learner.news(0).map(|news| news.lives);
    let (told, written) = (lives(learner), lives(&reader));
    let limits = law.shortest_s..=law.longest_s;
    if told != written {
        return Err(format!("hold lives are {told:?} and the rows say {written:?}"));
    }
    match told.iter().flatten().find(|(_, life)| !limits.contains(life)) {
        Some((cell, life)) => Err(format!("the hold life of {cell:?} is {life}")),
        None => Ok(()),
    }
}

/// Every account says what the bids that were billed say together.
fn recount(books: &Books, database: &Database, exchange: &Exchange) -> Result<(), String> {
    let mut sums: BTreeMap<AccountId, i64> = BTreeMap::new();
    for (id, bid) in &exchange.bids {
        let Some((row, (_, paid))) = database.bids.get(id).and_then(|row| Some((row, row.billed?))) else {
            continue;
        };
        for (unit, amount) in [(Unit::Money, paid), (Unit::Impressions, row.delivered)] {
            let day = bid.release(unit).day;
            bid.line.accounts(unit, day).iter().for_each(|id| *sums.entry(*id).or_default() += amount.0);
        }
    }
    let differs = |(id, account): &(AccountId, &tagbid_budget::Account)| {
        account.pot(Pot::Spent).0 != sums.get(id).copied().unwrap_or_default()
    };
    match books.accounts().find(differs) {
        Some((id, account)) => Err(format!("{id:?} has {account:?}, and its bids {:?}", sums.get(&id))),
        None => Ok(()),
    }
}

/// After a notice: a hold that is open pays for its bid, and none that is over does. What was not held because nothing limits it is
/// covered whole.
pub(crate) fn noticed(done: Done, bid: &Bid, released: bool, books: &Books) -> Result<(), String> {
    let Done::Billed(money, impressions) = done else { return Ok(()) };
    for (unit, settled) in [(Unit::Money, money), (Unit::Impressions, impressions)] {
        let hold = bid.release(unit);
        let (held, open) = (hold.lease.0 != 0, hold.until > books.watermark() && !released);
        let Settled { source, uncovered, .. } = settled;
        let right = match source {
            Source::Hold => held && open && uncovered == Nanos::ZERO,
            Source::Free => held && !open,
            Source::Unlimited => !held && uncovered == Nanos::ZERO,
            Source::Overdrawn => false,
        };
        if !right {
            return Err(format!("{hold:?} was billed as {settled:?}"));
        }
    }
    Ok(())
}
