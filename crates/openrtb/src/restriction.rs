//! What a member that is there and cannot be read may have restricted. Taken as absent it would lift the
//! restriction, so `validate` takes it as set, or marks what it restricted as not to be bid on.

/// A set of restrictions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Restrictions(u32);

impl Restrictions {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const COPPA: Self = Self(1);
    pub(crate) const GDPR: Self = Self(1 << 1);
    pub(crate) const US_PRIVACY: Self = Self(1 << 2);
    pub(crate) const GPP: Self = Self(1 << 3);
    /// Which sections of the GPP string apply.
    pub(crate) const GPP_SID: Self = Self(1 << 4);
    pub(crate) const DSA: Self = Self(1 << 5);
    pub(crate) const CONSENT: Self = Self(1 << 6);
    pub(crate) const LMT: Self = Self(1 << 7);
    pub(crate) const DNT: Self = Self(1 << 8);
    /// What the codes of `bcat` and `acat` mean.
    pub(crate) const TAXONOMY: Self = Self(1 << 9);
    /// Who may bid for the request and with which ads.
    pub(crate) const BLOCKS: Self = Self(1 << 10);
    /// The price of the impression being read.
    pub(crate) const FLOOR: Self = Self(1 << 11);
    /// The price or the buyers of the deal being read.
    pub(crate) const DEAL: Self = Self(1 << 12);
    /// Ads that may not be shown in the impression being read.
    pub(crate) const IMP_BLOCKS: Self = Self(1 << 13);
    /// The size of the banner being read.
    pub(crate) const SIZE: Self = Self(1 << 14);
    /// That the markup of the impression being read must be https.
    pub(crate) const SECURE: Self = Self(1 << 15);
    /// That the impression being read is sold under deals only.
    pub(crate) const PRIVATE: Self = Self(1 << 16);
    /// The size of the entry of a banner's `format` being read.
    pub(crate) const FORMAT: Self = Self(1 << 17);

    /// What an unreadable `member` of the object at `parent` may have restricted; `parent` is empty at the top.
    /// `regs` as a whole leaves the DSA alone: that protects no data, and exchanges turn away bids that ignore it.
    pub(crate) fn of(parent: &[u8], member: &[u8]) -> Self {
        match (parent, member) {
            (b"", b"regs") | (b"regs", b"ext") => {
                Self::COPPA.and(Self::GDPR).and(Self::US_PRIVACY).and(Self::GPP)
            }
            (_, b"coppa") => Self::COPPA,
            (_, b"gdpr") => Self::GDPR,
            (_, b"us_privacy") => Self::US_PRIVACY,
            (_, b"gpp") => Self::GPP,
            (_, b"gpp_sid") => Self::GPP_SID,
            (_, b"dsa" | b"dsarequired") => Self::DSA,
            (b"", b"user") | (b"user", b"ext") | (_, b"consent") => Self::CONSENT,
            (b"", b"device") => Self::LMT.and(Self::DNT),
            (_, b"lmt") => Self::LMT,
            (_, b"dnt") => Self::DNT,
            (b"", b"cattax" | b"ext") | (b"ext", b"cattax") => Self::TAXONOMY,
            (
                b"",
                b"badv" | b"bcat" | b"acat" | b"bapp" | b"wseat" | b"bseat" | b"cur" | b"wlang" | b"wlangb",
            ) => Self::BLOCKS,
            (_, b"battr" | b"btype") => Self::IMP_BLOCKS,
            (b"banner", b"format" | b"w" | b"h") => Self::SIZE,
            (b"format", b"w" | b"h") => Self::FORMAT,
            (b"imp", b"secure") => Self::SECURE,
            (b"imp", b"pmp") | (b"pmp", b"private_auction") => Self::PRIVATE,
            (b"imp", b"bidfloor" | b"bidfloorcur") | (b"video" | b"audio", b"mincpmpersec") => Self::FLOOR,
            (b"deals", b"bidfloor" | b"bidfloorcur" | b"mincpmpersec" | b"wseat" | b"wadomain") => Self::DEAL,
            _ => Self::NONE,
        }
    }

    /// Both.
    #[must_use]
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This without `other`.
    #[must_use]
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of `other` are in it.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}
