//! The table `[tags]` of the configuration.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tagbid_runtime::auth::Secret;

use crate::store::{Durability, RedisConfig, Servers};

/// Options of the tags role.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where users are kept: "memory" (default) or "redis".
    pub store: StoreKind,
    /// File of the memory store; without one it starts empty and keeps nothing. Its directory is made when missing.
    /// Default: none.
    pub memory_file: Option<PathBuf>,
    /// Seconds between saves of the memory store, while there are changes. What is written in between goes into a journal
    /// beside the file, which each save makes anew: longer means fewer saves, a longer journal and start. Default: 60.
    pub memory_save_s: u64,
    /// What an acknowledged write to the memory store survives: "process" (default), the sudden end of the process;
    /// "disk", a power loss too, at the price of an fsync a write.
    pub memory_durability: Durability,
    /// URL of Redis, `redis://[USER:PASSWORD@]HOST:PORT/DB`. Default: redis://127.0.0.1:6379/0.
    pub redis_url: Secret,
    /// Some nodes of a Redis Cluster, as `redis://[USER:PASSWORD@]HOST:PORT`: the others are found from them. They take
    /// the place of `redis_url`. Default: none.
    pub redis_cluster: Vec<Secret>,
    /// Commands that may wait for their answers on the connection to one Redis; more wait here, until their deadline.
    /// Default: 4096.
    pub redis_concurrency: usize,
    /// Users that are looked up at once, over all bidders; more are answered at once, as late. Default: 16384.
    pub lookup_concurrency: usize,
    /// Seconds between the passes over the store that sample its users for estimates of reach; a pass takes a tenth of
    /// this node's and of Redis' time at most. 0: only when somebody asks. Default: 3600.
    pub sample_s: u64,
    /// Seconds that a node waits at most before it deletes a version that is not wanted any more; each draws its share, so
    /// that one does what the others then find done. Default: 30.
    pub drop_jitter_s: u64,
    /// Milliseconds that connecting to Redis may take, and a write that has no deadline of its own. Default: 1000.
    pub redis_timeout_ms: u64,
}

/// Kinds of stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// In this process.
    #[default]
    Memory,
    /// In Redis 7.
    Redis,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            store: StoreKind::Memory,
            memory_file: None,
            memory_save_s: 60,
            memory_durability: Durability::default(),
            redis_url: Secret::new("redis://127.0.0.1:6379/0"),
            redis_cluster: Vec::new(),
            redis_concurrency: 4096,
            lookup_concurrency: 16_384,
            sample_s: 3600,
            drop_jitter_s: 30,
            redis_timeout_ms: 1000,
        }
    }
}

impl Options {
    /// What cannot be meant, and what to do about it.
    pub fn check(&self) -> Result<(), String> {
        if self.store == StoreKind::Memory && !self.redis_cluster.is_empty() {
            return Err(
                "tags.redis_cluster names a store that tags.store does not use: set tags.store = \"redis\""
                    .into(),
            );
        }
        if self.redis_concurrency == 0 {
            return Err(
                "tags.redis_concurrency is 0, and no command could be sent: leave it out, or set 1 or more"
                    .into(),
            );
        }
        if self.lookup_concurrency < 64 {
            return Err("tags.lookup_concurrency is less than a bidder asks for at once: leave it out, or set 64 or more".into());
        }
        if self.redis_timeout_ms == 0 {
            return Err("tags.redis_timeout_ms is 0, and nothing could be connected to: leave it out, or set 1 or more".into());
        }
        Ok(())
    }

    pub(crate) fn redis(&self) -> RedisConfig {
        let servers = match &self.redis_cluster[..] {
            [] => Servers::One(self.redis_url.expose().to_owned()),
            nodes => Servers::Cluster(nodes.iter().map(|url| url.expose().to_owned()).collect()),
        };
        RedisConfig {
            servers,
            concurrency: self.redis_concurrency,
            timeout: Duration::from_millis(self.redis_timeout_ms),
        }
    }

    pub(crate) fn save_every(&self) -> Duration {
        Duration::from_secs(self.memory_save_s.max(1))
    }

    pub(crate) fn drop_jitter(&self) -> Duration {
        Duration::from_secs(self.drop_jitter_s)
    }

    pub(crate) fn sample_every(&self) -> Option<Duration> {
        (self.sample_s > 0).then(|| Duration::from_secs(self.sample_s))
    }
}
