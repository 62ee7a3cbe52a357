//! Bits of base64url text, read where they stand: six to a character, first bit first.

use thiserror::Error;

/// Why a consent string could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// A character outside the base64url alphabet (RFC 4648, section 5).
    #[error("has a character that is not base64url")]
    Alphabet,
    /// The fields go on after the last character.
    #[error("ends before its last field")]
    Truncated,
    /// The string or section has a version that we have no layout for; TCF 1.x is one of them.
    #[error("has version {0}, which is not supported")]
    Version(u8),
    /// A field has a value that its specification leaves undefined.
    #[error("has a field with an undefined value")]
    Value,
    /// A GPP header lists another number of sections than follow it, or more than exist.
    #[error("lists other sections than it holds")]
    Sections,
}

/// The value of each base64url character; 64 marks what is none.
const VALUES: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut values = [64; 256];
    let mut value = 0;
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would refuse it")]
    while value < 64 {
        values[alphabet[value as usize] as usize] = value;
        value += 1;
    }
    values
};

fn value(character: u8) -> u8 {
    VALUES.get(usize::from(character)).copied().unwrap_or(64)
}

/// A reader over one segment.
#[derive(Clone, Copy)]
pub(crate) struct Bits<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    /// Checks the whole alphabet first, so that a skipped field cannot hide rubbish. Padding is forgiven.
    pub(crate) fn new(text: &'a str) -> Result<Self, DecodeError> {
        let text = text.trim_end_matches('=').as_bytes();
        // No early exit: a loop without one is vectorised, and valid strings are the common case.
        let worst = text.iter().fold(0, |worst, c| worst | value(*c));
        if worst < 64 { Ok(Self { text, at: 0 }) } else { Err(DecodeError::Alphabet) }
    }

    /// The next `count` bits as a number; `count` is 1 to 36.
    pub(crate) fn read(&mut self, count: usize) -> Result<u64, DecodeError> {
        let end = self.at + count;
        let characters = self.text.get(self.at / 6..end.div_ceil(6)).ok_or(DecodeError::Truncated)?;
        // 36 bits touch at most seven characters, 42 bits.
        let wide = characters.iter().fold(0u64, |sum, c| (sum << 6) | u64::from(value(*c)));
        self.at = end;
        Ok((wide >> (end.div_ceil(6) * 6 - end)) & ((1 << count) - 1))
    }

    pub(crate) fn flag(&mut self) -> Result<bool, DecodeError> {
        Ok(self.read(1)? == 1)
    }

    /// The next `count` bits, which are at most 16.
    pub(crate) fn short(&mut self, count: usize) -> Result<u16, DecodeError> {
        self.read(count).map(|bits| (bits & 0xffff) as u16)
    }

    /// The next `count` bits, which are at most 8.
    pub(crate) fn byte(&mut self, count: usize) -> Result<u8, DecodeError> {
        self.read(count).map(|bits| (bits & 0xff) as u8)
    }

    /// Passes over `count` bits, which must be there.
    pub(crate) fn skip(&mut self, count: usize) -> Result<(), DecodeError> {
        let end = self.at + count;
        if end.div_ceil(6) > self.text.len() {
            return Err(DecodeError::Truncated);
        }
        self.at = end;
        Ok(())
    }

    /// A Fibonacci-coded number (GPP, "About Fibonacci Encoding"), of at most 23 digits.
    pub(crate) fn fibonacci(&mut self) -> Result<u32, DecodeError> {
        let (mut sum, mut this, mut next) = (0u32, 1u32, 2u32);
        let mut previous = false;
        // 46368 is the last Fibonacci number of 16 bits: a longer code is no section id of anyone.
        while this <= 46368 {
            let bit = self.flag()?;
            if bit && previous {
                return Ok(sum);
            }
            sum += if bit { this } else { 0 };
            previous = bit;
            (this, next) = (next, this + next);
        }
        if previous && self.flag()? { Ok(sum) } else { Err(DecodeError::Value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_across_characters_up_to_the_last_bit() {
        // "DBABM" is header example 1 of the GPP specification: 000011 000001 000000 000001 001100.
        let mut bits = Bits::new("DBABM").unwrap();
        assert_eq!(bits.read(6), Ok(3));
        assert_eq!(bits.read(6), Ok(1));
        assert_eq!(bits.read(12), Ok(1));
        assert_eq!(bits.flag(), Ok(false));
        assert_eq!(bits.fibonacci(), Ok(2));
        assert_eq!(bits.read(2), Ok(0));
        assert_eq!(bits.read(1), Err(DecodeError::Truncated));
    }

    #[test]
    fn fibonacci_codes_of_the_specification() {
        // 1 to 7: 11 011 0011 1011 00011 10011 01011.
        let mut bits = Bits::new("2djms").unwrap();
        for number in 1..=7 {
            assert_eq!(bits.fibonacci(), Ok(number));
        }
        assert_eq!(Bits::new("AAAAAAAA").unwrap().fibonacci(), Err(DecodeError::Value));
    }

    #[test]
    fn only_the_alphabet_is_read() {
        for bad in ["A+", "A/", "A A", "Aé", "A.", "=A"] {
            assert_eq!(Bits::new(bad).err(), Some(DecodeError::Alphabet), "{bad:?}");
        }
        assert_eq!(Bits::new("_-==").unwrap().read(12), Ok(0b1111_1111_1110));
    }
}
