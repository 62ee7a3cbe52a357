//! Dollars of the plan in the money of each company, at the world's rates.

use tagbid_exchange::Rates;
use tagbid_types::{Cpm, Currency, Nanos};

/// A CPM in cents of a dollar, as a CPM in another currency. At least the smallest price there is.
pub(super) fn cpm(cents: i64, currency: Currency) -> Cpm {
    let dollars = Cpm(cents.saturating_mul(10_000));
    let converted = Rates::default().convert(dollars, Currency::USD, currency);
    converted.unwrap_or(dollars).max(Cpm(1))
}

/// A budget of so many dollars, in another currency.
pub(super) fn worth(dollars: i64, currency: Currency) -> Nanos {
    // A CPM in micros is nanos for one impression: a thousandth of the unit.
    Nanos(cpm(dollars.saturating_mul(100), currency).0.saturating_mul(1_000))
}
