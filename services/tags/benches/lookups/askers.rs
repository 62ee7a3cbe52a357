//! Lookups that begin anew as soon as they end, and what they cost.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, join_all};
use tagbid_ports::{Datasets, LookupRequest, SourceStatus, TagAnswer, TagLookup};
use tagbid_types::DatasetId;
use tagbid_wire::pb::tags::tag_service_client::TagServiceClient;
use tagbid_wire::tags as wire;
use tonic::transport::Channel;

use crate::cpu::Processes;
use crate::{EACH, node, users};

/// CPU of one lookup.
pub(crate) struct Cost {
    /// Of each process, in microseconds.
    pub(crate) each: Vec<(&'static str, f64)>,
    /// Lookups a second.
    pub(crate) rate: f64,
}

impl Cost {
    /// Of all processes, in microseconds.
    pub(crate) fn whole(&self) -> f64 {
        self.each.iter().map(|(_, micros)| micros).sum()
    }
}

/// Who is looked up, and in which datasets.
#[derive(Clone, Copy)]
pub(crate) struct Among {
    users: u32,
    datasets: Datasets,
}

/// Among so many users, in the dataset that they are in.
pub(crate) fn among(users: u32) -> Among {
    Among { users, datasets: [DatasetId(users::DATASET)].into_iter().collect() }
}

impl Among {
    pub(crate) fn of(self, datasets: Datasets) -> Self {
        Self { datasets, ..self }
    }
}

pub(crate) fn is_known(answer: &TagAnswer) -> bool {
    answer.offline_status == SourceStatus::Known && answer.realtime_status == SourceStatus::Known
}

/// So many lookups at a time, each answered.
pub(crate) async fn run(lookup: &dyn TagLookup, processes: &Processes, among: Among, at_once: usize) -> Cost {
    asked(lookup, among, at_once, EACH / 5).await;
    let (before, began) = (processes.used(), Instant::now());
    let count = asked(lookup, among, at_once, EACH).await;
    let (after, took) = (processes.used(), began.elapsed());
    let each = before
        .iter()
        .zip(after)
        .map(|((name, before), (_, after))| (*name, (after - *before).as_secs_f64() * 1e6 / count as f64));
    Cost { each: each.collect(), rate: count as f64 / took.as_secs_f64() }
}

async fn asked(lookup: &dyn TagLookup, among: Among, at_once: usize, during: Duration) -> u64 {
    let (until, next, count) = (Instant::now() + during, Cell::new(1_u64), Cell::new(0_u64));
    let ask = async || {
        while Instant::now() < until {
            // A full cycle through 2^64 whose upper bits are well mixed (Knuth's MMIX).
            next.set(
                next.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407),
            );
            let user = (next.get() >> 33) as u32 % among.users;
            let answer = lookup.lookup(users::request(user, among.datasets)).await;
            assert!(is_known(&answer), "{answer:?}");
            count.set(count.get() + 1);
            // A hit of the near-cache never waits: let the others have their turn.
            tokio::task::yield_now().await;
        }
    };
    join_all((0..at_once).map(|_| ask())).await;
    count.get()
}

/// A call for each lookup, all on one connection.
pub(crate) struct Unary(TagServiceClient<Channel>);

impl Unary {
    pub(crate) async fn open(address: &str) -> Self {
        let channel = Channel::from_shared(address.to_owned()).unwrap().tcp_nodelay(true);
        Self(TagServiceClient::new(channel.connect().await.unwrap()))
    }
}

impl TagLookup for Unary {
    fn lookup(&self, request: LookupRequest) -> BoxFuture<'_, TagAnswer> {
        let mut client = self.0.clone();
        Box::pin(async move {
            let keys = [request.keys()];
            let frame = wire::frame(1, &keys, 1_000_000, (request.frequency, request.datasets));
            let answer = client.batch_lookup(node::signed(frame)).await.unwrap().into_inner();
            answer.answers.into_iter().next().map(wire::from_answer).unwrap()
        })
    }
}
