//! From plays to line items: which company plays what in which market, for how much.

use tagbid_catalog::{
    Budget, CapScope, CapUnknown, CapWindow, FrequencyCap, Header, LineItem, Pacing, Schedule, Status,
};
use tagbid_exchange::Dice;
use tagbid_exchange::world::{COUNTRIES, City, Country, TOPICS, Topic, World};
use tagbid_pricing::{BidRules, Multiplier};
use tagbid_targeting::{Expr, Leaf};
use tagbid_types::{Cpm, Currency, LineItemId, Nanos, Ratio};

use super::creatives::Kit;
use super::money::{cpm, worth};
use super::playbook::PLAYS;
use super::traders::{TRADERS, Trader, advertiser_id, campaign_id};

/// Where a play is played.
pub(super) struct Desk<'w> {
    pub(super) world: &'w World,
    /// Position of the company.
    pub(super) trader: usize,
    pub(super) company: &'static Trader,
    /// The market of this line item, and all of the company's.
    pub(super) market: &'static Country,
    pub(super) markets: Vec<&'static Country>,
    pub(super) city: &'static City,
    /// The topic, and its position in the world's.
    pub(super) topic: &'static Topic,
    pub(super) topic_number: usize,
    /// For what a company tries differently in each line item.
    pub(super) dice: Dice,
}

/// What a play asks for.
pub(super) struct Brief {
    kit: Kit,
    cents: i64,
    target: Expr,
    multipliers: Vec<Multiplier>,
}

impl Brief {
    /// Shows these creatives, for a base CPM in cents of a dollar, where this holds.
    pub(super) fn new(kit: Kit, cents: i64, target: Expr) -> Self {
        Self { kit, cents, target, multipliers: Vec::new() }
    }

    /// Pays so many percent of the price where this holds.
    pub(super) fn pays(mut self, percent: i64, when: Leaf) -> Self {
        self.multipliers.push(Multiplier { when, factor: Ratio(percent * 10_000) });
        self
    }

    /// The rules in a currency, at so many percent of the price: companies differ a little, so that ties are rare.
    fn bid(&self, currency: Currency, percent: i64) -> BidRules {
        let cents = self.cents * percent / 100;
        BidRules {
            base: cpm(cents, currency),
            currency,
            min: cpm(cents / 4, currency),
            max: Some(cpm(cents * 5 / 2, currency)),
            multipliers: self.multipliers.clone(),
        }
    }
}

/// The first `count` line items.
pub(super) fn line_items(world: &World, count: usize) -> impl Iterator<Item = LineItem> {
    (0..count).map(move |number| line_item(world, number))
}

fn line_item(world: &World, number: usize) -> LineItem {
    let trader = number / PLAYS.len() % TRADERS.len();
    let play = &PLAYS[number % PLAYS.len()];
    let mut desk = Desk::open(world, trader, number);
    let brief = (play.brief)(&mut desk);
    let own = desk.company.currency();
    let currency = if number % 7 == 6 { Currency::USD } else { own };
    let bid = brief.bid(currency, desk.dice.between(90, 110));
    let base = bid.base;
    LineItem {
        id: LineItemId(number as u64 + 1),
        header: Header::default(),
        advertiser: advertiser_id(trader),
        campaign: campaign_id(trader, number),
        name: format!("{} | {} | {}", desk.market.alpha3, play.name, brief.kit.as_str()),
        // Somebody always forgets to take one up again.
        status: if number % 50 == 49 { Status::Paused } else { Status::Active },
        targeting: brief.target,
        bid,
        schedule: Schedule::default(),
        budget: Budget { daily: Some(daily(number, base, currency, own)), lifetime: None },
        capacity: tagbid_catalog::Capacity::default(),
        pacing: pacing(number),
        caps: vec![FrequencyCap { scope: CapScope::LineItem, impressions: 5, window: CapWindow::Day }],
        cap_unknown: if number.is_multiple_of(2) { CapUnknown::Bid } else { CapUnknown::NoBid },
        creatives: brief.kit.ids(trader),
    }
}

/// A hundred dollars a day; some try their luck with what twenty impressions cost at the base price.
fn daily(number: usize, base: Cpm, currency: Currency, own: Currency) -> Nanos {
    // A CPM in micros is nanos for one impression.
    if number % 10 == 3 && currency == own { Nanos(base.0.saturating_mul(20)) } else { worth(100, own) }
}

/// Most are in a hurry: a demo is short.
fn pacing(number: usize) -> Pacing {
    match number % 8 {
        0 => Pacing::Even,
        4 => Pacing::TrafficShaped,
        _ => Pacing::Asap,
    }
}

impl<'w> Desk<'w> {
    fn open(world: &'w World, trader: usize, number: usize) -> Self {
        let company = &TRADERS[trader];
        let markets: Vec<&Country> =
            company.markets.iter().filter_map(|code| COUNTRIES.iter().find(|c| c.alpha3 == *code)).collect();
        let topics: Vec<usize> = company.topic_numbers().collect();
        let market = markets[number % markets.len()];
        let topic_number = topics[number / 3 % topics.len()];
        let mut dice = Dice::new(number as u64);
        Self {
            world,
            trader,
            company,
            market,
            markets,
            city: dice.pick(market.cities),
            topic: &TOPICS[topic_number],
            topic_number,
            dice,
        }
    }

    /// The codes of all markets of the company.
    pub(super) fn countries(&self) -> impl Iterator<Item = &'static str> {
        self.markets.iter().map(|country| country.alpha3)
    }

    /// The centres of the market's cities.
    pub(super) fn centres(&self) -> impl Iterator<Item = (f64, f64)> {
        self.market.cities.iter().map(|city| (city.lat, city.lon))
    }
}
