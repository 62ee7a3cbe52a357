//! Sealing and opening.
//!
//! `base64url(format | key id | nonce | ciphertext | tag)`, AES-256-GCM-SIV (RFC 8452). SIV because nonces are random:
//! with plain GCM a key may seal only 2^32 tokens (NIST SP 800-38D, 8.3), five days at 10,000 bids a second, and one
//! repeated nonce gives the key's authentication away; with SIV a repeat shows at worst that two tokens are equal,
//! and tokens never are. Format and key id are authenticated together with a label of this use, so that nothing
//! sealed elsewhere with the same key passes as a token.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::codec::{Content, Format, Writer};
use crate::{Audience, Click, Token};

const HEADER: usize = 2 + NONCE_LEN;
const TAG: usize = 16;
const MAX_SEALED: usize = HEADER + Click::MAX_BYTES + TAG;
/// Four characters for three bytes, without padding.
const MAX_TEXT: usize = (MAX_SEALED * 4).div_ceil(3);

fn aad(format: Format, key_id: u8, audience: Audience) -> Aad<[u8; 17]> {
    let mut label = *b"tagbid notice \0\0\0";
    let [.., whom, first, id] = &mut label;
    (*whom, *first, *id) = (audience as u8, format as u8, key_id);
    Aad::from(label)
}

/// A key that is no key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not `ID:KEY`.
    #[error(
        "token key: write it as ID:KEY, ID from 0 to 255 and KEY 32 random bytes in base64url (43 characters)"
    )]
    Format,
    /// Both live keys have one id.
    #[error("token keys: both have id {0}; give each new key the next id")]
    SameId(u8),
}

/// One 256-bit key and its id. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct TokenKey {
    id: u8,
    secret: Zeroizing<[u8; 32]>,
}

impl TokenKey {
    /// From 32 random bytes.
    pub fn new(id: u8, secret: [u8; 32]) -> Self {
        Self { id, secret: Zeroizing::new(secret) }
    }

    /// From `ID:KEY` of the configuration: a decimal id and 32 bytes in base64url without padding.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (id, key) = text.split_once(':').ok_or(KeyError::Format)?;
        let id = id.trim().parse().map_err(|_| KeyError::Format)?;
        let mut secret = Zeroizing::new([0; 32]);
        match URL_SAFE_NO_PAD.decode_slice(key.trim().trim_end_matches('='), secret.as_mut()) {
            Ok(32) => Ok(Self { id, secret }),
            _ => Err(KeyError::Format),
        }
    }

    fn cipher(&self) -> Option<Cipher> {
        let key = UnboundKey::new(&AES_256_GCM_SIV, self.secret.as_ref()).ok()?;
        Some(Cipher { id: self.id, key: LessSafeKey::new(key) })
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({}: ***)", self.id)
    }
}

/// The live keys: new tokens are sealed with the newest; those of the previous one still open. To rotate, give every
/// ledger the new key as newest first, then every bidder; drop the old one when the last token of its is past its 72 hours, and the last
/// click id past the days that conversions look back.
#[derive(Clone, Debug)]
pub struct Keys {
    newest: TokenKey,
    previous: Option<TokenKey>,
}

impl Keys {
    /// Takes the live keys; their ids must differ.
    pub fn new(newest: TokenKey, previous: Option<TokenKey>) -> Result<Self, KeyError> {
        match &previous {
            Some(old) if old.id == newest.id => Err(KeyError::SameId(old.id)),
            _ => Ok(Self { newest, previous }),
        }
    }
}

struct Cipher {
    id: u8,
    // Its own key schedule, which aws-lc wipes when it frees it.
    key: LessSafeKey,
}

/// Sealing failed, which no token of ours makes it do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SealError {
    /// The cipher refused the key or the data.
    #[error("the cipher refused to seal a token")]
    Cipher,
}

/// Seals tokens with the newest key. One for each worker or one for all: sealing takes no lock.
pub struct Sealer(Cipher);

impl Sealer {
    /// A sealer of the newest key.
    pub fn new(keys: &Keys) -> Result<Self, SealError> {
        keys.newest.cipher().map(Self).ok_or(SealError::Cipher)
    }

    /// Seals. The nonce must come from a good random source; nothing else of the result is random. Allocates nothing.
    pub fn seal(
        &self,
        token: &Token,
        audience: Audience,
        nonce: [u8; NONCE_LEN],
    ) -> Result<SealedToken, SealError> {
        self.seal_bytes(|to| token.encode(to), audience, nonce)
    }

    /// Seals what a click tells the advertiser's pages, likewise.
    pub fn seal_click(&self, click: &Click, nonce: [u8; NONCE_LEN]) -> Result<SealedToken, SealError> {
        self.seal_bytes(|to| click.encode(to), Audience::Landing, nonce)
    }

    fn seal_bytes(
        &self,
        encode: impl FnOnce(&mut Writer<'_>),
        audience: Audience,
        nonce: [u8; NONCE_LEN],
    ) -> Result<SealedToken, SealError> {
        let mut sealed = [0; MAX_SEALED];
        let len = self.fill(encode, audience, nonce, &mut sealed).ok_or(SealError::Cipher)?;
        let mut text = [0; MAX_TEXT];
        let sealed = sealed.get(..len).ok_or(SealError::Cipher)?;
        match URL_SAFE_NO_PAD.encode_slice(sealed, &mut text) {
            Ok(len) => Ok(SealedToken { text, len }),
            Err(_) => Err(SealError::Cipher),
        }
    }

    fn fill(
        &self,
        encode: impl FnOnce(&mut Writer<'_>),
        audience: Audience,
        nonce: [u8; NONCE_LEN],
        sealed: &mut [u8; MAX_SEALED],
    ) -> Option<usize> {
        let (header, body) = sealed.split_at_mut(HEADER);
        let (prefix, room) = header.split_at_mut(2);
        prefix.copy_from_slice(&[Format::CURRENT as u8, self.0.id]);
        room.copy_from_slice(&nonce);
        let mut writer = Writer::new(body);
        encode(&mut writer);
        let len = writer.finish()?;
        let (plain, rest) = body.split_at_mut_checked(len)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .0
            .key
            .seal_in_place_separate_tag(nonce, aad(Format::CURRENT, self.0.id, audience), plain)
            .ok()?;
        rest.get_mut(..TAG)?.copy_from_slice(tag.as_ref());
        Some(HEADER + len + TAG)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({})", self.0.id)
    }
}

/// A sealed token as text that needs no escaping in a URL. About 215 characters; never above [`SealedToken::MAX_LEN`].
#[derive(Clone)]
pub struct SealedToken {
    text: [u8; MAX_TEXT],
    len: usize,
}

impl SealedToken {
    /// The longest token, with every field as long as it can be.
    pub const MAX_LEN: usize = MAX_TEXT;

    /// The text.
    pub fn as_str(&self) -> &str {
        let used = self.text.get(..self.len).unwrap_or_default();
        // The encoder wrote ASCII, so this never takes the fallback.
        std::str::from_utf8(used).unwrap_or_default()
    }
}

impl fmt::Debug for SealedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a token was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// Too long, too short or not base64url.
    #[error("not a token")]
    Malformed,
    /// Of an encoding that this version does not know.
    #[error("token format {0} is not known")]
    Format(u8),
    /// Sealed with a key that is not live here.
    #[error("token key {0} is not live")]
    UnknownKey(u8),
    /// Changed on the way, or not sealed by us.
    #[error("token is forged or damaged")]
    Forged,
    /// Sealed by us, but its content makes no sense; names the field.
    #[error("token content: {0}")]
    Content(&'static str),
}

/// Opens tokens of both live keys.
pub struct Opener {
    newest: Cipher,
    previous: Option<Cipher>,
}

impl Opener {
    /// An opener of both keys.
    pub fn new(keys: &Keys) -> Result<Self, SealError> {
        let cipher = |key: &TokenKey| key.cipher().ok_or(SealError::Cipher);
        Ok(Self { newest: cipher(&keys.newest)?, previous: keys.previous.as_ref().map(cipher).transpose()? })
    }

    /// Opens a token, or says why not. Any text is safe to pass.
    pub fn open(&self, text: &str, audience: Audience) -> Result<Token, OpenError> {
        self.open_bytes(text, audience, Token::decode)
    }

    /// Opens what [`Sealer::seal_click`] sealed, likewise.
    pub fn open_click(&self, text: &str) -> Result<Click, OpenError> {
        self.open_bytes(text, Audience::Landing, Click::decode)
    }

    fn open_bytes<T>(
        &self,
        text: &str,
        audience: Audience,
        decode: impl FnOnce(&[u8], Format) -> Result<T, Content>,
    ) -> Result<T, OpenError> {
        let mut sealed = [0; MAX_SEALED];
        if text.len() > MAX_TEXT {
            return Err(OpenError::Malformed);
        }
        let len = URL_SAFE_NO_PAD.decode_slice(text, &mut sealed).map_err(|_| OpenError::Malformed)?;
        let sealed = sealed.get_mut(..len).ok_or(OpenError::Malformed)?;
        let (&mut [first, id], sealed) = sealed.split_first_chunk_mut().ok_or(OpenError::Malformed)?;
        let format = Format::of(first).ok_or(OpenError::Format(first))?;
        let cipher = self.cipher(id).ok_or(OpenError::UnknownKey(id))?;
        let (nonce, sealed) = sealed.split_first_chunk_mut().ok_or(OpenError::Malformed)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = cipher
            .key
            .open_in_place(nonce, aad(format, id, audience), sealed)
            .map_err(|_| OpenError::Forged)?;
        decode(plain, format).map_err(|content| OpenError::Content(content.0))
    }

    fn cipher(&self, id: u8) -> Option<&Cipher> {
        [Some(&self.newest), self.previous.as_ref()].into_iter().flatten().find(|cipher| cipher.id == id)
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opener({}, {:?})", self.newest.id, self.previous.as_ref().map(|old| old.id))
    }
}
