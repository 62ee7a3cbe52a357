//! The URLs that bring a token back.

use thiserror::Error;

use crate::{NoticeKind, SealedToken};

/// A base URL that would make broken notice URLs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("notice base URL {0:?}: use http:// or https://, a host, and a plain path without query or spaces")]
pub struct BaseUrlError(String);

/// Writes notice URLs below a base URL, with OpenRTB's macros (2.6, section 4.4) left for the exchange to fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeUrls {
    base: String,
}

impl NoticeUrls {
    /// Longest base URL.
    const MAX_BASE: usize = 200;

    /// Takes the public address of the ledger's HTTP endpoints, such as `https://n.example.com`. A slash at its end
    /// is dropped.
    pub fn new(base: &str) -> Result<Self, BaseUrlError> {
        let trimmed = base.trim_end_matches('/');
        let host = trimmed.strip_prefix("https://").or_else(|| trimmed.strip_prefix("http://"));
        // Nothing that HTML, XML or JSON would have to escape: the URL goes into markup as it is.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]%".contains(&byte);
        let fits = trimmed.len() <= Self::MAX_BASE && trimmed.bytes().all(plain);
        match host {
            Some(host) if fits && !host.is_empty() && !host.starts_with('/') => {
                Ok(Self { base: trimmed.to_owned() })
            }
            _ => Err(BaseUrlError(base.chars().take(Self::MAX_BASE).collect())),
        }
    }

    /// Appends the URL of one kind of notice. `&` stands bare in it: escape it where the markup wants that.
    pub fn write(&self, kind: NoticeKind, token: &SealedToken, to: &mut String) {
        let query = query(kind);
        to.reserve(self.base.len() + token.as_str().len() + query.len() + "/notice/click/".len());
        for part in [&self.base, "/notice/", kind.as_str(), "/", token.as_str(), query] {
            to.push_str(part);
        }
    }
}

/// The macros that this kind of notice is for.
const fn query(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Win | NoticeKind::Bill | NoticeKind::Imp => {
            "?price=${AUCTION_PRICE}&cur=${AUCTION_CURRENCY}"
        }
        NoticeKind::Loss => "?reason=${AUCTION_LOSS}&min=${AUCTION_MIN_TO_WIN}&cur=${AUCTION_CURRENCY}",
        NoticeKind::Click => "",
    }
}
