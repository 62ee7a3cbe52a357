//! Sums of notices and conversions by line item, creative, exchange and hour, kept in the transactions that keep these: so a report
//! says what the ledger says, to the nano.

mod read;
mod statements;
mod sums;

pub(crate) use read::{By, LossQuery, LossRow, Place, ReportQuery, ReportRow, Reports};
pub(super) use statements::Statements;
pub(crate) use sums::Sold;
pub(super) use sums::{Cell, hour};
pub(super) use sums::{ReportSums, Written};
