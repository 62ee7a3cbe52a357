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
mod shape;
#[cfg(test)]
pub(crate) mod tests;
mod video;

/// What stops a creative, in the order of the checks above and of the auction behind them.
const CHECKS: [NoBidReason; 17] = [
    NoBidReason::BlockedAdvertiser,
    NoBidReason::BlockedCategory,
    NoBidReason::BlockedApp,
    NoBidReason::NoCreative,
    NoBidReason::NotSecure,
    NoBidReason::BlockedAttribute,
    NoBidReason::NotApproved,
    NoBidReason::DealRequired,
    NoBidReason::SeatNotAllowed,
    NoBidReason::InvalidRequest,
    NoBidReason::Currency,
    NoBidReason::BelowFloor,
    NoBidReason::FrequencyUnknown,
    NoBidReason::FrequencyCapped,
    NoBidReason::NoBudget,
    NoBidReason::NoCapacity,
    NoBidReason::Paced,
];

/// How near to a bid a creative was when this stopped it. Of several creatives the nearest one's reason is told.
pub(crate) fn nearness(reason: NoBidReason) -> Option<usize> {
    CHECKS.iter().position(|check| *check == reason)
}

use tagbid_types::NoBidReason;

pub(crate) use blocks::{Blocks, brand, deal_allows};
pub(crate) use fit::{Fit, every_reason, fit};
pub(crate) use media::{is_playlist, length_ms};
pub(crate) use protocol::Protocol;
pub(crate) use shape::Shape;
