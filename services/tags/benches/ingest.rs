//! Events from their sender to another node's lookups, all over gRPC, through one Redis on this machine: how soon they are
//! seen, idle and while four senders never rest, and how many a second are acknowledged. Sender, both nodes, reader and Redis
//! share the processors.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and one that cannot go on has failed"
)]

#[path = "figures/mod.rs"]
mod figures;
#[path = "role/mod.rs"]
mod role;
#[path = "role/socket.rs"]
mod socket;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tagbid_catalog::{Dataset, DatasetKind, TagDefinition};
use tagbid_clients::GrpcLookupSource;
use tagbid_ports::{Datasets, LookupRequest, OtherKeys, TagLookup, TagLookupSource};
use tagbid_runtime::auth::Secret;
use tagbid_runtime::{Drain, SystemClock, Tasks};
use tagbid_tags::Options;
use tagbid_tagset::{IdKind, UserId, UserKey};
use tagbid_testkit::RedisServer;
use tagbid_types::{Clock, DatasetId, TagId};
use tagbid_wire::pb::tags as pb;
use tagbid_wire::pb::tags::ingest_service_client::IngestServiceClient;
use tagbid_wire::tags::to_timestamp;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Streaming};

use figures::add;
use role::TOKEN;

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const STREAMS: u64 = 4;
const EACH: Duration = Duration::from_secs(8);

/// A tags node over that Redis, with one dataset of real-time tags that has one tag; its address.
async fn node(redis: &str, tasks: &Tasks) -> String {
    let dataset = Dataset { id: DatasetId(1), kind: DatasetKind::Realtime, ..Dataset::default() };
    let tag = TagDefinition {
        id: TagId(1),
        dataset: Some(dataset.id),
        name: "cars".into(),
        ..TagDefinition::default()
    };
    let service = role::start(redis, Options::default(), dataset, [tag].into_iter(), tasks).await;
    socket::serve(&service, tasks).await
}

fn event(user: &str) -> pb::Event {
    let id = pb::UserId { kind: pb::IdKind::Ifa.into(), source: String::new(), id: user.into() };
    pb::Event {
        event_id: user.into(),
        user: Some(id),
        dataset: 1,
        tag: Some(pb::event::Tag::TagName("Cars".into())),
        event_time: Some(to_timestamp(SystemClock.now())),
        weight: 100,
        also: Vec::new(),
    }
}

fn key(user: &str) -> UserKey {
    role::mac_key().user_key(&UserId { kind: IdKind::Ifa, source: "", id: user }.standard().unwrap())
}

async fn open(address: &str) -> (mpsc::Sender<pb::IngestBatch>, Streaming<pb::IngestAck>) {
    let channel = tonic::transport::Channel::from_shared(address.to_owned()).unwrap();
    let mut client = IngestServiceClient::new(channel.connect().await.unwrap());
    let (batches, outgoing) = mpsc::channel(8);
    let mut request = Request::new(ReceiverStream::new(outgoing));
    request.metadata_mut().insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
    (batches, client.ingest(request).await.unwrap().into_inner())
}

/// Looks a user up again and again until there are tags; since when it is asked.
async fn until_seen(lookup: &dyn TagLookup, user: UserKey, sent: Instant) -> Duration {
    loop {
        let deadline = SystemClock.monotonic().after(Duration::from_secs(1));
        let request = LookupRequest {
            user,
            previous: None,
            others: OtherKeys::NONE,
            frequency: false,
            datasets: Datasets::ALL,
            deadline,
        };
        if lookup.lookup(request).await.realtime.is_some() {
            return sent.elapsed();
        }
        assert!(sent.elapsed() < Duration::from_secs(60), "an event is lost");
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}

/// Sends events one at a time, each of a user of its own, and watches for them at the other node.
async fn delays(name: &str, to: &str, lookup: &dyn TagLookup) {
    let (batches, mut acks) = open(to).await;
    let mut delays = Vec::new();
    let began = Instant::now();
    for n in 0.. {
        if began.elapsed() > EACH {
            break;
        }
        let user = format!("{name}-{n}");
        let sent = Instant::now();
        batches.send(pb::IngestBatch { sequence: n, events: vec![event(&user)] }).await.unwrap();
        delays.push(until_seen(lookup, key(&user), sent).await);
        assert_eq!(acks.message().await.unwrap().unwrap().accepted, 1);
    }
    delays.sort_unstable();
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize];
    add(&format!("events that were watched for, {name}"), delays.len() as f64, "events");
    for (of, share) in [("p50", 0.5), ("p99", 0.99), ("most", 1.0)] {
        let what = format!("from sending an event to a lookup that shows it, {name}, {of}");
        add(&what, at(share).as_secs_f64() * 1e3, "ms");
    }
}

/// Full batches as fast as they are taken, until told to stop; how many events were acknowledged.
async fn load(to: String, number: u64, stop: Arc<AtomicBool>, acked: Arc<AtomicU64>) {
    let (batches, mut acks) = open(&to).await;
    let send = async {
        let mut sequence = 0;
        while !stop.load(Ordering::Relaxed) {
            let user = |k: u64| event(&format!("load-{number}-{}", (sequence * 1_000 + k) % 100_000));
            let batch = pb::IngestBatch { sequence, events: (0..1_000).map(user).collect() };
            batches.send(batch).await.unwrap();
            sequence += 1;
        }
        drop(batches);
    };
    let receive = async {
        while let Some(ack) = acks.message().await.unwrap() {
            assert!(ack.rejects.is_empty(), "{:?}", ack.rejects.first());
            acked.fetch_add(ack.accepted.into(), Ordering::Relaxed);
        }
    };
    tokio::join!(send, receive);
}

#[tokio::main]
async fn main() {
    let server = RedisServer::start().unwrap();
    let redis = server.database().unwrap().url().to_owned();
    let tasks = Tasks::new(Drain::default());
    let (one, other) = (node(&redis, &tasks).await, node(&redis, &tasks).await);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let source = GrpcLookupSource::new(&[other], &Secret::new(TOKEN), clock, tasks.clone()).unwrap();
    let lookup = source.open();

    delays("idle", &one, &*lookup).await;
    let (stop, acked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut senders = tokio::task::JoinSet::new();
    let began = Instant::now();
    for number in 0..STREAMS {
        senders.spawn(load(one.clone(), number, Arc::clone(&stop), Arc::clone(&acked)));
    }
    // What is measured is the delay behind full queues.
    tokio::time::sleep(Duration::from_secs(1)).await;
    delays("under load", &one, &*lookup).await;
    let rate = acked.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    let what = format!("events acknowledged, {STREAMS} streams, 1,000 a batch, a user each");
    add(&what, rate, "events/s");
    stop.store(true, Ordering::Relaxed);
    senders.join_all().await;
    tasks.drain().start();
}
