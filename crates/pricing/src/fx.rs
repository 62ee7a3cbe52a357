//! Rates between currencies.

use std::collections::BTreeMap;

use tagbid_types::{Cpm, Currency, MoneyError, Rate, divide_half_even};
use thiserror::Error;

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
        Self { common, rates: BTreeMap::from([(common, Rate::ONE)]) }
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
        self.apply(price, from, to, |n, d| i64::try_from(n.div_euclid(d)).map_err(|_| MoneyError::Overflow))
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
        divide(i128::from(price.0) * i128::from(have.trillionths()), i128::from(want.trillionths()))
            .map(Cpm)
            .map_err(|_| FxError::Overflow(to))
    }

    /// What one unit of `from` is worth in `to`: for those who convert later at today's rate. To twelve decimals.
    pub fn between(&self, from: Currency, to: Currency) -> Result<Rate, FxError> {
        let (have, want) = (self.rate(from)?, self.rate(to)?);
        let product = i128::from(have.trillionths()) * i128::from(Rate::ONE.trillionths());
        divide_half_even(product, i128::from(want.trillionths()))
            .ok()
            .and_then(Rate::from_trillionths)
            .ok_or(FxError::Overflow(to))
    }

    fn rate(&self, currency: Currency) -> Result<Rate, FxError> {
        self.rates.get(&currency).copied().ok_or(FxError::NoRate(currency))
    }
}
