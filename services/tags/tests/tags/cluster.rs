//! The store in a real Redis Cluster.

use std::sync::Arc;
use std::time::Duration;

use tagbid_runtime::{Drain, Tasks};
use tagbid_tags::store::{RedisConfig, RedisStore, Servers, Store};
use tagbid_testkit::{ClusterLease, redis_cluster, wait_until_async};

use crate::conformance::{conformance, read_now, user};

const PATIENCE: Duration = Duration::from_secs(30);

struct Opened {
    store: Arc<RedisStore>,
    _cluster: ClusterLease,
    tasks: Tasks,
}

impl Opened {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // Before the next test has the cluster.
        self.tasks.drain().start();
    }
}

async fn open() -> Opened {
    let cluster = redis_cluster();
    let config = RedisConfig {
        servers: Servers::Cluster(cluster.urls()),
        concurrency: 64,
        timeout: Duration::from_secs(2),
    };
    let tasks = Tasks::new(Drain::default());
    let store = Arc::new(RedisStore::start(config, &tasks).unwrap());
    store.point(Vec::new());
    wait_until_async("connections to all primaries", PATIENCE, async || {
        for n in 0..32 {
            if read_now(&*store, user(n)).await.is_err() {
                return false;
            }
        }
        true
    })
    .await;
    Opened { store, _cluster: cluster, tasks }
}

conformance!(open);
