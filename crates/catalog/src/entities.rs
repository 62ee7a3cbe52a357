//! The entities that are not line items or creatives.

use serde::{Deserialize, Serialize};
use tagbid_types::{
    AdvertiserId, CampaignId, Cpm, Currency, DealId, ExchangeName, ListId, Revision, TagId, Timestamp,
};

use crate::{Budget, Capacity, FrequencyCap, Schedule, Status};

/// What every entity carries. The store sets it; what a caller sends in it is ignored, `etag` apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Revision of the last change; also the entity's etag.
    pub revision: Revision,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
    /// Archived entities keep their id, are never matched and never change again.
    pub archived: bool,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Advertiser {
    /// Its id.
    pub id: AdvertiserId,
    /// Set by the store.
    pub header: Header,
    /// For people, 1 to 200 characters.
    pub name: String,
    /// The advertiser's own domain, checked against `badv` and sent as `adomain` where a creative has none.
    pub domain: String,
    /// Currency of its budgets.
    pub currency: Currency,
    /// IANA time zone of its budget days and schedules ("Europe/Berlin").
    pub time_zone: String,
    /// Budget over all its campaigns.
    pub budget: Budget,
    /// Limits of impressions over all its campaigns.
    #[serde(default)]
    pub capacity: Capacity,
    /// Frequency caps over all its campaigns.
    pub caps: Vec<FrequencyCap>,
    /// Who carries one of these tags is never to be contacted, and neither is who may carry one; ascending, each once.
    #[serde(default)]
    pub never_contact: Vec<TagId>,
}

/// The highest tier of a campaign.
pub const MAX_TIER: u8 = 9;

/// A flight of line items under one budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Campaign {
    /// Its id.
    pub id: CampaignId,
    /// Set by the store.
    pub header: Header,
    /// Its owner.
    pub advertiser: AdvertiserId,
    /// For people, 1 to 200 characters.
    pub name: String,
    /// Active or paused.
    pub status: Status,
    /// When its line items may bid.
    pub schedule: Schedule,
    /// Budget over its line items.
    pub budget: Budget,
    /// Limits of impressions over its line items.
    #[serde(default)]
    pub capacity: Capacity,
    /// Frequency caps over its line items.
    pub caps: Vec<FrequencyCap>,
    /// Its line items bid before those of every campaign of a lower tier, whatever the prices: 0 to [`MAX_TIER`].
    #[serde(default)]
    pub tier: u8,
}

/// A private marketplace deal with an exchange. A line item uses it by targeting the deal's code
/// (`Dimension::Deal`); this entity adds what the advertiser agreed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deal {
    /// Our id.
    pub id: DealId,
    /// Set by the store.
    pub header: Header,
    /// Its owner.
    pub advertiser: AdvertiserId,
    /// For people, 1 to 200 characters.
    pub name: String,
    /// The exchange it runs on.
    pub exchange: ExchangeName,
    /// The deal id that the exchange sends in `pmp.deals.id`.
    pub code: String,
    /// What was agreed on the auction; what the request says wins.
    pub auction: DealAuction,
    /// Agreed price or floor, in `currency`.
    pub price: Cpm,
    /// Currency of `price`.
    pub currency: Currency,
    /// Seat to bid with; empty: the creative's.
    pub seat: String,
}

/// How a deal is sold: OpenRTB's `at` of a deal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DealAuction {
    /// 1: first price.
    FirstPrice,
    /// 2: second price.
    SecondPrice,
    /// 3: the agreed price is the price.
    Fixed,
}

/// A shared list of sites, apps, domains or publishers, used by line items as allow or block list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct List {
    /// Its id.
    pub id: ListId,
    /// Set by the store.
    pub header: Header,
    /// Its owner.
    pub advertiser: AdvertiserId,
    /// For people, 1 to 200 characters.
    pub name: String,
    /// What the values are.
    pub kind: ListKind,
    /// At most 100,000 values, normalised, sorted, without duplicates.
    pub values: Vec<String>,
}

/// What a list's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListKind {
    /// Site ids.
    Site,
    /// App bundles.
    App,
    /// Domains; a value also covers its subdomains.
    Domain,
    /// Publisher ids.
    Publisher,
}
