//! Which datasets are active, read at intervals and kept: a lookup must not ask for it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::{Cmd, Value};
use tagbid_runtime::Drain;
use tagbid_types::{DatasetId, Timestamp};

use super::cluster::Cluster;
use super::keys;
use super::slots::slot_of;
use crate::store::{MAX_ACTIVE_DATASETS, StoreError};

/// How old they get.
const REFRESH: Duration = Duration::from_secs(1);

/// Until they have been read once.
const FIRST: Duration = Duration::from_millis(20);

/// Active version of each dataset, ascending.
pub(super) type Versions = Vec<(DatasetId, u32)>;

/// As last read. Those that have been read stay while their node is away.
#[derive(Debug, Default)]
pub(super) struct Pointers {
    pub(super) versions: Versions,
    /// Latest as-of time of each dataset that has one.
    pub(super) as_of: Vec<(DatasetId, Timestamp)>,
}

/// The pointers as all read and write them.
pub(super) struct Board {
    cluster: Arc<Cluster>,
    /// None before they were read.
    last: ArcSwapOption<Pointers>,
}

impl Board {
    pub(super) fn new(cluster: Arc<Cluster>) -> Arc<Self> {
        Arc::new(Self { cluster, last: ArcSwapOption::empty() })
    }

    /// As last read; nothing before that.
    pub(super) fn last(&self) -> Arc<Pointers> {
        self.last.load_full().unwrap_or_default()
    }

    /// The active versions; none before they could be read.
    pub(super) fn versions(&self) -> Option<Versions> {
        self.last.load().as_ref().map(|pointers| pointers.versions.clone())
    }

    /// Keeps them fresh until the drain.
    pub(super) async fn keep(self: Arc<Self>, drain: Drain) {
        loop {
            let read = self.refresh().await.is_ok();
            let pause = if read || self.last.load().is_some() { REFRESH } else { FIRST };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = drain.wait() => return,
            }
        }
    }

    pub(super) async fn refresh(&self) -> Result<(), StoreError> {
        let mut list = redis::cmd("SMEMBERS");
        list.arg(keys::DATASETS);
        let mut datasets: Vec<u32> = parse(self.point(vec![list]).await?)?;
        datasets.sort_unstable();
        // Only two writers racing for the last place get here: the later ids are not read.
        datasets.truncate(MAX_ACTIVE_DATASETS);
        let mut pointers = Pointers::default();
        if !datasets.is_empty() {
            let datasets: Vec<_> = datasets.into_iter().map(DatasetId).collect();
            let mut get = redis::cmd("MGET");
            for &dataset in &datasets {
                get.arg(keys::version(dataset)).arg(keys::as_of(dataset));
            }
            let found: Vec<Option<i64>> = parse(self.point(vec![get]).await?)?;
            for (dataset, found) in datasets.into_iter().zip(found.chunks(2)) {
                let [version, latest] = found else { continue };
                let version = version.and_then(|version| u32::try_from(version).ok());
                pointers.versions.extend(version.map(|version| (dataset, version)));
                pointers.as_of.extend(latest.map(|latest| (dataset, Timestamp(latest))));
            }
        }
        self.last.store(Some(Arc::new(pointers)));
        Ok(())
    }

    /// The dataset's active version, made if there is none.
    pub(super) async fn active_version(&self, dataset: DatasetId) -> Result<u32, StoreError> {
        let mut version = redis::cmd("GET");
        version.arg(keys::version(dataset));
        let mut datasets = redis::cmd("SCARD");
        datasets.arg(keys::DATASETS);
        let found = self.point(vec![version.clone(), datasets]).await?;
        let (found, datasets): (Option<u32>, usize) = parse_all(found)?;
        if let Some(version) = found {
            return Ok(version);
        }
        if datasets >= MAX_ACTIVE_DATASETS {
            return Err(StoreError::TooManyDatasets(dataset));
        }
        let (mut make, mut add) = (redis::cmd("SET"), redis::cmd("SADD"));
        make.arg(keys::version(dataset)).arg(1).arg("NX");
        add.arg(keys::DATASETS).arg(dataset.0);
        let made = self.point(vec![make, add, version]).await?;
        parse(made.into_iter().skip(2).collect())
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
        let known = self.last.load_full();
        if known.is_some_and(|known| known.as_of.iter().any(|(of, at)| *of == dataset && *at >= latest)) {
            return Ok(());
        }
        let mut note = redis::cmd("SET");
        note.arg(keys::as_of(dataset)).arg(latest.0);
        self.point(vec![note]).await.map(drop)
    }

    /// Commands about the pointers, which are all in one slot.
    async fn point(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, StoreError> {
        self.cluster.tell_one(slot_of(keys::POINTERS_TAG.as_bytes()), commands).await
    }
}

/// The first answer.
fn parse<T: redis::FromRedisValue>(answers: Vec<Value>) -> Result<T, StoreError> {
    let first = answers.into_iter().next().unwrap_or(Value::Nil);
    T::from_redis_value(first).map_err(|error| StoreError::Failed(error.to_string()))
}

fn parse_all<T: redis::FromRedisValue>(answers: Vec<Value>) -> Result<T, StoreError> {
    T::from_redis_value(Value::Array(answers)).map_err(|error| StoreError::Failed(error.to_string()))
}
