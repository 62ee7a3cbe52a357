//! The generator. Open loop: requests are due at fixed times whatever the server does, and their latency counts
//! from then. Closed loop ([`Pace::Saturate`]): as fast as the answers come, to find out what a server can do.
//!
//! Each thread of it has a runtime of its own, its share of the connections and of the requests. Its scheduler spins when
//! the next request is near, as timers are a millisecond coarse: give it a core of its own.

mod answer;
mod client;
mod lane;
mod queue;
mod watch;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use http::{HeaderMap, Uri};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::JoinSet;

use crate::cpu;
use crate::message::{Encoding, Messages};
use crate::notices;
use crate::record::{Record, window_length};
use crate::schedule::Schedule;

pub use answer::Reading;
pub use watch::{Tick, Watcher};

use client::Calls;
use queue::{Due, Queue};
use watch::Live;

/// Nearer than this the scheduler spins: tokio's timers may come a millisecond late.
const SPIN: Duration = Duration::from_millis(3);

/// How fast to send.
#[derive(Clone, Debug, PartialEq)]
pub enum Pace {
    /// At fixed times.
    Open(Schedule),
    /// The next when the last is answered, on each connection.
    Saturate,
}

impl Pace {
    /// So many a second, evenly spaced.
    pub fn per_second(rate: f64, length: Duration) -> Self {
        Self::Open(Schedule::steady(rate, length))
    }
}

/// What to send, where, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The bid URL: `http://HOST[:PORT]/PATH`, or `grpc://HOST:PORT` for BiddingService.
    pub url: Uri,
    /// Headers, or gRPC metadata, of every request.
    pub headers: HeaderMap,
    /// How requests are encoded.
    pub encoding: Encoding,
    /// How fast.
    pub pace: Pace,
    /// Sent and answered, but not counted, before all else, at the first rate.
    pub warmup: Duration,
    /// How long, the warm-up not included.
    pub duration: Duration,
    /// Connections over all threads.
    pub connections: usize,
    /// Requests at a time on a connection: 1 over HTTP, which is HTTP/1.1.
    pub streams: usize,
    /// Requests that are due and not answered, over all threads. What is due beyond is skipped and counted.
    pub in_flight: usize,
    /// Longest wait for an answer, the wait for a connection included.
    pub timeout: Duration,
    /// How long the exchange waits for answers to requests that do not say it.
    pub tmax: Duration,
    /// How closely answers are read.
    pub reading: Reading,
    /// One answer with bids in so many is kept for checking.
    pub sample_every: Option<u64>,
    /// Threads, each with its share of all of this.
    pub threads: usize,
    /// The requests, sent in turn, over and over.
    pub messages: Messages,
    /// Where bids go that are to be won or lost.
    pub notices: Option<notices::Sender>,
}

impl Plan {
    /// Connections that carry one request at a time over HTTP/1.1, on one thread, with nothing but what every plan needs.
    pub fn new(url: Uri, pace: Pace, duration: Duration, messages: Messages) -> Self {
        Self {
            url,
            headers: HeaderMap::new(),
            encoding: Encoding::Json,
            pace,
            warmup: Duration::ZERO,
            duration,
            connections: 32,
            streams: 1,
            in_flight: 10_000,
            timeout: Duration::from_secs(5),
            tmax: Duration::from_millis(100),
            reading: Reading::Status,
            sample_every: None,
            threads: 1,
            messages,
            notices: None,
        }
    }
}

/// Runs a plan: on the calling thread, and on others where it says so. Blocks until the last answer.
pub fn run(plan: &Plan) -> anyhow::Result<Record> {
    run_watched(plan, None)
}

/// The same, telling once a second how it goes.
pub fn run_watched(plan: &Plan, watcher: Option<&Watcher>) -> anyhow::Result<Record> {
    ensure!(!plan.messages.list.is_empty(), "no requests to send");
    let calls = Arc::new(Calls::prepare(plan)?);
    let parts = plan.threads.max(1);
    let start = Instant::now();
    thread::scope(|scope| {
        let others: Vec<_> = (1..parts)
            .map(|part| {
                let calls = Arc::clone(&calls);
                scope.spawn(move || run_part(plan, calls, start, part, watcher))
            })
            .collect();
        let mut total = run_part(plan, calls, start, 0, watcher)?;
        for other in others {
            let part = other.join().map_err(|_| anyhow::anyhow!("a thread of the generator panicked"))?;
            total.add(&part?);
        }
        Ok(total)
    })
}

fn run_part(
    plan: &Plan,
    calls: Arc<Calls>,
    start: Instant,
    part: usize,
    watcher: Option<&Watcher>,
) -> anyhow::Result<Record> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(measure(plan, calls, start, part, watcher))
}

/// What the scheduler and the lanes of one thread share.
struct Shared {
    plan: Plan,
    calls: Arc<Calls>,
    queue: Queue,
    record: RefCell<Record>,
    live: RefCell<Live>,
    /// Requests sent so far, in closed loop.
    sent: Cell<u64>,
    /// When the warm-up began.
    start: Instant,
    window: Duration,
}

impl Shared {
    fn new(plan: &Plan, calls: Arc<Calls>, start: Instant, part: usize) -> Self {
        let window = window_length(plan.duration);
        let windows = plan.duration.as_nanos().div_ceil(window.as_nanos().max(1));
        Self {
            plan: plan.clone(),
            calls,
            queue: Queue::new(share(plan.in_flight, plan.threads, part).max(1)),
            record: RefCell::new(Record::new(usize::try_from(windows).unwrap_or(0))),
            live: RefCell::default(),
            sent: Cell::new(0),
            start,
            window,
        }
    }

    /// When something happened, on the clock of what is measured; none in the warm-up.
    fn measured(&self, at: Instant) -> Option<Duration> {
        at.saturating_duration_since(self.start).checked_sub(self.plan.warmup)
    }

    fn ends(&self) -> Instant {
        self.start + self.plan.warmup + self.plan.duration
    }
}

/// One thread's part of something, for which the parts add up to the whole.
fn share(whole: usize, threads: usize, part: usize) -> usize {
    let threads = threads.max(1);
    whole / threads + usize::from(part < whole % threads)
}

async fn measure(
    plan: &Plan,
    calls: Arc<Calls>,
    opened: Instant,
    part: usize,
    watcher: Option<&Watcher>,
) -> anyhow::Result<Record> {
    let connections = share(plan.connections, plan.threads, part).max(1);
    let clients = client::open(plan, connections).await?;
    // Threads begin at the same moment. One that has no connections by then is late, and its lag says so.
    let start = if plan.threads > 1 { opened + OPENING } else { Instant::now() };
    let worked = cpu::of_this_thread();
    let shared = Rc::new(Shared::new(plan, calls, start, part));
    let mut lanes = JoinSet::new();
    for client in clients {
        lanes.spawn_local(lane::run(Rc::clone(&shared), client));
    }
    match &plan.pace {
        Pace::Open(schedule) => send_at(&shared, &schedule.after_warmup(plan.warmup), part, watcher).await,
        Pace::Saturate => saturate(&shared, watcher).await,
    }
    shared.queue.close();
    while let Some(lane) = lanes.join_next().await {
        lane.context("a connection's task panicked")?;
    }
    let mut record = shared.record.replace(Record::default());
    record.elapsed = shared.measured(Instant::now()).unwrap_or_default();
    if plan.pace == Pace::Saturate {
        // In open loop the scheduler spins, and its lag says whether it was too busy.
        let worked = cpu::of_this_thread().saturating_sub(worked);
        record.busy = worked.as_secs_f64() / start.elapsed().as_secs_f64().max(0.001);
    }
    Ok(record)
}

/// How long threads have to open their connections.
const OPENING: Duration = Duration::from_millis(500);

/// Hands out requests at their times: every `threads`-th, from `part` on.
async fn send_at(shared: &Shared, schedule: &Schedule, part: usize, watcher: Option<&Watcher>) {
    let threads = shared.plan.threads.max(1);
    for (number, after) in (0..).zip(schedule.times()).skip(part).step_by(threads) {
        let at = shared.start + after;
        wait_until(shared, at, watcher).await;
        let due = Due { number, at, measured: shared.measured(at) };
        let skipped = !shared.queue.push(due);
        if let Some(measured) = due.measured {
            shared.record.borrow_mut().plan(measured, at.elapsed(), skipped, shared.window);
        }
        shared.live.borrow_mut().plan(skipped);
    }
    wait_until(shared, shared.ends(), watcher).await;
}

/// Lanes go by themselves; what is left is to say how it goes.
async fn saturate(shared: &Shared, watcher: Option<&Watcher>) {
    while Instant::now() < shared.ends() {
        let next = (Instant::now() + Duration::from_millis(50)).min(shared.ends());
        tokio::time::sleep_until(next.into()).await;
        tell(shared, watcher);
    }
}

async fn wait_until(shared: &Shared, at: Instant, watcher: Option<&Watcher>) {
    while let Some(left) = at.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        if left > SPIN {
            // In short parts, so that the view goes on.
            tokio::time::sleep((left - SPIN).min(Duration::from_millis(200))).await;
        } else {
            tokio::task::yield_now().await;
        }
        tell(shared, watcher);
    }
    tell(shared, watcher);
}

fn tell(shared: &Shared, watcher: Option<&Watcher>) {
    if let Some(watcher) = watcher {
        shared.live.borrow_mut().tell(shared.start.elapsed(), shared.queue.outstanding(), watcher);
    }
}

#[cfg(test)]
mod tests;
