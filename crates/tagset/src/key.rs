//! The user key: what stands for a user in stores, frames, tokens and events. Raw ids never leave the process that
//! received them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A keyed 16-byte MAC of (id type, source, id).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserKey(pub [u8; 16]);

impl UserKey {
    /// Length of the text form: 22 characters.
    pub const TEXT_LEN: usize = 22;

    /// From the 16 bytes of a frame; none when there are more or fewer.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The text form: base64url without padding, as it stands in Redis keys. On the stack, because a lookup writes a dozen
    /// of them.
    pub fn text(&self) -> KeyText {
        let mut text = [0; Self::TEXT_LEN];
        // The length fits by its definition.
        let _written = URL_SAFE_NO_PAD.encode_slice(self.0, &mut text);
        KeyText(text)
    }

    /// From the text form; none when it is not one.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut key = [0; 18];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut key).ok()?;
        key.get(..length).and_then(Self::from_slice)
    }
}

impl fmt::Display for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

/// The text form of a [`UserKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyText([u8; UserKey::TEXT_LEN]);

impl KeyText {
    /// Its characters.
    pub fn as_str(&self) -> &str {
        // Nothing but base64 is ever in it.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_reads_back_and_nothing_else_does() {
        let key = UserKey([0xfb, 0xff, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        let text = key.to_string();
        assert_eq!(text.len(), UserKey::TEXT_LEN);
        assert!(text.starts_with("-_8"), "{text} uses the URL-safe alphabet");
        assert_eq!(UserKey::from_text(&text), Some(key));
        for bad in ["", "short", &format!("{text}A"), &text.replace('-', "+")] {
            assert_eq!(UserKey::from_text(bad), None, "{bad:?}");
        }
    }
}
