//! The price that an exchange puts into `${AUCTION_PRICE}`.

use std::str::FromStr;

use tagbid_types::{Cpm, divide_half_even};
use thiserror::Error;

/// What stands where the clearing price belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceMacro {
    /// A price, in the currency of the bid.
    Plain(Cpm),
    /// `AUDIT`: the creative is being reviewed, nothing was sold (OpenRTB 2.6, 4.4).
    Audit,
    /// Nothing.
    Empty,
    /// The macro itself: somebody called the URL without filling it in.
    Unsubstituted,
}

/// Neither a price nor one of the words that may stand in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PriceError {
    /// Not a decimal: it has a sign, separators, or letters other than those of an exponent.
    #[error("price: use a plain decimal such as 1.25")]
    NotDecimal,
    /// Above [`Cpm::MAX`].
    #[error("price: above one million")]
    TooLarge,
}

/// Longest accepted text: a price of one million with 24 decimals.
const MAX_LEN: usize = 32;
/// Decimals of a micro.
const SCALE: i32 = 6;

impl FromStr for PriceMacro {
    type Err = PriceError;

    /// Reads the decoded value of the query parameter, blanks around it left out. More than six decimals are rounded half to even.
    fn from_str(text: &str) -> Result<Self, PriceError> {
        let text = text.trim_ascii();
        Self::word(text).map_or_else(|| decimal(text).map(Self::Plain), Ok)
    }
}

impl PriceMacro {
    /// What stands there instead of a price, whether prices are plain or encrypted.
    pub(crate) fn word(text: &str) -> Option<Self> {
        match text {
            "" => Some(Self::Empty),
            "AUDIT" => Some(Self::Audit),
            _ if text.starts_with("${") => Some(Self::Unsubstituted),
            _ => None,
        }
    }
}

/// `1.25`, `.5`, `3.`, or one of them with an exponent: `1.0E-4`. Exact, whatever the exponent.
fn decimal(text: &str) -> Result<Cpm, PriceError> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, self::exponent(exponent).ok_or(PriceError::NotDecimal)?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = whole.bytes().chain(fraction.bytes()).peekable();
    if text.len() > MAX_LEN || digits.peek().is_none() {
        return Err(PriceError::NotDecimal);
    }
    let mut number = 0_i128;
    // Thirty-two digits fit i128 with six orders of magnitude to spare.
    for digit in digits {
        let digit = digit.is_ascii_digit().then(|| i128::from(digit - b'0')).ok_or(PriceError::NotDecimal)?;
        number = number * 10 + digit;
    }
    let decimals = i32::try_from(fraction.len()).unwrap_or(i32::MAX);
    let price = Cpm(micros(number, exponent.saturating_sub(decimals).saturating_add(SCALE))?);
    (price <= Cpm::MAX).then_some(price).ok_or(PriceError::TooLarge)
}

/// A number times ten to the power, rounded half to even.
fn micros(number: i128, power: i32) -> Result<i64, PriceError> {
    let ten_to = |power: u32| 10_i128.checked_pow(power);
    if power < 0 {
        // No number of 32 digits has a half of what does not fit.
        let Some(down) = ten_to(power.unsigned_abs()) else { return Ok(0) };
        return divide_half_even(number, down).map_err(|_| PriceError::TooLarge);
    }
    if number == 0 {
        return Ok(0);
    }
    let up = ten_to(power.unsigned_abs()).and_then(|up| number.checked_mul(up));
    up.and_then(|micros| i64::try_from(micros).ok()).ok_or(PriceError::TooLarge)
}

/// The digits after `e`, with or without a sign.
fn exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = !digits.is_empty() && digits.len() <= 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_plain_decimals() {
        for (text, micros) in [
            ("1.5", 1_500_000),
            ("0", 0),
            ("0.000001", 1),
            ("3.", 3_000_000),
            ("0.0000015", 2),
            ("0.0000025", 2),
            ("1000000", 1_000_000_000_000),
            ("000000000000000000000000001.25", 1_250_000),
            (".5", 500_000),
            (" 1.5 ", 1_500_000),
            ("1.0E-4", 100),
            ("1e3", 1_000_000_000),
            ("12.5e+1", 125_000_000),
            ("0e9999", 0),
            ("5e-7", 0),
            ("15e-7", 2),
            ("9e-9999", 0),
            ("0.00000000000000000000000001e26", 1_000_000),
            ("10000000000000000000000000e-25", 1_000_000),
        ] {
            assert_eq!(text.parse(), Ok(PriceMacro::Plain(Cpm(micros))), "{text}");
        }
    }

    #[test]
    fn what_is_no_price_says_so() {
        for bad in
            ["-1", "+1", "1,5", ".", "e3", "1e", "1e+", "1e1.5", "1e99999", "nan", "0x1", "1 2", "1.2.3", "٣"]
        {
            assert_eq!(bad.parse::<PriceMacro>(), Err(PriceError::NotDecimal), "{bad}");
        }
        let digits = "9".repeat(33);
        assert_eq!(digits.parse::<PriceMacro>(), Err(PriceError::NotDecimal), "more than anybody writes");
        for large in ["1000000.000001", "99999999999999999999999999999999", "1e7", "1e9999", "9e30"] {
            assert_eq!(large.parse::<PriceMacro>(), Err(PriceError::TooLarge), "{large}");
        }
    }

    #[test]
    fn words_in_place_of_a_price_are_told_apart() {
        assert_eq!("AUDIT".parse(), Ok(PriceMacro::Audit));
        assert_eq!("".parse(), Ok(PriceMacro::Empty));
        assert_eq!(" ".parse(), Ok(PriceMacro::Empty));
        assert_eq!("${AUCTION_PRICE}".parse(), Ok(PriceMacro::Unsubstituted));
    }
}
