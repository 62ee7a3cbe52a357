//! Numbers: JSON's grammar, and their values.

use super::Reader;
use crate::error::Fail;

impl<'a> Reader<'a, '_> {
    /// Takes a number that starts here.
    pub(super) fn number(&mut self) -> Result<&'a str, Fail> {
        let text = self.bytes.get(self.at..).unwrap_or_default();
        let len = match length(text) {
            Ok(len) => len,
            Err(len) => {
                self.at += len;
                return Err(self.error("expected a digit"));
            }
        };
        let start = self.at;
        self.at += len;
        // Digits are ASCII, so both always have the text; the second is for bodies that are not all UTF-8.
        let number = match self.text {
            Some(body) => body.get(start..self.at),
            None => self.bytes.get(start..self.at).and_then(|digits| std::str::from_utf8(digits).ok()),
        };
        Ok(number.unwrap_or_default())
    }
}

/// The length of the number at the start of `text`, or of what goes before the byte that breaks the grammar.
fn length(text: &[u8]) -> Result<usize, usize> {
    let sign = usize::from(text.first() == Some(&b'-'));
    let mut at = digits(text, sign)?;
    // No number but zero starts with a zero.
    if text.get(sign) == Some(&b'0') {
        at = sign + 1;
    }
    if text.get(at) == Some(&b'.') {
        at = digits(text, at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let signed = matches!(text.get(at + 1), Some(b'+' | b'-'));
        at = digits(text, at + 1 + usize::from(signed))?;
    }
    Ok(at)
}

/// The end of the digits that start at `from`; there must be one.
#[inline]
fn digits(text: &[u8], from: usize) -> Result<usize, usize> {
    let rest = text.get(from..).unwrap_or_default();
    match rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len()) {
        0 => Err(from),
        count => Ok(from + count),
    }
}

/// The integer that a number stands for. Fractions are cut off towards zero: exchanges send `1.0`, and
/// sizes such as `300.5` come from scaling, where the whole pixels are what fits. `None` outside i64.
pub(crate) fn to_i64(number: &str) -> Option<i64> {
    if let Ok(whole) = number.parse() {
        return Some(whole);
    }
    let value = to_f64(number)?.trunc();
    // 2^63 is exact as f64, so this keeps exactly what fits.
    (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value).then_some(value as i64)
}

/// The value of a number; `None` when it is too large for f64.
pub(crate) fn to_f64(number: &str) -> Option<f64> {
    number.parse().ok().filter(|value: &f64| value.is_finite())
}

/// The number inside a string, white space around it forgiven. Rust's parser takes more than JSON's grammar, such
/// as `.5`, `+1` and `1.`, which is welcome, and words such as "inf", which is not.
pub(crate) fn in_text(text: &str) -> Option<&str> {
    let text = text.trim();
    let numeric = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    numeric.then_some(text)
}
