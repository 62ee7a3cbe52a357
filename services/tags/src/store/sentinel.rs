//! What a store remembers of the suppression list.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

use tagbid_types::Revision;

/// How much of the suppression list is in a store, or in a part of it. It lies in the store beside what it speaks of: a store that has lost
/// suppressions has lost or set back its sentinel too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sentinel {
    /// Drawn at random when a store begins without a list: one that was emptied and filled again is another.
    pub life: u64,
    /// Everything up to here has been applied.
    pub revision: Revision,
}

impl Sentinel {
    /// What no store has.
    pub(super) const UNREACHABLE: Self = Self { life: 0, revision: Revision(u64::MAX) };

    /// The life as it is displayed.
    pub(super) fn life(self) -> String {
        format!("{:x}", self.life)
    }

    /// Of a store that has heard nothing.
    pub(super) fn newborn() -> Self {
        // The standard library seeds its hashers from the operating system's randomness.
        Self { life: RandomState::new().build_hasher().finish(), revision: Revision(0) }
    }

    /// Whether a store with that sentinel has all that one with this had.
    pub fn is_kept_by(&self, later: Self) -> bool {
        later.life == self.life && later.revision >= self.revision
    }

    /// As it was displayed.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (life, revision) = std::str::from_utf8(text).ok()?.split_once(':')?;
        let life = u64::from_str_radix(life, 16).ok()?;
        Some(Self { life, revision: Revision(revision.parse().ok()?) })
    }
}

impl fmt::Display for Sentinel {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{:x}:{}", self.life, self.revision.0)
    }
}
