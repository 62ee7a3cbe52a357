//! From an id to its [`UserKey`].
//!
//! The MAC is HMAC-SHA-256 (RFC 2104, FIPS 198-1) cut to its first 16 bytes; RFC 2104 section 5 asks to keep at
//! least half of the hash, which is 16. A keyed hash, because ids are guessable: with a bare hash anyone could list
//! all advertising ids of a country. 128 bits, because a hash that stands for a person must not collide: among a
//! billion users the chance is under 1e-20.

use std::fmt;

use aws_lc_rs::hmac;
use thiserror::Error;

use crate::{Fingerprint, KeyRing, StandardId, UserKey};

/// A version of the secret that keys the MAC.
#[derive(Clone)]
pub struct MacKey {
    version: u8,
    key: hmac::Key,
}

/// A secret that is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a MAC secret of {bytes} bytes: use at least {} random bytes", MacKey::MIN_SECRET)]
pub struct MacKeyError {
    /// Its length.
    pub bytes: usize,
}

impl MacKey {
    /// Shortest secret, in bytes: the hash's output, as RFC 2104 section 3 advises.
    pub const MIN_SECRET: usize = 32;

    /// A version of the key. Versions tell keys apart where the secret must not be said.
    pub fn new(version: u8, secret: &[u8]) -> Result<Self, MacKeyError> {
        if secret.len() < Self::MIN_SECRET {
            return Err(MacKeyError { bytes: secret.len() });
        }
        Ok(Self { version, key: hmac::Key::new(hmac::HMAC_SHA256, secret) })
    }

    /// Which version it is.
    pub fn version(&self) -> u8 {
        self.version
    }

    /// Tells whether two processes have the same secret, and nothing else of it.
    pub fn fingerprint(&self) -> Fingerprint {
        let mac = hmac::sign(&self.key, b"tagbid: which key is this?");
        let [a, b, c, d, e, f, g, h] = *mac.as_ref().first_chunk().unwrap_or(&[0; 8]);
        Fingerprint { version: self.version, digest: u64::from_be_bytes([a, b, c, d, e, f, g, h]) }
    }

    /// The key of a user.
    pub fn user_key(&self, id: &StandardId<'_>) -> UserKey {
        let mut mac = hmac::Context::with_key(&self.key);
        // Kind and lengths first: no two (kind, source, id) give the same bytes.
        let source_len = (id.source.len() as u32).to_le_bytes();
        let id_len = (id.id.len() as u32).to_le_bytes();
        let [s0, s1, s2, s3] = source_len;
        let [i0, i1, i2, i3] = id_len;
        mac.update(&[id.kind as u8, s0, s1, s2, s3, i0, i1, i2, i3]);
        update_lower(&mut mac, id.source);
        if id.lower_id {
            update_lower(&mut mac, id.id);
        } else {
            mac.update(id.id.as_bytes());
        }
        let mut key = [0; 16];
        for (kept, byte) in key.iter_mut().zip(mac.sign().as_ref()) {
            *kept = *byte;
        }
        UserKey(key)
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MacKey(version {})", self.version)
    }
}

/// Feeds text in ASCII lower case through a small buffer instead of an allocation.
fn update_lower(mac: &mut hmac::Context, text: &str) {
    let mut buffer = [0; 64];
    for chunk in text.as_bytes().chunks(buffer.len()) {
        if let Some(lower) = buffer.get_mut(..chunk.len()) {
            lower.copy_from_slice(chunk);
            lower.make_ascii_lowercase();
            mac.update(lower);
        }
    }
}

/// The keys in use: one to write under, while keys rotate another that is read too, and those that are looked at for
/// suppressions alone, because the list has no raw ids from which newer keys could be made.
#[derive(Clone, Debug)]
pub struct MacKeys {
    /// Written and read.
    pub current: MacKey,
    /// Read as well, while keys rotate: the one before, or the one to come.
    pub previous: Option<MacKey>,
    /// Keys of earlier rotations, under which users may still be suppressed.
    pub retired: Vec<MacKey>,
}

impl MacKeys {
    /// One key that was never another.
    pub fn only(current: MacKey) -> Self {
        Self { current, previous: None, retired: Vec::new() }
    }

    /// The user under the current key, and under the previous one if there is one.
    pub fn user_keys(&self, id: &StandardId<'_>) -> (UserKey, Option<UserKey>) {
        let previous = self.previous.as_ref().map(|key| key.user_key(id));
        (self.current.user_key(id), previous)
    }

    /// All of them, the current one first, the retired ones last.
    pub fn all(&self) -> impl Iterator<Item = &MacKey> {
        [&self.current].into_iter().chain(&self.previous).chain(&self.retired)
    }

    /// What other processes are told of them.
    pub fn ring(&self) -> KeyRing {
        KeyRing {
            current: self.current.fingerprint(),
            previous: self.previous.as_ref().map(MacKey::fingerprint),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IdKind, UserId};

    const SECRET: [u8; 32] = [7; 32];

    fn key_of(kind: IdKind, source: &str, id: &str) -> UserKey {
        let id = UserId { kind, source, id }.standard().unwrap();
        MacKey::new(1, &SECRET).unwrap().user_key(&id)
    }

    #[test]
    fn kind_source_and_id_all_count_and_never_run_into_each_other() {
        let key = key_of(IdKind::Eid, "ab", "cd");
        assert_eq!(key, key_of(IdKind::Eid, "ab", "cd"));
        assert_ne!(key, key_of(IdKind::Eid, "abc", "d"));
        assert_ne!(key, key_of(IdKind::ExchangeUser, "ab", "cd"));
        assert_ne!(key_of(IdKind::Ifa, "", "cd"), key_of(IdKind::BuyerUid, "", "cd"));
    }

    #[test]
    fn case_counts_only_where_ids_are_opaque() {
        let upper = key_of(IdKind::Ifa, "", " 6D92078A-8246-4BA4-AE5B-76104861E7DC");
        assert_eq!(upper, key_of(IdKind::Ifa, "", "6d92078a-8246-4ba4-ae5b-76104861e7dc"));
        assert_eq!(key_of(IdKind::Eid, "UIDAPI.com", "Ab"), key_of(IdKind::Eid, "uidapi.com", "Ab"));
        assert_ne!(key_of(IdKind::Eid, "uidapi.com", "Ab"), key_of(IdKind::Eid, "uidapi.com", "ab"));
    }

    #[test]
    fn the_mac_is_the_published_one() {
        // HMAC-SHA-256 with a key of 32 bytes 0x07 over 03 00000000 02000000 "ab", computed with Python's hmac.
        let expected = "quTOKnBEgfN5_kw1HFR2xw";
        assert_eq!(key_of(IdKind::Ifa, "", "AB").to_string(), expected);
    }

    #[test]
    fn while_rotating_a_user_has_two_keys() {
        let id = UserId { kind: IdKind::Ifa, source: "", id: "ab" }.standard().unwrap();
        let mut keys = MacKeys::only(MacKey::new(1, &SECRET).unwrap());
        let (old, none) = keys.user_keys(&id);
        assert_eq!(none, None);

        keys.previous = Some(std::mem::replace(&mut keys.current, MacKey::new(2, &[8; 32]).unwrap()));
        let (new, previous) = keys.user_keys(&id);
        assert_ne!(new, old);
        assert_eq!(previous, Some(old));
    }

    #[test]
    fn a_short_secret_is_refused_and_a_key_does_not_print() {
        assert_eq!(MacKey::new(1, &[1; 31]).unwrap_err(), MacKeyError { bytes: 31 });
        assert_eq!(format!("{:?}", MacKey::new(3, &SECRET).unwrap()), "MacKey(version 3)");
    }
}
