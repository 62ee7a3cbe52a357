//! A ledger: books made of the database's rows, and steps over them.

use tagbid_budget::life::{Law, Learner};
use tagbid_budget::{Books, LedgerClock, Settled, Unit};
use tagbid_types::{MoneyError, Timestamp};

use crate::Bug;
use crate::database::{BidRow, Database};
use crate::exchange::Bid;
use crate::net::Says;

/// One process.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// As of the transaction `seen`; none: to be read.
    pub(crate) books: Option<Books>,
    pub(crate) seen: u64,
    pub(crate) clock: LedgerClock,
    pub(crate) learner: Learner,
    pub(crate) down_until: i64,
}

/// What a notice does in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// It says again what was said before, or contradicts it.
    Nothing,
    /// A hold was given back.
    Released,
    /// A bid was billed: what that did to money, and to impressions.
    Billed(Settled, Settled),
}

/// What becomes of a notice. The row is to be written in the same transaction.
pub(crate) fn take_notice(
    books: &mut Books,
    database: &Database,
    id: u64,
    bid: &Bid,
    says: Says,
    bug: Option<Bug>,
) -> Result<(Done, BidRow), MoneyError> {
    let mut row = database.bids.get(&id).copied().unwrap_or_default();
    let known = row.billed.is_some();
    let done = match says {
        Says::Billed(_) if known && bug != Some(Bug::BillsDuplicates) => Done::Nothing,
        Says::Lost if known || row.released => Done::Nothing,
        Says::Lost => {
            row.released = true;
            // One of no lease is open under none.
            let money = books.release(&bid.release(Unit::Money))?;
            let impressions = books.release(&bid.release(Unit::Impressions))?;
            if money || impressions { Done::Released } else { Done::Nothing }
        }
        Says::Billed(price) => {
            let settled = books.settle(&bid.charge(price, row.released))?;
            let delivered = books.settle(&bid.delivery(row.released))?;
            row.billed = Some((tagbid_types::Nanos(price), settled.spent));
            row.delivered = delivered.spent;
            Done::Billed(settled, delivered)
        }
    };
    Ok((done, row))
}

impl Ledger {
    pub(crate) fn start(law: Law, wall: Timestamp, boot: tagbid_types::Monotonic) -> Self {
        let (clock, learner) = (LedgerClock::start(wall, boot), Learner::new(law));
        Self { books: None, seen: 0, clock, learner, down_until: 0 }
    }
}
