//! Little-endian base-128 numbers and the reader that every blob is taken apart with.

use crate::BlobError;

/// Appends a number in as few bytes as it needs.
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Maps small negative numbers to small positive ones.
pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Takes bytes from the front; refuses to go beyond the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, BlobError> {
        let (first, rest) = self.0.split_first().ok_or(BlobError::Truncated)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], BlobError> {
        let (first, rest) = self.0.split_first_chunk().ok_or(BlobError::Truncated)?;
        self.0 = rest;
        Ok(*first)
    }

    /// A number that was written by [`put`], and in no longer form: one value has one encoding.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, BlobError> {
        let first = self.u8()?;
        if first < 0x80 {
            return Ok(first.into());
        }
        self.long_varint(first)
    }

    fn long_varint(&mut self, first: u8) -> Result<u64, BlobError> {
        let mut value = u64::from(first & 0x7f);
        for shift in (7..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(BlobError::Malformed("a number over 64 bits"));
            }
            value |= bits << shift;
            if byte < 0x80 {
                return match byte {
                    0 => Err(BlobError::Malformed("a number longer than it needs to be")),
                    _ => Ok(value),
                };
            }
        }
        Err(BlobError::Malformed("a number over 64 bits"))
    }

    /// A number that must fit 32 bits.
    #[inline]
    pub(crate) fn varint32(&mut self) -> Result<u32, BlobError> {
        u32::try_from(self.varint()?).map_err(|_| BlobError::Malformed("a number over 32 bits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Every number reads back, and from no shorter input.
        #[test]
        fn numbers_round_trip(value: u64, signed: i64) {
            let mut out = Vec::new();
            put(&mut out, value);
            prop_assert_eq!(Reader::new(&out).varint(), Ok(value));
            out.pop();
            prop_assert!(Reader::new(&out).varint().is_err());
            prop_assert_eq!(unzigzag(zigzag(signed)), signed);
        }
    }

    #[test]
    fn overlong_and_oversized_numbers_are_refused() {
        assert!(Reader::new(&[0x80, 0x00]).varint().is_err());
        assert!(Reader::new(&[0xff; 11]).varint().is_err());
        let mut max = vec![0xff; 9];
        max.push(1);
        assert_eq!(Reader::new(&max).varint(), Ok(u64::MAX));
        *max.last_mut().unwrap() = 2;
        assert!(Reader::new(&max).varint().is_err());
    }
}
