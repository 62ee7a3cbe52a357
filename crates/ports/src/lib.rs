//! What the roles ask of each other: one trait per question, with plain types. `src/compose.rs` of the binary picks
//! for each port the service itself (in one process) or the gRPC client of `clients`.

mod catalog;
mod datasets;
mod events;
mod explain;
mod frequency;
mod funnel;
mod leases;
mod people;
mod reach;
mod registry;
mod snapshots;
mod tags;

pub use catalog::{
    CatalogEvent, CatalogFeed, FeedError, SuppressionChange, SuppressionEvent, SuppressionFeed,
};
pub use datasets::Datasets;
pub use events::{
    AppendError, Attribution, BidFact, BidSample, ConversionFact, Event, EventBatch, EventBid, EventKind,
    EventSink, EventSource, EventUser, Fact, MAX_APPEND, MAX_EVENT_TEXT, NoticeFact, Verdict,
};
pub use explain::{ExplainError, Explainer, Explanation, ImpressionExplanation, Reason};
pub use frequency::{CountError, CountOutcome, Impression, ImpressionCounter, MAX_COUNTED, MAX_IMPRESSIONS};
pub use funnel::{
    Funnel, FunnelCounts, FunnelError, FunnelSource, LineItemFunnel, Loss, WinCounts, WinsError,
};
pub use leases::{Beaten, LeaseError, LeaseSource, Opened};
pub use people::{LinksError, MAX_PERSONS, PeopleLinks};
pub use reach::{ReachUnavailable, RequestReach, RequestSample, Stratum, UserReach, UserSample};
pub use registry::{
    MAX_NAMES, NameAnswer, NamesAnswer, NamesError, NamesQuestion, TagNames, TagRegistry, TagsUpserted,
    UpsertOutcome,
};
pub use snapshots::{SnapshotBook, SnapshotBookError, SnapshotStep};
pub use tagbid_catalog::{EpochError, Registry, RegistryEpoch};
pub use tags::{
    DatasetTags, LookupRequest, MAX_OTHER_KEYS, OfflineBlob, OtherKeys, SourceStatus, TagAnswer, TagLookup,
    TagLookupSource, TagWriter, UserKeys, WriteError,
};
