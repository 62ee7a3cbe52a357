//! Which creatives may answer an impression: what the request blocks, and what the impression takes.
//!
//! Pure. Once a request its block lists are put in order ([`Blocks::new`], in the request's arena); after that a
//! candidate costs no allocation. The checks run in one fixed order and the first that fails is the no-bid reason,
//! so the later a reason stands in the list, the nearer the creative came to a bid:
//!
//! | | check | reason |
//! | --- | --- | --- |
//! | [`brand`] | `badv` | `BlockedAdvertiser` |
//! | | `bcat`, `acat` in `cattax` | `BlockedCategory` |
//! | | `bapp` | `BlockedApp` |
//! | | `wlang`, `wlangb` | `NoCreative` |
//! | [`fit`] | the format is offered | `NoCreative` |
//! | | banner: size, MIME type, expansion | `NoCreative` |
//! | | video: linearity, MIME type, duration, bitrate, delivery, boxing, skipping, protocol | `NoCreative` |
//! | | audio: MIME type, duration, bitrate, delivery, protocol | `NoCreative` |
//! | | native: the request is readable, its required assets can be filled | `NoCreative` |
//! | | `api` | `NoCreative` |
//! | | `secure` | `NotSecure` |
//! | | `btype`, `battr` | `BlockedAttribute` |
//! | | approval by the exchange | `NotApproved` |
//!
//! [`every_reason`] runs the same checks to the end and says each failure in words.

mod banner;
mod blocks;
mod domain;
mod fit;
mod media;
mod mime;
mod mismatch;
pub(crate) mod native;
mod protocol;
#[cfg(test)]
pub(crate) mod tests;
mod video;

pub(crate) use blocks::{Blocks, brand, deal_allows};
pub(crate) use fit::{Fit, every_reason, fit};
pub(crate) use media::{is_playlist, length_ms};
pub(crate) use protocol::Protocol;
