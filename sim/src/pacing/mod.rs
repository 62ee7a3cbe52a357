//! A day of paced line items in virtual time, over the real books, wallets and controller: what is spent by when, beside the
//! plan. Nothing fails here but the exchange, for twenty minutes; what failures do to money is the rest of this crate.

mod bidder;
mod ledger;
mod plot;
mod report;
mod scenario;
mod traffic;
mod world;

pub use plot::plot;
pub use report::{Hour, Report, json, table};
pub use scenario::{Kind, Money, Scenario};
pub use world::run;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_even_day_keeps_its_plan_and_its_budget() {
        let day = Scenario { bids: 4_000, opportunities: 4.0, ..Scenario::all().remove(0) };
        let report = run(&day, 7).unwrap();
        assert!(report.is_met(), "{}", table(&[report]));
    }
}
