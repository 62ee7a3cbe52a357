//! Bytes in a fixed buffer: varints and short text. Reading never panics, whatever the bytes.

use tagbid_types::Currency;

/// An encoding of tokens, and its number in their first byte. New ones are sealed in the last; those of the one before are read for as
/// long as notices and conversions of them may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Format {
    /// Without place and length of the hold.
    First = 1,
    /// With both.
    Second = 2,
}

impl Format {
    /// The one that is sealed in.
    pub(crate) const CURRENT: Self = Self::Second;

    /// That of a first byte.
    pub(crate) fn of(byte: u8) -> Option<Self> {
        [Self::First, Self::Second].into_iter().find(|format| *format as u8 == byte)
    }
}

/// The field that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content(pub(crate) &'static str);

/// Writes into a buffer that its owner made large enough; what does not fit is remembered and refused at the end.
pub(crate) struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
    full: bool,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0, full: false }
    }

    /// How much was written; none when it did not fit.
    pub(crate) fn finish(self) -> Option<usize> {
        (!self.full).then_some(self.len)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        match self.buffer.get_mut(self.len..end) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.len = end;
            }
            None => self.full = true,
        }
    }

    /// LEB128: seven bits a byte, low bits first.
    pub(crate) fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes(&[(value & 0x7f) as u8 | 0x80]);
            value >>= 7;
        }
        self.bytes(&[value as u8]);
    }

    /// Zigzag: small values of either sign stay short.
    pub(crate) fn signed(&mut self, value: i64) {
        self.unsigned(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    /// At most 255 bytes of text.
    pub(crate) fn text(&mut self, text: &str) {
        match u8::try_from(text.len()) {
            Ok(len) => {
                self.bytes(&[len]);
                self.bytes(text.as_bytes());
            }
            Err(_) => self.full = true,
        }
    }
}

/// Reads what [`Writer`] wrote.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Content> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Content("end"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Content> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Content("end"))?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Content> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn unsigned(&mut self) -> Result<u64, Content> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Content("number"))
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Content> {
        let zigzag = self.unsigned()?;
        Ok((zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed()))
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Content> {
        let len = self.byte()?;
        std::str::from_utf8(self.take(len.into())?).map_err(|_| Content("text"))
    }

    pub(crate) fn currency(&mut self) -> Result<Currency, Content> {
        let text = std::str::from_utf8(self.take(3)?).map_err(|_| Content("currency"))?;
        text.parse().map_err(|_| Content("currency"))
    }

    /// Nothing may follow: a longer token is a newer one that this reader does not understand.
    pub(crate) fn end(self) -> Result<(), Content> {
        self.0.is_empty().then_some(()).ok_or(Content("end"))
    }
}
