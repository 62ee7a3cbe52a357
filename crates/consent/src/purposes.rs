//! Sets of TCF purposes.

use serde::{Deserialize, Serialize};

/// A set of TCF purposes, numbered from 1 to 24 as in the Global Vendor List. In configuration: `[2, 7]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Purposes(u32);

impl Purposes {
    /// The empty set.
    pub const NONE: Self = Self(0);
    /// Those that TCF policies allow to rest on legitimate interest: not 1 (storage on the device), and since
    /// TCF 2.2 not 3 to 6 (profiles and personalisation).
    pub const LEGITIMATE_INTEREST: Self = Self::of(&[2, 7, 8, 9, 10, 11]);

    /// The set of these purposes; numbers outside 1 to 24 are left out.
    pub const fn of(mut numbers: &[u8]) -> Self {
        let mut set = 0;
        while let [number, rest @ ..] = numbers {
            set |= Self::bit(*number);
            numbers = rest;
        }
        Self(set)
    }

    /// From the 24 bits of a TC string, of which the first is purpose 1.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(((bits & 0xff_ffff) as u32).reverse_bits() >> 8)
    }

    const fn bit(number: u8) -> u32 {
        match number {
            1..=24 => 1 << (number - 1),
            _ => 0,
        }
    }

    /// Whether `number` is in the set.
    pub const fn has(self, number: u8) -> bool {
        self.0 & Self::bit(number) != 0
    }

    /// Adds `number`, unless it is no purpose.
    pub(crate) fn add(&mut self, number: u8) {
        self.0 |= Self::bit(number);
    }

    /// Those that are in both sets.
    #[must_use]
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those of this set that are not in `other`.
    #[must_use]
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The members in rising order.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (1..=24).filter(move |number| self.has(*number))
    }
}

impl TryFrom<Vec<u8>> for Purposes {
    type Error = String;

    fn try_from(numbers: Vec<u8>) -> Result<Self, String> {
        match numbers.iter().find(|number| !(1..=24).contains(*number)) {
            Some(number) => Err(format!("{number} is no TCF purpose: use numbers from 1 to 24")),
            None => Ok(Self::of(&numbers)),
        }
    }
}

impl From<Purposes> for Vec<u8> {
    fn from(set: Purposes) -> Self {
        set.iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_24_bits_is_purpose_1() {
        assert_eq!(Purposes::from_bits(1 << 23), Purposes::of(&[1]));
        assert_eq!(Purposes::from_bits(1), Purposes::of(&[24]));
        assert_eq!(Vec::from(Purposes::of(&[7, 2, 0, 25])), [2, 7]);
    }
}
