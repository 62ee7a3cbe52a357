//! A tags node over a Redis, with one dataset of offline tags, and loads into it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tagbid_catalog::{Dataset, TagDefinition};
use tagbid_clients::{
    Endpoint, GrpcLookupSource, LoadOf, LoadPosition, SnapshotsClient, TagRef, TagToLoad, UserToLoad,
};
use tagbid_ports::{TagLookup, TagLookupSource};
use tagbid_runtime::auth::Secret;
use tagbid_runtime::{Drain, SystemClock, Tasks};
use tagbid_tags::Options;
use tagbid_tagset::IdKind;
use tagbid_types::{Clock, DatasetId, TagId};
use tokio::runtime::{Builder, Runtime};

use crate::role::{self, TOKEN};
use crate::socket;

/// Users of a message, as `tagbid tags import` sends those of 60 tags.
const EACH: u64 = 120;

/// What came of a load.
pub(crate) struct Sent {
    /// Users a second.
    pub(crate) rate: f64,
    /// Processor time of whoever sent it, and with what was done before sending.
    pub(crate) cpu: Duration,
    pub(crate) with_making: Duration,
}

/// A node behind a socket, on threads of its own.
pub(crate) struct Node {
    address: String,
    threads: Option<Runtime>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.threads.take().unwrap().shutdown_background();
    }
}

impl Node {
    pub(crate) fn start(redis: &str) -> Self {
        let threads = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let address =
            std::thread::scope(|scope| scope.spawn(|| threads.block_on(serve(redis))).join().unwrap());
        Self { address, threads: Some(threads) }
    }

    /// Who looks users up, on the threads of the caller.
    pub(crate) fn lookup(&self) -> Arc<dyn TagLookup> {
        let (clock, to): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), std::slice::from_ref(&self.address));
        let tasks = Tasks::new(Drain::default());
        GrpcLookupSource::new(to, &Secret::new(TOKEN), clock, tasks).unwrap().open()
    }

    /// [`Node::load`] on a thread of its own.
    pub(crate) async fn load_beside(
        self: &Arc<Self>,
        name: &'static str,
        users: u64,
        unthrottled: bool,
        stop: Arc<AtomicBool>,
    ) -> Sent {
        let node = Arc::clone(self);
        let load = move || {
            let thread = Builder::new_current_thread().enable_all().build().unwrap();
            thread.block_on(node.load(name, users, unthrottled, &stop))
        };
        tokio::task::spawn_blocking(load).await.unwrap()
    }

    async fn client(&self) -> SnapshotsClient {
        let endpoint = Endpoint::new(&self.address, &Secret::new(TOKEN)).unwrap();
        SnapshotsClient::connect(&endpoint).await.unwrap()
    }

    /// Loads users of 60 tags by id, as `tagbid tags import` does, until there are enough or it is stopped; then activated,
    /// or given up.
    async fn load(&self, name: &str, users: u64, unthrottled: bool, stop: &AtomicBool) -> Sent {
        let used = || crate::used("/proc/thread-self/stat");
        let (first, from) = (used(), LoadPosition::default());
        let of = LoadOf { dataset: DatasetId(1), load: name.into(), as_of: crate::AS_OF, from, unthrottled };
        let (mut stream, _) = self.client().await.load(of).await.unwrap();
        // What is sent is made before: this is about the node.
        let messages: Vec<Vec<_>> =
            (0..400).map(|part| (part * EACH..(part + 1) * EACH).map(user).collect()).collect();
        let (began, before, mut sent, mut answered) = (Instant::now(), used(), 0, 0);
        for part in 0.. {
            if sent >= users || stop.load(Ordering::Relaxed) {
                break;
            }
            let message: Vec<_> = match messages.get(part) {
                Some(message) => message.clone(),
                // Others, of the same tags.
                None => messages[part % 400]
                    .iter()
                    .zip(sent..)
                    .map(|(one, n)| UserToLoad { id: id(n), ..one.clone() })
                    .collect(),
            };
            sent += message.len() as u64;
            assert!(stream.send(&message).await);
            if part >= 7 {
                answered = stream.progress().await.unwrap().at.position;
            }
        }
        while answered < sent {
            answered = stream.progress().await.unwrap().at.position;
        }
        let (rate, now) = (answered as f64 / began.elapsed().as_secs_f64(), used());
        let did = Sent { rate, cpu: now - before, with_making: now - first };
        if users < u64::MAX {
            assert_eq!(stream.finish(sent, true).await.unwrap().0, sent);
        }
        did
    }

    /// Gives up the version that a load made.
    pub(crate) async fn drop_version(&self, name: &str) {
        let mut client = self.client().await;
        let list = client.list(DatasetId(1)).await.unwrap();
        let version = list.snapshots.iter().find(|one| one.load == name).unwrap().version;
        client.drop_version(DatasetId(1), version).await.unwrap();
        while client.list(DatasetId(1)).await.unwrap().snapshots.iter().any(|one| one.version == version) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Starts the role with one dataset and serves it; its address.
async fn serve(redis: &str) -> String {
    let options = Options { sample_s: 0, drop_jitter_s: 0, ..Options::default() };
    let dataset = Dataset { id: DatasetId(1), ..Dataset::default() };
    let tags = (0..crate::TAGS).map(|n| (n * crate::APART) as u32 + 1).map(|id| TagDefinition {
        id: TagId(id),
        dataset: Some(DatasetId(1)),
        name: format!("tag {id}"),
        ..TagDefinition::default()
    });
    let tasks = Tasks::new(Drain::default());
    let service = role::start(redis, options, dataset, tags, &tasks).await;
    socket::serve(&service, &tasks).await
}

fn id(user: u64) -> String {
    format!("{:08x}-8246-4ba4-ae5b-{user:012x}", user as u32)
}

fn user(n: u64) -> UserToLoad {
    let tag = |tag: tagbid_tagset::offline::OfflineTag| TagToLoad {
        tag: TagRef::Id(tag.id.0),
        weight: tag.weight.into(),
        expires: Some(crate::AS_OF.after(Duration::from_secs(tag.ttl_s.into()))),
    };
    let tags = crate::tags(n, 60).into_iter().map(tag).collect();
    UserToLoad { kind: IdKind::Ifa, source: String::new(), id: id(n), tags }
}
