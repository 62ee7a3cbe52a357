//! Leases for bidders: every question becomes work of the one writer, and what commits do to holds is told on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tagbid_budget::{Ask, Beat, Epoch, Grant, Refusal, Second, Update};
use tagbid_ports::{Beaten, LeaseError, LeaseSource, Opened};
use tokio::sync::watch;

use crate::limits::Limits;
use crate::queue::{NotTaken, Queue};
use crate::store::{Store, Told};
use crate::work::{Done, Work};

/// How long a bidder waits for an answer: its money lasts longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between two updates of one bidder at least, so that each notice does not make one.
const PAUSE: Duration = Duration::from_millis(50);

/// Sums in one message: a hundred kilobytes.
const MAX_SUMS: usize = 4_096;

/// Line items that are asked for at once.
const MAX_ASKS: usize = 1_000;

/// The port over the queue.
#[derive(Clone)]
pub(crate) struct Leases {
    pub(crate) queue: Queue,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) commits: watch::Receiver<u64>,
}

impl Leases {
    async fn ask(&self, work: Work) -> Result<Done, LeaseError> {
        self.queue.ask(work, PATIENCE).await.map_err(|problem| match problem {
            NotTaken::QueueFull | NotTaken::Unavailable => LeaseError::Unavailable(problem.to_string()),
            NotTaken::Refused => LeaseError::Refused("the ledger's database refused it".into()),
        })
    }
}

/// Nothing that the writer answers to this question: cannot be.
fn mistaken() -> LeaseError {
    LeaseError::Unavailable("the answer to another question came".into())
}

/// One who follows a bidder's holds.
struct Following {
    leases: Leases,
    epoch: Epoch,
    told: Told,
    /// Without its sums: those are told once.
    last: Update,
}

impl Following {
    /// The next that is news.
    async fn next(&mut self) -> Result<Update, LeaseError> {
        loop {
            self.leases.commits.mark_unchanged();
            let (update, told) = self.leases.store.update(self.epoch, self.told, MAX_SUMS).await;
            self.told = told;
            let last = Update { buckets: Vec::new(), ..update.clone() };
            // Without a watermark it is a part, and the next follows at once.
            if !update.buckets.is_empty() || (last != self.last && last.watermark != Second::NEVER) {
                self.last = last;
                return Ok(update);
            }
            if self.leases.commits.changed().await.is_err() {
                return Err(LeaseError::Unavailable("it is going away".into()));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[async_trait]
impl LeaseSource for Leases {
    async fn open(&self) -> Result<Opened, LeaseError> {
        match self.ask(Work::Open).await? {
            Done::Opened(opened) => Ok(opened),
            _ => Err(mistaken()),
        }
    }

    async fn beat(&self, beat: Beat) -> Result<Beaten, LeaseError> {
        match self.ask(Work::Beat(beat)).await? {
            Done::Beaten(beaten) => Ok(beaten?),
            _ => Err(mistaken()),
        }
    }

    async fn acquire(&self, asks: Vec<Ask>) -> Result<Vec<Result<Grant, Refusal>>, LeaseError> {
        if asks.len() > MAX_ASKS {
            return Err(LeaseError::Refused(format!(
                "asks for {} line items: use at most {MAX_ASKS}",
                asks.len()
            )));
        }
        // Without budgets every line item would seem to have no limit.
        if self.limits.read().is_none() {
            return Err(LeaseError::Unavailable("it has not read the catalog's budgets yet".into()));
        }
        match self.ask(Work::Acquire(asks)).await? {
            Done::Acquired(grants) => Ok(grants),
            Done::Behind => {
                Err(LeaseError::Unavailable("another ledger has read a later catalog than it has".into()))
            }
            _ => Err(mistaken()),
        }
    }

    fn follow(&self, epoch: Epoch) -> BoxStream<'static, Result<Update, LeaseError>> {
        let begun = Following { leases: self.clone(), epoch, told: Told::default(), last: Update::default() };
        futures_util::stream::unfold(begun, |mut following| async {
            Some((following.next().await, following))
        })
        .boxed()
    }
}
