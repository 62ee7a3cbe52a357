//! What advertisers configure: entities, their validation, and the order of their changes.

mod change;
mod creative;
mod entities;
mod entity;
mod line_item;
pub mod mime;
mod problem;
pub mod schedule;
pub mod validate;

pub use change::{Catalog, Change, Entities};
pub use creative::{
    Approval, AudioMarkup, BannerMarkup, Creative, Markup, NativeAsset, NativeMarkup, VideoMarkup,
};
pub use entities::{Advertiser, Campaign, Dataset, Deal, DealAuction, Header, List, ListKind, TagDefinition};
pub use entity::{Entity, EntityKey, EntityKind};
pub use line_item::{
    Budget, CapScope, CapUnknown, CapWindow, FrequencyCap, LineItem, Pacing, Schedule, Status,
};
pub use problem::{FieldProblem, Report};
