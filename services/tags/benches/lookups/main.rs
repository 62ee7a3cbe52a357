//! What a lookup costs and how long it takes: a bidder's worker (this process), a tags node and a real Redis, each a process of
//! its own on this machine, their CPU counted together.
//!
//! 100,000 users with 60 offline tags and 10 real-time tags each. Costs are of 64 lookups at a time that begin anew as soon as
//! they end; times are of lookups that begin at a fixed rate, counted from when each was due.
//!
//! `lookups reconnect [CLIENTS]` is another program: so many bidders lose their node in one moment.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and one that cannot go on has failed"
)]

mod arrivals;
mod askers;
mod cpu;
#[path = "../figures/mod.rs"]
mod figures;
mod node;
mod reconnect;
#[path = "../role/mod.rs"]
mod role;
mod rows;
mod users;

use std::sync::Arc;
use std::time::Duration;

use tagbid_clients::{GrpcLookupSource, NearOptions, NearSource};
use tagbid_ports::{Datasets, TagLookup, TagLookupSource};
use tagbid_runtime::auth::Secret;
use tagbid_runtime::{Drain, SystemClock, Tasks};
use tagbid_testkit::RedisServer;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use askers::{Unary, among, run};
use cpu::Processes;
use figures::add;
use node::Node;
use rows::{cost, times};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EACH: Duration = Duration::from_secs(5);
/// Lookups at a time.
const AT_ONCE: usize = 64;
/// Lookups a second.
const RATES: [u32; 3] = [1_000, 5_000, 10_000];

/// A worker's runtime, as bidders have it.
fn worker() -> LocalRuntime {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap()
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "node", redis, port, ..] => node::serve(redis, port),
        [_, "reconnect", ref rest @ ..] => {
            reconnect::run(rest.first().and_then(|count| count.parse().ok()).unwrap_or(10_000));
        }
        _ => measure(),
    }
}

fn measure() {
    let redis = RedisServer::start().unwrap();
    let url = redis.database().unwrap().url().to_owned();
    worker().block_on(users::write(&url));
    let node = Node::start(&url);
    let processes = Processes::new(&[
        ("bidder", std::process::id()),
        ("tags node", node.pid()),
        ("Redis", redis.pid().unwrap()),
    ]);
    worker().block_on(costs(&node, &processes));
    worker().block_on(arrivals(&node));
    drop(node);
    let alone = Processes::new(&[("bidder with tags", std::process::id()), ("Redis", redis.pid().unwrap())]);
    worker().block_on(in_process(&url, &alone));
    decode();
}

/// Over gRPC.
async fn costs(node: &Node, processes: &Processes) {
    let unary = run(&Unary::open(&node.address).await, processes, among(users::COUNT), AT_ONCE).await;
    cost("unary call", &unary);
    let tasks = Tasks::new(Drain::default());
    let source = stream(node, &tasks);
    let lookup = opened(&source).await;
    let streamed = run(&*lookup, processes, among(users::COUNT), AT_ONCE).await;
    cost("stream", &streamed);
    add("CPU of a lookup by stream in that of a unary call", streamed.whole() / unary.whole(), "ratio");
    let one = run(&*lookup, processes, among(users::COUNT), 1).await;
    cost("stream, one at a time", &one);
    for (name, datasets) in
        [("stream, no dataset asked for", Datasets::NONE), ("stream, all datasets", Datasets::ALL)]
    {
        let asked = run(&*lookup, processes, among(users::COUNT).of(datasets), AT_ONCE).await;
        cost(name, &asked);
    }
    let options = NearOptions { bytes: 64 << 20, stale: Duration::from_secs(10) };
    let near = NearSource::new(Arc::new(source), options, Arc::new(SystemClock));
    let near = opened(&near).await;
    // So many users that few come again within 250 ms, and so few that nearly all do.
    let missed = run(&*near, processes, among(users::COUNT), AT_ONCE).await;
    cost("near-cache, nearly all missed", &missed);
    let hit = run(&*near, processes, among(100), AT_ONCE).await;
    cost("near-cache, nearly all hit", &hit);
    drop((lookup, near));
    tasks.drain().start();
}

fn stream(node: &Node, tasks: &Tasks) -> GrpcLookupSource {
    let (addresses, token) = ([node.address.clone()], Secret::new(role::TOKEN));
    GrpcLookupSource::new(&addresses, &token, Arc::new(SystemClock), tasks.clone()).unwrap()
}

/// A lookup that answers.
async fn opened(source: &dyn TagLookupSource) -> Arc<dyn TagLookup> {
    let lookup = source.open();
    while !askers::is_known(&lookup.lookup(users::request(0, Datasets::ALL)).await) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    lookup
}

async fn arrivals(node: &Node) {
    let tasks = Tasks::new(Drain::default());
    let lookup = opened(&stream(node, &tasks)).await;
    for rate in RATES {
        let took = arrivals::at_rate(&lookup, rate, EACH).await;
        times(&format!("lookup at {rate} a second"), &took);
    }
    tasks.drain().start();
}

/// The tags role in the bidder's process, as in `tagbid all`.
async fn in_process(redis: &str, processes: &Processes) {
    let tasks = Tasks::new(Drain::default());
    let service = node::service(redis, &tasks).await;
    let lookup = service.lookup_source().open();
    let asked = run(&*lookup, processes, among(users::COUNT), AT_ONCE).await;
    cost("in process", &asked);
    tasks.drain().start();
}

fn decode() {
    let (blob, now) = (users::offline(1), users::now());
    let began = std::time::Instant::now();
    let (mut times, mut tags) = (0_u32, 0_usize);
    while began.elapsed() < Duration::from_secs(1) {
        for _ in 0..1_000 {
            let read = tagbid_tagset::offline::Offline::parse(std::hint::black_box(&blob)).unwrap();
            read.live(now, |_| tags += 1).unwrap();
            times += 1;
        }
    }
    assert_eq!(tags, times as usize * users::TAGS as usize);
    add("decoding 60 tags", began.elapsed().as_nanos() as f64 / f64::from(times), "ns");
}
