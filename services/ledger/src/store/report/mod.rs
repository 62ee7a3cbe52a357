//! Sums of notices and conversions by line item, creative, exchange and hour, kept in the transactions that keep these: so a report
//! says what the ledger says, to the nano.

mod read;
mod sums;

pub(crate) use read::{By, LossQuery, LossRow, Place, ReportQuery, ReportRow, Reports};
pub(crate) use sums::Sold;
pub(super) use sums::{Cell, hour};
pub(super) use sums::{LOSS, ReportSums, TALLY_KEY, Written};
