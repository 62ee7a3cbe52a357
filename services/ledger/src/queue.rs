//! Group commit: whatever work waits becomes one transaction. While one is being written the next gathers, so a busy
//! ledger writes large batches and an idle one answers at once; there is no timer. Bidders' questions have a lane of their own,
//! which is emptied first: without money there would be nothing to bill.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tagbid_runtime::Drain;
use tagbid_types::{Clock, Monotonic};
use thiserror::Error;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::judge::{Outcome, Record};
use crate::stats::Stats;
use crate::store::{Store, StoreError, Verdict};
use crate::work::{Done, Work};

/// After a drain began, notices of connections that are still open are taken until none came for this long.
const LINGER: Duration = Duration::from_millis(500);

/// Between two tries to write a batch.
const RETRY: Duration = Duration::from_millis(50);

/// Between two looks at a database that failed.
const PROBE: Duration = Duration::from_millis(500);

/// Why a notice was not taken. It was not acknowledged, so its sender may send it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum NotTaken {
    /// Too many wait already.
    #[error("too many wait for the ledger's database")]
    QueueFull,
    /// The database failed or took too long, or the ledger is going away.
    #[error("the ledger's database is not available")]
    Unavailable,
    /// The database refuses this one notice.
    #[error("the ledger cannot keep this notice")]
    Refused,
}

impl From<StoreError> for NotTaken {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::Unavailable,
            StoreError::Refused(_) | StoreError::Beyond(_) => Self::Refused,
        }
    }
}

/// Work, and whoever waits for what becomes of it.
pub(crate) struct Waiting {
    work: Work,
    reply: oneshot::Sender<Result<Done, NotTaken>>,
}

/// The door of the queue. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    notices: mpsc::Sender<Waiting>,
    money: mpsc::Sender<Waiting>,
}

/// What the writer reads from.
pub(crate) struct Lanes {
    notices: mpsc::Receiver<Waiting>,
    money: mpsc::Receiver<Waiting>,
}

/// Bidders, and the ledger itself, that may wait: each waits for one answer at a time.
const MONEY: usize = 1_024;

impl Queue {
    /// A queue of so many places for notices, and what its writer reads from.
    pub(crate) fn new(places: usize) -> (Self, Lanes) {
        let (notices, taken_notices) = mpsc::channel(places);
        let (money, taken_money) = mpsc::channel(MONEY);
        (Self { notices, money }, Lanes { notices: taken_notices, money: taken_money })
    }

    /// How many notices wait.
    pub(crate) fn waiting(&self) -> usize {
        self.notices.max_capacity() - self.notices.capacity()
    }

    /// Waits until the record is on disk, and says what became of it. After `patience` it may still get there: a
    /// repeated notice then meets itself and counts once.
    pub(crate) async fn submit(&self, record: Record, patience: Duration) -> Result<Verdict, NotTaken> {
        match self.ask(Work::Notice(Box::new(record)), patience).await? {
            Done::Notice(verdict) => Ok(verdict),
            _ => Err(NotTaken::Unavailable),
        }
    }

    /// The same of any work.
    pub(crate) async fn ask(&self, work: Work, patience: Duration) -> Result<Done, NotTaken> {
        let (reply, answer) = oneshot::channel();
        // Whoever can be anybody must not stand in the way of bidders.
        let told = matches!(work, Work::Notice(_) | Work::Conversion(_));
        let lane = if told { &self.notices } else { &self.money };
        lane.try_send(Waiting { work, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NotTaken::QueueFull,
            mpsc::error::TrySendError::Closed(_) => NotTaken::Unavailable,
        })?;
        match tokio::time::timeout(patience, answer).await {
            Ok(Ok(answer)) => answer,
            _ => Err(NotTaken::Unavailable),
        }
    }
}

impl Lanes {
    /// Waits for work and takes what there is, so much at most; 0: there is never going to be any.
    async fn take(&mut self, into: &mut Vec<Waiting>, most: usize) -> usize {
        let first = tokio::select! {
            biased;
            first = self.money.recv() => first,
            first = self.notices.recv() => first,
        };
        into.extend(first);
        for lane in [&mut self.money, &mut self.notices] {
            while into.len() < most
                && let Ok(waiting) = lane.try_recv()
            {
                into.push(waiting);
            }
        }
        into.len()
    }
}

/// The other end: one task that writes.
pub(crate) struct Writer {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) ready: Arc<AtomicBool>,
    pub(crate) batch: usize,
    pub(crate) clock: Arc<dyn Clock>,
    /// Counts commits, for those who follow what they did.
    pub(crate) commits: watch::Sender<u64>,
    /// Told when a transaction left an impression to be counted.
    pub(crate) counting: Arc<Notify>,
}

impl Writer {
    /// Writes until the drain has come and nothing more does.
    pub(crate) async fn run(self, mut waiting: Lanes, drain: Drain) {
        let mut batch = Vec::with_capacity(self.batch);
        loop {
            tokio::select! {
                taken = waiting.take(&mut batch, self.batch) => match taken {
                    0 => return,
                    _ => self.write(&mut batch).await,
                },
                () = lingered(&drain) => return,
                () = tokio::time::sleep(PROBE), if !self.ready.load(Ordering::Relaxed) => self.probe().await,
            }
        }
    }

    async fn probe(&self) {
        if self.store.ping().await.is_ok() {
            self.recovered();
        }
    }

    fn recovered(&self) {
        if !self.ready.swap(true, Ordering::Relaxed) {
            tracing::info!("the ledger's database takes notices again");
        }
    }

    /// Once an outage: while it lasts every try says the same.
    fn lost(&self, problem: &str) {
        if self.ready.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                problem,
                "the ledger's database takes no notices; look whether it runs and is reachable from here"
            );
        }
    }

    /// Writes a batch, again and again while the database is away and anybody still waits: most exchanges never
    /// repeat a notice, so a short outage must cost them a wait and not us the notice.
    async fn write(&self, waiting: &mut Vec<Waiting>) {
        let (works, replies): (Vec<Work>, Vec<_>) =
            waiting.drain(..).map(|one| (one.work, one.reply)).unzip();
        let outcomes: Vec<Result<Done, NotTaken>> = loop {
            match self.commit(&works).await {
                Ok(done) => break done.into_iter().map(Ok).collect(),
                // One record that the database will never take must not take its neighbours with it.
                Err(StoreError::Refused(_)) if works.len() > 1 => break self.one_by_one(&works).await,
                Err(StoreError::Unavailable(_)) if replies.iter().any(|reply| !reply.is_closed()) => {
                    tokio::time::sleep(RETRY).await;
                }
                Err(error) => break works.iter().map(|_| Err(error.clone().into())).collect(),
            }
        };
        for ((work, reply), outcome) in works.iter().zip(replies).zip(outcomes) {
            if let (Work::Notice(record), Ok(Done::Notice(verdict))) = (work, &outcome) {
                self.count(record, *verdict);
            }
            // Whoever waited may have gone; what was done is kept all the same.
            let _gone = reply.send(outcome);
        }
    }

    async fn commit(&self, works: &[Work]) -> Result<Vec<Done>, StoreError> {
        let begun = self.clock.monotonic();
        let result = self.store.commit(works).await;
        match &result {
            Ok(_) => {
                self.measure(works, begun);
                self.commits.send_modify(|commits| *commits += 1);
                self.recovered();
            }
            Err(error) => {
                self.stats.failed_commits.inc();
                match error {
                    StoreError::Unavailable(problem) => self.lost(problem),
                    StoreError::Refused(problem) => {
                        tracing::warn!(problem, "refused by the ledger's database")
                    }
                    // Only of questions.
                    StoreError::Beyond(_) => {}
                }
            }
        }
        result
    }

    /// Transactions with notices; leases are asked for all the time.
    fn measure(&self, works: &[Work], begun: Monotonic) {
        let notices = works.iter().filter(|work| matches!(work, Work::Notice(_))).count();
        if notices > 0 {
            self.stats.commits.inc();
            self.stats.commit_time.record(begun, self.clock.monotonic());
            self.stats.batches.record(notices);
        }
    }

    async fn one_by_one(&self, works: &[Work]) -> Vec<Result<Done, NotTaken>> {
        let mut outcomes = Vec::with_capacity(works.len());
        for work in works {
            let outcome = self.commit(std::slice::from_ref(work)).await;
            outcomes.push(match outcome {
                Ok(mut done) => done.pop().ok_or(NotTaken::Unavailable),
                Err(error) => Err(error.into()),
            });
        }
        outcomes
    }

    fn count(&self, record: &Record, verdict: Verdict) {
        let by_kind = match verdict {
            Verdict::Recorded => &self.stats.recorded,
            Verdict::Duplicate => &self.stats.duplicates,
            Verdict::Quarantined => &self.stats.quarantined,
        };
        by_kind.of(record.kind).inc();
        if verdict == Verdict::Recorded {
            if record.outcome == Outcome::Billed && record.token.counted_user().is_some() {
                self.counting.notify_one();
            }
            self.stats.late.of(record.kind).add(u64::from(record.outcome == Outcome::Late));
            self.stats.billed.add(u64::from(record.outcome == Outcome::Billed));
            self.stats.overpriced.add(u64::from(record.excess.0 > 0));
        }
    }
}

/// Resolves when the drain began and nothing else happened for a while: `select!` drops it with every notice.
async fn lingered(drain: &Drain) {
    drain.wait().await;
    tokio::time::sleep(LINGER).await;
}
