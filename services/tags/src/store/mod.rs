//! What is kept of users, behind one trait with two implementations: [`MemoryStore`] and [`RedisStore`]. Both pass
//! the same conformance suite (`tests/conformance`).

mod change;
mod journal;
mod memory;
mod redis;
mod sentinel;
mod snapshot;
mod user;

use async_trait::async_trait;
use bytes::Bytes;
use tagbid_ports::OfflineBlob;
use tagbid_tagset::frequency::Counted;
use tagbid_tagset::{BlobError, UserKey};
use tagbid_types::{DatasetId, Revision, Timestamp};
use thiserror::Error;

use crate::metrics::Stats;
use crate::sample::KeySample;

pub use journal::Durability;
pub use memory::MemoryStore;
pub use redis::{RedisConfig, RedisStore};
pub use sentinel::Sentinel;
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
    /// The store has lost data, and with it perhaps who is suppressed.
    #[error("the store has lost data; the suppression list is being replayed into it")]
    Forgot,
    /// The store refused or broke.
    #[error("the store failed: {0}")]
    Failed(String),
    /// Others changed the same user again and again while we tried.
    #[error("user {0} was changed by others during {1} attempts; try again")]
    Contended(UserKey, u32),
    /// Another dataset would make a lookup too wide.
    #[error("dataset {0} would be one more than the {MAX_ACTIVE_DATASETS} that may be active")]
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

    /// Offers some of the users who have tags to a sample, keys as big-endian numbers: those from `position` on, 0 for
    /// the first, and says where to go on; none after the last. Who is there from the first step to the last is offered
    /// at least once; for who comes or goes meanwhile, and who has tags of an earlier version, nothing is promised.
    async fn walk(&self, position: u64, sample: KeySample) -> Result<(KeySample, Option<u64>), StoreError>;

    /// Replaces the users' blobs in the dataset's active version and returns that version. A dataset without one
    /// gets version 1. Suppressed users are left out.
    async fn put_offline(&self, dataset: DatasetId, users: Vec<(UserKey, Bytes)>) -> Result<u32, StoreError>;

    /// Merges real-time blobs into what users have, atomically per user. Suppressed users are left out.
    async fn merge_realtime(&self, users: Vec<(UserKey, Bytes)>, now: Timestamp) -> Result<(), StoreError>;

    /// Counts impressions, each event once, atomically per user. Suppressed users are left out.
    async fn count(&self, impressions: Vec<Impression>, now: Timestamp) -> Result<(), StoreError>;

    /// How much of the suppression list is in the store. One that has heard nothing, or has lost what it heard, starts
    /// a new life at revision 0.
    async fn sentinel(&self) -> Result<Sentinel, StoreError>;

    /// Applies the next changes of the suppression list, from the position that the store has to this one, all or none
    /// of them. Either way of change erases what is kept of the user: who is not suppressed any more was, and what is
    /// from before that goes. Answers where the store is then; further, and nothing was applied, when somebody else
    /// has been faster. [`StoreError::Forgot`]: the store is not where `from` says.
    async fn suppress(
        &self,
        from: Sentinel,
        to: Revision,
        users: &[(UserKey, bool)],
    ) -> Result<Sentinel, StoreError>;

    /// From now on reads and writes are refused with [`StoreError::Forgot`] when the store has heard less than this.
    /// To be exact, a read says so when it was wrong at any moment of the reading, and a write when it may be lost.
    fn require(&self, sentinel: Sentinel);

    /// What there is to say about it in metrics.
    fn stats(&self) -> Stats;

    /// Tidies up what was kept to survive a sudden end. Called at intervals.
    async fn save(&self, now: Timestamp) -> Result<(), StoreError>;

    /// The last save. Writes that come later are refused.
    async fn close(&self, now: Timestamp) -> Result<(), StoreError> {
        self.save(now).await
    }
}
