//! Money that moves, by currency, and what became of asks for leases: for people.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use tagbid_budget::{Books, Grant, Refusal, Unit};
use tagbid_runtime::metrics::{Counter, encode_counters, encode_gauges};
use tagbid_types::{AdvertiserId, Currency, Nanos, Timestamp};

/// Whose currency an advertiser's money is in; none: the catalog has not said yet.
pub(crate) type CurrencyOf<'a> = &'a dyn Fn(AdvertiserId) -> Option<Currency>;

/// What became of an ask.
const RESULTS: [&str; 5] = ["granted", "empty", "day_over", "session_over", "overflow"];

/// Between two looks at all leases: there may be tens of thousands.
const LOOK_EVERY: i64 = 1_000_000;

/// What one transaction did, which counts once it is committed.
#[derive(Debug, Default)]
pub(crate) struct FlowNews {
    asks: [u64; RESULTS.len()],
    granted: BTreeMap<AdvertiserId, Nanos>,
    billed: BTreeMap<Currency, Nanos>,
    uncovered: BTreeMap<Currency, Nanos>,
}

fn add<K: Ord>(to: &mut BTreeMap<K, Nanos>, key: K, more: Nanos) {
    let sum = to.entry(key).or_default();
    sum.0 = sum.0.saturating_add(more.0);
}

impl FlowNews {
    /// An ask was answered; `more`: what its lease got that it had not had.
    pub(crate) fn asked(
        &mut self,
        (advertiser, unit): (AdvertiserId, Unit),
        answer: &Result<Grant, Refusal>,
        more: Nanos,
    ) {
        let result = match answer {
            Ok(_) => 0,
            Err(Refusal::Empty(_)) => 1,
            Err(Refusal::DayOver) => 2,
            Err(Refusal::Session(_)) => 3,
            Err(Refusal::Money(_)) => 4,
        };
        self.asks[result] += 1;
        if unit == Unit::Money && more > Nanos::ZERO {
            add(&mut self.granted, advertiser, more);
        }
    }

    /// A bid was billed so much; and so much of it no budget covered, which is not billed.
    pub(crate) fn billed(&mut self, currency: Currency, billed: Nanos, uncovered: Nanos) {
        add(&mut self.billed, currency, billed);
        if uncovered > Nanos::ZERO {
            add(&mut self.uncovered, currency, uncovered);
        }
    }
}

/// Sums since the start, and what is leased now.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    asks: [Counter; RESULTS.len()],
    sums: Mutex<BTreeMap<Currency, Sums>>,
    looked: AtomicI64,
}

/// Of one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    granted: i128,
    billed: i128,
    uncovered: i128,
    leased: i128,
}

impl Flows {
    /// A transaction is committed.
    pub(crate) fn committed(&self, news: &FlowNews, books: &Books, currency: CurrencyOf<'_>, now: Timestamp) {
        for (counter, more) in self.asks.iter().zip(news.asks) {
            counter.add(more);
        }
        let look = books.open_leases() == 0 || now.0 - self.looked.load(Ordering::Relaxed) >= LOOK_EVERY;
        let quiet = news.granted.is_empty() && news.billed.is_empty() && !look;
        if quiet {
            return;
        }
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        for (advertiser, more) in &news.granted {
            if let Some(currency) = currency(*advertiser) {
                sums.entry(currency).or_default().granted += i128::from(more.0);
            }
        }
        for (currency, more) in &news.billed {
            sums.entry(*currency).or_default().billed += i128::from(more.0);
        }
        for (currency, more) in &news.uncovered {
            sums.entry(*currency).or_default().uncovered += i128::from(more.0);
        }
        if look {
            self.looked.store(now.0, Ordering::Relaxed);
            sums.values_mut().for_each(|one| one.leased = 0);
            let leases = books.leases().filter(|(_, lease)| lease.unit == Unit::Money);
            for (_, lease) in leases {
                if let Some(currency) = currency(lease.line.advertiser) {
                    sums.entry(currency).or_default().leased += i128::from(lease.outstanding().0);
                }
            }
        }
    }

    /// For Prometheus, in whole units of the currency.
    pub(crate) fn encode(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let asks = RESULTS.iter().zip(&self.asks).map(|(result, count)| ([("result", *result)], count.get()));
        let help = "Asks for money or impressions of a line item, by what became of them";
        encode_counters(to, "tagbid_ledger_lease_asks", help, asks)?;
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner).clone();
        type Pick = fn(&Sums) -> i128;
        let counters: [(&str, &str, Pick); 3] = [
            ("tagbid_ledger_money_granted", "Money leased to bidders since the start", |one| one.granted),
            ("tagbid_ledger_money_billed", "Money billed since the start", |one| one.billed),
            (
                "tagbid_ledger_money_uncovered",
                "Money of billed bids that no budget covered, which is not billed",
                |one| one.uncovered,
            ),
        ];
        for (name, help, pick) in counters {
            let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (currency, one) in &sums {
                let label = label(currency);
                family
                    .encode_family(&label)?
                    .encode_counter::<NoLabelSet, _, u64>(&units(pick(one)), None)?;
            }
        }
        let leased = sums.iter().map(|(currency, one)| (label(currency), units(one.leased)));
        let help = "Money that bidders have leased now, in holds or free; of all ledgers of the database";
        encode_gauges(to, "tagbid_ledger_money_leased", help, leased)
    }
}

fn label(currency: &Currency) -> [(&'static str, String); 1] {
    [("currency", currency.to_string())]
}

/// Rounded by the float: for people, never for books.
fn units(nanos: i128) -> f64 {
    nanos as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use tagbid_budget::{Ask, Line, Terms};
    use tagbid_types::{BudgetDay, CampaignId, LineItemId};

    use super::*;

    #[test]
    fn what_is_leased_is_what_the_books_say_and_is_gone_with_the_lease() {
        let (advertiser, usd) = (AdvertiserId(1), Currency::USD);
        let currency = |one| (one == advertiser).then_some(usd);
        let mut books = Books::new(Terms { session_s: 10, longest_hold_s: 60, grace_s: 2 });
        let (flows, now) = (Flows::default(), Timestamp::from_secs(100));
        let (epoch, _) = books.open_session(now);
        let line = Line { advertiser, campaign: CampaignId(1), line_item: LineItemId(1) };
        let ask = Ask {
            epoch,
            line,
            unit: Unit::Money,
            day: BudgetDay(0),
            day_ends: Timestamp::from_secs(86_400),
            known: Nanos(0),
            want: Nanos(3_000_000_000),
            least: Nanos(1),
            longest_hold_s: 60,
        };
        let mut news = FlowNews::default();
        let answer = books.grant(&ask, now);
        news.asked((advertiser, Unit::Money), &answer, Nanos(3_000_000_000));
        news.billed(usd, Nanos(500_000_000), Nanos(20_000_000));
        flows.committed(&news, &books, &currency, now);
        let sums = || *flows.sums.lock().unwrap().get(&usd).unwrap();
        let expected = Sums {
            granted: 3_000_000_000,
            billed: 500_000_000,
            uncovered: 20_000_000,
            leased: 3_000_000_000,
        };
        assert_eq!(sums(), expected);
        assert_eq!(flows.asks[0].get(), 1);

        let later = Timestamp::from_secs(200);
        assert_eq!(books.advance(later).closed.len(), 1);
        flows.committed(&FlowNews::default(), &books, &currency, later);
        assert_eq!(sums(), Sums { leased: 0, ..expected });
    }
}
