//! Keeps a log at the head of the list of people: who is erased there is hidden here.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tagbid_ports::{SuppressionChange, SuppressionEvent, SuppressionFeed};
use tagbid_runtime::Drain;
use tagbid_types::Timestamp;

use crate::erased::Erasure;
use crate::log::EventLog;

/// Between attempts to follow the list: it is small and its source near.
const RETRY: Duration = Duration::from_millis(500);

/// Follows until the drain, from where the log is; after damage to what the log knew, from the beginning.
pub async fn follow_people(log: EventLog, feed: Arc<dyn SuppressionFeed>, drain: Drain) {
    loop {
        let ended = tokio::select! {
            ended = follow_once(&log, &feed) => ended,
            () = drain.wait() => return,
        };
        tracing::warn!(problem = ended, "the event log does not follow the list of people; trying again");
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            () = drain.wait() => return,
        }
    }
}

/// Follows one subscription; why it ended.
async fn follow_once(log: &EventLog, feed: &Arc<dyn SuppressionFeed>) -> String {
    let mut events = feed.subscribe(log.people_revision());
    loop {
        let event = match events.next().await {
            Some(Ok(event)) => event,
            Some(Err(error)) => return error.to_string(),
            None => return "the feed was closed".into(),
        };
        let log = log.clone();
        let taken = tokio::task::spawn_blocking(move || match event {
            SuppressionEvent::Users(changes) => match changes.last() {
                Some(last) => log.erase(&changes.iter().map(erasure).collect::<Vec<_>>(), last.revision),
                None => Ok(()),
            },
            SuppressionEvent::CaughtUp => log.people_complete(),
        });
        match taken.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.to_string(),
            Err(error) => return error.to_string(),
        }
    }
}

/// Positions in the list are moments: what describes the id up to the last erasure goes; of who is suppressed, everything.
fn erasure(change: &SuppressionChange) -> Erasure {
    let erased = Timestamp(i64::try_from(change.erased.0).unwrap_or(i64::MAX));
    Erasure { user: change.user, until: if change.suppressed { Timestamp(i64::MAX) } else { erased } }
}
