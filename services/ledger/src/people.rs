//! Follows the list of people: whoever is erased or suppressed there is forgotten in the ledger's notices and in its outbox, and no
//! conversion is credited to what they were shown.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tagbid_ports::{SuppressionChange, SuppressionEvent, SuppressionFeed};
use tagbid_runtime::Drain;
use tagbid_tagset::UserKey;
use tagbid_types::{Revision, Timestamp};

use crate::queue::Queue;
use crate::store::{Erased, Journal, Store};
use crate::work::Work;

/// Between attempts to follow the list: it is small and its source near.
const RETRY: Duration = Duration::from_millis(500);

/// How long a deletion waits for the database before it is tried again.
const WITHIN: Duration = Duration::from_secs(5);

/// One who follows.
pub(crate) struct Forgetting {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Queue,
    pub(crate) feed: Arc<dyn SuppressionFeed>,
}

impl Forgetting {
    /// Follows until the drain, each start from the beginning: the ledger keeps no position, the list is small beside it, and who
    /// was erased while no ledger ran is in it.
    pub(crate) async fn run(self, drain: Drain) {
        let mut reached = Revision(0);
        loop {
            let ended = tokio::select! {
                ended = self.follow(&mut reached) => ended,
                () = drain.wait() => return,
            };
            // Whoever it follows may be told of the drain before it is.
            if !drain.started() {
                let problem = ended;
                tracing::warn!(problem, "the ledger does not follow the list of people; trying again");
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = drain.wait() => return,
            }
        }
    }

    /// Follows one subscription; why it ended.
    async fn follow(&self, reached: &mut Revision) -> String {
        let mut events = self.feed.subscribe(*reached);
        loop {
            let changes = match events.next().await {
                Some(Ok(SuppressionEvent::Users(changes))) => changes,
                Some(Ok(SuppressionEvent::CaughtUp)) => continue,
                Some(Err(error)) => return error.to_string(),
                None => return "the feed was closed".into(),
            };
            if let Err(problem) = self.forget(&changes).await {
                return problem;
            }
            *reached = changes.last().map_or(*reached, |last| last.revision);
        }
    }

    async fn forget(&self, changes: &[SuppressionChange]) -> Result<(), String> {
        let erased: Vec<Erased> = changes.iter().map(|one| Erased::new(one.user, until(one))).collect();
        self.journal.erase_users(&erased).await.map_err(|error| error.to_string())?;
        // Nearly always the outbox is empty. What comes into it of somebody after this, the tag store refuses by itself.
        let waiting = self.store.impressions(0, 1).await.map_err(|error| error.to_string())?;
        if waiting.is_empty() {
            return Ok(());
        }
        let users: Vec<(UserKey, Timestamp)> = changes.iter().map(|one| (one.user, until(one))).collect();
        let done = self.queue.ask(Work::Erased(users), WITHIN).await;
        done.map(drop).map_err(|problem| problem.to_string())
    }
}

/// Positions in the list are moments: what describes the id up to the last erasure goes; of who is suppressed, everything.
fn until(change: &SuppressionChange) -> Timestamp {
    let erased = Timestamp(i64::try_from(change.erased.0).unwrap_or(i64::MAX));
    if change.suppressed { Timestamp(i64::MAX) } else { erased }
}
