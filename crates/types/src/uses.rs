//! What may be done with a user's data in one request. `consent` decides; the bid path obeys.

/// One use of data, asked for separately because each needs different consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Use {
    /// Bid on context alone.
    ContextualBid,
    /// Look the user's tags up.
    TagLookup,
    /// Read and keep counts of what the user was shown.
    Frequency,
    /// Write real-time tags from what the user does.
    ProfileWrite,
    /// Keep the (hashed) user key in events and tokens.
    UserKeyInEvents,
}

impl Use {
    /// All of them, in the order of the consent table.
    pub const ALL: [Self; 5] =
        [Self::ContextualBid, Self::TagLookup, Self::Frequency, Self::ProfileWrite, Self::UserKeyInEvents];

    /// The name in traces, explanations and tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ContextualBid => "contextual_bid",
            Self::TagLookup => "tag_lookup",
            Self::Frequency => "frequency",
            Self::ProfileWrite => "profile_write",
            Self::UserKeyInEvents => "user_key_in_events",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::ContextualBid => 1,
            Self::TagLookup => 2,
            Self::Frequency => 4,
            Self::ProfileWrite => 8,
            Self::UserKeyInEvents => 16,
        }
    }
}

/// The set of uses that are allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Permission(u8);

impl Permission {
    /// Nothing is allowed.
    pub const NONE: Self = Self(0);
    /// Everything is allowed.
    pub const ALL: Self = Self(31);

    /// Whether `wanted` is allowed.
    pub fn allows(self, wanted: Use) -> bool {
        self.0 & wanted.bit() != 0
    }

    /// This set and `granted`.
    #[must_use]
    pub fn with(self, granted: Use) -> Self {
        Self(self.0 | granted.bit())
    }

    /// What both sets allow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// As a byte, for tokens. Bits above the fifth are never set.
    pub fn to_bits(self) -> u8 {
        self.0
    }

    /// From a byte; unknown bits are dropped, so a newer writer never widens what an older reader allows.
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_has_its_own_bit() {
        for one in Use::ALL {
            let only = Permission::NONE.with(one);
            assert_eq!(Use::ALL.iter().filter(|u| only.allows(**u)).count(), 1);
            assert_eq!(Permission::from_bits(only.to_bits()), only);
        }
        assert_eq!(Permission::from_bits(255), Permission::ALL);
    }
}
