//! What processes tell each other of their MAC keys, so that none asks for users by keys that nobody else makes.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Stands for a MAC key: its version and a digest of its secret, which says nothing of the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint {
    /// The key's version.
    pub version: u8,
    /// Of its secret.
    pub digest: u64,
}

/// The keys that a process makes users of, and those that it finds them by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRing {
    /// It writes under this one.
    pub current: Fingerprint,
    /// It reads this one too.
    pub previous: Option<Fingerprint>,
}

/// Two processes that would not find each other's users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "user keys are made with {theirs} there and with {ours} here: give all processes the same keys.user; to rotate, \
     first make the new key keys.user_previous everywhere, then exchange the two"
)]
pub struct OtherKeys {
    /// This process's.
    pub ours: KeyRing,
    /// The other's.
    pub theirs: KeyRing,
}

/// A text that is no ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a ring of keys: write VERSION-DIGEST of the current one, and after a space of the previous one")]
pub struct NoRing;

impl KeyRing {
    /// Whether each finds what the other writes. Steps of a rotation that are one apart do.
    pub fn check(self, theirs: Self) -> Result<(), OtherKeys> {
        let reads = |ring: Self, key| ring.current == key || ring.previous == Some(key);
        if reads(self, theirs.current) && reads(theirs, self.current) {
            return Ok(());
        }
        Err(OtherKeys { ours: self, theirs })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}", self.version, self.digest)
    }
}

impl FromStr for Fingerprint {
    type Err = NoRing;

    fn from_str(text: &str) -> Result<Self, NoRing> {
        let (version, digest) = text.split_once('-').ok_or(NoRing)?;
        let digest = u64::from_str_radix(digest, 16).map_err(|_| NoRing)?;
        Ok(Self { version: version.parse().map_err(|_| NoRing)?, digest })
    }
}

impl fmt::Display for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.current)?;
        self.previous.map_or(Ok(()), |previous| write!(f, " {previous}"))
    }
}

impl FromStr for KeyRing {
    type Err = NoRing;

    fn from_str(text: &str) -> Result<Self, NoRing> {
        let mut keys = text.split(' ').map(str::parse);
        let (current, previous) = (keys.next().ok_or(NoRing)??, keys.next().transpose()?);
        if keys.next().is_some() { Err(NoRing) } else { Ok(Self { current, previous }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MacKey, MacKeys};

    fn ring(current: u8, previous: Option<u8>) -> KeyRing {
        let key = |version: u8| MacKey::new(version, &[version; 32]).unwrap();
        MacKeys { previous: previous.map(key), ..MacKeys::only(key(current)) }.ring()
    }

    #[test]
    fn a_ring_is_told_in_words() {
        for ring in [ring(1, None), ring(2, Some(1))] {
            assert_eq!(ring.to_string().parse(), Ok(ring));
        }
        for bad in ["", "1", "1-x", "1-2 ", "300-1", "1-1 2-2 3-3"] {
            assert_eq!(bad.parse::<KeyRing>(), Err(NoRing), "{bad:?}");
        }
    }

    #[test]
    fn neighbouring_steps_of_a_rotation_understand_each_other() {
        let steps = [ring(1, None), ring(1, Some(2)), ring(2, Some(1)), ring(2, None)];
        for pair in steps.windows(2) {
            assert_eq!(pair[0].check(pair[1]), Ok(()));
            assert_eq!(pair[1].check(pair[0]), Ok(()));
        }
        let problem = steps[0].check(steps[3]).unwrap_err().to_string();
        assert!(problem.contains("keys.user_previous") && problem.contains("2-"), "{problem}");
        // Who skips the first step writes what others do not find.
        assert!(steps[0].check(steps[2]).is_err() && steps[2].check(steps[0]).is_err());
    }

    #[test]
    fn one_version_with_two_secrets_is_two_keys() {
        let key = |byte: u8| MacKey::new(1, &[byte; 32]).unwrap();
        assert_ne!(key(1).fingerprint(), key(2).fingerprint());
        assert_eq!(key(1).fingerprint(), key(1).fingerprint());
        assert!(MacKeys::only(key(1)).ring().check(MacKeys::only(key(2)).ring()).is_err());
    }
}
