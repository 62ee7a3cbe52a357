//! The markup languages of video and audio that can be written.

/// A version of VAST or DAAST, inline. Wrappers are another thing to an exchange and are never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Vast2,
    Vast3,
    Vast40,
    Vast41,
    Vast42,
    Vast43,
    Daast1,
}

impl Protocol {
    /// For video, best first: later versions say more of the creative.
    pub(super) const VIDEO: [Self; 6] =
        [Self::Vast43, Self::Vast42, Self::Vast41, Self::Vast40, Self::Vast3, Self::Vast2];
    /// For audio, best first: VAST knows audio since 4.1, DAAST was made for it, older versions carry it unmarked.
    pub(super) const AUDIO: [Self; 7] =
        [Self::Vast43, Self::Vast42, Self::Vast41, Self::Daast1, Self::Vast40, Self::Vast3, Self::Vast2];

    /// The code in AdCOM's list "Creative Subtypes - Audio/Video".
    pub(crate) const fn code(self) -> i32 {
        match self {
            Self::Vast2 => 2,
            Self::Vast3 => 3,
            Self::Vast40 => 7,
            Self::Daast1 => 9,
            Self::Vast41 => 11,
            Self::Vast42 => 13,
            Self::Vast43 => 15,
        }
    }

    /// The protocol of a code; `None` for wrappers and what cannot be written.
    pub(crate) fn from_code(code: i32) -> Option<Self> {
        Self::AUDIO.into_iter().find(|protocol| protocol.code() == code)
    }

    /// The best of `ours` that the request takes; `untold` when it does not say what it takes.
    pub(super) fn best(ours: &[Self], taken: &[i32], untold: Self) -> Option<Self> {
        if taken.is_empty() {
            return Some(untold);
        }
        ours.iter().copied().find(|protocol| taken.contains(&protocol.code()))
    }
}
