//! Who writes a version. A load that is begun anew deletes what was loaded before, and one that has ended may be read by
//! everybody, so whoever still writes by another stream has to stop first: what it brings would be in nobody's count.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{OwnedRwLockWriteGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::VersionError;
use crate::store::Version;

type All = BTreeMap<Version, Weak<Turn>>;

/// The turns of all versions that this node loads.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<All>);

/// From one beginning of a load to the next, or to its end, however often it is resumed in between.
#[derive(Debug)]
pub(super) struct Turn {
    version: Version,
    /// Read while something is written, changed while the load begins or ends.
    phase: Arc<RwLock<Phase>>,
}

/// How far a turn is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Users come.
    Open,
    /// The load was begun anew.
    Overtaken,
    /// All of them are there.
    Loaded,
}

impl Turns {
    /// The turn of a load that goes on with what is there.
    pub(super) fn join(&self, version: Version) -> Arc<Turn> {
        let mut turns = self.lock();
        if let Some(turn) = turns.get(&version).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Turn::new(version);
        put(&mut turns, &turn);
        turn
    }

    /// The turn of a load that begins, closed to all who join it until the guard goes. Returns when nobody writes in an
    /// earlier one any more.
    pub(super) async fn take(&self, version: Version) -> (Arc<Turn>, OwnedRwLockWriteGuard<Phase>) {
        let turn = Turn::new(version);
        let beginning = Arc::clone(&turn.phase).write_owned().await;
        let earlier = put(&mut self.lock(), &turn);
        if let Some(earlier) = earlier {
            let mut phase = earlier.phase.write().await;
            if *phase == Phase::Open {
                *phase = Phase::Overtaken;
            }
        }
        (turn, beginning)
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn that was there before.
fn put(turns: &mut All, turn: &Arc<Turn>) -> Option<Arc<Turn>> {
    turns.retain(|_, turn| turn.strong_count() > 0);
    turns.insert(turn.version, Arc::downgrade(turn)).and_then(|earlier| earlier.upgrade())
}

impl Turn {
    fn new(version: Version) -> Arc<Self> {
        Arc::new(Self { version, phase: Arc::new(RwLock::new(Phase::Open)) })
    }

    /// Lets write, until the guard goes.
    pub(super) async fn enter(&self) -> Result<RwLockReadGuard<'_, Phase>, VersionError> {
        let phase = self.phase.read().await;
        match *phase {
            Phase::Open => Ok(phase),
            Phase::Overtaken => Err(VersionError::Overtaken(self.version.number)),
            Phase::Loaded => Err(VersionError::Loaded(self.version.number)),
        }
    }

    /// Waits for those who write and lets nobody else, until the guard goes.
    pub(super) async fn stop(&self) -> RwLockWriteGuard<'_, Phase> {
        self.phase.write().await
    }
}
