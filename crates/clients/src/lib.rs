//! The ports over gRPC, and clients for the demo and for tests.

mod advertiser;
mod catalog;
mod events;
mod explain;
mod find;
mod frequency;
mod funnel;
mod known;
mod leases;
mod load;
mod lookup;
mod names;
mod near;
mod pack;
mod people;
mod reach;
mod reports;
mod snapshots;

pub use advertiser::{AdvertiserClient, AdvertiserError, Balance, Billed, Lost, Spent, Won};
pub use catalog::{
    Backoff, CatalogCopy, CatalogFollower, CatalogState, CatalogView, Changed, CopyError, Endpoint,
    EndpointError, FollowOptions, Gap, GrpcCatalog, GrpcSuppressions, Position, SavedCatalog,
};
pub use events::{EventStream, EventToSend, RefusedEvent, Taken};
pub use explain::GrpcExplainer;
pub use find::{FindError, KeyFinder};
pub use frequency::GrpcImpressionCounter;
pub use funnel::{GrpcFunnels, GrpcWins};
pub use known::{KnownCount, KnownError, KnownTag, KnownUser, ReadDataset, UserReader};
pub use leases::GrpcLeases;
pub use load::{
    FoundDataset, LoadOf, LoadPosition, LoadStream, Loaded, Rejected, SnapshotLine, SnapshotList,
    SnapshotsClient, SnapshotsError, TagRef, TagToLoad, Throttle, UserToLoad,
};
pub use lookup::{GrpcLookupSource, LookupError};
pub use names::GrpcTagNames;
pub use near::{FRESH, NearOptions, NearSource};
pub use people::{Changed as PeopleChanged, GrpcPeopleLinks, PeopleError, PeopleStream, RawId};
pub use reach::{GrpcRequestSample, GrpcUserSample};
pub use reports::{
    LossLine, ReportAnswer, ReportBy, ReportClient, ReportError, ReportFilter, ReportKey, ReportLine,
};
pub use snapshots::GrpcSnapshotBook;
