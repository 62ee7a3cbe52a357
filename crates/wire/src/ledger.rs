//! `tagbid.ledger.v1`: what its callers and the ledger write alike.

use jiff::civil::Date;
use jiff::{ToSpan, Unit};
use tagbid_types::BudgetDay;

const EPOCH: Date = Date::constant(1970, 1, 1);

/// A day as YYYY-MM-DD; empty for one that no calendar has.
pub fn day_text(day: BudgetDay) -> String {
    let date = EPOCH.checked_add(i64::from(day.0).days());
    date.map(|date| date.to_string()).unwrap_or_default()
}

/// The day of YYYY-MM-DD.
pub fn day_from(text: &str) -> Option<BudgetDay> {
    // jiff would also take a date with a time behind it.
    let date: Date = Some(text).filter(|text| text.len() == 10)?.parse().ok()?;
    Some(BudgetDay(EPOCH.until((Unit::Day, date)).ok()?.get_days()))
}
