//! Writes, checked before anything is stored.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tagbid_ports::{Impression, SnapshotBookError, TagRegistry, TagWriter, WriteError};
use tagbid_tagset::offline::Offline;
use tagbid_tagset::realtime::Realtime;
use tagbid_tagset::{BlobError, UserKey};
use tagbid_types::{Clock, DatasetId};
use tokio::sync::{RwLock, RwLockReadGuard};

use crate::metrics::{Kind, Metrics};
use crate::readiness::Readiness;
use crate::store::{Store, StoreError, Version, Written};
use crate::versions::{VersionError, Versions};

/// How long a write waits for the suppression list: a replay after a restart is shorter for most lists.
const HOLD: Duration = Duration::from_secs(2);

/// Writes straight into the store.
#[derive(Clone)]
pub(crate) struct DirectWriter {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    versions: Versions,
    registry: Arc<dyn TagRegistry>,
    /// Held while writing; false from the drain on. What is acknowledged is in the last save.
    open: Arc<RwLock<bool>>,
    readiness: Readiness,
    metrics: Metrics,
}

impl DirectWriter {
    pub(crate) fn new(
        (store, versions, registry): (Arc<dyn Store>, Versions, Arc<dyn TagRegistry>),
        clock: Arc<dyn Clock>,
        readiness: Readiness,
        metrics: Metrics,
    ) -> Self {
        Self { store, clock, versions, registry, open: Arc::new(RwLock::new(true)), readiness, metrics }
    }

    /// For another caller, which counts for itself.
    pub(crate) fn another(&self) -> Self {
        Self { metrics: self.metrics.another(), ..self.clone() }
    }

    /// Waits for the writes under way and refuses those that come later.
    pub(crate) async fn close(&self) {
        *self.open.write().await = false;
    }

    pub(crate) async fn enter(&self) -> Result<RwLockReadGuard<'_, bool>, WriteError> {
        let mut ready = self.readiness.subscribe();
        if tokio::time::timeout(HOLD, ready.wait_for(|ready| *ready)).await.is_err() {
            return Err(WriteError::Store("the suppression list is not replayed into it yet".into()));
        }
        let open = self.open.read().await;
        if *open { Ok(open) } else { Err(WriteError::Store("this node is draining".into())) }
    }

    /// What the store said; that it lost data is passed on.
    fn done<T>(&self, kind: Kind, result: Result<T, StoreError>) -> Result<T, WriteError> {
        self.metrics.wrote(kind, &result);
        result.map_err(|error| {
            if error == StoreError::Forgot {
                self.readiness.doubt();
            }
            error.into()
        })
    }

    /// The same of a write whose items stand each for itself: one call, as bad as the worst of them.
    fn done_each(&self, kind: Kind, results: &[Result<Written, StoreError>]) {
        let failed = results.iter().find_map(|one| one.as_ref().err());
        if results.iter().any(|one| matches!(one, Err(StoreError::Forgot))) {
            self.readiness.doubt();
        }
        self.metrics.wrote(kind, &failed.map_or(Ok(()), |error| Err(error.clone())));
    }

    /// Merges real-time blobs that are known to be some; what became of each. One user's failure is nobody else's.
    pub(crate) async fn merge_each(
        &self,
        users: Vec<(UserKey, Bytes)>,
    ) -> Result<Vec<Result<Written, StoreError>>, WriteError> {
        let _open = self.enter().await?;
        let written = self.store.merge_realtime(users, self.clock.now()).await;
        self.done_each(Kind::Realtime, &written);
        Ok(written)
    }

    /// Counts impressions; what became of each.
    pub(crate) async fn count_each(
        &self,
        impressions: Vec<Impression>,
    ) -> Result<Vec<Result<Written, StoreError>>, WriteError> {
        let _open = self.enter().await?;
        let written = self.store.count(impressions, self.clock.now()).await;
        self.done_each(Kind::Frequency, &written);
        Ok(written)
    }

    /// Replaces offline blobs; the version they went into.
    pub(crate) async fn offline(
        &self,
        dataset: DatasetId,
        users: Vec<(UserKey, Bytes)>,
    ) -> Result<u32, WriteError> {
        check(&users, |blob| Offline::parse(blob)?.tags().try_for_each(|tag| tag.map(drop)))?;
        let _open = self.enter().await?;
        let mut put = self.store.put_offline(dataset, users.clone()).await;
        if put == Err(StoreError::NoVersion(dataset)) {
            self.open(dataset).await?;
            put = self.store.put_offline(dataset, users).await;
        }
        self.done(Kind::Offline, put)
    }

    /// The dataset's first version.
    async fn open(&self, dataset: DatasetId) -> Result<(), WriteError> {
        let opened = self.versions.open(dataset, self.registry.now().epoch()).await;
        if opened.is_err() {
            self.metrics.wrote(Kind::Offline, &Err::<(), _>(StoreError::NoVersion(dataset)));
        }
        opened.map_err(|error| match error {
            VersionError::Book(SnapshotBookError::Refused(problem)) => {
                WriteError::Version { dataset, problem }
            }
            VersionError::Store(error) => error.into(),
            other => WriteError::Store(other.to_string()),
        })
    }
}

#[async_trait]
impl TagWriter for DirectWriter {
    async fn put_offline(&self, dataset: DatasetId, users: Vec<(UserKey, Bytes)>) -> Result<(), WriteError> {
        self.offline(dataset, users).await.map(drop)
    }

    async fn merge_realtime(&self, users: Vec<(UserKey, Bytes)>) -> Result<(), WriteError> {
        check(&users, |blob| Realtime::parse(blob)?.tags().try_for_each(|tag| tag.map(drop)))?;
        let written = self.merge_each(users).await?;
        Ok(written.into_iter().try_for_each(|one| one.map(drop))?)
    }
}

/// Every blob is read to its end before the first is stored: what the store holds, every bidder can read.
fn check(
    users: &[(UserKey, Bytes)],
    read: impl Fn(&[u8]) -> Result<(), BlobError>,
) -> Result<(), WriteError> {
    users.iter().try_for_each(|(user, blob)| {
        read(blob).map_err(|error| WriteError::Refused { user: *user, problem: error.to_string() })
    })
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Blob(user, problem) => Self::Refused { user, problem: problem.to_string() },
            StoreError::NoVersion(dataset) | StoreError::Lost(Version { dataset, .. }) => {
                Self::Version { dataset, problem: error.to_string() }
            }
            other => Self::Store(other.to_string()),
        }
    }
}
