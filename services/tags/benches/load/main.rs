//! Snapshots of offline tags into one Redis on this machine: how fast users are encoded, how fast they are loaded once they
//! are, what a user takes in Redis, and what lookups take meanwhile. Everything runs on the same processors: the
//! sender, the tags node with a runtime of its own, who looks users up, and Redis.
//!
//! `TAGBID_BENCH_USERS` (200,000) sets how many users are loaded at once. `load import` is the whole import alone, for a
//! profiler.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and one that cannot go on has failed"
)]

#[path = "../figures/mod.rs"]
mod figures;
mod node;
mod reads;
#[path = "../role/mod.rs"]
mod role;
#[path = "../role/socket.rs"]
mod socket;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tagbid_runtime::{Drain, Tasks};
use tagbid_tags::store::{Mark, RedisConfig, RedisStore, Servers, Store, Version};
use tagbid_tagset::offline::{self, OfflineTag};
use tagbid_tagset::{IdKind, UserId, UserKey};
use tagbid_testkit::RedisServer;
use tagbid_types::{DatasetId, TagId, Timestamp};

use figures::add;
use node::Node;
use role::mac_key;

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Messages of a load, and how many of them a tags node writes at once.
const MESSAGE: usize = 1_000;
const AT_ONCE: usize = 4;

const AS_OF: Timestamp = Timestamp(1_767_225_600_000_000);

/// A dataset's tags: 10,000, their ids spread over a million.
const TAGS: u64 = 10_000;
const APART: u64 = 100;

/// Tags of one of so many users, with the weights of a model and the lifetime of a dataset.
fn tags(user: u64, count: u64) -> Vec<OfflineTag> {
    let each = TAGS / count;
    let tag = |n: u64| OfflineTag {
        id: TagId(((n * each + (user * 7_919 + n * 104_729) % each) * APART) as u32 + 1),
        weight: ((user + n * 31) % 256) as u8,
        ttl_s: 30 * 86_400,
    };
    (0..count).map(tag).collect()
}

fn key(user: u64) -> UserKey {
    let id = format!("{:08x}-8246-4ba4-ae5b-{user:012x}", user as u32);
    mac_key().user_key(&UserId { kind: IdKind::Ifa, source: "", id: &id }.standard().unwrap())
}

fn encoded(users: std::ops::Range<u64>, count: u64) -> Vec<(UserKey, Bytes)> {
    let keys = mac_key();
    let user = |user: u64| {
        let id = format!("{:08x}-8246-4ba4-ae5b-{user:012x}", user as u32);
        let key = keys.user_key(&UserId { kind: IdKind::Ifa, source: "", id: &id }.standard().unwrap());
        (key, Bytes::from(offline::encode(AS_OF, &tags(user, count)).unwrap()))
    };
    users.map(user).collect()
}

async fn open(url: &str, tasks: &Tasks) -> Arc<RedisStore> {
    let servers = Servers::One(url.to_owned());
    let config = RedisConfig { servers, concurrency: 4_096, timeout: Duration::from_secs(2) };
    let store = Arc::new(RedisStore::start(config, tasks).unwrap());
    store.point(Vec::new());
    let version = Version { dataset: DatasetId(0), number: 0 };
    while store.mark(version, Mark::Remove).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    store
}

/// Processor time that a process has used.
fn cpu(pid: u32) -> Duration {
    used(&format!("/proc/{pid}/stat"))
}

/// Processor time that a process or a thread has used, by its file.
fn used(stat: &str) -> Duration {
    let stat = std::fs::read_to_string(stat).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // 100 a second on Linux, whatever the kernel counts in.
    Duration::from_millis(ticks * 10)
}

fn used_memory(url: &str) -> f64 {
    let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
    let info: String = redis::cmd("INFO").arg("memory").query(&mut connection).unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    line.trim().parse().unwrap()
}

fn memory_usage(url: &str, key: &str) -> f64 {
    let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
    redis::cmd("MEMORY").arg("USAGE").arg(key).query(&mut connection).unwrap()
}

/// Users that are encoded already, written as a load writes them.
async fn load_encoded(server: &RedisServer, users: u64, tasks: &Tasks) {
    for count in [60, 200] {
        let url = server.database().unwrap().url().to_owned();
        let store = open(&url, tasks).await;
        let began = Instant::now();
        let all = encoded(0..users, count);
        let took = began.elapsed().as_secs_f64();
        add(&format!("encode, {count} tags, one thread"), users as f64 / took, "users/s");
        let bytes: usize = all.iter().map(|(_, blob)| blob.len()).sum();
        add(&format!("blob, {count} tags"), bytes as f64 / users as f64, "bytes");

        let version = Version { dataset: DatasetId(1), number: 1 };
        store.mark(version, Mark::Open).await.unwrap();
        let before = (used_memory(&url), cpu(server.pid().unwrap()), cpu(std::process::id()));
        let messages: Vec<Vec<_>> = all.chunks(MESSAGE).map(<[_]>::to_vec).collect();
        let began = Instant::now();
        let written = stream::iter(messages).map(|message| store.load(version, message)).buffered(AT_ONCE);
        let fresh: u64 =
            written.map(|fresh| async { fresh.unwrap() }).buffered(1).collect::<Vec<_>>().await.iter().sum();
        let took = began.elapsed().as_secs_f64();
        assert_eq!(fresh, users);
        let (redis, ours) = (cpu(server.pid().unwrap()) - before.1, cpu(std::process::id()) - before.2);
        add(&format!("load of encoded users, {count} tags, unthrottled"), users as f64 / took, "users/s");
        let each = |time: Duration| time.as_secs_f64() * 1e6 / users as f64;
        add(&format!("load of encoded users, {count} tags: CPU of Redis"), each(redis), "us/user");
        add(&format!("load of encoded users, {count} tags: CPU of the tags node"), each(ours), "us/user");
        // Versions are dropped as a whole: their keys have no lifetime of their own.
        let used = (used_memory(&url) - before.0) / users as f64;
        add(&format!("Redis, used_memory a user of {count} tags"), used, "bytes");
        let key = |(user, _): &(UserKey, Bytes)| memory_usage(&url, &format!("o:{version}:{{{user}}}"));
        let usage = all.iter().take(500).map(key).sum::<f64>() / 500.0;
        add(&format!("Redis, MEMORY USAGE of a user of {count} tags"), usage, "bytes");
        redis::cmd("FLUSHDB")
            .query::<()>(&mut redis::Client::open(url).unwrap().get_connection().unwrap())
            .unwrap();
    }
}

/// The whole way of users who come with ids of their own and of tags, unthrottled.
async fn import(server: &RedisServer, node: &Arc<Node>, users: u64) {
    let before = (cpu(server.pid().unwrap()), cpu(std::process::id()));
    let sent = node.load_beside("base", users, true, Arc::default()).await;
    add("import over gRPC, 60 tags by id, unthrottled", sent.rate, "users/s");
    let each = |time: Duration| time.as_secs_f64() * 1e6 / users as f64;
    let redis = cpu(server.pid().unwrap()) - before.0;
    let node = (cpu(std::process::id()) - before.1).saturating_sub(sent.with_making);
    for (whose, time) in [("Redis", redis), ("the sender", sent.cpu), ("the tags node", node)] {
        add(&format!("import over gRPC: CPU of {whose}"), each(time), "us/user");
    }
}

/// What lookups take while nothing is loaded, while a load makes way for them, and while it does not. Whoever sends a load,
/// and whoever looks users up, has threads of its own, as they have processes of their own.
async fn lookups(node: &Arc<Node>, users: u64) {
    let lookup = node.lookup();
    let mut idle = reads::lookups(&lookup, users, Duration::from_secs(6)).await;
    let (mut rates, mut found) = (Vec::new(), Vec::new());
    for (name, unthrottled) in [("throttled", false), ("unthrottled", true)] {
        let stop = Arc::new(AtomicBool::new(false));
        let load = node.load_beside(name, u64::MAX, unthrottled, Arc::clone(&stop));
        let reading = async {
            // A load needs some seconds to find its rate.
            tokio::time::sleep(Duration::from_secs(4)).await;
            let took = reads::lookups(&lookup, users, Duration::from_secs(10)).await;
            stop.store(true, Ordering::Relaxed);
            took
        };
        let (sent, took) = tokio::join!(load, reading);
        rates.push((name, sent.rate));
        found.push((name, took));
        node.drop_version(name).await;
        idle = reads::both(idle, reads::lookups(&lookup, users, Duration::from_secs(6)).await);
    }
    reads::tell("idle", &idle);
    for (name, took) in &found {
        reads::tell(&format!("during a load that is {name}"), took);
        let ratio = reads::at(took, 0.99).as_secs_f64() / reads::at(&idle, 0.99).as_secs_f64();
        add(&format!("lookup p99 during a load that is {name}, beside idle"), ratio, "times");
    }
    for (name, rate) in rates {
        add(&format!("import over gRPC beside lookups, {name}"), rate, "users/s");
    }
}

#[tokio::main]
async fn main() {
    let users = std::env::var("TAGBID_BENCH_USERS").map_or(200_000, |users| users.parse().unwrap());
    let import_alone = std::env::args().any(|argument| argument == "import");
    let server = RedisServer::start().unwrap();
    let tasks = Tasks::new(Drain::default());
    if !import_alone {
        load_encoded(&server, users, &tasks).await;
    }
    let node = Arc::new(Node::start(server.database().unwrap().url()));
    import(&server, &node, users).await;
    if !import_alone {
        lookups(&node, users).await;
    }
    tasks.drain().start();
}
