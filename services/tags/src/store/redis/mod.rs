//! Users in Redis 7, one server or a Redis Cluster, shared by all nodes of the tags role.
//!
//! | key | holds |
//! | --- | --- |
//! | `o:<dataset>:<version>:{key}` | offline blob of one snapshot version; where it is written user by user, Redis forgets it when its last tag has expired |
//! | `r:{key}` | real-time blob; Redis forgets it when its last tag expires |
//! | `f:{key}` | frequency blob; forgotten 90 days after the last impression |
//! | `x:{key}` | what the list of people says: "1" for suppressed, else `ERASED;` and the other ids of the person |
//! | `suppression` | which life of the store this is, and the revision of the suppression list that is applied; in a cluster `suppression:{tag}` for each slot |
//! | `versions` | which versions of datasets this store has, whole or on their way, and how many users of each; in a cluster `versions:{tag}` for each slot |
//! | `{ds}:as_of` | latest as-of time of each dataset that is written user by user; for metrics |
//!
//! A question goes [`read`] or [`write`] ▸ [`ask`] (by slot, grouped by node, redirections followed) ▸ [`node`] (one
//! connection, breaker). Beside it a task keeps the layout ([`cluster`], [`topology`]). Which versions are active the
//! catalog says ([`pointers`]); which ones are there the marks do ([`marks`]). The suppression list is in [`list`];
//! [`shards`] says why nobody in it is ever known.

mod ask;
mod cluster;
mod keys;
mod list;
mod load;
mod marks;
mod node;
mod pointers;
mod read;
mod scripts;
mod shards;
mod slots;
mod topology;
mod walk;
mod write;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::{RedisError, Script};
use tagbid_ports::{Impression, SuppressionChange};
use tagbid_runtime::Tasks;
use tagbid_runtime::metrics::Counter;
use tagbid_tagset::UserKey;
use tagbid_types::{DatasetId, Revision, Timestamp};
use thiserror::Error;
use tokio::time::Instant;

use self::cluster::Cluster;
use self::pointers::Board;
use self::scripts::{COMPARE_AND_SET, LOAD};
use self::shards::Shards;
use super::{Mark, Pointer, Standing, Store, StoreError, Stored, Version, Written};
use crate::metrics::{DatasetStats, Stats};
use crate::sample::KeySample;

/// Where Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Servers {
    /// One server: `redis://[USER:PASSWORD@]HOST:PORT/DB`.
    One(String),
    /// Some nodes of a cluster: `redis://[USER:PASSWORD@]HOST:PORT`. The others are found from them, and signed in to as
    /// to the first.
    Cluster(Vec<String>),
}

/// Where Redis is and how it is used.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// Where it is.
    pub servers: Servers,
    /// Commands that may wait for their answers on the connection to one node.
    pub concurrency: usize,
    /// How long connecting may take, and a write.
    pub timeout: Duration,
}

/// Why an address is none.
#[derive(Debug, Error)]
pub enum RedisUrlError {
    /// It cannot be read.
    #[error("{0}; write redis://[USER:PASSWORD@]HOST:PORT")]
    Url(RedisError),
    /// The client refuses it.
    #[error("{0}")]
    Client(RedisError),
    /// An empty list.
    #[error("name at least one node, such as redis://HOST:PORT")]
    Nobody,
    /// Not a cluster's.
    #[error("a Redis Cluster has no database {0}: leave the number out")]
    Database(i64),
    /// Not a cluster's either.
    #[error("the nodes of a Redis Cluster are reached over TCP: write redis://HOST:PORT")]
    NotTcp,
}

/// The store in Redis.
pub struct RedisStore {
    cluster: Arc<Cluster>,
    shards: Shards,
    board: Arc<Board>,
    compare_and_set: Script,
    load: Script,
    /// Parts of versions that writes of single users made again.
    anew: Counter,
    /// How far the list has been told to all shards that are not behind.
    head: AtomicU64,
    /// All sentinels are to be looked at.
    recheck: AtomicBool,
    /// Where the next look at some of them begins.
    spot: AtomicUsize,
}

impl RedisStore {
    /// Starts to connect and returns at once: until there is a connection, every call answers
    /// [`StoreError::Down`].
    pub fn start(config: RedisConfig, tasks: &Tasks) -> Result<Self, RedisUrlError> {
        let cluster = Cluster::new(config)?;
        let board = Board::new(Arc::clone(&cluster));
        tasks.spawn("tags redis", Arc::clone(&cluster).keep_up(tasks.clone()));
        tasks.spawn("tags pointers", Arc::clone(&board).keep(tasks.drain().clone()));
        Ok(Self {
            shards: Shards::new(cluster.is_cluster()),
            cluster,
            board,
            compare_and_set: Script::new(COMPARE_AND_SET),
            load: Script::new(LOAD),
            anew: Counter::default(),
            head: AtomicU64::new(0),
            recheck: AtomicBool::new(false),
            spot: AtomicUsize::new(0),
        })
    }
}

#[async_trait]
impl Store for RedisStore {
    fn point(&self, pointers: Vec<Pointer>) {
        self.board.point(pointers);
    }

    fn active(&self) -> Option<Arc<Vec<Pointer>>> {
        self.board.told()
    }

    async fn mark(&self, version: Version, mark: Mark) -> Result<u64, StoreError> {
        self.mark_all(version, mark).await
    }

    async fn load(&self, version: Version, users: Vec<(UserKey, Bytes)>) -> Result<u64, StoreError> {
        self.load_blobs(version, false, &users).await
    }

    async fn read_version(&self, version: Version, users: &[UserKey]) -> Vec<Result<Stored, StoreError>> {
        let until = Instant::now() + self.cluster.timeout();
        self.read_users(&[version], users, false, until).await
    }

    async fn standings(&self, users: &[UserKey], within: Duration) -> Vec<Result<Standing, StoreError>> {
        self.read_standings(users, Instant::now() + within).await
    }

    async fn find(
        &self,
        position: u64,
        users: &HashSet<UserKey>,
    ) -> Result<(Vec<String>, Option<u64>), StoreError> {
        self.find_some(position, users).await
    }

    async fn sweep(&self, version: Version, position: u64) -> Result<Option<u64>, StoreError> {
        self.sweep_some(version, position).await
    }

    async fn read_of(
        &self,
        versions: &[Version],
        users: &[UserKey],
        frequency: bool,
        within: Duration,
    ) -> Vec<Result<Stored, StoreError>> {
        self.read_users(versions, users, frequency, Instant::now() + within).await
    }

    fn part_of(&self, user: UserKey) -> usize {
        let owner = |slot: usize| self.cluster.map().layout.owners.get(slot).copied().flatten();
        owner(self.shards.of_user(user).0).map_or(usize::MAX, usize::from)
    }

    async fn walk(&self, position: u64, sample: KeySample) -> Result<(KeySample, Option<u64>), StoreError> {
        self.step(position, sample).await
    }

    async fn put_offline(&self, dataset: DatasetId, users: Vec<(UserKey, Bytes)>) -> Result<u32, StoreError> {
        self.put_blobs(dataset, users).await
    }

    async fn merge_realtime(
        &self,
        users: Vec<(UserKey, Bytes)>,
        now: Timestamp,
    ) -> Vec<Result<Written, StoreError>> {
        self.merge_blobs(users, now).await
    }

    async fn count(&self, impressions: Vec<Impression>, now: Timestamp) -> Vec<Result<Written, StoreError>> {
        self.count_all(impressions, now).await
    }

    async fn open_list(&self) -> Result<Revision, StoreError> {
        self.begin_list().await
    }

    async fn suppress(&self, changes: &[SuppressionChange]) -> Result<(), StoreError> {
        self.suppress_all(changes).await
    }

    fn trust_list(&self) {
        self.trust_shards();
    }

    async fn check_list(&self) -> Result<(), StoreError> {
        self.check_shards().await
    }

    async fn list_in_doubt(&self) {
        self.cluster.signals.doubt.notified().await;
        self.recheck.store(true, Ordering::Relaxed);
    }

    fn stats(&self) -> Stats {
        let stats = |pointer: &Pointer| DatasetStats {
            dataset: pointer.version.dataset,
            version: pointer.version.number,
            as_of: Some(pointer.as_of),
        };
        let connections = &self.cluster.signals.connections;
        Stats {
            held: None,
            begun_anew: self.anew.get(),
            reconnects: Some(connections.get().min(self.cluster.signals.lost.get())),
            datasets: self.board.all().iter().map(stats).collect(),
        }
    }

    async fn save(&self, _now: Timestamp) -> Result<(), StoreError> {
        // What Redis keeps is Redis' to save.
        self.move_along().await
    }
}
