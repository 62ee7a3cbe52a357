//! From a line item's bid rules to the price of a bid: base x multipliers, clamp, floor, deal, shade.
#![deny(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp
)]
#![deny(clippy::wildcard_enum_match_arm)]

mod rules;

pub use rules::{BidRules, Multiplier};
