//! Writes, checked before anything is stored.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tagbid_ports::{TagWriter, WriteError};
use tagbid_tagset::offline::Offline;
use tagbid_tagset::realtime::Realtime;
use tagbid_tagset::{BlobError, UserKey};
use tagbid_types::{Clock, DatasetId};
use tokio::sync::{RwLock, RwLockReadGuard};

use crate::store::{Store, StoreError};

/// Writes straight into the store.
#[derive(Clone)]
pub(crate) struct DirectWriter {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Held while writing; false from the drain on. What is acknowledged is in the last save.
    open: Arc<RwLock<bool>>,
}

impl DirectWriter {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, open: Arc::new(RwLock::new(true)) }
    }

    /// Waits for the writes under way and refuses those that come later.
    pub(crate) async fn close(&self) {
        *self.open.write().await = false;
    }

    async fn enter(&self) -> Result<RwLockReadGuard<'_, bool>, WriteError> {
        let open = self.open.read().await;
        if *open { Ok(open) } else { Err(WriteError::Store("this node is draining".into())) }
    }

    /// Replaces offline blobs; the version they went into.
    pub(crate) async fn offline(
        &self,
        dataset: DatasetId,
        users: Vec<(UserKey, Bytes)>,
    ) -> Result<u32, WriteError> {
        check(&users, |blob| Offline::parse(blob)?.tags().try_for_each(|tag| tag.map(drop)))?;
        let _open = self.enter().await?;
        Ok(self.store.put_offline(dataset, users).await?)
    }
}

#[async_trait]
impl TagWriter for DirectWriter {
    async fn put_offline(&self, dataset: DatasetId, users: Vec<(UserKey, Bytes)>) -> Result<(), WriteError> {
        self.offline(dataset, users).await.map(drop)
    }

    async fn merge_realtime(&self, users: Vec<(UserKey, Bytes)>) -> Result<(), WriteError> {
        check(&users, |blob| Realtime::parse(blob)?.tags().try_for_each(|tag| tag.map(drop)))?;
        let _open = self.enter().await?;
        Ok(self.store.merge_realtime(users, self.clock.now()).await?)
    }

    async fn set_suppressed(&self, users: Vec<UserKey>, suppressed: bool) -> Result<(), WriteError> {
        let _open = self.enter().await?;
        Ok(self.store.set_suppressed(&users, suppressed).await?)
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
            other => Self::Store(other.to_string()),
        }
    }
}
