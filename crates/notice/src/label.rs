//! Short text without an allocation.

use std::fmt;

/// Up to `N` bytes of text, kept in place. Longer text is cut at a character boundary: what an exchange names its
/// auctions helps people to join logs, and is never a key of ours.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Label<N> {
    /// Text, cut to fit.
    pub fn cut(text: &str) -> Self {
        const { assert!(N <= 255, "the length is kept in a byte") };
        let fitting = text.get(..text.floor_char_boundary(N)).unwrap_or_default();
        let mut bytes = [0; N];
        for (to, from) in bytes.iter_mut().zip(fitting.bytes()) {
            *to = from;
        }
        Self { bytes, len: u8::try_from(fitting.len()).unwrap_or(0) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let used = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        // The only constructor copies whole characters, so this never takes the fallback.
        std::str::from_utf8(used).unwrap_or_default()
    }
}

impl<const N: usize> Default for Label<N> {
    fn default() -> Self {
        Self { bytes: [0; N], len: 0 }
    }
}

impl<const N: usize> fmt::Debug for Label<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_cut_between_characters() {
        assert_eq!(Label::<4>::cut("ab").as_str(), "ab");
        assert_eq!(Label::<4>::cut("abcdef").as_str(), "abcd");
        assert_eq!(Label::<4>::cut("abcß").as_str(), "abc");
        assert_eq!(Label::<4>::default().as_str(), "");
    }
}
