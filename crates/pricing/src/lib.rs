//! From a line item's bid rules to the price of a bid: base x multipliers, clamp, floor, deal, shade.
//!
//! [`BidRules::price`] says what an impression is worth to a line item, [`decide`] what to bid for it in this
//! auction. [`BidRules::bounds`] orders line items before any of that is known. All of it is integer
//! arithmetic; where a conversion between currencies rounds, it rounds against the bid: maxima down, floors up.
#![deny(missing_docs, clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::float_cmp)]
#![deny(clippy::wildcard_enum_match_arm)]

mod auction;
mod bounds;
mod fx;
mod price;
mod rules;
mod validate;

pub use auction::{
    ExchangeAuctions, Floor, FloorError, Mechanism, NoPrice, Offer, Priced, Shade, bid_currency, decide,
};
pub use bounds::Bounds;
pub use fx::{Fx, FxError};
pub use rules::{BidRules, Multiplier};
pub use tagbid_types::Rate;
pub use validate::{MAX_FACTOR, MAX_MULTIPLIERS, validate};
