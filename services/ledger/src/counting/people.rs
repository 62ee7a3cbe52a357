//! Who is erased or suppressed leaves the outbox.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tagbid_ports::{SuppressionChange, SuppressionEvent, SuppressionFeed};
use tagbid_runtime::Drain;
use tagbid_tagset::UserKey;
use tagbid_types::{Revision, Timestamp};

use crate::queue::Queue;
use crate::store::Store;
use crate::work::Work;

/// Between two tries: the list is small and its source near.
const RETRY: Duration = Duration::from_millis(500);

/// How long a deletion waits for the database before it is tried again.
const WITHIN: Duration = Duration::from_secs(5);

/// Follows the list of people.
pub(crate) struct Erasing {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Queue,
    pub(crate) people: Arc<dyn SuppressionFeed>,
}

impl Erasing {
    /// Follows the list until the drain: from its beginning, since who was erased while no ledger ran is in it. While
    /// the outbox is empty, as it nearly always is, that costs a question for each message.
    pub(crate) async fn run(self, drain: Drain) {
        let mut place = Revision(0);
        loop {
            let ended = tokio::select! {
                ended = self.follow(&mut place) => ended,
                () = drain.wait() => return,
            };
            tracing::warn!(problem = ended, "the ledger does not follow the list of people; trying again");
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = drain.wait() => return,
            }
        }
    }

    /// Follows one subscription; why it ended.
    async fn follow(&self, place: &mut Revision) -> String {
        let mut events = self.people.subscribe(*place);
        loop {
            let changes = match events.next().await {
                Some(Ok(SuppressionEvent::Users(changes))) => changes,
                Some(Ok(SuppressionEvent::CaughtUp)) => continue,
                Some(Err(error)) => return error.to_string(),
                None => return "the feed was closed".into(),
            };
            if let Err(problem) = self.erase(&changes).await {
                return problem;
            }
            *place = changes.last().map_or(*place, |last| last.revision);
        }
    }

    /// What comes into the outbox of somebody after this, the tag store refuses by itself.
    async fn erase(&self, changes: &[SuppressionChange]) -> Result<(), String> {
        let waiting = self.store.impressions(0, 1).await.map_err(|error| error.to_string())?;
        if waiting.is_empty() {
            return Ok(());
        }
        let users = changes.iter().map(erasure).collect();
        self.queue.ask(Work::Erased(users), WITHIN).await.map(drop).map_err(|problem| problem.to_string())
    }
}

/// Positions in the list are moments: what somebody saw up to the last erasure goes; of who is suppressed, everything.
fn erasure(change: &SuppressionChange) -> (UserKey, Timestamp) {
    let erased = Timestamp(i64::try_from(change.erased.0).unwrap_or(i64::MAX));
    (change.user, if change.suppressed { Timestamp(i64::MAX) } else { erased })
}
