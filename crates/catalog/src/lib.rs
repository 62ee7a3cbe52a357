//! What advertisers configure: entities, their validation, and the order of their changes.

mod change;
mod creative;
mod entities;
mod line_item;

pub use change::{Catalog, Change, Entity, EntityKey, EntityKind};
pub use creative::{
    Approval, AudioMarkup, BannerMarkup, Creative, Markup, NativeAsset, NativeMarkup, VideoMarkup,
};
pub use entities::{Advertiser, Campaign, Dataset, Deal, DealAuction, Header, List, ListKind, TagDefinition};
pub use line_item::{
    Budget, CapScope, CapUnknown, CapWindow, FrequencyCap, LineItem, Pacing, Schedule, Status,
};
