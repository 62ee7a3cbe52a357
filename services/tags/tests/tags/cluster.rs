//! The store in a real Redis Cluster.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tagbid_runtime::{Drain, Tasks};
use tagbid_tags::KeySample;
use tagbid_tags::store::{RedisConfig, RedisStore, Servers, Store, StoreError};
use tagbid_testkit::{ClusterLease, redis_cluster, slot_of, wait_until_async};
use tokio::task::block_in_place;

use crate::conformance::{DATASET, conformance, read_now, user, version};

const PATIENCE: Duration = Duration::from_secs(30);

struct Opened {
    store: Arc<RedisStore>,
    cluster: ClusterLease,
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
    Opened { store, cluster, tasks }
}

conformance!(open);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_during_which_slots_move_has_to_begin_anew() {
    let opened = open().await;
    let store = opened.store();
    let sample = || KeySample::new(usize::MAX, usize::MAX, 0);
    let (_, next) = store.walk(0, sample()).await.unwrap();
    // There are several nodes.
    let middle = next.unwrap();
    assert!(store.walk(middle, sample()).await.is_ok());

    let moved = slot_of(&user(1).to_string());
    block_in_place(|| {
        let (from, owners) = (opened.cluster.primary_of(moved), opened.cluster.owners());
        let to = owners.into_iter().flatten().find(|owner| *owner != from).unwrap();
        opened.cluster.move_slot(moved, to);
    });
    // Users may have come to nodes that it has been to.
    let refused = |error: StoreError| error.to_string().contains("begins anew");
    wait_until_async("the move to be noticed", PATIENCE, async || {
        store.walk(middle, sample()).await.is_err_and(refused)
    })
    .await;
    assert!(store.find(middle, &HashSet::new()).await.is_err_and(refused));
    let version = version(DATASET, 1);
    assert!(store.sweep(version, middle).await.is_err_and(refused));
    assert!(store.walk(0, sample()).await.is_ok());
}
