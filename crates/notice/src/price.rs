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
    /// Not a plain decimal: no sign, no exponent, no separators.
    #[error("price: use a plain decimal such as 1.25")]
    NotDecimal,
    /// Above [`Cpm::MAX`].
    #[error("price: above one million")]
    TooLarge,
}

/// Longest accepted text: a price of one million with 24 decimals.
const MAX_LEN: usize = 32;
/// Decimals of a micro.
const SCALE: usize = 6;

impl FromStr for PriceMacro {
    type Err = PriceError;

    /// Reads the decoded value of the query parameter. More than six decimals are rounded half to even.
    fn from_str(text: &str) -> Result<Self, PriceError> {
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

fn decimal(text: &str) -> Result<Cpm, PriceError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if text.len() > MAX_LEN || whole.is_empty() || !digits(whole) || !digits(fraction) {
        return Err(PriceError::NotDecimal);
    }
    let padding = SCALE.saturating_sub(fraction.len());
    let mut micros = 0_i128;
    // Thirty-two digits fit i128 with six orders of magnitude to spare.
    for digit in whole.bytes().chain(fraction.bytes()) {
        micros = micros * 10 + i128::from(digit - b'0');
    }
    let up = 10_i128.pow(u32::try_from(padding).unwrap_or(0));
    let down = 10_i128.pow(u32::try_from(fraction.len().saturating_sub(SCALE)).unwrap_or(0));
    let rounded = divide_half_even(micros * up, down).map_err(|_| PriceError::TooLarge)?;
    let price = Cpm(rounded);
    (price <= Cpm::MAX).then_some(price).ok_or(PriceError::TooLarge)
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
        ] {
            assert_eq!(text.parse(), Ok(PriceMacro::Plain(Cpm(micros))), "{text}");
        }
    }

    #[test]
    fn what_is_no_price_says_so() {
        for bad in ["-1", "+1", "1e3", "1,5", ".5", "nan", "0x1", " 1", "1 ", "1.2.3", "٣", &"9".repeat(33)]
        {
            assert_eq!(bad.parse::<PriceMacro>(), Err(PriceError::NotDecimal), "{bad}");
        }
        for large in ["1000000.000001", "99999999999999999999999999999999"] {
            assert_eq!(large.parse::<PriceMacro>(), Err(PriceError::TooLarge), "{large}");
        }
    }

    #[test]
    fn words_in_place_of_a_price_are_told_apart() {
        assert_eq!("AUDIT".parse(), Ok(PriceMacro::Audit));
        assert_eq!("".parse(), Ok(PriceMacro::Empty));
        assert_eq!("${AUCTION_PRICE}".parse(), Ok(PriceMacro::Unsubstituted));
    }
}
