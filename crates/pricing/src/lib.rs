//! From a line item's bid rules to the price of a bid: base x multipliers, clamp, floor, deal, shade.
#![deny(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp
)]
#![deny(clippy::wildcard_enum_match_arm)]

mod auction;
mod fx;
mod price;
mod rules;
mod validate;

pub use auction::{
    ExchangeAuctions, Floor, FloorError, Mechanism, NoPrice, Offer, Priced, Shade, bid_currency, decide,
};
pub use fx::{Fx, FxError, Rate};
pub use rules::{BidRules, Multiplier};
pub use validate::{MAX_FACTOR, MAX_MULTIPLIERS, validate};
