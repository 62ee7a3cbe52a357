//! Numbers: JSON's grammar, and their values.

use super::Reader;
use crate::error::Fail;

impl Reader<'_, '_> {
    /// Takes a number that starts here.
    pub(super) fn number(&mut self) -> Result<(), Fail> {
        if self.byte() == b'-' {
            self.at += 1;
        }
        match self.byte() {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits()?,
            _ => return Err(self.error("expected a digit")),
        }
        if self.byte() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.byte(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fail> {
        let start = self.at;
        while self.byte().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.error("expected a digit"));
        }
        Ok(())
    }

    fn byte(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }
}

/// The integer that the text stands for. Fractions are cut off towards zero: exchanges send `1.0`, and
/// sizes such as `300.5` come from scaling, where the whole pixels are what fits. `None` when it is no number, or
/// is outside i64.
pub(crate) fn to_i64(text: &str) -> Option<i64> {
    if let Ok(whole) = text.parse() {
        return Some(whole);
    }
    let value = to_f64(text)?.trunc();
    // 2^63 is exact as f64, so this keeps exactly what fits.
    (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0)
        .contains(&value)
        .then_some(value as i64)
}

/// The number that the text stands for. `None` when it is no finite number. Rust's own parser is exact and also
/// takes words such as "inf", hence the look at the first characters.
pub(crate) fn to_f64(text: &str) -> Option<f64> {
    let numeric = text
        .bytes()
        .all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    text.parse()
        .ok()
        .filter(|value: &f64| numeric && value.is_finite())
}
