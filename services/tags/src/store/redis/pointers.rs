//! Which versions are active, as the catalog told this node: a lookup must not ask for it. Beside it the as-of times of
//! datasets that are written user by user, which nodes tell each other through Redis, for metrics alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use redis::{Cmd, Value};
use tagbid_runtime::Drain;
use tagbid_types::{DatasetId, Timestamp};

use super::cluster::Cluster;
use super::keys;
use super::slots::slot_of;
use crate::store::{Pointer, StoreError, Version};

/// How old as-of times get.
const REFRESH: Duration = Duration::from_secs(1);

/// The active version of each dataset, ascending.
pub(super) type Versions = Vec<Version>;

/// The pointers as all read and write them.
pub(super) struct Board {
    cluster: Arc<Cluster>,
    /// None before they were told.
    told: ArcSwapOption<Vec<Pointer>>,
    as_of: ArcSwap<BTreeMap<DatasetId, Timestamp>>,
}

impl Board {
    pub(super) fn new(cluster: Arc<Cluster>) -> Arc<Self> {
        Arc::new(Self { cluster, told: ArcSwapOption::empty(), as_of: ArcSwap::default() })
    }

    /// Hears the pointers.
    pub(super) fn point(&self, mut pointers: Vec<Pointer>) {
        pointers.sort_unstable_by_key(|pointer| pointer.version);
        self.told.store(Some(Arc::new(pointers)));
    }

    /// As last told; none before.
    pub(super) fn told(&self) -> Option<Arc<Vec<Pointer>>> {
        self.told.load_full()
    }

    /// As last told, with the latest as-of time of each.
    pub(super) fn all(&self) -> Vec<Pointer> {
        let (told, as_of) = (self.told.load(), self.as_of.load());
        let all = told.iter().flat_map(|told| told.iter().copied());
        all.map(|pointer| {
            let latest = as_of.get(&pointer.version.dataset).filter(|_| pointer.open);
            Pointer { as_of: latest.map_or(pointer.as_of, |latest| pointer.as_of.max(*latest)), ..pointer }
        })
        .collect()
    }

    /// The active versions; none before they were told.
    pub(super) fn versions(&self) -> Option<Versions> {
        let told = self.told.load();
        told.as_ref().map(|told| told.iter().map(|pointer| pointer.version).collect())
    }

    /// What is written into.
    pub(super) fn active(&self, dataset: DatasetId) -> Result<Pointer, StoreError> {
        let told = self.told.load_full().ok_or(StoreError::Down)?;
        let found = told.iter().find(|pointer| pointer.version.dataset == dataset);
        found.copied().ok_or(StoreError::NoVersion(dataset))
    }

    /// Keeps as-of times fresh until the drain.
    pub(super) async fn keep(self: Arc<Self>, drain: Drain) {
        loop {
            // Metrics show older ones meanwhile.
            let _later = self.refresh().await;
            tokio::select! {
                () = tokio::time::sleep(REFRESH) => {}
                () = drain.wait() => return,
            }
        }
    }

    async fn refresh(&self) -> Result<(), StoreError> {
        let mut all = redis::cmd("HGETALL");
        all.arg(keys::AS_OF);
        let answer = self.point_slot(all).await?;
        let found: BTreeMap<u32, i64> = redis::FromRedisValue::from_redis_value(answer)
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        let found = found.into_iter().map(|(dataset, at)| (DatasetId(dataset), Timestamp(at)));
        self.as_of.store(Arc::new(found.collect()));
        Ok(())
    }

    /// Notes the latest as-of time. Two nodes that write at the same moment may leave the earlier of theirs, until the
    /// next write.
    pub(super) async fn note_as_of(
        &self,
        dataset: DatasetId,
        latest: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let Some(latest) = latest else {
            return Ok(());
        };
        if self.as_of.load().get(&dataset).is_some_and(|known| *known >= latest) {
            return Ok(());
        }
        let mut note = redis::cmd("HSET");
        note.arg(keys::AS_OF).arg(dataset.0).arg(latest.0);
        self.point_slot(note).await?;
        self.refresh().await
    }

    async fn point_slot(&self, command: Cmd) -> Result<Value, StoreError> {
        let answers = self.cluster.tell_one(slot_of(keys::AS_OF_TAG.as_bytes()), vec![command]).await?;
        Ok(answers.into_iter().next().unwrap_or(Value::Nil))
    }
}
