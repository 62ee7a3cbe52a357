//! The snapshots of a dataset: which versions there are, and which one counts. The catalog is the only place that knows;
//! tag stores hold the blobs of versions and are told.
//!
//! ```text
//! begin ▸ Loading ──loaded──▶ Loaded ──activate──▶ active ──another is activated──▶ previous ──roll back──▶ active
//!            └───────drop──────┴──────────────────── but not the active one ────────────┘
//!                               ▼
//!                           Dropping ──its blobs are gone──▶ forgotten
//! ```
//! Rolling back goes to an earlier version only; what was left that way is activated again by its number.
//!
//! A version number is never given out twice, so whatever names one (a blob, a reader that has pinned it, a mark in the
//! store) means the same for ever. Each change may be told again: the second time changes nothing.

use serde::{Deserialize, Serialize};
use tagbid_types::Timestamp;
use thiserror::Error;

use crate::RegistryEpoch;

/// Most versions of a dataset at once, those on their way out aside: the active one, the one before it, one that is loaded and
/// one that is on its way in. A store is sized for two.
pub const MAX_SNAPSHOTS: usize = 4;

/// Longest name of a load.
pub const MAX_LOAD_NAME: usize = 100;

/// What the load of a version is called that is written user by user, without an end.
pub const OPEN: &str = "(user by user)";

/// All snapshots of a dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshots {
    /// The last version number that was given out; 0: none was.
    pub last: u32,
    /// The version that lookups read.
    pub active: Option<u32>,
    /// The one before it, kept to roll back to.
    pub previous: Option<u32>,
    /// Ascending by version.
    pub versions: Vec<Snapshot>,
}

/// One version of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its number, from 1.
    pub version: u32,
    /// How far it is.
    pub state: SnapshotState,
    /// What the load was called by whoever began it.
    pub load: String,
    /// The moment that its tags describe.
    pub as_of: Timestamp,
    /// What the ids of its tags mean.
    pub epoch: RegistryEpoch,
    /// Users in it, once it is loaded.
    pub users: u64,
    /// When it was begun.
    pub begun: Timestamp,
}

/// How far a snapshot is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotState {
    /// Blobs are being written.
    #[default]
    Loading,
    /// Whole and verified.
    Loaded,
    /// Its blobs are being deleted.
    Dropping,
}

/// One step of a snapshot's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotChange {
    /// A new version. The same load again is the version that it began.
    Begin {
        /// What the load is called, so that it can be resumed: 1 to [`MAX_LOAD_NAME`] characters, which go to people's
        /// terminals.
        load: String,
        /// The moment that its tags describe.
        as_of: Timestamp,
        /// What the ids of its tags mean.
        epoch: RegistryEpoch,
    },
    /// It is whole.
    Loaded {
        /// Which.
        version: u32,
        /// How many users are in it.
        users: u64,
    },
    /// Lookups read it from now on.
    Activate(u32),
    /// Lookups read the version before it again.
    RollBack(u32),
    /// It is not wanted any more.
    Drop(u32),
    /// Nothing of it is left.
    Dropped(u32),
}

/// Why a step was not made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// No such version, or not any more.
    #[error("the dataset has no version {0}: list its snapshots")]
    Unknown(u32),
    /// It is not whole.
    #[error("version {0} is still being loaded: finish its load, or drop it")]
    NotLoaded(u32),
    /// It is on its way out.
    #[error("version {0} is being dropped: load it anew")]
    Dropping(u32),
    /// It is what lookups read.
    #[error("version {0} is active: activate another version or roll back first")]
    Active(u32),
    /// It is not what lookups read.
    #[error("version {asked} is not active{}: name the active version", active.map_or(String::new(), |now| format!(", version {now} is")))]
    NotActive {
        /// The version that was to be rolled back.
        asked: u32,
        /// The active one.
        active: Option<u32>,
    },
    /// There is nothing to go back to.
    #[error("there is no version before {0} to roll back to: activate another one")]
    NoPrevious(u32),
    /// Too many.
    #[error("the dataset has {MAX_SNAPSHOTS} versions already: drop one that is not needed")]
    TooMany,
    /// Not a name.
    #[error(
        "the name of a load has 1 to {MAX_LOAD_NAME} characters, none of them a control character: name it after the \
         file or the day"
    )]
    Name,
    /// The name belongs to another load.
    #[error(
        "load {load:?} began version {version} with another as-of time: resume it with that, or name the new one differently"
    )]
    OtherLoad {
        /// The load.
        load: String,
        /// Its version.
        version: u32,
    },
}

impl Snapshot {
    /// Whether it is written user by user: it never promised to be whole.
    pub fn is_open(&self) -> bool {
        self.load == OPEN
    }
}

impl Snapshots {
    /// The version of that number, if it has not gone.
    pub fn get(&self, version: u32) -> Option<&Snapshot> {
        self.versions.iter().find(|one| one.version == version)
    }

    /// The version that lookups read.
    pub fn active(&self) -> Option<&Snapshot> {
        self.active.and_then(|version| self.get(version))
    }

    /// Makes a step; the version that it was about. After an error nothing has changed.
    pub fn apply(&mut self, change: &SnapshotChange, now: Timestamp) -> Result<u32, SnapshotError> {
        match change {
            SnapshotChange::Begin { load, as_of, epoch } => self.begin(load, *as_of, *epoch, now),
            SnapshotChange::Loaded { version, users } => self.loaded(*version, *users),
            SnapshotChange::Activate(version) => self.activate(*version),
            SnapshotChange::RollBack(version) => self.roll_back(*version),
            SnapshotChange::Drop(version) => self.drop(*version),
            SnapshotChange::Dropped(version) => {
                self.versions.retain(|one| one.version != *version || one.state != SnapshotState::Dropping);
                Ok(*version)
            }
        }
    }

    fn begin(
        &mut self,
        load: &str,
        as_of: Timestamp,
        epoch: RegistryEpoch,
        now: Timestamp,
    ) -> Result<u32, SnapshotError> {
        if !(1..=MAX_LOAD_NAME).contains(&load.chars().count()) || load.chars().any(char::is_control) {
            return Err(SnapshotError::Name);
        }
        let begun = |one: &&Snapshot| one.load == load && one.state != SnapshotState::Dropping;
        if let Some(one) = self.versions.iter().find(begun) {
            let version = one.version;
            return match one.as_of == as_of {
                true => Ok(version),
                false => Err(SnapshotError::OtherLoad { load: load.into(), version }),
            };
        }
        if self.versions.iter().filter(|one| one.state != SnapshotState::Dropping).count() >= MAX_SNAPSHOTS {
            return Err(SnapshotError::TooMany);
        }
        self.last += 1;
        let (version, state) = (self.last, SnapshotState::Loading);
        self.versions.push(Snapshot {
            version,
            state,
            load: load.into(),
            as_of,
            epoch,
            users: 0,
            begun: now,
        });
        Ok(version)
    }

    fn loaded(&mut self, version: u32, users: u64) -> Result<u32, SnapshotError> {
        let one = self.live(version)?;
        if one.state == SnapshotState::Loading {
            (one.state, one.users) = (SnapshotState::Loaded, users);
        }
        Ok(version)
    }

    fn activate(&mut self, version: u32) -> Result<u32, SnapshotError> {
        if self.live(version)?.state == SnapshotState::Loading {
            return Err(SnapshotError::NotLoaded(version));
        }
        if self.active == Some(version) {
            return Ok(version);
        }
        self.previous = self.active.replace(version);
        if self.active().is_some_and(Snapshot::is_open) {
            // A write of single users made it, which is no word about snapshots that wait for somebody to look at them.
            return Ok(version);
        }
        let kept = [self.active, self.previous];
        // What came before both is wanted by nobody; what is newer may be activated next.
        let outdated = |one: &&mut Snapshot| one.version < version && !kept.contains(&Some(one.version));
        let outdated = self.versions.iter_mut().filter(outdated);
        outdated
            .filter(|one| one.state == SnapshotState::Loaded)
            .for_each(|one| one.state = SnapshotState::Dropping);
        Ok(version)
    }

    fn roll_back(&mut self, version: u32) -> Result<u32, SnapshotError> {
        if self.active != Some(version) {
            // Told again: it is what comes before now.
            return match self.previous == Some(version) && self.active < self.previous {
                true => Ok(version),
                false => Err(SnapshotError::NotActive { asked: version, active: self.active }),
            };
        }
        // Whoever rolls back twice wants no newer version: that is the one that they left.
        let before = self.previous.filter(|previous| *previous < version);
        let before = before.ok_or(SnapshotError::NoPrevious(version))?;
        (self.active, self.previous) = (Some(before), Some(version));
        Ok(version)
    }

    fn drop(&mut self, version: u32) -> Result<u32, SnapshotError> {
        if self.active == Some(version) {
            return Err(SnapshotError::Active(version));
        }
        if version == 0 || version > self.last {
            return Err(SnapshotError::Unknown(version));
        }
        if let Some(one) = self.versions.iter_mut().find(|one| one.version == version) {
            one.state = SnapshotState::Dropping;
        }
        self.previous.take_if(|previous| *previous == version);
        Ok(version)
    }

    fn live(&mut self, version: u32) -> Result<&mut Snapshot, SnapshotError> {
        let found = self.versions.iter_mut().find(|one| one.version == version);
        match found {
            None => Err(SnapshotError::Unknown(version)),
            Some(one) if one.state == SnapshotState::Dropping => Err(SnapshotError::Dropping(version)),
            Some(one) => Ok(one),
        }
    }
}

#[cfg(test)]
mod tests;
