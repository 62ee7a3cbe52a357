//! One load of a snapshot, from its beginning, or from where it broke off, to a version that may be activated.
//!
//! What makes sure that nothing is missing at the end:
//! - the sender announces how many users there are;
//! - the store counts, in each part in the same step that stores, how many users it has of the version: what was
//!   acknowledged and lost again (a failover, a flush) is missing in the sum;
//! - some users are read again and compared byte by byte.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ahash::{HashSet, HashSetExt};
use bytes::Bytes;
use tagbid_catalog::{Dataset, RegistryEpoch, SnapshotChange, SnapshotState};
use tagbid_tagset::UserKey;
use tagbid_tagset::offline::Offline;
use tagbid_types::{DatasetId, Timestamp};

use super::stats::{LoadStats, Open};
use super::turn::{Phase, Turn};
use super::{VersionError, Versions};
use crate::pace::{Held, Paced};
use crate::store::{Mark, StoreError, Version};

/// Users that are read again: enough to meet any loss of a thousandth with near certainty only if it is spread; the counts
/// find the others.
const SAMPLE: usize = 256;

/// Users that a load writes before it is slowed down.
const FREE: usize = 1_000;

/// How long the store may take to say of some of them that they were erased.
const PATIENCE: Duration = Duration::from_secs(5);

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
    /// Where it broke off, and of which version that was; none: it begins.
    pub(crate) from: Option<(u32, Progress)>,
    /// Lookups come first.
    pub(crate) paced: bool,
}

/// A load under way.
pub(crate) struct Load {
    versions: Versions,
    pub(crate) version: Version,
    by: String,
    pub(crate) progress: Progress,
    /// Users whose keys are among the least of all: keys are MACs, and so these are a uniform sample.
    sample: BTreeMap<UserKey, Bytes>,
    /// None: it is not slowed down.
    paced: Option<Arc<Paced>>,
    /// Users that it may write before it is slowed down: a single write may have as many.
    free: usize,
    turn: Arc<Turn>,
    _open: Open,
}

/// Users on their way into the store, each once.
pub(crate) struct Users {
    target: Target,
    left: Vec<(UserKey, Bytes)>,
    paced: Option<Arc<Paced>>,
}

/// The version that they are written into.
#[derive(Clone)]
pub(crate) struct Target {
    versions: Versions,
    version: Version,
    turn: Arc<Turn>,
}

impl Load {
    /// Begins a load, or goes on with it.
    pub(crate) async fn begin(versions: &Versions, begin: Begin) -> Result<Self, VersionError> {
        let Begin { dataset, load, as_of, epoch, by, from, paced } = begin;
        if let Some((number, _)) = from {
            check_begun(versions, Version { dataset, number }, &load).await?;
        }
        let change = SnapshotChange::Begin { load, as_of, epoch };
        let (number, _) = versions.step(dataset, &by, change).await?;
        let version = Version { dataset, number };
        let (turn, progress) = match from {
            None => anew(versions, version).await?,
            Some((_, from)) => again(versions, version, from).await?,
        };
        let (versions, sample) = (versions.clone(), BTreeMap::new());
        let paced = paced.then(|| Arc::new(versions.0.pace.begin()));
        let _open = versions.0.stats.open();
        Ok(Self { versions, version, by, progress, sample, paced, free: FREE, turn, _open })
    }

    /// Users to store, with [`Users::next`], before those of a later call; of one who stands there twice what comes last.
    pub(crate) fn write(&mut self, users: Vec<(UserKey, Bytes)>) -> Users {
        let mut seen = HashSet::with_capacity(users.len());
        let last = users.into_iter().rev().filter(|(user, _)| seen.insert(*user));
        let users: Vec<_> = last.collect();
        for (user, blob) in &users {
            let below = self.sample.last_key_value().is_none_or(|(last, _)| user <= last);
            if below || self.sample.len() < SAMPLE {
                self.sample.insert(*user, blob.clone());
            }
            if self.sample.len() > SAMPLE {
                self.sample.pop_last();
            }
        }
        let paced = if users.len() > self.free { self.paced.clone() } else { None };
        self.free = self.free.saturating_sub(users.len());
        let target =
            Target { versions: self.versions.clone(), version: self.version, turn: Arc::clone(&self.turn) };
        Users { target, left: users, paced }
    }

    /// So many users came, the refused included, and `fresh` of them were not there before.
    pub(crate) fn took(&mut self, users: u64, fresh: u64) {
        // Where it began, the sender says.
        self.progress.position = self.progress.position.saturating_add(users);
        self.progress.stored += fresh;
    }

    /// What slows it down, if anything.
    pub(crate) fn held(&self) -> Option<Held> {
        self.paced.as_ref().and_then(|_| self.versions.0.pace.held())
    }

    /// What loads of this node came to.
    pub(crate) fn stats(&self) -> &LoadStats {
        &self.versions.0.stats
    }

    /// Verifies that all is there, and lets it be activated; the dataset, and how many users it has of this version. Where
    /// another stream has done so, or an answer was lost, the same again.
    pub(crate) async fn finish(self, expected: u64) -> Result<(u64, Arc<Dataset>), VersionError> {
        let (got, store) = (self.progress.position, &self.versions.0.store);
        if got != expected {
            return Err(VersionError::Count { got, expected });
        }
        let mut phase = self.turn.stop().await;
        match *phase {
            Phase::Open => {}
            Phase::Overtaken => return Err(VersionError::Overtaken(self.version.number)),
            Phase::Loaded => return self.versions.loaded(self.version),
        }
        match store.mark(self.version, Mark::Check).await {
            Ok(counted) if counted >= self.progress.stored => {}
            Ok(_) | Err(StoreError::Lost(_)) => return Err(self.versions.lost(self.version)),
            Err(error) => return Err(error.into()),
        }
        self.read_again().await?;
        let users = store.mark(self.version, Mark::Seal).await?;
        let loaded = SnapshotChange::Loaded { version: self.version.number, users };
        let (_, dataset) = self.versions.step(self.version.dataset, &self.by, loaded).await?;
        *phase = Phase::Loaded;
        Ok((users, dataset))
    }

    async fn read_again(&self) -> Result<(), VersionError> {
        let keys: Vec<_> = self.sample.keys().copied().collect();
        let mut missing = Vec::new();
        for part in keys.chunks(64) {
            let found = self.versions.0.store.read_version(self.version, part).await;
            for (key, found) in part.iter().zip(found) {
                let found = found?;
                let blob = found.offline.first().map(|one| &one.blob);
                // Who was suppressed meanwhile has nothing, as it should be.
                if !found.suppressed && blob != self.sample.get(key) {
                    missing.push(*key);
                }
            }
        }
        // Who was erased meanwhile has nothing either.
        let standings = self.versions.0.store.standings(&missing, PATIENCE).await;
        let mut wrong = 0;
        for (key, standing) in missing.iter().zip(standings) {
            let as_of =
                self.sample.get(key).and_then(|blob| Offline::parse(blob).ok()).map(|blob| blob.as_of());
            let erased = standing?.erased;
            wrong += usize::from(as_of.is_none_or(|as_of| as_of > erased));
        }
        match wrong {
            0 => Ok(()),
            _ => Err(VersionError::Sample { read: keys.len(), wrong }),
        }
    }
}

impl Users {
    /// The next of them, when they may be written.
    pub(crate) async fn next(&mut self) -> Option<Vec<(UserKey, Bytes)>> {
        if self.left.is_empty() {
            return None;
        }
        let Some(paced) = &self.paced else { return Some(std::mem::take(&mut self.left)) };
        let part: Vec<_> = self.left.drain(..paced.users().min(self.left.len())).collect();
        paced.admit(part.len()).await;
        Some(part)
    }

    pub(crate) fn target(&self) -> Target {
        self.target.clone()
    }
}

impl Target {
    /// Stores users; how many the version did not have. Calls may overlap.
    pub(crate) async fn store(&self, users: Vec<(UserKey, Bytes)>) -> Result<u64, VersionError> {
        let (count, bytes) = (users.len() as u64, users.iter().map(|(_, blob)| blob.len() as u64).sum());
        let _writing = self.turn.enter().await?;
        let fresh = self.versions.0.store.load(self.version, users).await;
        if matches!(fresh, Err(StoreError::Lost(_))) {
            return Err(self.versions.lost(self.version));
        }
        self.versions.0.stats.loaded(count, bytes);
        Ok(fresh?)
    }
}

/// Whether a load of that name has begun this version. Who goes on with one that is not there makes none.
async fn check_begun(versions: &Versions, version: Version, load: &str) -> Result<(), VersionError> {
    // What the catalog has now: no version is 0, so nothing changes.
    let (_, now) = versions.step(version.dataset, "", SnapshotChange::Dropped(0)).await?;
    let found = now.snapshots.get(version.number);
    match found.is_some_and(|one| one.load == load && one.state != SnapshotState::Dropping) {
        true => Ok(()),
        false => Err(VersionError::NotBegun { load: load.to_owned(), version: version.number }),
    }
}

/// From the beginning, when whoever loaded it before has stopped.
async fn anew(versions: &Versions, version: Version) -> Result<(Arc<Turn>, Progress), VersionError> {
    let (turn, mut phase) = versions.0.turns.take(version).await;
    match versions.state(version) {
        // Perhaps by the stream that was waited for.
        Some(SnapshotState::Loaded) => {
            *phase = Phase::Loaded;
            return Err(VersionError::Loaded(version.number));
        }
        Some(SnapshotState::Dropping) => return Err(VersionError::Dropped(version.number)),
        Some(SnapshotState::Loading) | None => {}
    }
    clear(versions, version).await?;
    let stored = versions.0.store.mark(version, Mark::Open).await?;
    Ok((turn, Progress { position: 0, stored }))
}

/// With what is there.
async fn again(
    versions: &Versions,
    version: Version,
    from: Progress,
) -> Result<(Arc<Turn>, Progress), VersionError> {
    let turn = versions.0.turns.join(version);
    match versions.state(version) {
        // There is nothing left to write, but its end may not have been heard of.
        Some(SnapshotState::Loaded) => *turn.stop().await = Phase::Loaded,
        Some(SnapshotState::Dropping) => return Err(VersionError::Dropped(version.number)),
        Some(SnapshotState::Loading) | None => {}
    }
    match versions.0.store.mark(version, Mark::Check).await {
        // More than the sender knows of: what broke off may have been stored without its hearing of it.
        Ok(stored) if stored >= from.stored => Ok((turn, Progress { stored, ..from })),
        Ok(_) | Err(StoreError::Lost(_)) => Err(versions.lost(version)),
        Err(error) => Err(error.into()),
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
