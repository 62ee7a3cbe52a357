//! What the ledger's one writer is given to do, and what it answers. Everything that changes money goes this way.

use tagbid_budget::{Ask, Beat, Grant, Owner, Refusal, SessionOver};
use tagbid_ports::{Beaten, Opened};
use tagbid_tagset::UserKey;
use tagbid_types::Timestamp;

use crate::conversion::{Conversion, Converted};
use crate::judge::Record;
use crate::store::Verdict;

/// One thing to do.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// Keep a notice, and bill it or release its hold.
    Notice(Box<Record>),
    /// Keep a conversion, and credit it to an ad.
    Conversion(Box<Conversion>),
    /// Begin a bidder's session.
    Open,
    /// Take in how a bidder stands.
    Beat(Beat),
    /// Grant leases.
    Acquire(Vec<Ask>),
    /// These owners' budgets have changed in the catalog.
    Limits(Vec<Owner>),
    /// The whole catalog was read: what budgets were before it nobody knows.
    AllLimits,
    /// Move the watermark.
    Advance,
    /// The tag store has counted the impressions of these rows of the outbox, or never will.
    Counted(Vec<i64>),
    /// What these users saw up to a moment is not to be counted any more.
    Erased(Vec<(UserKey, Timestamp)>),
}

/// What became of it. Durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Notice(Verdict),
    Converted(Converted),
    Opened(Opened),
    Beaten(Result<Beaten, SessionOver>),
    Acquired(Vec<Result<Grant, Refusal>>),
    /// Nothing was granted: another ledger knows budgets that this one has not read yet.
    Behind,
    /// Of work that nobody waits to hear more about.
    Changed,
}
