//! What is kept of users, behind one trait with two implementations: [`MemoryStore`] and [`RedisStore`]. Both pass
//! the same conformance suite (`tests/conformance`).

mod change;
mod journal;
mod memory;
mod redis;
mod sentinel;
mod snapshot;
mod standing;
mod user;
mod versions;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tagbid_ports::{Impression, OfflineBlob, SuppressionChange};
use tagbid_tagset::{BlobError, UserKey};
use tagbid_types::{DatasetId, Revision, Timestamp};
use thiserror::Error;

use crate::metrics::Stats;
use crate::sample::KeySample;

pub use journal::Durability;
pub use memory::MemoryStore;
pub use redis::{RedisConfig, RedisStore, RedisUrlError, Servers};
pub use sentinel::Sentinel;
pub use snapshot::SnapshotError;
pub use standing::{ERASED_FOR, Standing};
pub use versions::{MAX_VERSIONS, Mark, Pointer, Version};

/// How long counts are kept after the last impression: the longest "lifetime" of a cap.
pub const FREQUENCY_TTL_S: u64 = 90 * 86_400;

/// What the store has of one user. Nothing in it: the store answered, and has nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The user asked not to be known; nothing else is filled in.
    pub suppressed: bool,
    /// The blobs of the versions that were asked for, ascending by dataset.
    pub offline: Vec<OfflineBlob>,
    /// Datasets whose version this part of the store does not have whole: which tags the user has in them, nobody knows.
    pub lost: Vec<DatasetId>,
    /// The real-time blob.
    pub realtime: Option<Bytes>,
    /// The frequency blob, when it was asked for.
    pub frequency: Option<Bytes>,
    /// The other ids of the same person: what is known of them is known of this one.
    pub others: Vec<UserKey>,
}

/// What became of a change of one user. All of it is done, durably, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The store has it now.
    Stored,
    /// The store has it now, and forgot for it counts of this user that caps look at: there were too many.
    Crowded,
    /// The store had it already.
    Repeated,
    /// The user is suppressed, or it is from before they were erased: it is not kept.
    Suppressed,
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
    /// It did not answer in time.
    #[error("the store did not answer in time")]
    Late,
    /// It has no memory left for writes.
    #[error("the store is full: it takes no writes until it has more memory (maxmemory) or holds less")]
    Full,
    /// The user is on their way to another node of the store.
    #[error("the user's slot is being moved to another node; try again")]
    Moving,
    /// So many parts of the store have not been told a change of the suppression list. Their users are uncertain until
    /// they are; everybody else's part has it.
    #[error(
        "{0} parts of the store could not be told of the suppression list; their users are not looked up"
    )]
    Partly(usize),
    /// The store refused or broke.
    #[error("the store failed: {0}")]
    Failed(String),
    /// Others changed the same user again and again while we tried.
    #[error("user {0} was changed by others during {1} attempts; try again")]
    Contended(UserKey, u32),
    /// Nothing may be written into the dataset yet.
    #[error("dataset {0} has no active version: activate a snapshot of it")]
    NoVersion(DatasetId),
    /// A part of the store does not have the version, or not all that was written of it.
    #[error("the store has lost version {} of dataset {}, or a part of it: load it anew", .0.number, .0.dataset)]
    Lost(Version),
    /// Another version would make marks too long.
    #[error("the store holds {MAX_VERSIONS} versions of datasets already: drop one that is not needed")]
    TooManyVersions,
    /// A blob that cannot be merged.
    #[error("user {0}: {1}")]
    Blob(UserKey, BlobError),
}

/// A tag store. It may consist of parts that are away, or have lost what they had, each by itself.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Hears which version of each dataset is active. Before the first time nothing is read.
    fn point(&self, pointers: Vec<Pointer>);

    /// What is active, ascending by dataset, as last told; none before.
    fn active(&self) -> Option<Arc<Vec<Pointer>>>;

    /// Marks a version in all parts of the store, see [`versions`]; how many users it has in all of them.
    /// [`StoreError::Lost`]: a part has no mark of it, unless it was to be made or removed.
    async fn mark(&self, version: Version, mark: Mark) -> Result<u64, StoreError>;

    /// Writes blobs of a version that is marked; how many users have none of it before. Suppressed users are left out, and
    /// those who were erased after the blobs' as-of time.
    /// [`StoreError::Lost`]: a part has no mark of it.
    async fn load(&self, version: Version, users: Vec<(UserKey, Bytes)>) -> Result<u64, StoreError>;

    /// As [`Store::read`], of one version, whichever is active and whether it is whole or not.
    async fn read_version(&self, version: Version, users: &[UserKey]) -> Vec<Result<Stored, StoreError>>;

    /// Deletes some of the blobs of a version whose marks are removed: from `position` on, 0 for the first; says where to
    /// go on, none after the last. After an error begin anew.
    async fn sweep(&self, version: Version, position: u64) -> Result<Option<u64>, StoreError>;

    /// What is kept of these users, in their order, their blobs of these versions alone; or why nobody can say, each as
    /// soon as their part of the store has answered, and [`StoreError::Late`] after that long.
    async fn read_of(
        &self,
        versions: &[Version],
        users: &[UserKey],
        frequency: bool,
        within: Duration,
    ) -> Vec<Result<Stored, StoreError>>;

    /// The same of the versions that are active at one moment, for all of the users.
    async fn read(
        &self,
        users: &[UserKey],
        frequency: bool,
        within: Duration,
    ) -> Vec<Result<Stored, StoreError>> {
        let Some(active) = self.active() else { return vec![Err(StoreError::Down); users.len()] };
        let versions: Vec<_> = active.iter().map(|pointer| pointer.version).collect();
        self.read_of(&versions, users, frequency, within).await
    }

    /// What the list of people says of these ids, in their order; otherwise as [`Store::read`].
    async fn standings(&self, users: &[UserKey], within: Duration) -> Vec<Result<Standing, StoreError>>;

    /// The names of keys that hold something of these users, of whatever version and whether it is active or not: some of
    /// them, from `position` on, 0 for the first; says where to go on, none after the last. For proving that nothing is
    /// left; it looks at every key there is.
    async fn find(
        &self,
        position: u64,
        users: &HashSet<UserKey>,
    ) -> Result<(Vec<String>, Option<u64>), StoreError>;

    /// In which part of the store a user is, by any number: one part may be away while another answers.
    fn part_of(&self, _user: UserKey) -> usize {
        0
    }

    /// Offers some of the users who have tags to a sample, keys as big-endian numbers: those from `position` on, 0 for
    /// the first, and says where to go on; none after the last. Who is there from the first step to the last is offered
    /// at least once; for who comes or goes meanwhile, and who has tags of an earlier version, nothing is promised.
    async fn walk(&self, position: u64, sample: KeySample) -> Result<(KeySample, Option<u64>), StoreError>;

    /// Replaces the users' blobs in the dataset's active version and returns that version. Suppressed users are left out.
    async fn put_offline(&self, dataset: DatasetId, users: Vec<(UserKey, Bytes)>) -> Result<u32, StoreError>;

    /// Merges real-time blobs into what users have, atomically per user; what became of each, in their order. One user may
    /// come several times. Suppressed users are left out.
    async fn merge_realtime(
        &self,
        users: Vec<(UserKey, Bytes)>,
        now: Timestamp,
    ) -> Vec<Result<Written, StoreError>>;

    /// Counts impressions, each event once, atomically per user; what became of each, in their order. Suppressed users are
    /// left out.
    async fn count(&self, impressions: Vec<Impression>, now: Timestamp) -> Vec<Result<Written, StoreError>>;

    /// Begins to tell the suppression list: looks how far the store is, and where it has lost something, makes sure that
    /// nobody trusts it before [`Store::trust_list`]. Everything up to the answer is in it.
    async fn open_list(&self) -> Result<Revision, StoreError>;

    /// Applies the next changes of the list of people, in order, each once, whoever else does so too. Who was erased at a
    /// position that the store had not come to loses everything, in all versions. From then on nothing is kept that
    /// describes them up to the moment of that position.
    /// [`StoreError::Partly`]: some users' part of the store does not have it, and they are not known until it has.
    /// [`StoreError::Forgot`]: the store is not where it was, and has to be opened again.
    async fn suppress(&self, changes: &[SuppressionChange]) -> Result<(), StoreError>;

    /// Everything that there was has been told. From now on reads and writes are refused with [`StoreError::Forgot`]
    /// where the store has less than was told. To be exact, a read says so when it was wrong at any moment of the
    /// reading.
    fn trust_list(&self);

    /// Whether the store still has what it was told; [`StoreError::Forgot`] where it has not, [`StoreError::Partly`]
    /// where a part has not, or can be told now what it missed: then the list has to be opened again. A store of many
    /// parts looks at some of them each time.
    async fn check_list(&self) -> Result<(), StoreError>;

    /// Resolves when there is cause for [`Store::check_list`].
    async fn list_in_doubt(&self) {
        std::future::pending().await
    }

    /// What there is to say about it in metrics.
    fn stats(&self) -> Stats;

    /// Tidies up what was kept to survive a sudden end. Called at intervals.
    async fn save(&self, now: Timestamp) -> Result<(), StoreError>;

    /// The last save. Writes that come later are refused.
    async fn close(&self, now: Timestamp) -> Result<(), StoreError> {
        self.save(now).await
    }
}
