//! What an impression's auction makes of a price: floor, deal, shading.
//!
//! The rules, from OpenRTB 2.6 (sections 3.2.1, 3.2.4, 3.2.12):
//! - `at` defaults to 2, second price plus; a deal's `at` overrides the request's; 3 exists for deals only and means
//!   that the deal's floor is the price; codes from 500 are the exchange's own.
//! - `bidfloorcur` defaults to USD, of the impression and of the deal each by itself.
//! - The floor of a deal takes the place of the impression's; a deal without one is under the impression's.
//!
//! Ours: a price is lowered ("shaded") in first-price auctions alone, never below the floor; a floor is rounded up
//! when it is converted, so that a bid is never short of it by a rounding.

use std::collections::BTreeMap;

use tagbid_types::{Cpm, Currency, CurrencyError, NoBidReason, Ratio};
use thiserror::Error;

use crate::{BidRules, Fx, FxError};

/// How the winner's payment is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// The winner pays its bid.
    FirstPrice,
    /// The winner pays what it took to win.
    SecondPrice,
    /// The winner pays the price that the deal agreed.
    Fixed,
}

/// What an exchange's own auction codes mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExchangeAuctions {
    /// Meaning of `at` codes from 500. One that is missing is second price, as if `at` were absent: the bid is the
    /// full price, which never exceeds what the advertiser allowed.
    pub codes: BTreeMap<i32, Mechanism>,
}

impl ExchangeAuctions {
    /// How an impression is sold, from the request's `at` and, when bidding on a deal, the deal's. Codes that mean
    /// nothing where they stand count as absent.
    pub fn mechanism(&self, request_at: Option<i32>, deal_at: Option<i32>) -> Mechanism {
        let deal = deal_at.and_then(|at| match at {
            3 => Some(Mechanism::Fixed),
            other => self.common(other),
        });
        deal.or_else(|| request_at.and_then(|at| self.common(at))).unwrap_or(Mechanism::SecondPrice)
    }

    fn common(&self, at: i32) -> Option<Mechanism> {
        match at {
            1 => Some(Mechanism::FirstPrice),
            2 => Some(Mechanism::SecondPrice),
            500.. => self.codes.get(&at).copied(),
            _ => None,
        }
    }
}

/// A lowest price, in its own currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// The price.
    pub price: Cpm,
    /// Its currency.
    pub currency: Currency,
}

impl Floor {
    /// From `bidfloor` and `bidfloorcur` of an impression or a deal. No floor when the price is zero, which is
    /// OpenRTB's default; USD when the currency is empty, for both alike. Fractions of a micro count as a whole
    /// one, and what is beyond any price stays so.
    pub fn read(bidfloor: f64, bidfloorcur: &str) -> Result<Option<Self>, FloorError> {
        if bidfloor.is_nan() || bidfloor < 0.0 {
            return Err(FloorError::Price(bidfloor));
        }
        let currency = if bidfloorcur.is_empty() { Currency::USD } else { bidfloorcur.parse()? };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "0 to 1e15 after the minimum, inside i64, and without a fraction"
        )]
        // The thousandth keeps 1.1, which has no exact double, from becoming 1.100001.
        let price = Cpm((bidfloor * 1e6 - 1e-3).ceil().clamp(0.0, 1e15) as i64);
        Ok((price > Cpm::ZERO).then_some(Self { price, currency }))
    }
}

/// A floor that cannot be read, so that nothing can be offered against it.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum FloorError {
    /// Not a number, or negative.
    #[error("bidfloor {0} is no price")]
    Price(f64),
    /// Not a currency.
    #[error("bidfloorcur: {0}")]
    Currency(#[from] CurrencyError),
}

/// What is for sale: an impression, on the open auction or on one of its deals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// How it is sold: [`ExchangeAuctions::mechanism`].
    pub mechanism: Mechanism,
    /// The impression's floor.
    pub floor: Option<Floor>,
    /// The deal's floor when bidding on a deal that has one; it takes the place of the impression's. Zero is none.
    pub deal_floor: Option<Floor>,
    /// The currency of the answer: [`bid_currency`].
    pub currency: Currency,
}

/// Lowers prices in first-price auctions. A constant factor is one; what is learnt from notices will be another.
pub trait Shade {
    /// A price to offer instead of `price`, in the same currency. The caller keeps it between floor and price.
    fn shade(&self, price: Cpm, floor: Cpm) -> Cpm;
}

impl Shade for Ratio {
    fn shade(&self, price: Cpm, _floor: Cpm) -> Cpm {
        price.scale(*self).unwrap_or(price)
    }
}

/// A price to bid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priced {
    /// What to bid.
    pub price: Cpm,
    /// The currency of all prices here.
    pub currency: Currency,
    /// What the rules were ready to pay: the price before shading, or above a fixed price.
    pub worth: Cpm,
    /// The floor that counted; zero without one.
    pub floor: Cpm,
    /// How it is sold.
    pub mechanism: Mechanism,
}

/// Why there is no price to bid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoPrice {
    /// The rules' price is too low, or nothing at all.
    #[error("the price of {price} {currency} is below the floor of {floor}")]
    BelowFloor {
        /// What the rules were ready to pay.
        price: Cpm,
        /// The floor in the same currency.
        floor: Cpm,
        /// That currency.
        currency: Currency,
    },
    /// A deal at a fixed price does not tell its price.
    #[error("the deal has a fixed price but does not say which")]
    FixedPriceMissing,
    /// A currency has no rate.
    #[error(transparent)]
    Fx(#[from] FxError),
}

impl NoPrice {
    /// The reason on the wire and in metrics.
    pub fn reason(&self) -> NoBidReason {
        match self {
            Self::BelowFloor { .. } => NoBidReason::BelowFloor,
            Self::FixedPriceMissing => NoBidReason::InvalidRequest,
            Self::Fx(_) => NoBidReason::Currency,
        }
    }
}

/// What to bid on the offer when the rules make it worth `price` (from [`BidRules::price`], in the rules' currency).
pub fn decide(
    rules: &BidRules,
    price: Cpm,
    offer: &Offer,
    fx: &Fx,
    shade: &dyn Shade,
) -> Result<Priced, NoPrice> {
    let currency = offer.currency;
    let worth = rules.in_currency(price, currency, fx)?;
    let agreed = offer.deal_floor.filter(|floor| floor.price > Cpm::ZERO);
    let floor = match agreed.or(offer.floor) {
        Some(floor) => fx.convert_up(floor.price, floor.currency, currency)?,
        None => Cpm::ZERO,
    };
    if offer.mechanism == Mechanism::Fixed && agreed.is_none() {
        return Err(NoPrice::FixedPriceMissing);
    }
    // Exchanges refuse a bid of nothing, so the least bid is a micro even without a floor.
    let least = floor.max(Cpm(1));
    if worth < least {
        return Err(NoPrice::BelowFloor { price: worth, floor, currency });
    }
    let price = match offer.mechanism {
        Mechanism::FirstPrice => shade.shade(worth, floor).clamp(least, worth),
        Mechanism::SecondPrice => worth,
        Mechanism::Fixed => floor,
    };
    Ok(Priced { price, currency, worth, floor, mechanism: offer.mechanism })
}

/// The currency of a request's answer: the exchange's default when the request allows it or says nothing (`cur`
/// absent or empty), else the first allowed one that has a rate. `None`: there is no such currency. An answer has
/// one currency for all its bids, so it is chosen once per request.
pub fn bid_currency(allowed: &[Currency], default: Currency, fx: &Fx) -> Option<Currency> {
    if allowed.is_empty() {
        return fx.knows(default).then_some(default);
    }
    let preferred = allowed.iter().filter(|currency| **currency == default);
    preferred.chain(allowed).copied().find(|currency| fx.knows(*currency))
}
