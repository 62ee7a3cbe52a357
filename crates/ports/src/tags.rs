//! What is known of a user.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tagbid_tagset::UserKey;
use tagbid_types::{DatasetId, Monotonic, Timestamp};
use thiserror::Error;

use crate::Datasets;

/// Most other keys of a request: an id has as many as there are MAC keys.
pub const MAX_OTHER_KEYS: usize = 32;

/// Keys of the other ids that came with a user, and of all of them under retired MAC keys. Who is suppressed under one of
/// them is suppressed; nothing else is read under them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OtherKeys {
    keys: [UserKey; MAX_OTHER_KEYS],
    length: u8,
}

impl OtherKeys {
    /// There are none.
    pub const NONE: Self = Self { keys: [UserKey([0; 16]); MAX_OTHER_KEYS], length: 0 };

    /// Adds one, if it is not there yet. False: there is no room for it.
    #[must_use]
    pub fn push(&mut self, key: UserKey) -> bool {
        if self.as_slice().contains(&key) {
            return true;
        }
        let Some(place) = self.keys.get_mut(usize::from(self.length)) else { return false };
        *place = key;
        self.length += 1;
        true
    }

    /// All of them.
    pub fn as_slice(&self) -> &[UserKey] {
        self.keys.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl fmt::Debug for OtherKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

/// A user as a lookup asks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserKeys {
    /// Under the current MAC key.
    pub user: UserKey,
    /// Under the previous one, while keys rotate.
    pub previous: Option<UserKey>,
    /// What else they may be suppressed under.
    pub others: OtherKeys,
}

impl UserKeys {
    /// A user of whom nothing else is known.
    pub fn only(user: UserKey) -> Self {
        Self { user, previous: None, others: OtherKeys::NONE }
    }
}

/// One user to look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupRequest {
    /// The user under the current MAC key.
    pub user: UserKey,
    /// The same user under the previous MAC key, while keys rotate. Both are read; the newer blob wins.
    pub previous: Option<UserKey>,
    /// What else the user may be suppressed under.
    pub others: OtherKeys,
    /// Whether frequency counts are wanted.
    pub frequency: bool,
    /// Which datasets of offline tags are wanted.
    pub datasets: Datasets,
    /// The answer is worth nothing after this moment: the caller leaves then, whatever has come.
    pub deadline: Monotonic,
}

impl LookupRequest {
    /// The user.
    pub fn keys(&self) -> UserKeys {
        UserKeys { user: self.user, previous: self.previous, others: self.others }
    }
}

/// How a source of knowledge answered. "No tags" is [`SourceStatus::Known`] with nothing in it; the others leave
/// tag tests unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceStatus {
    /// It answered; what it has is in the answer.
    Known,
    /// It did not answer in time.
    #[default]
    Late,
    /// It answered with an error, or with something unreadable.
    Failed,
    /// It has forgotten who is suppressed, or has not been told yet: nothing that it has may be used.
    Uncertain,
    /// It did not answer now; what is here is what it said a moment ago. Of offline tags alone: who is suppressed, and how
    /// often something was shown, is then unknown.
    Stale,
}

impl SourceStatus {
    /// Whether what came with it can be used, and what did not come is not there.
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Known | Self::Stale)
    }
}

/// What is known of one user. Blobs stay encoded as `tagset` wrote them; the bidder decodes into its arena.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagAnswer {
    /// The user asked not to be known: nothing else is filled in, and nothing about the user may be used. False says
    /// that they did not only where `realtime_status` is `Known`.
    pub suppressed: bool,
    /// Whether it is known which datasets there are: then each that was asked for and is active is in `offline` and says
    /// of itself how it fared. One that is lost hides no other.
    pub offline_status: SourceStatus,
    /// What each dataset has of the user, ascending by dataset; nothing unless `offline_status` is usable.
    pub offline: Vec<DatasetTags>,
    /// Status of the real-time store.
    pub realtime_status: SourceStatus,
    /// The real-time blob; none: no real-time tags.
    pub realtime: Option<Bytes>,
    /// Status of the frequency counts; `Late` when they were not asked for.
    pub frequency_status: SourceStatus,
    /// The frequency blob; none: never counted.
    pub frequency: Option<Bytes>,
}

impl TagAnswer {
    /// The answer of a store that could not be asked: nothing known, for this reason.
    pub fn unknown(status: SourceStatus) -> Self {
        Self { offline_status: status, realtime_status: status, frequency_status: status, ..Self::default() }
    }
}

/// What one active dataset has of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetTags {
    /// The dataset.
    pub dataset: DatasetId,
    /// The version that was active when the question was asked, and is what is answered from.
    pub version: u32,
    /// The moment that the version's tags describe; none when it is written user by user, and each blob says its own.
    pub as_of: Option<Timestamp>,
    /// `Known`, or `Failed`: the store has lost the version or a part of it, and which tags the user has, nobody knows.
    pub status: SourceStatus,
    /// The blob, in `tagset`'s offline encoding; none: no tags there, where the status is `Known`.
    pub blob: Option<Bytes>,
}

/// A blob of one dataset, as stores keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfflineBlob {
    /// The dataset.
    pub dataset: DatasetId,
    /// Snapshot version that was active when it was read.
    pub version: u32,
    /// The blob, in `tagset`'s offline encoding.
    pub blob: Bytes,
}

/// The bidder's question. It always gets an answer and never waits beyond the request's deadline.
pub trait TagLookup: Send + Sync + 'static {
    /// What is known of this user. Boxed so that the port can be a trait object: one allocation a request, beside
    /// the bytes of the answer.
    fn lookup(&self, request: LookupRequest) -> BoxFuture<'_, TagAnswer>;
}

/// Opens a lookup for one worker, called once on the worker's own thread inside its runtime: connections belong to
/// the worker, so that a request never changes thread.
pub trait TagLookupSource: Send + Sync + 'static {
    /// A lookup of the calling worker's own.
    fn open(&self) -> Arc<dyn TagLookup>;
}

/// Writes of tags, by data teams through the tags service's gRPC, by the demo in process.
#[async_trait]
pub trait TagWriter: Send + Sync + 'static {
    /// Replaces the user's offline tags of a dataset in its active version. The blob is `tagset`'s offline encoding.
    async fn put_offline(&self, dataset: DatasetId, users: Vec<(UserKey, Bytes)>) -> Result<(), WriteError>;

    /// Merges real-time tags into what the user has, atomically, per user: for each tag the newer event wins. The
    /// blob is `tagset`'s real-time encoding.
    async fn merge_realtime(&self, users: Vec<(UserKey, Bytes)>) -> Result<(), WriteError>;
}

/// Why a write did not happen. Nothing of it is kept half-done for any one user.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// Not a blob of the expected encoding, or over a cap.
    #[error("tags of user {user}: {problem}")]
    Refused {
        /// The user.
        user: UserKey,
        /// What is wrong.
        problem: String,
    },
    /// The dataset has no version to write into, and gets none, or the store has lost it; what to do about it.
    #[error("dataset {dataset}: {problem}")]
    Version {
        /// The dataset.
        dataset: DatasetId,
        /// What is wrong.
        problem: String,
    },
    /// The store could not be reached or refused; the same write may be tried again.
    #[error("tag store: {0}")]
    Store(String),
}
