//! Money as integers. A CPM price counts micros (a millionth of the currency unit for a thousand impressions);
//! an amount counts nanos (a billionth of the unit). One impression at a CPM of `n` micros costs exactly `n`
//! nanos, so prices and balances never round against each other.
//!
//! Rounding happens in one function, [`divide_half_even`]; every operation that can overflow says so.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Arithmetic on money that has no right answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// The result does not fit; nothing was changed.
    #[error("amount overflows")]
    Overflow,
    /// A rate or a divisor was zero or negative.
    #[error("divisor must be positive")]
    Divisor,
}

/// A price for a thousand impressions in micros of a currency's unit: 1_500_000 is a CPM of 1.50.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cpm(pub i64);

impl Cpm {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The highest price that is accepted anywhere: a CPM of one million.
    pub const MAX: Self = Self(1_000_000_000_000);

    /// From a decimal such as OpenRTB's `bidfloor`. Rounds half to even; `None` when it is not a number, is
    /// negative, or is above [`Cpm::MAX`].
    pub fn from_f64(units: f64) -> Option<Self> {
        let micros = (units * 1e6).round_ties_even();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the guard keeps it far inside i64, and it has no fraction"
        )]
        (0.0..=1e12).contains(&micros).then_some(Self(micros as i64))
    }

    /// As a decimal in the currency's unit, for the wire. Exact up to 2^53 micros, above [`Cpm::MAX`].
    #[expect(clippy::cast_precision_loss, reason = "prices stop at 1e12 micros, below 2^53")]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// What one impression costs at this price.
    pub fn per_impression(self) -> Nanos {
        Nanos(self.0)
    }

    /// This price times a ratio, rounded half to even.
    pub fn scale(self, by: Ratio) -> Result<Self, MoneyError> {
        divide_half_even(i128::from(self.0) * i128::from(by.0), i128::from(Ratio::ONE.0)).map(Self)
    }
}

impl fmt::Display for Cpm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

/// An amount in nanos of a currency's unit: what budgets, leases and balances count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nanos(pub i64);

impl Nanos {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The sum, or an error instead of a wrapped balance.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.0.checked_add(other.0).map(Self).ok_or(MoneyError::Overflow)
    }

    /// The difference, or an error instead of a wrapped balance.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.0.checked_sub(other.0).map(Self).ok_or(MoneyError::Overflow)
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
    }
}

/// A factor in millionths: 1_500_000 is 1.5. Bid multipliers, FX rates and shading use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ratio(pub i64);

impl Ratio {
    /// Changes nothing.
    pub const ONE: Self = Self(1_000_000);

    /// From a decimal. `None` when it is not a number, negative, or above one million.
    pub fn from_f64(value: f64) -> Option<Self> {
        Cpm::from_f64(value).map(|micros| Self(micros.0))
    }
}

impl Default for Ratio {
    fn default() -> Self {
        Self::ONE
    }
}

/// What one unit of a currency is worth in another: trillionths (10^-12) of the other's unit. Twelve decimals keep
/// five digits of the weakest currencies, and an i64 reaches to nine million units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(i64);

impl Rate {
    /// One for one.
    pub const ONE: Self = Self(1_000_000_000_000);

    /// From trillionths; `None` unless positive.
    pub fn from_trillionths(value: i64) -> Option<Self> {
        (value > 0).then_some(Self(value))
    }

    /// In trillionths.
    pub const fn trillionths(self) -> i64 {
        self.0
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

/// `numerator / denominator`, ties to the even quotient: the one place where money is rounded.
pub fn divide_half_even(numerator: i128, denominator: i128) -> Result<i64, MoneyError> {
    if denominator <= 0 {
        return Err(MoneyError::Divisor);
    }
    let floor = numerator.div_euclid(denominator);
    let twice = numerator.rem_euclid(denominator) * 2;
    let up = twice > denominator || (twice == denominator && floor % 2 != 0);
    i64::try_from(floor + i128::from(up)).map_err(|_| MoneyError::Overflow)
}

/// Not an ISO 4217 alphabetic code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("currency {0:?}: use a three-letter ISO 4217 code such as \"USD\"")]
pub struct CurrencyError(String);

/// An ISO 4217 alphabetic code, upper-case. Three letters; whether a rate exists is for the rate table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// US dollar: OpenRTB's default for `bidfloorcur` and `cur`.
    pub const USD: Self = Self(*b"USD");

    /// The code as text.
    pub fn as_str(&self) -> &str {
        // The constructor admits A-Z only, so this never takes the fallback.
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;

    /// Case is forgiven: exchanges send "usd".
    fn from_str(text: &str) -> Result<Self, CurrencyError> {
        match text.as_bytes() {
            [a, b, c] if text.bytes().all(|x| x.is_ascii_alphabetic()) => {
                Ok(Self([a, b, c].map(u8::to_ascii_uppercase)))
            }
            _ => Err(CurrencyError(text.chars().take(16).collect())),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = CurrencyError;

    fn try_from(text: String) -> Result<Self, CurrencyError> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_goes_to_the_even_neighbour_on_both_sides_of_zero() {
        let cases = [(5, 2, 2), (7, 2, 4), (-5, 2, -2), (-7, 2, -4), (1, 3, 0), (2, 3, 1), (-2, 3, -1)];
        for (n, d, want) in cases {
            assert_eq!(divide_half_even(n, d), Ok(want), "{n}/{d}");
        }
        assert_eq!(divide_half_even(1, 0), Err(MoneyError::Divisor));
        assert_eq!(divide_half_even(i128::MAX, 1), Err(MoneyError::Overflow));
    }

    #[test]
    fn a_cpm_in_micros_is_nanos_an_impression() {
        let price = Cpm::from_f64(1.5).unwrap();
        assert_eq!(price, Cpm(1_500_000));
        assert_eq!(price.per_impression(), Nanos(1_500_000));
        assert_eq!(price.to_string(), "1.500000");
        assert_eq!(price.per_impression().to_string(), "0.001500000");
    }

    #[test]
    fn prices_that_are_no_prices_are_refused() {
        for bad in [f64::NAN, f64::INFINITY, -0.01, 1e7] {
            assert_eq!(Cpm::from_f64(bad), None, "{bad}");
        }
        assert_eq!(Cpm::from_f64(0.0), Some(Cpm::ZERO));
    }

    #[test]
    fn a_price_survives_the_wire() {
        for micros in [0, 1, 10, 333_333, 1_234_567, 999_999_999_999] {
            assert_eq!(Cpm::from_f64(Cpm(micros).to_f64()), Some(Cpm(micros)));
        }
    }

    #[test]
    fn currencies_are_three_letters_in_any_case() {
        assert_eq!("usd".parse(), Ok(Currency::USD));
        for bad in ["", "US", "USDT", "U$D", "ÜSD"] {
            assert!(bad.parse::<Currency>().is_err(), "{bad:?} was accepted");
        }
    }
}
