//! Ten thousand bidders whose node goes and comes again: how long until each is answered, and what the node holds for them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tagbid_clients::GrpcLookupSource;
use tagbid_ports::{Datasets, TagLookup, TagLookupSource};
use tagbid_runtime::auth::Secret;
use tagbid_runtime::{Drain, SystemClock, Tasks};
use tagbid_testkit::{RedisServer, free_port};
use tokio::task::JoinSet;

use crate::figures::add;
use crate::node::Node;
use crate::role;
use crate::rows::times;
use crate::{askers, cpu, users, worker};

/// Descriptors for what is not a client's.
const OTHERS: u64 = 200;
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two questions of a client that is not answered.
const PACE: Duration = Duration::from_millis(100);

pub(crate) fn run(wanted: u64) {
    let clients = allowed(wanted);
    if clients < wanted {
        println!("{clients} clients: more descriptors are not allowed");
    }
    let redis = RedisServer::start().unwrap();
    let (url, port) = (redis.database().unwrap().url().to_owned(), free_port());
    let bare = Node::start_at(&url, port);
    let before = cpu::resident(bare.pid());
    worker().block_on(async {
        let tasks = Tasks::new(Drain::default());
        let lookups: Vec<_> = (0..clients).map(|_| source(&bare.address, &tasks).open()).collect();
        all_known(&lookups, Instant::now()).await;
        let each = (cpu::resident(bare.pid()) - before) as f64 / clients as f64;
        add(&format!("memory of a tags node for each of {clients} bidders"), each / 1_024.0, "KiB");
        drop(bare);
        // Long enough that all have noticed and tried in vain: they come back from their pauses.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let node = Node::start_at(&url, port);
        let took = all_known(&lookups, Instant::now()).await;
        times(&format!("{clients} bidders after their node's return"), &took);
        let each = (cpu::resident(node.pid()) - before) as f64 / clients as f64;
        add("memory for each of them afterwards", each / 1_024.0, "KiB");
        tasks.drain().start();
    });
}

/// As many clients as there are descriptors for, after the limit was raised as far as allowed. The node inherits it.
fn allowed(wanted: u64) -> u64 {
    let most = OTHERS + wanted;
    let now = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= most);
    if !enough(now.current) {
        let maximum = if enough(now.maximum) { now.maximum } else { Some(most) };
        let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum });
        if raised.is_err() {
            setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum }).unwrap();
        }
    }
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    wanted.min(limit - OTHERS)
}

fn source(address: &str, tasks: &Tasks) -> GrpcLookupSource {
    let token = Secret::new(role::TOKEN);
    GrpcLookupSource::new(&[address.to_owned()], &token, Arc::new(SystemClock), tasks.clone()).unwrap()
}

/// When each was answered, ascending.
async fn all_known(lookups: &[Arc<dyn TagLookup>], since: Instant) -> Vec<Duration> {
    let mut asking = JoinSet::new();
    for lookup in lookups {
        let lookup = Arc::clone(lookup);
        asking.spawn_local(async move {
            while !askers::is_known(&lookup.lookup(users::request(0, Datasets::ALL)).await) {
                assert!(since.elapsed() < PATIENCE, "a client was not answered");
                tokio::time::sleep(PACE).await;
            }
            since.elapsed()
        });
    }
    let mut times = asking.join_all().await;
    times.sort_unstable();
    times
}
