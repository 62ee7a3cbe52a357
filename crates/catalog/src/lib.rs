//! What advertisers configure: entities, their validation, and the order of their changes.

mod change;
mod creative;
mod dataset;
mod entities;
mod entity;
mod line_item;
pub mod mime;
pub mod people;
mod problem;
pub mod registry;
pub mod schedule;
pub mod snapshots;
pub mod validate;

pub use change::{Catalog, Change, Entities, Place};
pub use creative::{
    Approval, AudioMarkup, BannerMarkup, Creative, Markup, NativeAsset, NativeMarkup, VideoMarkup,
};
pub use dataset::{DEFAULT_TTL_S, Dataset, DatasetKind, TagDefinition, TagRules, UnknownNames};
pub use entities::{Advertiser, Campaign, Deal, DealAuction, Header, List, ListKind, MAX_TIER};
pub use entity::{Entity, EntityKey, EntityKind};
pub use line_item::{
    Budget, CapScope, CapUnknown, CapWindow, Capacity, FrequencyCap, LineItem, MAX_CAPACITY, Pacing,
    Schedule, Status,
};
pub use problem::{FieldProblem, Report};
pub use registry::{EpochError, Registry, RegistryEpoch, Resolved};
pub use snapshots::{Snapshot, SnapshotChange, SnapshotError, SnapshotState, Snapshots};
