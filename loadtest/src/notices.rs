//! Win, billing, loss, impression and click notices for bids, at chosen shares, to the URLs that the bids name. On a
//! thread of its own: a slow notice endpoint must not make the generator late.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tagbid_exchange::Rates;
use tagbid_exchange::auction::{Auctions, Habits, Notice, Shares};
use tagbid_exchange::net::Caller;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::message::{Encoding, Protobuf};
use crate::record::Latencies;

/// Bids waiting for their lot. What comes beyond is dropped and counted.
const INBOX: usize = 10_000;

/// Won and lost bids waiting for a lane; lots wait beyond.
const READY: usize = 256;

/// Bids whose notices are sent at the same time, those of one bid one after the other.
const LANES: usize = 16;

/// How long a notice may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long after the last bid notices go on.
const DRAIN: Duration = Duration::from_secs(10);

/// Which notices are sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Share of bids that win.
    pub win: f64,
    /// Share of wins that are shown, and so billed.
    pub billing: f64,
    /// Share of losses that are told.
    pub loss: f64,
    /// Share of what is shown that is clicked.
    pub click: f64,
    /// Hosts, as in URLs, that may be called besides this machine.
    pub hosts: Vec<String>,
    /// How answers are encoded.
    pub encoding: Encoding,
    /// Decides the lots.
    pub seed: u64,
}

/// What became of notices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Answered with a 2xx or, as clicks are, a 3xx; by kind.
    pub answered: BTreeMap<String, u64>,
    /// Without such an answer.
    pub failed: u64,
    /// To hosts that may not be called.
    pub elsewhere: u64,
    /// Bids that came too fast to be won or lost, or whose notices were not sent when the run was over.
    pub dropped_bids: u64,
    /// How long answers took.
    pub latency: Latencies,
}

impl Report {
    /// Adds that of another machine.
    pub fn add(&mut self, other: &Self) {
        for (kind, count) in &other.answered {
            *self.answered.entry(kind.clone()).or_default() += count;
        }
        self.failed += other.failed;
        self.elsewhere += other.elsewhere;
        self.dropped_bids += other.dropped_bids;
        self.latency.add(&other.latency);
    }
}

/// Takes bids: a request as JSON, and its answer as it came.
#[derive(Clone, Debug)]
pub struct Sender {
    bids: mpsc::Sender<(Bytes, Bytes)>,
    dropped: Arc<AtomicU64>,
}

impl Sender {
    /// Hands a bid over; never waits.
    pub fn bid(&self, request: Bytes, answer: Bytes) {
        if self.bids.try_send((request, answer)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The thread that sends notices.
#[derive(Debug)]
pub struct Notices(JoinHandle<anyhow::Result<Report>>);

impl Notices {
    /// Starts it.
    pub fn start(options: Options) -> anyhow::Result<(Sender, Self)> {
        let (bids, inbox) = mpsc::channel(INBOX);
        let dropped = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&dropped);
        let protobuf = Protobuf::new()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name("notices".to_owned()).spawn(move || {
            let mut report = runtime.block_on(run(options, &protobuf, inbox, &counted));
            report.dropped_bids += counted.load(Ordering::Relaxed);
            Ok(report)
        })?;
        Ok((Sender { bids, dropped }, Self(thread)))
    }

    /// Waits until all is sent, or was not within ten seconds. Every [`Sender`] must be gone by then.
    pub fn finish(self) -> anyhow::Result<Report> {
        self.0.join().map_err(|_| anyhow::anyhow!("the notices' thread panicked")).context("notices")?
    }
}

type Inbox = mpsc::Receiver<(Bytes, Bytes)>;

async fn run(options: Options, protobuf: &Protobuf, mut inbox: Inbox, dropped: &AtomicU64) -> Report {
    let habits = Habits {
        shown: options.billing,
        clicked: options.click,
        repeated: 0.0,
        shown_within: Duration::ZERO,
        hosts: options.hosts.clone(),
        ..Habits::default()
    };
    let (ready, queue) = mpsc::channel(READY);
    let queue = Arc::new(Mutex::new(queue));
    let report = Arc::new(Mutex::new(Report::default()));
    let mut lanes = JoinSet::new();
    for _ in 0..LANES {
        lanes.spawn(send_all(Arc::clone(&queue), habits.clone(), Arc::clone(&report)));
    }
    let mut auctions = Auctions::new(habits, Rates::default(), options.seed);
    while let Some((request, answer)) = inbox.recv().await {
        let notices = lots(&mut auctions, &options, protobuf, &request, &answer);
        if !notices.is_empty() && ready.send(notices).await.is_err() {
            dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
    drop(ready);
    let drained = tokio::time::timeout(DRAIN, async { while lanes.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        lanes.shutdown().await;
        let mut left = queue.lock().await;
        while left.try_recv().is_ok() {
            dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
    let report = report.lock().await;
    report.clone()
}

/// The notices of an answer, in the order in which things happen.
fn lots(
    auctions: &mut Auctions,
    options: &Options,
    protobuf: &Protobuf,
    request: &[u8],
    answer: &[u8],
) -> Vec<Notice> {
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    let answer = match options.encoding {
        Encoding::Json => serde_json::from_slice(answer).unwrap_or_default(),
        Encoding::Protobuf => protobuf.response(answer).unwrap_or_default(),
    };
    let shares = Shares { win: options.win, loss: options.loss };
    let mut notices = auctions.run_by_chance(&request, &answer, shares).notices;
    notices.sort_by_key(|notice| notice.after);
    notices
}

async fn send_all(
    queue: Arc<Mutex<mpsc::Receiver<Vec<Notice>>>>,
    habits: Habits,
    report: Arc<Mutex<Report>>,
) {
    let mut caller = Caller::new(TIMEOUT);
    loop {
        let next = queue.lock().await.recv().await;
        let Some(notices) = next else { return };
        for notice in notices {
            if !habits.may_call(&notice.url) {
                report.lock().await.elsewhere += 1;
                continue;
            }
            let sent = Instant::now();
            let answered = caller.get(&notice.url).await;
            let mut report = report.lock().await;
            if answered {
                *report.answered.entry(notice.kind.as_str().to_owned()).or_default() += 1;
                report.latency.record(sent.elapsed());
            } else {
                report.failed += 1;
            }
        }
    }
}
