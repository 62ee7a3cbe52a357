//! Rates between currencies.

use std::collections::BTreeMap;

use tagbid_types::{Cpm, Currency, MoneyError, divide_half_even};
use thiserror::Error;

/// What one unit of a currency is worth: trillionths (10^-12) of a unit of the common currency. Twelve decimals keep
/// five digits of the weakest currencies, and an i64 reaches to nine million units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(i64);

impl Rate {
    /// One for one.
    pub const ONE: Self = Self(1_000_000_000_000);

    /// From trillionths; `None` unless positive.
    pub fn from_trillionths(value: i64) -> Option<Self> {
        (value > 0).then_some(Self(value))
    }

    /// From a decimal such as 1.0853. `None` when it is not a number, or not within 10^-9 to 10^6: below that too
    /// few digits are left to convert money by.
    pub fn from_f64(value: f64) -> Option<Self> {
        if !(1e-9..=1e6).contains(&value) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most 10^18 after the check, inside i64, and without a fraction"
        )]
        Some(Self((value * 1e12).round_ties_even() as i64))
    }
}

/// A conversion that cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FxError {
    /// The table lacks a currency.
    #[error("no exchange rate for {0}: add it to the configured rates")]
    NoRate(Currency),
    /// The price is beyond what a price can be in the other currency.
    #[error("the price overflows in {0}")]
    Overflow(Currency),
}

/// A table of rates to one common currency. Prices of line items are compared in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fx {
    common: Currency,
    rates: BTreeMap<Currency, Rate>,
}

impl Fx {
    /// A table in which only `common` is known.
    pub fn new(common: Currency) -> Self {
        Self {
            common,
            rates: BTreeMap::from([(common, Rate::ONE)]),
        }
    }

    /// Adds or replaces a rate. The common currency stays at one for one.
    #[must_use]
    pub fn with(mut self, currency: Currency, rate: Rate) -> Self {
        if currency != self.common {
            self.rates.insert(currency, rate);
        }
        self
    }

    /// The currency in which prices are compared.
    pub fn common(&self) -> Currency {
        self.common
    }

    /// Whether prices can be converted to and from it.
    pub fn knows(&self, currency: Currency) -> bool {
        self.rates.contains_key(&currency)
    }

    /// The price in another currency, rounded half to even. The same currency needs no rate.
    pub fn convert(&self, price: Cpm, from: Currency, to: Currency) -> Result<Cpm, FxError> {
        self.apply(price, from, to, divide_half_even)
    }

    /// Like [`Fx::convert`], rounded up: for floors and bounds, which rounding must not lower.
    pub fn convert_up(&self, price: Cpm, from: Currency, to: Currency) -> Result<Cpm, FxError> {
        self.apply(price, from, to, |n, d| {
            let up = n.div_euclid(d) + i128::from(n.rem_euclid(d) != 0);
            i64::try_from(up).map_err(|_| MoneyError::Overflow)
        })
    }

    /// Like [`Fx::convert`], rounded down: for maxima, which rounding must not raise.
    pub fn convert_down(&self, price: Cpm, from: Currency, to: Currency) -> Result<Cpm, FxError> {
        self.apply(price, from, to, |n, d| {
            i64::try_from(n.div_euclid(d)).map_err(|_| MoneyError::Overflow)
        })
    }

    fn apply(
        &self,
        price: Cpm,
        from: Currency,
        to: Currency,
        divide: impl FnOnce(i128, i128) -> Result<i64, MoneyError>,
    ) -> Result<Cpm, FxError> {
        if from == to {
            return Ok(price);
        }
        let (have, want) = (self.rate(from)?, self.rate(to)?);
        // Two factors below 2^63: the product is within i128.
        divide(i128::from(price.0) * i128::from(have.0), i128::from(want.0))
            .map(Cpm)
            .map_err(|_| FxError::Overflow(to))
    }

    fn rate(&self, currency: Currency) -> Result<Rate, FxError> {
        self.rates
            .get(&currency)
            .copied()
            .ok_or(FxError::NoRate(currency))
    }
}
