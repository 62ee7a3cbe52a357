//! The auction rules, one story each: what is offered, what the rules are worth, what is bid.

use std::collections::BTreeMap;

use tagbid_pricing::{
    BidRules, ExchangeAuctions, Floor, FloorError, Fx, FxError, Mechanism, Multiplier, NoPrice, Offer,
    Priced, Rate, bid_currency, decide, validate,
};
use tagbid_targeting::{Dimension, Leaf, References, Truth};
use tagbid_types::{Cpm, Currency, ListId, NoBidReason, Ratio, TagId};

const HALF: Ratio = Ratio(500_000);

fn eur() -> Currency {
    "EUR".parse().unwrap()
}

/// One euro is 1.10 dollars.
fn rates() -> Fx {
    Fx::new(Currency::USD).with(eur(), Rate::from_f64(1.1).unwrap())
}

fn rules(currency: Currency) -> BidRules {
    BidRules {
        base: Cpm(2_000_000),
        currency,
        min: Cpm(100_000),
        max: Some(Cpm(4_000_000)),
        multipliers: vec![],
    }
}

/// A line item worth 2.00 dollars meets an offer; the exchange has learnt that half the price wins.
struct Story {
    at: Option<i32>,
    deal_at: Option<i32>,
    floor: Option<Floor>,
    deal_floor: Option<Floor>,
    exchange: ExchangeAuctions,
    currency: Currency,
}

fn given() -> Story {
    Story {
        at: None,
        deal_at: None,
        floor: None,
        deal_floor: None,
        exchange: ExchangeAuctions::default(),
        currency: Currency::USD,
    }
}

impl Story {
    fn at(mut self, at: i32) -> Self {
        self.at = Some(at);
        self
    }

    fn floor(mut self, price: f64, currency: &str) -> Self {
        self.floor = Floor::read(price, currency).unwrap();
        self
    }

    fn deal(mut self, at: Option<i32>, price: f64, currency: &str) -> Self {
        self.deal_at = at;
        self.deal_floor = Floor::read(price, currency).unwrap();
        self
    }

    fn answer_in(mut self, currency: Currency) -> Self {
        self.currency = currency;
        self
    }

    fn exchange_code(mut self, at: i32, means: Mechanism) -> Self {
        self.exchange.codes = BTreeMap::from([(at, means)]);
        self
    }

    fn decision(&self) -> Result<Priced, NoPrice> {
        let offer = Offer {
            mechanism: self.exchange.mechanism(self.at, self.deal_at),
            floor: self.floor,
            deal_floor: self.deal_floor,
            currency: self.currency,
        };
        decide(&rules(Currency::USD), Cpm(2_000_000), &offer, &rates(), &HALF)
    }

    #[track_caller]
    fn bids(&self, price: f64) {
        assert_eq!(self.decision().map(|priced| priced.price), Ok(Cpm::from_f64(price).unwrap()));
    }

    #[track_caller]
    fn stays_silent(&self, reason: NoBidReason) {
        assert_eq!(self.decision().map_err(|no| no.reason()), Err(reason));
    }
}

#[test]
fn an_auction_that_does_not_say_is_second_price_and_gets_the_full_price() {
    given().bids(2.0);
    given().at(2).bids(2.0);
}

#[test]
fn first_price_is_shaded_and_stays_between_floor_and_price() {
    given().at(1).bids(1.0);
    given().at(1).floor(1.5, "").bids(1.5);
    given().at(1).floor(2.0, "").bids(2.0);
    given().at(1).floor(2.000_001, "").stays_silent(NoBidReason::BelowFloor);
}

#[test]
fn the_price_before_shading_is_told() {
    let priced = given().at(1).floor(0.5, "").decision().unwrap();
    assert_eq!((priced.worth, priced.floor), (Cpm(2_000_000), Cpm(500_000)));
    assert_eq!(priced.mechanism, Mechanism::FirstPrice);
}

#[test]
fn a_deals_auction_overrides_the_requests_in_both_directions() {
    given().at(1).deal(Some(2), 0.5, "").bids(2.0);
    given().at(2).deal(Some(1), 0.5, "").bids(1.0);
    given().at(1).deal(None, 0.5, "").bids(1.0);
}

#[test]
fn a_fixed_price_deal_pays_exactly_its_price() {
    given().at(1).deal(Some(3), 1.25, "").bids(1.25);
    given().deal(Some(3), 2.01, "").stays_silent(NoBidReason::BelowFloor);
    given().deal(Some(3), 0.0, "").stays_silent(NoBidReason::InvalidRequest);
    // An impression's floor is nobody's agreed price.
    given().floor(1.0, "").deal(Some(3), 0.0, "").stays_silent(NoBidReason::InvalidRequest);
}

#[test]
fn three_means_fixed_in_deals_only() {
    given().at(3).floor(1.0, "").bids(2.0);
}

#[test]
fn codes_of_the_exchange_mean_what_its_settings_say() {
    given().at(500).exchange_code(500, Mechanism::FirstPrice).bids(1.0);
    given().at(500).bids(2.0);
    given().at(1).deal(Some(501), 0.5, "").exchange_code(501, Mechanism::SecondPrice).bids(2.0);
    // A code below 500 is no exchange's own, whatever the settings say.
    given().at(7).exchange_code(7, Mechanism::FirstPrice).bids(2.0);
}

#[test]
fn the_deals_floor_takes_the_place_of_the_impressions() {
    given().floor(3.0, "").deal(None, 1.0, "").bids(2.0);
    given().floor(1.0, "").deal(None, 3.0, "").stays_silent(NoBidReason::BelowFloor);
    given().floor(3.0, "").deal(None, 0.0, "").stays_silent(NoBidReason::BelowFloor);
    let mut zero = given().floor(3.0, "");
    zero.deal_floor = Some(Floor { price: Cpm::ZERO, currency: Currency::USD });
    zero.stays_silent(NoBidReason::BelowFloor);
}

#[test]
fn a_deal_does_not_inherit_the_impressions_currency() {
    // 1.90 euros are 2.09 dollars: too much. 1.90 dollars are not.
    given().floor(1.9, "EUR").stays_silent(NoBidReason::BelowFloor);
    given().floor(1.9, "EUR").deal(None, 1.9, "").bids(2.0);
    given().floor(1.9, "").deal(None, 1.9, "EUR").stays_silent(NoBidReason::BelowFloor);
}

#[test]
fn the_answer_is_in_the_requests_currency_and_never_short_of_a_floor_by_rounding() {
    given().answer_in(eur()).bids(1.818_182);
    // 1 dollar is 0.9090909... euros: the floor counts as a whole micro more.
    let priced = given().at(1).floor(1.0, "USD").answer_in(eur()).decision().unwrap();
    assert_eq!((priced.floor, priced.price), (Cpm(909_091), Cpm(909_091)));
}

#[test]
fn a_maximum_holds_in_every_currency() {
    // The maximum of 2 dollars is 1.8181818... euros; half to even alone would bid 1.818182 and pass it.
    let mut tight = rules(Currency::USD);
    tight.max = Some(Cpm(2_000_000));
    assert_eq!(tight.in_currency(Cpm(2_000_000), eur(), &rates()), Ok(Cpm(1_818_181)));
}

#[test]
fn without_a_rate_there_is_no_price() {
    given().floor(1.0, "CHF").stays_silent(NoBidReason::Currency);
    given().answer_in("CHF".parse().unwrap()).stays_silent(NoBidReason::Currency);
    let missing = rates().convert(Cpm(1), Currency::USD, "CHF".parse().unwrap()).unwrap_err();
    assert_eq!(missing.to_string(), "no exchange rate for CHF: add it to the configured rates");
}

#[test]
fn the_answers_currency_is_an_allowed_one_with_a_rate() {
    let chf: Currency = "CHF".parse().unwrap();
    let choose = |allowed: &[Currency]| bid_currency(allowed, Currency::USD, &rates());
    assert_eq!(choose(&[]), Some(Currency::USD));
    assert_eq!(choose(&[eur(), Currency::USD]), Some(Currency::USD));
    assert_eq!(choose(&[chf, eur()]), Some(eur()));
    assert_eq!(choose(&[chf]), None);
    assert_eq!(bid_currency(&[], chf, &rates()), None);
}

#[test]
fn floors_are_read_as_the_wire_means_them() {
    let micros = |text: f64| Floor::read(text, "usd").unwrap().map(|floor| floor.price);
    assert_eq!(micros(0.0), None);
    assert_eq!(micros(1.1), Some(Cpm(1_100_000)));
    assert_eq!(micros(0.000_000_1), Some(Cpm(1)));
    assert_eq!(micros(0.123_456_7), Some(Cpm(123_457)));
    assert_eq!(micros(1e300), Some(Cpm(1_000_000_000_000_000)));
    assert!(matches!(Floor::read(f64::NAN, ""), Err(FloorError::Price(_))));
    assert!(matches!(Floor::read(1.0, "US dollars"), Err(FloorError::Currency(_))));
}

#[test]
fn multipliers_apply_in_order_and_unknown_ones_not_at_all() {
    let test = Leaf::Present(Dimension::City);
    let times = |factor| Multiplier { when: test.clone(), factor: Ratio(factor) };
    let mut rules = rules(Currency::USD);
    rules.multipliers = vec![times(1_500_000), times(500_000), times(3_000_000)];
    let price = |truths: [Truth; 3]| rules.price(|index| truths[index]);
    let (yes, no, unknown) = (Truth::True, Truth::False, Truth::Unknown);
    assert_eq!(price([no, no, unknown]), Cpm(2_000_000));
    assert_eq!(price([yes, no, no]), Cpm(3_000_000));
    assert_eq!(price([yes, yes, no]), Cpm(1_500_000));
    assert_eq!(price([yes, no, yes]), Cpm(4_000_000));
    assert_eq!(rules.bound(), Cpm(4_000_000));
}

#[test]
fn a_currency_without_rate_has_no_bound() {
    let chf = "CHF".parse().unwrap();
    assert_eq!(rules(chf).bounds(&rates()), Err(FxError::NoRate(chf)));
}

#[test]
fn a_price_too_large_for_the_other_currency_is_refused() {
    let fx = rates().with(eur(), Rate::from_trillionths(1).unwrap());
    let most = Cpm(i64::MAX);
    assert_eq!(fx.convert(most, Currency::USD, eur()), Err(FxError::Overflow(eur())));
    assert_eq!(fx.convert_up(most, Currency::USD, eur()), Err(FxError::Overflow(eur())));
}

struct Nothing;

impl References for Nothing {
    fn list(&self, _: ListId) -> Option<Dimension> {
        None
    }

    fn tag(&self, _: TagId) -> bool {
        false
    }
}

fn faults(rules: &BidRules) -> Vec<String> {
    let problems = validate(rules, &rates(), &Nothing);
    problems.into_iter().map(|problem| problem.path).collect()
}

#[test]
fn rules_that_make_no_sense_are_refused_by_field() {
    assert!(faults(&rules(eur())).is_empty());
    let mut bad = rules("XXX".parse().unwrap());
    bad.base = Cpm::ZERO;
    bad.min = Cpm(-1);
    bad.max = Some(Cpm(Cpm::MAX.0 + 1));
    bad.multipliers = vec![Multiplier {
        when: Leaf::OnList { dimension: Dimension::Site, list: ListId(1) },
        factor: Ratio(100_000_001),
    }];
    assert_eq!(
        faults(&bad),
        [
            "bid.base",
            "bid.max",
            "bid.min",
            "bid.currency",
            "bid.multipliers[0].factor",
            "bid.multipliers[0].when.on_list.list"
        ]
    );
}

#[test]
fn a_minimum_above_the_maximum_and_endless_multipliers_are_refused() {
    let mut rules = rules(eur());
    rules.min = Cpm(4_000_001);
    assert_eq!(faults(&rules), ["bid.min"]);
    rules.min = Cpm::ZERO;
    let always = Multiplier { when: Leaf::Present(Dimension::City), factor: Ratio::ONE };
    rules.multipliers = vec![always; 101];
    assert_eq!(faults(&rules), ["bid.multipliers"]);
}

#[test]
fn the_base_lies_between_minimum_and_maximum() {
    let mut rules = rules(eur());
    rules.min = Cpm(2_000_001);
    assert_eq!(faults(&rules), ["bid.min"]);
    rules.min = Cpm(2_000_000);
    rules.max = Some(Cpm(1_999_999));
    assert_eq!(faults(&rules), ["bid.min", "bid.max"]);
    rules.max = Some(Cpm(2_000_000));
    assert_eq!(faults(&rules), [""; 0]);
}

#[test]
fn without_a_maximum_the_base_is_the_most_and_nothing_may_raise_it() {
    let mut rules = BidRules { max: None, ..rules(eur()) };
    assert_eq!(faults(&rules), [""; 0]);
    assert_eq!(rules.bound(), Cpm(2_000_000));
    rules.base = Cpm(3_000_000);
    assert_eq!(rules.bound(), Cpm(3_000_000), "the most follows the base");
    let often = |factor| Multiplier { when: Leaf::Present(Dimension::City), factor: Ratio(factor) };
    rules.multipliers = vec![often(500_000)];
    assert_eq!(faults(&rules), [""; 0]);
    rules.multipliers.push(often(1_000_001));
    assert_eq!(faults(&rules), ["bid.max"]);
}
