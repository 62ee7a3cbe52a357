//! What the ledger needs of the catalog: where clicks lead, and budgets.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tagbid_budget::Owner;
use tagbid_catalog::{Entity, Place};
use tagbid_ports::{CatalogEvent, CatalogFeed, FeedError};
use tagbid_runtime::Drain;

use crate::clicks::Targets;
use crate::limits::{Limits, Read};
use crate::queue::Queue;
use crate::work::Work;

/// Between the end of a stream and the next try.
const RETRY: Duration = Duration::from_millis(500);

/// How long a change of budgets waits for the database before it is tried again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads the catalog's stream.
pub(crate) struct Reader {
    pub(crate) feed: Arc<dyn CatalogFeed>,
    pub(crate) targets: Targets,
    pub(crate) limits: Arc<Limits>,
    pub(crate) queue: Queue,
}

impl Reader {
    /// Follows the catalog until the drain.
    pub(crate) async fn follow(self, drain: Drain) {
        let mut place = Place::default();
        while !drain.started() {
            tokio::select! {
                () = drain.wait() => return,
                ended = self.read(&mut place) => {
                    if !drain.started() {
                        tracing::warn!(?ended, "catalog stream ended; opening it again");
                    }
                }
            }
            tokio::select! {
                () = drain.wait() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    /// One stream, to its end.
    async fn read(&self, place: &mut Place) -> Option<FeedError> {
        let mut events = self.feed.subscribe(*place);
        while let Some(event) = events.next().await {
            let (changed, reached) = match event {
                Ok(CatalogEvent::Snapshot(catalog)) => {
                    let changed = catalog.entities.values().filter_map(|entity| self.learn(entity)).collect();
                    (changed, catalog.place())
                }
                Ok(CatalogEvent::Changes(changes)) => {
                    let changed = changes.iter().filter_map(|change| self.learn(&change.entity)).collect();
                    (changed, changes.last().map_or(*place, |last| Place::of(place.life, last)))
                }
                Ok(CatalogEvent::UpToDate { .. }) => continue,
                Err(error) => return Some(error),
            };
            self.limits.reached(Read { revision: reached.revision, changed: reached.changed });
            self.tell(changed).await;
            *place = reached;
        }
        None
    }

    fn learn(&self, entity: &Entity) -> Option<Owner> {
        self.targets.learn(entity);
        self.limits.learn(entity)
    }

    /// Has changed budgets set in the accounts that there are: until the database has taken them, so that a budget that was
    /// lowered stops bids.
    async fn tell(&self, changed: Vec<Owner>) {
        while !changed.is_empty() {
            match self.queue.ask(Work::Limits(changed.clone()), PATIENCE).await {
                Ok(_) => return,
                Err(problem) => tracing::warn!(%problem, "budgets wait for the ledger's database"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}
