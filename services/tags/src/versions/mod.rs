//! Versions of datasets, between the catalog, which keeps which one counts, and the store, which has the blobs.

mod drop;
mod load;
mod stats;
mod turn;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::DescriptorEncoder;
use tagbid_catalog::snapshots::OPEN;
use tagbid_catalog::{Dataset, Registry, RegistryEpoch, SnapshotChange, SnapshotState};
use tagbid_ports::{SnapshotBook, SnapshotBookError, SnapshotStep, TagRegistry};
use tagbid_runtime::{Drain, Tasks};
use tagbid_types::{CatalogLife, DatasetId, Revision, Timestamp};
use thiserror::Error;
use tokio::sync::Notify;

use crate::pace::Pace;
use crate::store::{Mark, Pointer, Store, StoreError, Version};

use drop::drop_outdated;
pub(crate) use load::{Begin, Load, Progress, Users};
pub(crate) use stats::LoadStats;
use turn::Turns;

/// Why something about versions was not done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum VersionError {
    /// The catalog did not do it.
    #[error(transparent)]
    Book(#[from] SnapshotBookError),
    /// The store did not.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was read again is not what was written.
    #[error(
        "{wrong} of {read} users that were read again are not as they were written: load the snapshot anew"
    )]
    Sample {
        /// So many were read.
        read: usize,
        /// So many of them are wrong.
        wrong: usize,
    },
    /// Users are missing, or too many.
    #[error(
        "{got} users came, {expected} were announced: send all of them, or announce as many as there are"
    )]
    Count {
        /// So many came.
        got: u64,
        /// So many were announced.
        expected: u64,
    },
    /// It was begun by another name or has gone.
    #[error("version {0} is loaded already: activate it, or name the new load differently")]
    Loaded(u32),
    /// Somebody gave it up meanwhile.
    #[error("version {0} was dropped while it was loaded: load it anew")]
    Dropped(u32),
    /// Nothing can be gone on with.
    #[error(
        "begin.from: the dataset has no version {version} of a load {load:?}, or not any more: begin it anew, without from"
    )]
    NotBegun {
        /// What the load is called.
        load: String,
        /// The version that was to be gone on with.
        version: u32,
    },
    /// Another stream has begun the same load from the beginning.
    #[error(
        "the load of version {0} was begun anew by another stream of the same name: let that one end, or name the new \
         load differently"
    )]
    Overtaken(u32),
}

/// The versions as this node knows them: what the catalog stream says, and sooner what it has just done itself. Cheap to
/// clone.
#[derive(Clone)]
pub(crate) struct Versions(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    book: Arc<dyn SnapshotBook>,
    pace: Pace,
    stats: LoadStats,
    known: Mutex<Known>,
    told: AtomicBool,
    changed: Notify,
    turns: Turns,
}

#[derive(Default)]
struct Known {
    /// Of this registry.
    life: CatalogLife,
    revision: Revision,
    datasets: BTreeMap<DatasetId, Arc<Dataset>>,
}

impl Versions {
    pub(crate) fn new(store: Arc<dyn Store>, book: Arc<dyn SnapshotBook>) -> Self {
        let pace = Pace::new(Arc::clone(&store));
        let (known, told, changed) = (Mutex::default(), AtomicBool::new(false), Notify::new());
        let (stats, turns) = (LoadStats::default(), Turns::default());
        Self(Arc::new(Inner { store, book, pace, stats, known, told, changed, turns }))
    }

    /// What keeps loads from slowing lookups down.
    pub(crate) fn pace(&self) -> Pace {
        self.0.pace.clone()
    }

    /// Shows what loads came to.
    pub(crate) fn encode(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        self.0.stats.encode(self.0.pace.held(), to)
    }

    /// The store does not have all of a version, unless that is what somebody wanted.
    fn lost(&self, version: Version) -> VersionError {
        let dataset = self.dataset(version.dataset);
        let snapshot = dataset.as_ref().map(|dataset| dataset.snapshots.get(version.number));
        let dropped = snapshot.is_some_and(|one| one.is_none_or(|one| one.state == SnapshotState::Dropping));
        if dropped {
            return VersionError::Dropped(version.number);
        }
        tracing::error!(%version, "the store has lost a version, or a part of it");
        self.0.stats.lost();
        StoreError::Lost(version).into()
    }

    /// Follows the registry, and drops what is not wanted any more, until the drain.
    pub(crate) fn start(&self, registry: Arc<dyn TagRegistry>, jitter: Duration, tasks: &Tasks) {
        if registry.heard() {
            self.adopt(&registry.now());
        }
        let drain = tasks.drain();
        tasks.spawn("tags pace", self.0.pace.clone().drive(drain.clone()));
        tasks.spawn("tags versions", self.clone().follow(registry, drain.clone()));
        tasks.spawn("tags drop", drop_outdated(self.clone(), jitter, drain.clone()));
    }

    /// Tells the store what the registry says until the drain. Before it says something, the store answers nothing:
    /// an empty registry would mean that nobody has tags.
    async fn follow(self, registry: Arc<dyn TagRegistry>, drain: Drain) {
        let mut seen = registry.now();
        loop {
            if registry.heard() {
                self.adopt(&seen);
            }
            seen = tokio::select! {
                next = registry.after(&seen) => next,
                () = drain.wait() => return,
            };
        }
    }

    /// Whether the store has been told.
    pub(crate) fn told(&self) -> bool {
        self.0.told.load(Ordering::Acquire)
    }

    /// Takes a state of the registry.
    fn adopt(&self, registry: &Registry) {
        let mut known = self.known();
        let (life, revision) = (registry.epoch().life, registry.revision());
        if known.life != life || revision < known.revision {
            // Another catalog, or this one restored: what is known of it is of another history.
            known.datasets.clear();
        }
        (known.life, known.revision) = (life, revision);
        registry.datasets().for_each(|dataset| known.take(dataset));
        self.tell(&known);
    }

    /// Takes what the catalog has just said of one dataset.
    fn take(&self, dataset: &Arc<Dataset>) {
        let mut known = self.known();
        known.take(dataset);
        self.tell(&known);
    }

    fn tell(&self, known: &Known) {
        self.0.store.point(known.datasets.values().filter_map(|dataset| pointer(dataset)).collect());
        self.0.told.store(true, Ordering::Release);
        self.0.changed.notify_one();
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The dataset as last heard of.
    pub(crate) fn dataset(&self, id: DatasetId) -> Option<Arc<Dataset>> {
        self.known().datasets.get(&id).cloned()
    }

    /// How far a version is, as last heard of.
    fn state(&self, version: Version) -> Option<SnapshotState> {
        Some(self.dataset(version.dataset)?.snapshots.get(version.number)?.state)
    }

    /// How many users a version has that was loaded, and its dataset.
    fn loaded(&self, version: Version) -> Result<(u64, Arc<Dataset>), VersionError> {
        let dataset = self.dataset(version.dataset).ok_or(VersionError::Dropped(version.number))?;
        let found = dataset.snapshots.get(version.number);
        let found = found.filter(|one| one.state == SnapshotState::Loaded);
        let users = found.ok_or(VersionError::Dropped(version.number))?.users;
        Ok((users, dataset))
    }

    /// Makes a step in the catalog, which this node's lookups see at once.
    pub(crate) async fn step(
        &self,
        dataset: DatasetId,
        by: &str,
        change: SnapshotChange,
    ) -> Result<(u32, Arc<Dataset>), SnapshotBookError> {
        let done = self.0.book.step(SnapshotStep { dataset, by: by.into(), change }).await?;
        self.take(&done.1);
        Ok(done)
    }

    /// A version to write single users into, made and activated if the dataset has none.
    pub(crate) async fn open(&self, dataset: DatasetId, epoch: RegistryEpoch) -> Result<(), VersionError> {
        let begin = SnapshotChange::Begin { load: OPEN.into(), as_of: Timestamp(0), epoch };
        let (number, _) = self.step(dataset, "", begin).await?;
        let version = Version { dataset, number };
        self.0.store.mark(version, Mark::Open).await?;
        self.0.store.mark(version, Mark::Seal).await?;
        self.step(dataset, "", SnapshotChange::Loaded { version: number, users: 0 }).await?;
        self.step(dataset, "", SnapshotChange::Activate(number)).await?;
        Ok(())
    }

    /// Lets lookups read this version, if the store has all of it.
    pub(crate) async fn activate(&self, version: Version, by: &str) -> Result<Arc<Dataset>, VersionError> {
        self.check_whole(version).await?;
        let (_, dataset) = self.step(version.dataset, by, SnapshotChange::Activate(version.number)).await?;
        Ok(dataset)
    }

    /// Lets lookups read the version before this one again, if the store has all of that.
    pub(crate) async fn roll_back(&self, version: Version, by: &str) -> Result<Arc<Dataset>, VersionError> {
        let known = self.dataset(version.dataset);
        let known = known.as_ref().map(|dataset| &dataset.snapshots);
        let rolled = known.filter(|known| known.active == Some(version.number));
        // Whether anything else can be rolled back, the catalog says.
        if let Some(number) = rolled.and_then(|known| known.previous) {
            self.check_whole(Version { number, ..version }).await?;
        }
        let (_, dataset) = self.step(version.dataset, by, SnapshotChange::RollBack(version.number)).await?;
        Ok(dataset)
    }

    /// Only for versions that the catalog has as loaded; what else there is to say of others, the catalog does.
    async fn check_whole(&self, version: Version) -> Result<(), VersionError> {
        let dataset = self.dataset(version.dataset);
        let snapshot = dataset.as_ref().and_then(|dataset| dataset.snapshots.get(version.number));
        let loaded = snapshot.filter(|one| one.state == SnapshotState::Loaded);
        let Some(loaded) = loaded else { return Ok(()) };
        match self.0.store.mark(version, Mark::Seal).await {
            Ok(users) if users >= loaded.users || loaded.is_open() => Ok(()),
            Ok(_) | Err(StoreError::Lost(_)) => Err(self.lost(version)),
            Err(error) => Err(error.into()),
        }
    }
}

impl Known {
    /// Takes it unless something newer of it is known.
    fn take(&mut self, dataset: &Arc<Dataset>) {
        let newer = |known: &Arc<Dataset>| known.header.revision > dataset.header.revision;
        if !self.datasets.get(&dataset.id).is_some_and(newer) {
            self.datasets.insert(dataset.id, Arc::clone(dataset));
        }
    }
}

fn pointer(dataset: &Dataset) -> Option<Pointer> {
    let active = dataset.snapshots.get(dataset.active_version()?)?;
    let version = Version { dataset: dataset.id, number: active.version };
    Some(Pointer { version, as_of: active.as_of, open: active.is_open() })
}

#[cfg(test)]
mod tests;
