//! Versions of datasets, as a store has them.
//!
//! The catalog says which versions there are and which one of each dataset is active ([`Pointer`]), and keeps that for good:
//! a store is told, and never has a say. What a store does know is whether it *has* a version: beside the blobs, in each
//! part that can be lost by itself, lies a mark that names the versions whose blobs there are whole. A user's blobs and
//! mark are read in one moment. Therefore:
//!
//! - A user without a blob in a marked version has no tags there; without the mark nobody knows, and the answer says so
//!   ([`Stored::lost`](super::Stored)). A store that lost everything has lost its marks.
//! - The mark is made last and goes first: a version is marked whole after its last blob was acknowledged, and unmarked
//!   everywhere before its first blob is deleted. So a reader that has pinned a version which is dropped meanwhile finds it
//!   whole or is told that it is gone, never a half.
//! - Each part counts its users of a version in the same script that stores them. What a replica did not hear of before
//!   it was promoted is missing in the count too, and the version is not sealed.

use tagbid_types::{DatasetId, Timestamp};

/// Most versions that a store holds at once, over all datasets.
pub const MAX_VERSIONS: usize = 64;

/// One version of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The dataset.
    pub dataset: DatasetId,
    /// The number, never given out twice.
    pub number: u32,
}

/// What the catalog says of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// What lookups read.
    pub version: Version,
    /// The moment that its tags describe.
    pub as_of: Timestamp,
    /// It was not loaded as a whole, but is written user by user: a part that lost it begins it anew at the next write.
    pub open: bool,
}

/// What is done to the marks of a version, in all parts of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Blobs may be written. Where there is a mark already, it stays.
    Open,
    /// Nothing is changed; the answer says what there is.
    Check,
    /// It is whole: it may be read.
    Seal,
    /// It is not there any more.
    Remove,
}

impl std::fmt::Display for Version {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{}:{}", self.dataset, self.number)
    }
}
