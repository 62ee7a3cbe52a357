//! The catalog as the events of the stream make it. Pure: the async shell is in `follow`.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync;
use tagbid_catalog::{Catalog, Change, EntityKey, Place};
use tagbid_ports::CatalogEvent;
use tagbid_types::{Revision, Timestamp};

use super::SavedCatalog;

/// Changes that are remembered for readers of views; a reader that is further behind looks at everything.
const REMEMBERED: usize = 65_536;

/// The changes do not follow on what there is: only a snapshot helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap;

/// Which state of the catalog a reader has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Counts the snapshots: a snapshot may replace everything, whatever its revision.
    snapshot: u64,
    revision: Revision,
}

/// What is different for a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Perhaps everything.
    All,
    /// These entities; none when nothing is.
    Keys(BTreeSet<EntityKey>),
}

/// The catalog at one moment, and what led there. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct CatalogView {
    /// The catalog; revision 0 before anything was heard.
    pub catalog: Arc<Catalog>,
    position: Position,
    /// The last changes since the last snapshot, in order.
    recent: RedBlackTreeMapSync<Revision, EntityKey>,
    /// Changes after this revision are all in `recent`.
    covered_from: Revision,
}

impl CatalogView {
    /// Which state this is.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Whether the catalog was ever heard of, from the stream or from disk.
    pub fn is_loaded(&self) -> bool {
        self.position.snapshot != 0
    }

    /// What changed since the state that the reader saw last.
    pub fn changed_since(&self, seen: Position) -> Changed {
        let known = seen.snapshot == self.position.snapshot && seen.revision >= self.covered_from;
        if !known {
            return Changed::All;
        }
        let later = (Bound::Excluded(seen.revision), Bound::Unbounded);
        Changed::Keys(self.recent.range(later).map(|(_, key)| *key).collect())
    }

    /// Keeps the last changes only.
    fn forget(&mut self) {
        while self.recent.size() > REMEMBERED {
            let Some(oldest) = self.recent.first().map(|(revision, _)| *revision) else { return };
            self.recent.remove_mut(&oldest);
            self.covered_from = oldest;
        }
    }
}

/// Applies events.
#[derive(Debug, Default)]
pub struct CatalogState {
    view: CatalogView,
    up_to_date: Option<Timestamp>,
}

impl CatalogState {
    /// Starts from a copy.
    pub fn from_copy(saved: SavedCatalog) -> Self {
        let mut state = Self { up_to_date: saved.up_to_date, ..Self::default() };
        state.replace(Arc::new(saved.catalog));
        state
    }

    /// The revision of the catalog now.
    pub fn revision(&self) -> Revision {
        self.view.position.revision
    }

    /// Where to subscribe from.
    pub fn place(&self) -> Place {
        self.view.catalog.place()
    }

    /// The catalog now.
    pub fn view(&self) -> &CatalogView {
        &self.view
    }

    /// When the catalog was last known to be up to date: by the campaigns role's clock or this machine's, whichever says
    /// earlier, so that no wrong clock makes it look younger.
    pub fn up_to_date(&self) -> Option<Timestamp> {
        self.up_to_date
    }

    /// Applies an event; true when the catalog changed. At a gap it stops, with what came before: subscribe from
    /// [`Place::default`].
    pub fn apply(&mut self, event: CatalogEvent, now: Timestamp) -> Result<bool, Gap> {
        match event {
            CatalogEvent::Snapshot(catalog) => {
                self.replace(catalog);
                Ok(true)
            }
            CatalogEvent::Changes(changes) => self.advance(changes),
            CatalogEvent::UpToDate { revision, at } => {
                if revision != self.revision() || !self.view.is_loaded() {
                    return Err(Gap);
                }
                self.up_to_date = Some(at.min(now));
                Ok(false)
            }
        }
    }

    fn advance(&mut self, changes: Vec<Change>) -> Result<bool, Gap> {
        if !self.view.is_loaded() {
            return Err(Gap);
        }
        let before = self.revision();
        let view = &mut self.view;
        let catalog = Arc::make_mut(&mut view.catalog);
        let mut gap = false;
        for change in changes {
            let (revision, key) = (change.revision, change.entity.key());
            if !catalog.apply(change) {
                gap = true;
                break;
            }
            if revision > view.position.revision {
                view.position.revision = revision;
                view.recent.insert_mut(revision, key);
            }
        }
        view.forget();
        if gap { Err(Gap) } else { Ok(self.revision() != before) }
    }

    fn replace(&mut self, catalog: Arc<Catalog>) {
        let revision = catalog.revision;
        self.view = CatalogView {
            catalog,
            position: Position { snapshot: self.view.position.snapshot + 1, revision },
            recent: RedBlackTreeMapSync::default(),
            covered_from: revision,
        };
    }
}
