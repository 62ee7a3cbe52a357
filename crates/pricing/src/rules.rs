//! What an advertiser says about price.

use serde::{Deserialize, Serialize};
use tagbid_targeting::Leaf;
use tagbid_types::{Cpm, Currency, Ratio};

/// A line item's price: `base` times every multiplier whose test holds, kept between `min` and [`BidRules::most`].
/// All prices are in `currency`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BidRules {
    /// Price before multipliers.
    pub base: Cpm,
    /// The currency of `base`, `min` and `max`.
    pub currency: Currency,
    /// Never bid less; a price that would be lower is raised to it.
    pub min: Cpm,
    /// Never bid more; a price that would be higher is lowered to it. None: never more than `base`, whatever that is
    /// at the time.
    pub max: Option<Cpm>,
    /// Applied in order; each is rounded half to even.
    pub multipliers: Vec<Multiplier>,
}

impl BidRules {
    /// The most that is ever bid.
    pub fn most(&self) -> Cpm {
        self.max.unwrap_or(self.base)
    }
}

/// A factor on the price while a test holds. A test that is unknown changes nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Multiplier {
    /// The test.
    pub when: Leaf,
    /// The factor, 0 to 100 ([`Ratio`] in millionths).
    pub factor: Ratio,
}
