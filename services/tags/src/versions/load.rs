//! One load of a snapshot, from its beginning, or from where it broke off, to a version that may be activated.
//!
//! What makes sure that nothing is missing at the end:
//! - the sender announces how many users there are;
//! - the store counts, in each part in the same step that stores, how many users it has of the version: what was
//!   acknowledged and lost again (a failover, a flush) is missing in the sum;
//! - some users are read again and compared byte by byte.

use std::sync::Arc;

use bytes::Bytes;
use tagbid_catalog::{Dataset, RegistryEpoch, SnapshotChange, SnapshotState};
use tagbid_tagset::UserKey;
use tagbid_types::{DatasetId, Timestamp};

use super::{VersionError, Versions};
use crate::store::{Mark, StoreError, Version};

/// Users that are read again: enough to meet any loss of a thousandth with near certainty only if it is spread; the counts
/// find the others.
const SAMPLE: usize = 256;

/// How far a load has come: what a sender needs to resume it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Users that were taken, or refused, so far.
    pub(crate) position: u64,
    /// Users that the store has counted.
    pub(crate) stored: u64,
}

/// What a load is of.
#[derive(Clone, Debug)]
pub(crate) struct Begin {
    pub(crate) dataset: DatasetId,
    /// What it is called.
    pub(crate) load: String,
    pub(crate) as_of: Timestamp,
    pub(crate) epoch: RegistryEpoch,
    pub(crate) by: String,
    /// Where it broke off; zeros: it begins.
    pub(crate) from: Progress,
}

/// A load under way.
pub(crate) struct Load {
    versions: Versions,
    pub(crate) version: Version,
    by: String,
    pub(crate) progress: Progress,
    /// Users whose keys are among the least of all: keys are MACs, and so these are a uniform sample.
    sample: std::collections::BTreeMap<UserKey, Bytes>,
}

impl Load {
    /// Begins a load, or goes on with it.
    pub(crate) async fn begin(versions: &Versions, begin: Begin) -> Result<Self, VersionError> {
        let Begin { dataset, load, as_of, epoch, by, from } = begin;
        let change = SnapshotChange::Begin { load, as_of, epoch };
        let (number, now) = versions.step(dataset, &by, change).await?;
        let loading = now.snapshots.get(number).is_some_and(|one| one.state == SnapshotState::Loading);
        if !loading {
            return Err(VersionError::Loaded(number));
        }
        let (version, store) = (Version { dataset, number }, &versions.0.store);
        let stored = if from.position == 0 {
            clear(versions, version).await?;
            store.mark(version, Mark::Open).await?
        } else {
            // More than the sender knows of: what broke off may have been stored without its hearing of it.
            let stored = store.mark(version, Mark::Check).await?;
            if stored < from.stored {
                return Err(StoreError::Lost(version).into());
            }
            stored
        };
        let progress = Progress { position: from.position, stored };
        Ok(Self { versions: versions.clone(), version, by, progress, sample: Default::default() })
    }

    /// Stores users. `refused`: so many more came and were not good.
    pub(crate) async fn take(
        &mut self,
        users: Vec<(UserKey, Bytes)>,
        refused: u64,
    ) -> Result<Progress, VersionError> {
        for (user, blob) in &users {
            let below = self.sample.last_key_value().is_none_or(|(last, _)| user <= last);
            if below || self.sample.len() < SAMPLE {
                self.sample.insert(*user, blob.clone());
            }
            if self.sample.len() > SAMPLE {
                self.sample.pop_last();
            }
        }
        let came = users.len() as u64 + refused;
        self.progress.stored += self.versions.0.store.load(self.version, users).await?;
        self.progress.position += came;
        Ok(self.progress)
    }

    /// Verifies that all is there, and lets it be activated; the dataset, and how many users it has of this version.
    pub(crate) async fn finish(self, expected: u64) -> Result<(u64, Arc<Dataset>), VersionError> {
        let (got, store) = (self.progress.position, &self.versions.0.store);
        if got != expected {
            return Err(VersionError::Count { got, expected });
        }
        let counted = store.mark(self.version, Mark::Check).await?;
        if counted < self.progress.stored {
            return Err(StoreError::Lost(self.version).into());
        }
        self.read_again().await?;
        let users = store.mark(self.version, Mark::Seal).await?;
        let loaded = SnapshotChange::Loaded { version: self.version.number, users };
        let (_, dataset) = self.versions.step(self.version.dataset, &self.by, loaded).await?;
        Ok((users, dataset))
    }

    async fn read_again(&self) -> Result<(), VersionError> {
        let keys: Vec<_> = self.sample.keys().copied().collect();
        let mut wrong = 0;
        for part in keys.chunks(64) {
            let found = self.versions.0.store.read_version(self.version, part).await;
            for (key, found) in part.iter().zip(found) {
                let found = found?;
                let blob = found.offline.first().map(|one| &one.blob);
                // Who was suppressed meanwhile has nothing, as it should be.
                wrong += usize::from(!found.suppressed && blob != self.sample.get(key));
            }
        }
        match wrong {
            0 => Ok(()),
            _ => Err(VersionError::Sample { read: keys.len(), wrong }),
        }
    }
}

/// Makes sure that nothing is left of an attempt that was given up.
async fn clear(versions: &Versions, version: Version) -> Result<(), StoreError> {
    let store = &versions.0.store;
    let mut next = (store.mark(version, Mark::Remove).await? > 0).then_some(0);
    while let Some(position) = next {
        next = store.sweep(version, position).await?;
    }
    Ok(())
}
