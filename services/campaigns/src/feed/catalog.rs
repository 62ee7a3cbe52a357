//! The catalog stream, in process. The gRPC edge serves the same one.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tagbid_catalog::Place;
use tagbid_ports::{CatalogEvent, CatalogFeed, FeedError};
use tagbid_types::Timestamp;
use tokio::sync::watch;

use super::Hub;
use super::hub::Seen;
use crate::metrics::Watcher;

/// How often a reader that is up to date is told so; the promise is every second.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// The port, served from the hub's memory.
pub(crate) struct InProcessCatalog(pub(crate) Arc<Hub>);

impl CatalogFeed for InProcessCatalog {
    fn subscribe(&self, from: Place) -> BoxStream<'static, Result<CatalogEvent, FeedError>> {
        let subscriber = Subscriber {
            seen: self.0.seen(),
            hub: Arc::clone(&self.0),
            // Revision zero is what a reader has that has nothing, not even the empty catalog.
            position: (from.revision.0 != 0).then_some(from),
            claimed: (from.newest_tag.0 != 0).then_some(from),
            told: None,
            doubts: 2,
            _watcher: self.0.metrics().watcher(),
        };
        stream::unfold(subscriber, |mut subscriber| async {
            let event = subscriber.next().await?;
            Some((Ok(event), subscriber))
        })
        .boxed()
    }
}

struct Subscriber {
    hub: Arc<Hub>,
    seen: watch::Receiver<Seen>,
    /// Where the reader is after what was handed out.
    position: Option<Place>,
    /// Where the reader said that it is, until that was looked at.
    claimed: Option<Place>,
    /// When the reader was last told to be up to date; none since the last change.
    told: Option<Timestamp>,
    /// Looks into the database to wait for before a reader that is ahead of this process is believed to be wrong. It
    /// may come from a process that saw a commit first. The look under way may be older than the reader; the one after
    /// it is not.
    doubts: u8,
    _watcher: Watcher,
}

impl Subscriber {
    /// The next event; none when the process drains.
    async fn next(&mut self) -> Option<CatalogEvent> {
        loop {
            let seen = *self.seen.borrow_and_update();
            let ahead = self.position.is_some_and(|at| at.life == seen.life && at.revision > seen.revision);
            if ahead && self.doubts > 0 {
                self.doubts -= 1;
                self.hub.wake();
                self.look().await?;
                continue;
            }
            if let Some(place) = self.claimed.take() {
                self.hub.spare(place).await;
            }
            if let Some((event, position)) = self.hub.after(self.position) {
                self.position = Some(position);
                self.told = None;
                self.count(&event);
                return Some(event);
            }
            let due = self.told.is_none_or(|told| seen.at < told || seen.at.since(told) >= TELL_EVERY);
            if due && self.position.is_some_and(|at| (at.life, at.revision) == (seen.life, seen.revision)) {
                self.told = Some(seen.at);
                return Some(CatalogEvent::UpToDate { revision: seen.revision, at: seen.at });
            }
            self.look().await?;
        }
    }

    fn count(&self, event: &CatalogEvent) {
        let metrics = self.hub.metrics();
        match event {
            CatalogEvent::Snapshot(_) => metrics.snapshots_sent.inc(),
            CatalogEvent::Changes(changes) => metrics.changes_sent.add(changes.len() as u64),
            CatalogEvent::UpToDate { .. } => {}
        }
    }

    /// Waits until the hub has looked into the database; none when the process drains.
    async fn look(&mut self) -> Option<()> {
        tokio::select! {
            changed = self.seen.changed() => changed.ok(),
            () = self.hub.drain().wait() => None,
        }
    }
}
