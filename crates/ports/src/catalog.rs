//! What advertisers configured, as a stream; and who asked not to be known.

use std::sync::Arc;

use futures_util::stream::BoxStream;
use tagbid_catalog::{Catalog, Change, Place};
use tagbid_tagset::UserKey;
use tagbid_types::{Revision, Timestamp};
use thiserror::Error;

/// One step of the catalog stream.
#[derive(Clone, Debug)]
pub enum CatalogEvent {
    /// The whole catalog: first when the reader has none, and again when the changes since the reader's revision
    /// are not to be had.
    Snapshot(Arc<Catalog>),
    /// The next changes, in order, without a gap after what was sent before.
    Changes(Vec<Change>),
    /// The reader is up to date at this revision and moment. Sent at least every second.
    UpToDate {
        /// The revision the reader now has.
        revision: Revision,
        /// The campaigns role's clock.
        at: Timestamp,
    },
}

/// Why a stream ended. The reader opens it anew from the revision it has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FeedError {
    /// The connection or the store broke.
    #[error("catalog feed: {0}")]
    Broken(String),
    /// The credential was refused.
    #[error("catalog feed: not permitted: {0}")]
    Denied(String),
}

/// The catalog as a stream.
pub trait CatalogFeed: Send + Sync + 'static {
    /// Everything after `from`: changes if the source still has them all, else a snapshot and what follows. A reader that
    /// followed another database, or one that was restored from a backup since, gets a snapshot.
    fn subscribe(&self, from: Place) -> BoxStream<'static, Result<CatalogEvent, FeedError>>;
}

/// One step of the suppression stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SuppressionEvent {
    /// The next changes of the list, ascending by revision, at least one.
    Users(Vec<SuppressionChange>),
    /// All that there was at the time of subscribing has been sent: the tag store may serve.
    CaughtUp,
}

/// What the list says of one id from here on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuppressionChange {
    /// Position in the list after this change.
    pub revision: Revision,
    /// The id.
    pub user: UserKey,
    /// Whether suppressed from here on.
    pub suppressed: bool,
    /// The last position at which everything that was kept of the id went, 0 for never: a reader that was not there yet
    /// lets it go now. Positions are microseconds since 1970; what describes the id before that moment is not kept.
    pub erased: Revision,
    /// The other ids of the same person, ascending.
    pub others: Vec<UserKey>,
}

impl SuppressionChange {
    /// An id that stands alone is suppressed, or is not any more: either way what is kept of it goes.
    pub fn of(revision: Revision, user: UserKey, suppressed: bool) -> Self {
        Self { revision, user, suppressed, erased: revision, others: Vec::new() }
    }
}

/// Who is suppressed or erased, and which ids are one person, as a stream: durable in the catalog database, replayed into the tag store before it is ready.
pub trait SuppressionFeed: Send + Sync + 'static {
    /// Everything after `from`: of each user the last change only. Revisions never come back, not even when the list
    /// was restored from a backup; a reader that is further than the list hears it from the beginning.
    fn subscribe(&self, from: Revision) -> BoxStream<'static, Result<SuppressionEvent, FeedError>>;
}
