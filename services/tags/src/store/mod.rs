//! What is kept of users, behind one trait with two implementations: [`MemoryStore`] and [`RedisStore`]. Both pass
//! the same conformance suite (`tests/conformance`).

mod change;
mod memory;
mod redis;
mod snapshot;

use async_trait::async_trait;
use bytes::Bytes;
use tagbid_ports::OfflineBlob;
use tagbid_tagset::frequency::Counted;
use tagbid_tagset::{BlobError, UserKey};
use tagbid_types::{DatasetId, Timestamp};
use thiserror::Error;

pub use memory::MemoryStore;
pub use redis::{RedisConfig, RedisStore};
pub use snapshot::SnapshotError;

/// Most datasets that are active at once, so that one lookup stays one MGET of bounded size.
pub const MAX_ACTIVE_DATASETS: usize = 8;

/// How long counts are kept after the last impression: the longest "lifetime" of a cap.
pub const FREQUENCY_TTL_S: u64 = 90 * 86_400;

/// What the store has of one user. Nothing in it: the store answered, and has nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The user asked not to be known; nothing else is filled in.
    pub suppressed: bool,
    /// The blobs of the active version of each dataset, ascending by dataset.
    pub offline: Vec<OfflineBlob>,
    /// The real-time blob.
    pub realtime: Option<Bytes>,
    /// The frequency blob, when it was asked for.
    pub frequency: Option<Bytes>,
}

/// One impression to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impression {
    /// Who saw it.
    pub user: UserKey,
    /// Identity of the event: the same one is counted once.
    pub event: u128,
    /// When it was seen.
    pub at: Timestamp,
    /// What is counted: line item, campaign, advertiser.
    pub counted: Vec<Counted>,
}

/// Why the store did not do it. Never means "nothing stored".
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// There is no connection now; one is being made.
    #[error("no connection to the store; reconnecting")]
    Down,
    /// The store refused or broke.
    #[error("the store failed: {0}")]
    Failed(String),
    /// Others changed the same user again and again while we tried.
    #[error("user {0} was changed by others during {1} attempts; try again")]
    Contended(UserKey, u32),
    /// Another dataset would make a lookup too wide.
    #[error(
        "dataset {0} would be the ninth active one; at most {MAX_ACTIVE_DATASETS} are: archive one or merge two"
    )]
    TooManyDatasets(DatasetId),
    /// A blob that cannot be merged.
    #[error("user {0}: {1}")]
    Blob(UserKey, BlobError),
}

/// A tag store. Reads take as long as they take: who calls sets the deadline and drops the future.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// What is kept of these users, in their order. Versions are those active at one moment for all of them.
    async fn read(&self, users: &[UserKey], frequency: bool) -> Result<Vec<Stored>, StoreError>;

    /// Replaces the users' blobs in the dataset's active version and returns that version. A dataset without one
    /// gets version 1. Suppressed users are left out.
    async fn put_offline(&self, dataset: DatasetId, users: Vec<(UserKey, Bytes)>) -> Result<u32, StoreError>;

    /// Merges real-time blobs into what users have, atomically per user. Suppressed users are left out.
    async fn merge_realtime(&self, users: Vec<(UserKey, Bytes)>, now: Timestamp) -> Result<(), StoreError>;

    /// Counts impressions, each event once, atomically per user. Suppressed users are left out.
    async fn count(&self, impressions: Vec<Impression>, now: Timestamp) -> Result<(), StoreError>;

    /// Suppresses users, or lifts that. Suppressing erases what is kept of them; lifting removes the mark and nothing
    /// else, so that telling it again does no harm to what was written since.
    async fn set_suppressed(&self, users: &[UserKey], suppressed: bool) -> Result<(), StoreError>;

    /// Makes durable what is only in memory, if anything is. Called at intervals and when draining.
    async fn save(&self, now: Timestamp) -> Result<(), StoreError>;
}
