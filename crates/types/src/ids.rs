//! Typed ids, so that a campaign is never taken for a line item.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map($name)
            }
        }
    };
}

id! {
    /// The tenant: owns campaigns, line items, creatives, deals, lists, datasets and tags.
    AdvertiserId(u64)
}
id! {
    /// A campaign: a flight of line items under one budget.
    CampaignId(u64)
}
id! {
    /// A line item: one targeting, one set of bid rules, some creatives.
    LineItemId(u64)
}
id! {
    /// A creative: what is shown.
    CreativeId(u64)
}
id! {
    /// A deal as the catalog knows it; the exchange's own deal id is a string of the deal.
    DealId(u64)
}
id! {
    /// A shared allow or block list of sites, apps or domains.
    ListId(u64)
}
id! {
    /// A standard tag. Dense, allocated by the catalog alone, never reused.
    TagId(u32)
}
id! {
    /// A dataset of offline tags. Allocated by the catalog alone, never reused.
    DatasetId(u32)
}
id! {
    /// Position of a change in the catalog's one total order. Zero is the empty catalog.
    Revision(u64)
}
id! {
    /// A random number made together with a catalog database: two databases with other contents never share one, a copy
    /// keeps it. Zero: not known.
    CatalogLife(u64)
}

/// A random 128-bit id of one bid, unique across all bidders; with the exchange it is the key of billing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BidId(pub u128);

impl fmt::Display for BidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for BidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An exchange as the operator named it in the configuration: lower-case letters, digits, `-` and `_`, at most
/// 40 of them. It is part of the bid URL, of metric labels and of tokens. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExchangeName(Arc<str>);

impl ExchangeName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 40;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExchangeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ExchangeName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = !text.is_empty() && text.len() <= Self::MAX_LEN;
        let plain = text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
        if fits && plain {
            Ok(Self(text.into()))
        } else {
            Err(format!("exchange name {text:?}: use 1 to {} of a-z, 0-9, '-' and '_'", Self::MAX_LEN))
        }
    }
}

impl TryFrom<String> for ExchangeName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ExchangeName> for String {
    fn from(name: ExchangeName) -> Self {
        name.0.as_ref().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchange_names_are_safe_in_urls_and_labels() {
        assert!("open-x_2".parse::<ExchangeName>().is_ok());
        for bad in ["", "Big", "a/b", "a b", "é", &"x".repeat(41)] {
            assert!(bad.parse::<ExchangeName>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_bid_id_prints_as_32_hex_digits() {
        assert_eq!(BidId(255).to_string(), "000000000000000000000000000000ff");
    }
}
