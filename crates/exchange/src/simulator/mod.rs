//! The exchange over real sockets: sends bid requests at a steady rate on keep-alive connections, judges the answers,
//! runs the auctions and sends the notices. It calls this machine only.

mod judge;
mod notices;
mod report;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri, header};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::auction::{Auctions, Habits};
use crate::generator::{GeneratedRequest, Generator, Traffic};
use crate::markup::is_local;
use crate::net::{Answer, Connection, NetError, authority};
use crate::rates::Rates;
use crate::view::int;
use crate::world::World;

pub use report::{Report, latencies};

/// Lanes that send notices, each on connections of its own. A notice is answered when it is durable, so a lane mostly
/// waits for the ledger's disk; many at once go into one commit.
const NOTICE_LANES: usize = 16;

/// Notices handed over to a lane but not taken yet; senders wait beyond.
const NOTICE_INBOX: usize = 1024;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The bid URL, on this machine.
    pub url: String,
    /// Requests a second over all connections.
    pub rate: f64,
    /// Connections, each with one request at a time.
    pub connections: usize,
    /// How long to send. Notices go on a few seconds longer.
    pub duration: Duration,
    /// Decides requests, competitors and viewers.
    pub seed: u64,
    /// What the requests are like.
    pub traffic: Traffic,
    /// How market and viewers behave.
    pub habits: Habits,
    /// Currency rates.
    pub rates: Rates,
    /// How long to wait for an answer. Longer than any `tmax`, so that late answers are seen.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8080/openrtb2/demo".to_owned(),
            rate: 500.0,
            connections: 16,
            duration: Duration::from_secs(20),
            seed: 1,
            traffic: Traffic::default(),
            habits: Habits::default(),
            rates: Rates::default(),
            timeout: Duration::from_secs(2),
        }
    }
}

/// A simulated exchange. Cheap to clone; all clones are one run.
#[derive(Clone)]
pub struct Simulator(Arc<Shared>);

struct Shared {
    options: Options,
    url: Uri,
    generator: Mutex<Generator>,
    auctions: Mutex<Auctions>,
    report: Mutex<Report>,
    ticket: AtomicU64,
    stopped: AtomicBool,
}

impl Simulator {
    /// An exchange that has not sent anything yet. Refused when the URL is not http to this machine.
    pub fn new(world: Arc<World>, options: Options) -> Result<Self, NetError> {
        let url: Uri = options.url.parse().map_err(|_| NetError::Url(options.url.clone()))?;
        if !is_local(&options.url) {
            return Err(NetError::Url(options.url));
        }
        Ok(Self(Arc::new(Shared {
            generator: Mutex::new(Generator::new(world, options.traffic.clone(), options.seed)),
            auctions: Mutex::new(Auctions::new(options.habits.clone(), options.rates.clone(), options.seed)),
            report: Mutex::default(),
            ticket: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            options,
            url,
        })))
    }

    /// What was seen so far.
    pub fn report(&self) -> Report {
        self.0.report().clone()
    }

    /// Ends the run early: requests under way and notices are finished.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }

    /// Runs to the end, the last notice included. Once for each simulator.
    pub async fn run(&self) -> Report {
        let mut tasks = JoinSet::new();
        let mut outboxes = Vec::new();
        for _ in 0..NOTICE_LANES {
            let (outbox, inbox) = mpsc::channel(NOTICE_INBOX);
            outboxes.push(outbox);
            tasks.spawn(notices::run(inbox, Arc::clone(&self.0)));
        }
        let start = Instant::now();
        for (lane, outbox) in (0..self.0.options.connections.max(1)).zip(outboxes.iter().cycle()) {
            // Lanes open one after the other, so that the first second is no stampede.
            let begin = start + Duration::from_millis(lane as u64);
            tasks.spawn(run_lane(Arc::clone(&self.0), start.max(begin), start, outbox.clone()));
        }
        drop(outboxes);
        while tasks.join_next().await.is_some() {}
        self.report()
    }
}

impl Shared {
    fn report(&self) -> MutexGuard<'_, Report> {
        lock(&self.report)
    }

    /// When the next request is to be sent; none when the run is over.
    fn next_due(&self, start: Instant) -> Option<Instant> {
        let ticket = self.ticket.fetch_add(1, Ordering::Relaxed);
        let after = Duration::try_from_secs_f64(ticket as f64 / self.options.rate.max(0.001)).ok()?;
        let over = after >= self.options.duration || self.stopped.load(Ordering::Relaxed);
        (!over).then(|| start + after)
    }
}

/// A poisoned lock guards counters and seeded streams that stay usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection: takes the next ticket, waits for its time, sends, judges.
async fn run_lane(shared: Arc<Shared>, begin: Instant, start: Instant, outbox: mpsc::Sender<notices::Due>) {
    let Ok(host) = authority(&shared.url) else { return };
    let mut connection = Connection::new(host, shared.options.timeout);
    sleep_until(begin).await;
    while let Some(due) = shared.next_due(start) {
        sleep_until(due).await;
        let generated = lock(&shared.generator).next_request();
        let Some(request) = http_request(&shared.url, &connection, &generated) else {
            return;
        };
        let sent = Instant::now();
        let answer = connection.send(&request).await;
        let latency = sent.elapsed();
        shared.report().requests += 1;
        match answer {
            Ok(answer) => handle(&shared, &generated, &answer, latency, &outbox).await,
            Err(_) => shared.report().failures += 1,
        }
    }
}

fn http_request(url: &Uri, connection: &Connection, generated: &GeneratedRequest) -> Option<Request<Bytes>> {
    let target = url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    Request::post(target)
        .header(header::HOST, connection.host().as_str())
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-openrtb-version", generated.version.as_str())
        .body(generated.body.clone())
        .ok()
}

async fn handle(
    shared: &Shared,
    generated: &GeneratedRequest,
    answer: &Answer,
    latency: Duration,
    outbox: &mpsc::Sender<notices::Due>,
) {
    // Our own generator wrote it: it is JSON.
    let request: Value = serde_json::from_slice(&generated.body).unwrap_or_default();
    let tmax = int(&request, "tmax").and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
    let (status, rates) = (answer.status.as_u16(), &shared.options.rates);
    let judged = judge::judge(&request, status, &answer.body, rates, &mut lock(&shared.auctions));
    {
        let mut report = shared.report();
        report.timed(latency, tmax);
        report.judged(&generated.id, &judged);
    }
    let now = Instant::now();
    for notice in judged.outcome.notices {
        // The lane ends only after its senders, this one among them.
        let _taken = outbox.send((now + notice.after, notice)).await;
    }
}

#[cfg(test)]
mod tests;
