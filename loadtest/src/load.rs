//! The generator. Open loop: requests are due at fixed times whatever the server does, and their latency counts
//! from then. Closed loop ([`Pace::Saturate`]): as fast as the answers come, to find out what a server can do.
//!
//! It runs on one thread. The scheduler spins between due times, as timers are a millisecond coarse: give it a core
//! of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, Uri};
use tagbid_exchange::net::{Connection, NetError, authority};
use tagbid_exchange::simulator::latencies;
use tagbid_exchange::{Generator, Traffic, world::World};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

/// Requests that are due but have no free connection. When there are more, the rest is skipped and counted: the
/// server is further behind than anyone would wait.
const BACKLOG: usize = 10_000;

/// Answers kept for checking: one in so many.
const SAMPLE_EVERY: u64 = 997;

/// How fast to send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// So many a second, evenly spaced.
    PerSecond(f64),
    /// The next when the last is answered, on each connection.
    Saturate,
}

/// What to send, where, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The bid URL.
    pub url: Uri,
    /// How fast.
    pub pace: Pace,
    /// Connections, each with one request at a time.
    pub connections: usize,
    /// How long.
    pub duration: Duration,
    /// Encoded requests, sent in turn, over and over.
    pub requests: Arc<[Bytes]>,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without an answer.
    pub failures: u64,
    /// Requests that were never sent because the backlog was full.
    pub skipped: u64,
    /// From the intended send time to the whole answer, in microseconds.
    pub latency: Histogram<u64>,
    /// From the intended send time until the scheduler got to it, in microseconds: the generator's own lateness.
    pub lag: Histogram<u64>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Some requests with the answers that they got, to be checked afterwards.
    pub samples: Vec<(Bytes, Bytes)>,
}

impl Measured {
    /// Answers in all.
    pub fn answers(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.answers() as f64 / self.elapsed.as_secs_f64().max(0.001)
    }

    /// Why the figures must not be used, if so: the generator fell short of what it promised, or requests failed.
    pub fn invalid(&self, pace: Pace) -> Option<String> {
        let lag = self.lag.value_at_quantile(0.99);
        let failed = self.failures + self.skipped;
        match pace {
            _ if self.answers() == 0 => Some("no answers".to_owned()),
            _ if failed * 1000 > self.answers() => {
                Some(format!("{} requests failed and {} were skipped", self.failures, self.skipped))
            }
            Pace::PerSecond(rate) if self.rate() < 0.99 * rate => {
                Some(format!("{:.0} instead of {rate:.0} requests a second", self.rate()))
            }
            Pace::PerSecond(_) if lag > 1_000 => {
                Some(format!("the generator itself was {lag} µs late at its 99th percentile"))
            }
            _ => None,
        }
    }
}

/// `count` different requests of the exchange's generator, encoded before any clock runs.
pub fn requests(traffic: Traffic, seed: u64, count: usize) -> Arc<[Bytes]> {
    let generator = Generator::new(Arc::new(World::standard()), traffic, seed);
    generator.take(count).map(|request| request.body).collect()
}

/// Runs a plan on the calling thread.
pub fn run(plan: &Plan) -> anyhow::Result<Measured> {
    anyhow::ensure!(!plan.requests.is_empty(), "no requests to send");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(measure(plan))?)
}

async fn measure(plan: &Plan) -> Result<Measured, NetError> {
    let (due, queue) = mpsc::channel(BACKLOG);
    let shared = Arc::new(Shared { plan: plan.clone(), queue: Mutex::new(queue) });
    let mut connections = Vec::new();
    for _ in 0..plan.connections.max(1) {
        let mut connection = Connection::new(authority(&plan.url)?, Duration::from_secs(5));
        connection.open().await?;
        connections.push(connection);
    }
    let mut lanes = JoinSet::new();
    let start = Instant::now();
    for connection in connections {
        lanes.spawn(run_lane(Arc::clone(&shared), connection, start));
    }
    let mut total = Seen::new();
    let (lag, skipped) = schedule(plan, start, due).await;
    while let Some(lane) = lanes.join_next().await {
        // A lane that panicked shows as requests without answers.
        if let Ok(seen) = lane {
            total.add(seen);
        }
    }
    Ok(Measured {
        statuses: total.statuses,
        failures: total.failures,
        skipped,
        latency: total.latency,
        lag,
        elapsed: start.elapsed(),
        samples: total.samples,
    })
}

struct Shared {
    plan: Plan,
    queue: Mutex<mpsc::Receiver<Due>>,
}

/// A request's number and intended send time.
type Due = (u64, Instant);

/// Hands out requests at their times. Gives its own lateness and how many found the backlog full.
async fn schedule(plan: &Plan, start: Instant, due: mpsc::Sender<Due>) -> (Histogram<u64>, u64) {
    let (mut lag, mut skipped) = (latencies(), 0);
    let Pace::PerSecond(rate) = plan.pace else {
        return (lag, skipped);
    };
    for number in 0.. {
        let after = Duration::from_secs_f64(number as f64 / rate);
        if after >= plan.duration {
            break;
        }
        let at = start + after;
        while Instant::now() < at {
            tokio::task::yield_now().await;
        }
        lag.saturating_record(micros(at.elapsed()));
        skipped += u64::from(due.try_send((number, at)).is_err());
    }
    (lag, skipped)
}

async fn run_lane(shared: Arc<Shared>, mut connection: Connection, start: Instant) -> Seen {
    let plan = &shared.plan;
    let mut seen = Seen::new();
    let mut own = 0;
    loop {
        let (number, at) = match plan.pace {
            Pace::Saturate if start.elapsed() >= plan.duration => break,
            Pace::Saturate => {
                own += 1;
                (own, Instant::now())
            }
            Pace::PerSecond(_) => {
                let next = shared.queue.lock().await.recv().await;
                let Some(due) = next else { break };
                due
            }
        };
        let position = usize::try_from(number).unwrap_or(0) % plan.requests.len();
        let Some(body) = plan.requests.get(position) else {
            break;
        };
        let answer = connection.send(&request(&plan.url, body)).await;
        match answer {
            Ok(answer) => seen.answer(number, at.elapsed(), body, &answer.body, answer.status.as_u16()),
            Err(_) => seen.failures += 1,
        }
    }
    seen
}

fn request(url: &Uri, body: &Bytes) -> Request<Bytes> {
    let mut request = Request::new(body.clone());
    *request.method_mut() = http::Method::POST;
    if let Some(path) = url.path_and_query() {
        *request.uri_mut() = Uri::from(path.clone());
    }
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    if let Some(host) = url.authority().and_then(|host| host.as_str().parse().ok()) {
        headers.insert(HOST, host);
    }
    request
}

/// What one lane saw.
struct Seen {
    statuses: BTreeMap<u16, u64>,
    failures: u64,
    latency: Histogram<u64>,
    samples: Vec<(Bytes, Bytes)>,
}

impl Seen {
    fn new() -> Self {
        Self { statuses: BTreeMap::new(), failures: 0, latency: latencies(), samples: Vec::new() }
    }

    fn answer(&mut self, number: u64, latency: Duration, request: &Bytes, body: &Bytes, status: u16) {
        *self.statuses.entry(status).or_default() += 1;
        self.latency.saturating_record(micros(latency));
        if status == 200 && number.is_multiple_of(SAMPLE_EVERY) {
            self.samples.push((request.clone(), body.clone()));
        }
    }

    fn add(&mut self, other: Self) {
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.failures += other.failures;
        // Both have the same bounds, so that adding cannot fail.
        let _same_bounds = self.latency.add(other.latency);
        self.samples.extend(other.samples);
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
