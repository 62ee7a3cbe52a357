//! Line items: what is bid on, for how much, when, and how often.

use serde::{Deserialize, Serialize};
use tagbid_pricing::BidRules;
use tagbid_targeting::{Expr, HoursOfWeek};
use tagbid_types::{AdvertiserId, CampaignId, CreativeId, LineItemId, Nanos, Timestamp};

use crate::Header;

/// A line item. It bids when its own and its campaign's status, schedule and daypart allow, its targeting
/// matches, and one of its creatives fits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LineItem {
    /// Its id.
    pub id: LineItemId,
    /// Set by the store.
    pub header: Header,
    /// Its owner; always the campaign's.
    pub advertiser: AdvertiserId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// For people, 1 to 200 characters.
    pub name: String,
    /// Active or paused.
    pub status: Status,
    /// Whom and where.
    pub targeting: Expr,
    /// For how much.
    pub bid: BidRules,
    /// When.
    pub schedule: Schedule,
    /// Spending limits.
    pub budget: Budget,
    /// Limits of impressions.
    #[serde(default)]
    pub capacity: Capacity,
    /// How the budget is spread over time.
    pub pacing: Pacing,
    /// How often one user may see it.
    pub caps: Vec<FrequencyCap>,
    /// What a cap does when the count is unknown.
    pub cap_unknown: CapUnknown,
    /// What is shown: 1 to 50 creatives of the same advertiser.
    pub creatives: Vec<CreativeId>,
}

/// Whether its owner wants it to bid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Bids when everything else allows.
    #[default]
    Active,
    /// Does not bid.
    Paused,
}

/// When it may bid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// First moment; none: at once.
    pub start: Option<Timestamp>,
    /// First moment after the flight; none: for ever.
    pub end: Option<Timestamp>,
    /// Hours of the week in the advertiser's time zone; none: always. (Hours where the user is are a targeting
    /// leaf.)
    pub dayparts: Option<HoursOfWeek>,
}

/// Spending limits in the advertiser's currency; none: no limit of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// For each day in the advertiser's time zone.
    pub daily: Option<Nanos>,
    /// For ever.
    pub lifetime: Option<Nanos>,
}

/// Limits of impressions that are billed; none: no limit of its own. An impression of `qty.multiplier` counts as so many, rounded up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// For each day in the advertiser's time zone.
    pub daily: Option<u64>,
    /// For ever.
    pub lifetime: Option<u64>,
}

/// The largest capacity: beyond what anybody shows, and far below what accounts count.
pub const MAX_CAPACITY: u64 = 1_000_000_000_000;

/// How the budget is spread over its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pacing {
    /// The same each hour.
    #[default]
    Even,
    /// As soon as possible.
    Asap,
    /// As the traffic comes.
    TrafficShaped,
}

/// How often one user may be shown something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrequencyCap {
    /// What is counted together.
    pub scope: CapScope,
    /// Most impressions in the window, 1 to 65,535.
    pub impressions: u16,
    /// Over which time.
    pub window: CapWindow,
}

/// What a cap counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapScope {
    /// The line item.
    LineItem,
    /// Its campaign.
    Campaign,
    /// Its advertiser.
    Advertiser,
}

/// The rolling window of a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapWindow {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
    /// 7 days.
    Week,
    /// As long as counts are kept.
    Lifetime,
}

/// What a capped line item does for a user whose count cannot be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapUnknown {
    /// Stays silent.
    #[default]
    NoBid,
    /// Bids as if it had not been seen.
    Bid,
}
