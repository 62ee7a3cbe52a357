//! Who writes a version. A load that is begun anew deletes what was loaded before, so whoever still writes into it by an
//! earlier connection has to stop first: what it brings would be in nobody's count.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{RwLock, RwLockReadGuard};

use super::VersionError;
use crate::store::Version;

/// The turns of all versions that this node loads.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<BTreeMap<Version, Weak<Turn>>>);

/// From one beginning of a load to the next, however often it is resumed in between.
#[derive(Debug)]
pub(super) struct Turn {
    version: Version,
    /// False when the load was begun anew. Held while something is written.
    open: RwLock<bool>,
}

impl Turns {
    /// The turn of a load that goes on with what is there.
    pub(super) fn join(&self, version: Version) -> Arc<Turn> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&version).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Turn { version, open: RwLock::new(true) });
        turns.insert(version, Arc::downgrade(&turn));
        turn
    }

    /// The turn of a load that begins; returns when nobody writes in an earlier one any more.
    pub(super) async fn take(&self, version: Version) -> Arc<Turn> {
        let earlier = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            turns.remove(&version).and_then(|turn| turn.upgrade())
        };
        if let Some(earlier) = earlier {
            *earlier.open.write().await = false;
        }
        self.join(version)
    }
}

impl Turn {
    /// Lets write, until the guard goes.
    pub(super) async fn enter(&self) -> Result<RwLockReadGuard<'_, bool>, VersionError> {
        let open = self.open.read().await;
        if *open { Ok(open) } else { Err(VersionError::Overtaken(self.version.number)) }
    }
}
