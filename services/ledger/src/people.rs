//! Follows the list of people: whoever is erased or suppressed there is forgotten in the ledger's notices, and no conversion is credited
//! to what they were shown.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tagbid_ports::{SuppressionChange, SuppressionEvent, SuppressionFeed};
use tagbid_runtime::Drain;
use tagbid_types::{Revision, Timestamp};

use crate::store::{Erased, Journal};

/// Between attempts to follow the list.
const RETRY: Duration = Duration::from_secs(1);

/// Follows until the drain, each start from the beginning: the ledger keeps no position, and the list is small beside it.
pub(crate) async fn follow(journal: Arc<dyn Journal>, feed: Arc<dyn SuppressionFeed>, drain: Drain) {
    let mut reached = Revision(0);
    loop {
        let ended = tokio::select! {
            ended = follow_once(&journal, &feed, &mut reached) => ended,
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
async fn follow_once(
    journal: &Arc<dyn Journal>,
    feed: &Arc<dyn SuppressionFeed>,
    reached: &mut Revision,
) -> String {
    let mut events = feed.subscribe(*reached);
    loop {
        let changes = match events.next().await {
            Some(Ok(SuppressionEvent::Users(changes))) => changes,
            Some(Ok(SuppressionEvent::CaughtUp)) => continue,
            Some(Err(error)) => return error.to_string(),
            None => return "the feed was closed".into(),
        };
        let erased: Vec<Erased> = changes.iter().map(erased).collect();
        if let Err(error) = journal.erase_users(&erased).await {
            return error.to_string();
        }
        *reached = changes.last().map_or(*reached, |last| last.revision);
    }
}

/// Positions in the list are moments: what describes the id up to the last erasure goes; of who is suppressed, everything.
fn erased(change: &SuppressionChange) -> Erased {
    let erased = Timestamp(i64::try_from(change.erased.0).unwrap_or(i64::MAX));
    Erased::new(change.user, if change.suppressed { Timestamp(i64::MAX) } else { erased })
}
