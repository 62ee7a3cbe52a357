//! Leases for bidders: every question becomes work of the one writer, and what commits do to holds is told on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tagbid_budget::{Ask, Beat, Epoch, Grant, Refusal, Update};
use tagbid_ports::{Beaten, LeaseError, LeaseSource, Opened};
use tokio::sync::watch;

use crate::limits::Limits;
use crate::queue::{NotTaken, Queue};
use crate::store::Store;
use crate::work::{Done, Work};

/// How long a bidder waits for an answer: its money lasts longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between two updates of one bidder at least, so that each notice does not make one.
const PAUSE: Duration = Duration::from_millis(50);

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
        if self.limits.revision().is_none() {
            return Err(LeaseError::Unavailable("it has not read the catalog's budgets yet".into()));
        }
        match self.ask(Work::Acquire(asks)).await? {
            Done::Acquired(grants) => Ok(grants),
            _ => Err(mistaken()),
        }
    }

    fn follow(&self, epoch: Epoch) -> BoxStream<'static, Result<Update, LeaseError>> {
        let begun = (self.clone(), None);
        let updates = futures_util::stream::unfold(begun, move |(mut leases, told)| async move {
            loop {
                leases.commits.mark_unchanged();
                let update = leases.store.update(epoch).await;
                if told.as_ref() != Some(&update) {
                    return Some((Ok(update.clone()), (leases, Some(update))));
                }
                if leases.commits.changed().await.is_err() {
                    let gone = LeaseError::Unavailable("it is going away".into());
                    return Some((Err(gone), (leases, told)));
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        updates.boxed()
    }
}
