//! Strings: borrowed from the body where they can be, unescaped into the arena where not.

use bumpalo::collections::String;
use memchr::{memchr, memchr2};

use super::Reader;
use crate::NoteKind;
use crate::error::Fail;

impl<'a> Reader<'a, '_> {
    /// Takes a string; `None` when it is over the limit.
    pub(super) fn string(&mut self) -> Result<Option<&'a str>, Fail> {
        let (start, end, escaped) = self.span()?;
        if end - start > self.reading.limits.string {
            self.reading.note(NoteKind::TooLong);
            return Ok(None);
        }
        let raw = match self.text {
            Some(text) => text.get(start..end).unwrap_or_default(),
            None => self.checked(start, end),
        };
        Ok(Some(if escaped { self.unescape(raw) } else { raw }))
    }

    /// Takes a key. Escapes in keys are legal, if unheard of.
    #[inline]
    pub(super) fn key(&mut self) -> Result<&'a [u8], Fail> {
        let (start, end, escaped) = self.span()?;
        let raw = self.bytes.get(start..end).unwrap_or_default();
        if !escaped {
            return Ok(raw);
        }
        let raw = self.checked(start, end);
        Ok(self.unescape(raw).as_bytes())
    }

    /// Takes a string and tells where its characters are, and whether any is escaped.
    #[inline]
    pub(super) fn span(&mut self) -> Result<(usize, usize, bool), Fail> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(found) = quote_or_backslash(rest) else {
                self.at = self.bytes.len();
                return Err(self.error("expected the end of a string"));
            };
            self.at += found;
            if rest.get(found) == Some(&b'"') {
                self.at += 1;
                return Ok((start, self.at - 1, escaped));
            }
            escaped = true;
            self.escape()?;
        }
    }

    /// Takes a backslash and what it escapes.
    fn escape(&mut self) -> Result<(), Fail> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let hex = self.bytes.get(self.at + 2..self.at + 6);
                if !hex.is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(self.error("expected four hexadecimal digits after \\u"));
                }
                self.at += 6;
            }
            Some(_) => return Err(self.error("unknown escape in a string")),
            None => {
                self.at = self.bytes.len();
                return Err(self.error("expected the end of a string"));
            }
        }
        Ok(())
    }

    /// The text of a span of a body that is not all UTF-8.
    #[cold]
    fn checked(&mut self, start: usize, end: usize) -> &'a str {
        let raw = self.bytes.get(start..end).unwrap_or_default();
        std::str::from_utf8(raw).unwrap_or_else(|_| {
            self.reading.note(NoteKind::Utf8);
            self.reading.arena.alloc_str(&std::string::String::from_utf8_lossy(raw))
        })
    }

    /// Replaces the escapes of a span that [`Reader::span`] accepted.
    fn unescape(&mut self, raw: &'a str) -> &'a str {
        let mut out = String::with_capacity_in(raw.len(), self.reading.arena);
        let mut rest = raw;
        while let Some((before, after)) =
            memchr(b'\\', rest.as_bytes()).and_then(|at| rest.split_at_checked(at))
        {
            out.push_str(before);
            let mut chars = after.chars();
            let kind = chars.nth(1).unwrap_or_default();
            rest = chars.as_str();
            out.push(match kind {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => self.unicode(&mut rest),
                itself => itself,
            });
        }
        out.push_str(rest);
        out.into_bump_str()
    }

    /// The character of `\uXXXX`, of which `XXXX` comes next; of two such when they are a surrogate pair.
    fn unicode(&mut self, rest: &mut &str) -> char {
        let first = take_hex(rest);
        if let Some(plain) = char::from_u32(first) {
            return plain;
        }
        let pair =
            rest.strip_prefix("\\u").filter(|_| (0xD800..0xDC00).contains(&first)).and_then(|mut low| {
                let second = take_hex(&mut low).checked_sub(0xDC00).filter(|low| *low < 0x400)?;
                Some((char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + second)?, low))
            });
        if let Some((character, after)) = pair {
            *rest = after;
            return character;
        }
        self.reading.note(NoteKind::Utf8);
        char::REPLACEMENT_CHARACTER
    }
}

/// Where the first quote or backslash is. Most keys and many strings end within a word or two of eight bytes, where
/// arithmetic beats the set-up of a vector search; long ones are left to memchr.
#[inline]
fn quote_or_backslash(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < 32
        && let Some(word) = text.get(at..).and_then(<[u8]>::first_chunk)
    {
        let word = u64::from_le_bytes(*word);
        let found = zero_bytes(word ^ QUOTES) | zero_bytes(word ^ BACKSLASHES);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    memchr2(b'"', b'\\', text.get(at..)?).map(|found| at + found)
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
const BACKSLASHES: u64 = u64::from_ne_bytes([b'\\'; 8]);

/// Marks zero bytes by their top bit. Bytes above a zero may be marked wrongly; the lowest mark is always right.
#[inline]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

/// Takes four hexadecimal digits.
fn take_hex(rest: &mut &str) -> u32 {
    let (hex, after) = rest.split_at_checked(4).unwrap_or((rest, ""));
    *rest = after;
    u32::from_str_radix(hex, 16).unwrap_or(0)
}
