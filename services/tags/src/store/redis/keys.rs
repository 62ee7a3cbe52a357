//! The names of keys. The braces make a hash tag: everything of a user lies in one slot of a Redis Cluster, so one
//! MGET serves a lookup there too.

use tagbid_tagset::UserKey;
use tagbid_types::DatasetId;

/// Set of the datasets that have an active version.
pub(super) const DATASETS: &str = "datasets";

/// Holds the [`Sentinel`](crate::store::Sentinel).
pub(super) const SENTINEL: &str = "suppression";

/// Holds the active version of a dataset.
pub(super) fn version(dataset: DatasetId) -> String {
    format!("ds:{dataset}")
}

/// The latest as-of time of what was written to a dataset, in microseconds since 1970.
pub(super) fn as_of(dataset: DatasetId) -> String {
    format!("as_of:{dataset}")
}

/// Offline blob of one snapshot version.
pub(super) fn offline(dataset: DatasetId, version: u32, user: UserKey) -> String {
    format!("o:{dataset}:{version}:{{{user}}}")
}

/// Real-time blob.
pub(super) fn realtime(user: UserKey) -> String {
    format!("r:{{{user}}}")
}

/// Frequency blob.
pub(super) fn frequency(user: UserKey) -> String {
    format!("f:{{{user}}}")
}

/// There is one: the user is suppressed.
pub(super) fn suppressed(user: UserKey) -> String {
    format!("x:{{{user}}}")
}
