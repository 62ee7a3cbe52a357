//! Prices that an exchange encrypts for the bidder, in Google's scheme ("Decrypt Price Confirmations" of Authorized Buyers), which
//! other exchanges use as well.
//!
//! The macro is 28 bytes in web-safe base64 without padding: an initialisation vector of 16, the price of 8, a signature of 4. The
//! price, micros of a CPM as a big-endian number, is XORed with the head of HMAC-SHA1(encryption key, vector); the signature is
//! the head of HMAC-SHA1(integrity key, price | vector).

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{Context, HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key};
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use base64::engine::{DecodePaddingMode, general_purpose};
use tagbid_types::Cpm;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::PriceMacro;

const VECTOR: usize = 16;
const PRICE: usize = 8;
const SIGNATURE: usize = 4;

/// Bytes of an encrypted price.
const SEALED: usize = VECTOR + PRICE + SIGNATURE;

/// Google's keys have 32 bytes; those of others are let through as far as HMAC-SHA1 makes sense with them.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// Web-safe base64 with padding or without: Google pads its keys, and other exchanges their prices.
const WEB_SAFE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Keys as exchanges show them in their consoles: in the ordinary alphabet now and then.
const ORDINARY: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    general_purpose::PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Keys that are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PriceKeyError {
    /// Not two keys in base64.
    #[error(
        "write it as ENCRYPTION:INTEGRITY, both as the exchange gives them: 16 to 64 bytes in base64 (Google: 32, 44 characters)"
    )]
    Format,
    /// One key twice.
    #[error(
        "both keys are the same: the first encrypts and the second signs, and exchanges never make them equal"
    )]
    Same,
    /// More than can be live.
    #[error("{0} pairs of keys: give the newest first and at most one before it, while they rotate")]
    TooMany(usize),
}

/// Why a price cannot be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EncryptedPriceError {
    /// Something else than an encrypted price, such as a plain one.
    #[error("price: not 28 bytes in web-safe base64")]
    NotEncrypted,
    /// Changed on the way, or encrypted with other keys.
    #[error("price: its signature fits no live key")]
    Signature,
    /// Signed, and above [`Cpm::MAX`].
    #[error("price: above one million")]
    TooLarge,
}

/// The two keys that an exchange shares with us. Never printed.
#[derive(Clone)]
pub struct PriceKey {
    encryption: Key,
    integrity: Key,
}

impl PriceKey {
    /// From `ENCRYPTION:INTEGRITY`, both in base64.
    pub fn parse(text: &str) -> Result<Self, PriceKeyError> {
        let (encryption, integrity) = text.split_once(':').ok_or(PriceKeyError::Format)?;
        let (encryption, integrity) = (secret(encryption)?, secret(integrity)?);
        if encryption == integrity {
            return Err(PriceKeyError::Same);
        }
        let key = |secret: &[u8]| Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
        Ok(Self { encryption: key(&encryption), integrity: key(&integrity) })
    }

    /// What the exchange does: encrypts a price under a vector that it never uses again. For exchanges that are simulated.
    pub fn encrypt(&self, micros: u64, vector: [u8; 16]) -> String {
        let price = micros.to_be_bytes();
        let mut sealed = Vec::with_capacity(SEALED);
        sealed.extend_from_slice(&vector);
        sealed.extend_from_slice(&self.pad(&vector, price));
        sealed.extend_from_slice(&self.signature(&vector, price));
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The price, if this key signed it.
    fn open(&self, vector: &[u8; VECTOR], price: [u8; PRICE], signature: [u8; SIGNATURE]) -> Option<u64> {
        let price = self.pad(vector, price);
        verify_slices_are_equal(&self.signature(vector, price), &signature).ok()?;
        Some(u64::from_be_bytes(price))
    }

    /// Encrypts and decrypts.
    fn pad(&self, vector: &[u8; VECTOR], price: [u8; PRICE]) -> [u8; PRICE] {
        let pad = u64::from_be_bytes(head(&self.encryption, &[vector]));
        (u64::from_be_bytes(price) ^ pad).to_be_bytes()
    }

    fn signature(&self, vector: &[u8; VECTOR], price: [u8; PRICE]) -> [u8; SIGNATURE] {
        head(&self.integrity, &[&price, vector])
    }
}

impl fmt::Debug for PriceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PriceKey(***)")
    }
}

fn secret(text: &str) -> Result<Zeroizing<Vec<u8>>, PriceKeyError> {
    let decoded = WEB_SAFE.decode(text.trim()).or_else(|_| ORDINARY.decode(text.trim()));
    let secret = Zeroizing::new(decoded.map_err(|_| PriceKeyError::Format)?);
    KEY_BYTES.contains(&secret.len()).then_some(secret).ok_or(PriceKeyError::Format)
}

/// The first bytes of the HMAC of these parts.
fn head<const N: usize>(key: &Key, parts: &[&[u8]]) -> [u8; N] {
    const { assert!(N <= 20, "SHA-1 has 20 bytes") };
    let mut mac = Context::with_key(key);
    parts.iter().for_each(|part| mac.update(part));
    let mut head = [0; N];
    for (to, from) in head.iter_mut().zip(mac.sign().as_ref()) {
        *to = *from;
    }
    head
}

/// The live keys of an exchange: while it rotates them, prices come under the old and the new pair.
#[derive(Clone, Debug)]
pub struct PriceKeys {
    newest: PriceKey,
    previous: Option<PriceKey>,
}

impl PriceKeys {
    /// The pairs of the configuration, newest first; none where there are none, because then prices are plain.
    pub fn parse<'a>(pairs: impl IntoIterator<Item = &'a str>) -> Result<Option<Self>, PriceKeyError> {
        let mut keys = pairs.into_iter().map(PriceKey::parse).collect::<Result<Vec<_>, _>>()?.into_iter();
        let Some(newest) = keys.next() else { return Ok(None) };
        let previous = keys.next();
        match keys.len() {
            0 => Ok(Some(Self { newest, previous })),
            more => Err(PriceKeyError::TooMany(more + 2)),
        }
    }

    /// Reads the decoded value of the query parameter: an encrypted price, or one of the words that stand where there is none.
    /// A plain price is not one: anybody could have written it.
    pub fn read(&self, text: &str) -> Result<PriceMacro, EncryptedPriceError> {
        if let Some(word) = PriceMacro::word(text) {
            return Ok(word);
        }
        let mut sealed = [0; SEALED];
        match WEB_SAFE.decode_slice(text, &mut sealed) {
            Ok(SEALED) => {}
            _ => return Err(EncryptedPriceError::NotEncrypted),
        }
        let micros = self.open(&sealed).ok_or(EncryptedPriceError::Signature)?;
        let price = i64::try_from(micros).map(Cpm).ok().filter(|price| *price <= Cpm::MAX);
        price.map(PriceMacro::Plain).ok_or(EncryptedPriceError::TooLarge)
    }

    fn open(&self, sealed: &[u8; SEALED]) -> Option<u64> {
        let (vector, rest) = sealed.split_first_chunk()?;
        let (price, rest) = rest.split_first_chunk()?;
        let signature = rest.first_chunk()?;
        let mut live = [Some(&self.newest), self.previous.as_ref()].into_iter().flatten();
        live.find_map(|key| key.open(vector, *price, *signature))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The sample keys and prices of Google's page.
    const GOOGLE: &str =
        "skU7Ax_NL5pPAFyKdkfZjZz2-VhIN8bjj1rVFOaJ_5o=:arO23ykdNqUQ5LEoQ0FVmPkBd7xB5CO89PDZlSjpFxo=";
    const PUBLISHED: [(&str, u64); 3] = [
        ("YWJjMTIzZGVmNDU2Z2hpN7fhCuPemCce_6msaw", 100),
        ("YWJjMTIzZGVmNDU2Z2hpN7fhCuPemCAWJRxOgA", 1_900),
        ("YWJjMTIzZGVmNDU2Z2hpN7fhCuPemC32prpWWw", 2_700),
    ];
    const OTHER: &str =
        "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc:CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg";

    fn keys(pairs: &[&str]) -> PriceKeys {
        PriceKeys::parse(pairs.iter().copied()).unwrap().unwrap()
    }

    #[test]
    fn the_published_prices_are_read_and_made() {
        let (google, key) = (keys(&[GOOGLE]), PriceKey::parse(GOOGLE).unwrap());
        for (text, micros) in PUBLISHED {
            let price = PriceMacro::Plain(Cpm(i64::try_from(micros).unwrap()));
            assert_eq!(google.read(text), Ok(price), "{text}");
            assert_eq!(google.read(&format!("{text}==")), Ok(price), "padding does no harm");
            assert_eq!(key.encrypt(micros, *b"abc123def456ghi7"), text);
        }
    }

    #[test]
    fn what_is_not_encrypted_is_no_price() {
        let google = keys(&[GOOGLE]);
        for text in [
            "1.25",
            "0",
            "YWJjMTIzZGVmNDU2Z2hpN7fhCuPemCce_6ms",
            "YWJjMTIzZGVmNDU2Z2hpN7fhCuPemCce_6msawAA",
            "ü",
        ] {
            assert_eq!(google.read(text), Err(EncryptedPriceError::NotEncrypted), "{text}");
        }
        for (text, word) in [
            ("AUDIT", PriceMacro::Audit),
            ("", PriceMacro::Empty),
            ("${AUCTION_PRICE}", PriceMacro::Unsubstituted),
        ] {
            assert_eq!(google.read(text), Ok(word));
        }
    }

    #[test]
    fn while_keys_rotate_both_pairs_are_read() {
        let old = PriceKey::parse(OTHER).unwrap().encrypt(7, [1; 16]);
        let price = Ok(PriceMacro::Plain(Cpm(7)));
        assert_eq!(keys(&[GOOGLE]).read(&old), Err(EncryptedPriceError::Signature));
        assert_eq!(keys(&[GOOGLE, OTHER]).read(&old), price);
        assert_eq!(keys(&[OTHER, GOOGLE]).read(&old), price);
    }

    #[test]
    fn keys_that_are_none_say_so_and_do_not_print() {
        let parse = |pairs: &[&str]| PriceKeys::parse(pairs.iter().copied()).map(|keys| keys.is_some());
        assert_eq!(parse(&[]), Ok(false));
        for bad in ["", "AAAA", "AAAA:BBBB", &GOOGLE.replace('_', "?")] {
            assert_eq!(parse(&[bad]), Err(PriceKeyError::Format), "{bad}");
        }
        let half = OTHER.split_once(':').unwrap().0;
        assert_eq!(parse(&[&format!("{half}:{half}")]), Err(PriceKeyError::Same));
        assert_eq!(parse(&[GOOGLE, OTHER, GOOGLE]), Err(PriceKeyError::TooMany(3)));
        assert_eq!(parse(&[&GOOGLE.replace('-', "+").replace('_', "/")]), Ok(true));
        assert_eq!(format!("{:?}", PriceKey::parse(GOOGLE).unwrap()), "PriceKey(***)");
    }

    proptest! {
        /// Every price up to the highest comes back, and above it none does.
        #[test]
        fn prices_survive_encryption(micros in any::<u64>(), small in 0..2_000_000_000_000_u64, vector: [u8; 16]) {
            let key = PriceKey::parse(OTHER).unwrap();
            for micros in [micros, small] {
                let want = match i64::try_from(micros) {
                    Ok(micros) if Cpm(micros) <= Cpm::MAX => Ok(PriceMacro::Plain(Cpm(micros))),
                    _ => Err(EncryptedPriceError::TooLarge),
                };
                prop_assert_eq!(keys(&[GOOGLE, OTHER]).read(&key.encrypt(micros, vector)), want);
            }
        }

        /// One changed bit anywhere, and the signature does not fit.
        #[test]
        fn a_changed_price_is_not_believed(micros in 0..1_000_000_000_u64, vector: [u8; 16], bit in 0..SEALED * 8) {
            let text = PriceKey::parse(GOOGLE).unwrap().encrypt(micros, vector);
            let mut sealed = URL_SAFE_NO_PAD.decode(text).unwrap();
            sealed[bit / 8] ^= 1 << (bit % 8);
            let changed = URL_SAFE_NO_PAD.encode(sealed);
            prop_assert_eq!(keys(&[GOOGLE, OTHER]).read(&changed), Err(EncryptedPriceError::Signature));
        }

        /// Any text at all is answered.
        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,80}") {
            let _answer = keys(&[GOOGLE]).read(&text);
        }
    }
}
