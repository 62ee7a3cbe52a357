//! How far back the caps that count an entity look: as long its counts are needed.

use super::{EntityCounts, Window};

/// The longest window of any cap that counts an entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Horizon {
    /// No cap counts it.
    #[default]
    None,
    /// The last impressions of this window.
    Within(Window),
    /// All of them.
    Ever,
}

impl Horizon {
    /// As three bits.
    pub(super) fn bits(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Within(window) => 1 + window as u8,
            Self::Ever => 1 + Window::ALL.len() as u8,
        }
    }

    /// The inverse of [`Self::bits`]; what no version has written yet is looked at for ever.
    pub(super) fn from_bits(bits: u8) -> Self {
        match usize::from(bits).checked_sub(1) {
            None => Self::None,
            Some(window) => Window::ALL.get(window).map_or(Self::Ever, |window| Self::Within(*window)),
        }
    }
}

impl EntityCounts {
    /// Whether some cap still looks at any impression of it.
    pub(super) fn is_needed(&self, now: u32) -> bool {
        match self.horizon {
            Horizon::None => false,
            Horizon::Within(window) => self
                .buckets
                .first()
                .is_some_and(|bucket| bucket.within(window.length().as_secs(), now.into())),
            Horizon::Ever => true,
        }
    }
}
