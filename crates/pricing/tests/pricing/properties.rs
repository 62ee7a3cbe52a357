//! What holds for any rules, rates and offers.

use proptest::prelude::*;
use tagbid_pricing::{BidRules, Bounds, Floor, Fx, Mechanism, Multiplier, NoPrice, Offer, Rate, decide};
use tagbid_targeting::{Dimension, Leaf, Raise, TagKind, TagTest, Truth};
use tagbid_types::{Cpm, Currency, Ratio};

const CURRENCIES: [&str; 3] = ["USD", "EUR", "IDR"];

fn currency() -> impl Strategy<Value = Currency> {
    prop::sample::select(&CURRENCIES[..]).prop_map(|code| code.parse().unwrap())
}

/// Dollars are common; a euro and a rupiah are worth anything from a hundred-thousandth to a hundred dollars.
fn fx() -> impl Strategy<Value = Fx> {
    let rate = || (10_000_000_i64..=100_000_000_000_000).prop_map(|n| Rate::from_trillionths(n).unwrap());
    (rate(), rate()).prop_map(|(eur, idr)| {
        Fx::new(Currency::USD).with("EUR".parse().unwrap(), eur).with("IDR".parse().unwrap(), idr)
    })
}

fn price() -> impl Strategy<Value = Cpm> {
    prop_oneof![1_i64..100, 1_i64..50_000_000, 1_i64..=Cpm::MAX.0].prop_map(Cpm)
}

/// A test that is always known, or one of tags.
fn leaf() -> impl Strategy<Value = Leaf> {
    let tags =
        TagTest { any_of: vec![tagbid_types::TagId(1)], kind: TagKind::Any, min_weight: 0, max_age_s: None };
    prop::sample::select(vec![Leaf::Present(Dimension::City), Leaf::Tag(tags)])
}

fn rules() -> impl Strategy<Value = BidRules> {
    let factor = prop_oneof![0_i64..3_000_000, 0_i64..=100_000_000];
    let multiplier = (factor, leaf()).prop_map(|(factor, when)| Multiplier { when, factor: Ratio(factor) });
    let multipliers = prop::collection::vec(multiplier, 0..12);
    let capped = prop::bool::weighted(0.8);
    (price(), price(), price(), capped, currency(), multipliers).prop_map(
        |(base, a, b, capped, currency, multipliers)| {
            let max = if capped { Some(a.max(b)) } else { None };
            BidRules { base, currency, min: a.min(b).min(max.unwrap_or(base)), max, multipliers }
        },
    )
}

fn truths() -> impl Strategy<Value = Vec<Truth>> {
    let truth = prop::sample::select(&[Truth::False, Truth::Unknown, Truth::True][..]);
    prop::collection::vec(truth, 12)
}

fn floor() -> impl Strategy<Value = Option<Floor>> {
    prop::option::of((price(), currency()).prop_map(|(price, currency)| Floor { price, currency }))
}

fn offer() -> impl Strategy<Value = Offer> {
    let mechanism =
        prop::sample::select(&[Mechanism::FirstPrice, Mechanism::SecondPrice, Mechanism::Fixed][..]);
    (mechanism, floor(), floor(), currency()).prop_map(|(mechanism, floor, deal_floor, currency)| Offer {
        mechanism,
        floor,
        deal_floor,
        currency,
    })
}

/// What a price is worth in units of the common currency that are fine enough to be exact: no rounding at all.
fn exact(price: Cpm, currency: Currency, rate: impl Fn(Currency) -> i128) -> i128 {
    i128::from(price.0) * rate(currency)
}

/// The rate of a currency in trillionths, read back through a conversion that leaves no remainder.
fn rate_of(fx: &Fx) -> impl Fn(Currency) -> i128 {
    move |currency| i128::from(fx.convert(Cpm(1_000_000_000_000), currency, Currency::USD).unwrap().0)
}

/// What the tests of the multipliers say when these are their outcomes: only one of tags can be unknown.
fn possible(rules: &BidRules, truths: &[Truth]) -> Vec<Truth> {
    let mut truths = truths.to_vec();
    for (truth, multiplier) in truths.iter_mut().zip(&rules.multipliers) {
        if !matches!(multiplier.when, Leaf::Tag(_)) {
            *truth = Truth::from(truth.holds());
        }
    }
    truths
}

/// The bound for a request of which the tests say this.
fn bound_for(bounds: &Bounds, truths: &[Truth]) -> Cpm {
    let all =
        |bits: u128, wanted| (0..128).filter(|place| bits >> place & 1 == 1).all(|p| truths[p] == wanted);
    let holds = |raise: &&Raise| all(raise.holding, Truth::True) && all(raise.failing, Truth::False);
    bounds.raises.iter().filter(holds).map(|raise| raise.bound).fold(bounds.bound, Cpm::max)
}

proptest! {
    /// A price lies within its minimum and maximum, and no higher than the bound.
    #[test]
    fn the_bound_bounds(rules in rules(), truths in truths()) {
        let price = rules.price(|index| truths[index]);
        prop_assert!(rules.min <= price && price <= rules.most());
        prop_assert!(price <= rules.bound());
    }

    /// The bound is reached: some outcome of the tests gives exactly it.
    #[test]
    fn the_bound_is_no_higher_than_needed(mut rules in rules()) {
        rules.multipliers.truncate(6);
        let count = rules.multipliers.len();
        let prices = (0_u32..1 << count).map(|set| rules.price(|index| Truth::from(set >> index & 1 == 1)));
        prop_assert_eq!(prices.max(), Some(rules.bound()));
    }

    /// A higher base never gives a lower price.
    #[test]
    fn price_rises_with_its_base(rules in rules(), more in 0_i64..1_000_000, truths in truths()) {
        let dearer = BidRules { base: Cpm(rules.base.0 + more), ..rules.clone() };
        prop_assert!(rules.price(|i| truths[i]) <= dearer.price(|i| truths[i]));
    }

    /// A bid is worth no more than the rules' maximum and no less than the floor that counts, to the last
    /// trillionth of a micro, whatever the currencies.
    #[test]
    fn a_bid_lies_between_floor_and_maximum(
        rules in rules(), truths in truths(), offer in offer(), fx in fx(), factor in 0_i64..=2_000_000,
    ) {
        let price = rules.price(|index| truths[index]);
        let Ok(bid) = decide(&rules, price, &offer, &fx, &Ratio(factor)) else { return Ok(()) };
        let rate = rate_of(&fx);
        prop_assert_eq!(bid.currency, offer.currency);
        prop_assert!(bid.price > Cpm::ZERO && bid.floor <= bid.price && bid.price <= bid.worth);
        prop_assert!(exact(bid.price, bid.currency, &rate) <= exact(rules.most(), rules.currency, &rate));
        if let Some(floor) = offer.deal_floor.or(offer.floor) {
            prop_assert!(exact(bid.price, bid.currency, &rate) >= exact(floor.price, floor.currency, &rate));
        }
    }

    /// Only a first price differs from what the rules are worth, a fixed price apart, which is the deal's floor.
    #[test]
    fn shading_is_for_first_prices(
        rules in rules(), offer in offer(), fx in fx(), factor in 0_i64..=2_000_000,
    ) {
        let Ok(bid) = decide(&rules, rules.bound(), &offer, &fx, &Ratio(factor)) else { return Ok(()) };
        match offer.mechanism {
            Mechanism::FirstPrice => {}
            Mechanism::SecondPrice => prop_assert_eq!(bid.price, bid.worth),
            Mechanism::Fixed => prop_assert_eq!(bid.price, bid.floor),
        }
    }

    /// Silence for the price means that even the full price is under the floor, or less than a micro.
    #[test]
    fn no_bid_is_lost_above_the_floor(rules in rules(), offer in offer(), fx in fx()) {
        if let Err(NoPrice::BelowFloor { price, floor, .. }) = decide(&rules, rules.bound(), &offer, &fx, &Ratio::ONE) {
            prop_assert!(price < floor || price == Cpm::ZERO);
        }
    }

    /// A candidate's bound is worth at least the price that is paid: stopping below it loses nothing.
    #[test]
    fn bounds_do_not_round_a_price_away(rules in rules(), truths in truths(), fx in fx()) {
        let rate = rate_of(&fx);
        let truths = possible(&rules, &truths);
        let bound = bound_for(&rules.bounds(&fx).unwrap(), &truths);
        let price = rules.price(|index| truths[index]);
        prop_assert!(exact(bound, Currency::USD, &rate) >= exact(price, rules.currency, &rate));
    }

    /// With few multipliers on tests that are always known, the bound is the price.
    #[test]
    fn bounds_of_few_multipliers_are_exact(mut rules in rules(), truths in truths()) {
        rules.multipliers.retain(|multiplier| !matches!(multiplier.when, Leaf::Tag(_)));
        rules.multipliers.truncate(3);
        rules.currency = Currency::USD;
        let truths = possible(&rules, &truths);
        let bounds = rules.bounds(&Fx::new(Currency::USD)).unwrap();
        prop_assert!(bounds.raises.iter().all(|raise| raise.bound > bounds.bound));
        prop_assert_eq!(bound_for(&bounds, &truths), rules.price(|index| truths[index]));
    }

    /// The three roundings of a conversion differ by at most a micro and keep their order.
    #[test]
    fn conversions_round_as_they_say(price in price(), from in currency(), to in currency(), fx in fx()) {
        let down = fx.convert_down(price, from, to).unwrap();
        let even = fx.convert(price, from, to).unwrap();
        let up = fx.convert_up(price, from, to).unwrap();
        prop_assert!(down <= even && even <= up && up.0 - down.0 <= 1);
        let rate = rate_of(&fx);
        let value = exact(price, from, &rate);
        prop_assert!(exact(down, to, &rate) <= value && value <= exact(up, to, &rate));
    }
}
