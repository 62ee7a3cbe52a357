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
            let (work, reached) = match event {
                Ok(CatalogEvent::Snapshot(catalog)) => {
                    let _all =
                        catalog.entities.values().filter(|entity| self.learn(entity).is_some()).count();
                    (Some(Work::AllLimits), catalog.place())
                }
                Ok(CatalogEvent::Changes(changes)) => {
                    let changed = changes.iter().filter_map(|change| self.learn(&change.entity));
                    let changed: Vec<Owner> = changed.collect();
                    let reached = changes.last().map_or(*place, |last| Place::of(place.life, last));
                    ((!changed.is_empty()).then_some(Work::Limits(changed)), reached)
                }
                Ok(CatalogEvent::UpToDate { .. }) => continue,
                Err(error) => return Some(error),
            };
            self.limits.reached(Read { revision: reached.revision, changed: reached.changed });
            if let Some(work) = work {
                self.tell(work).await;
            }
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
    async fn tell(&self, work: Work) {
        while let Err(problem) = self.queue.ask(work.clone(), PATIENCE).await {
            tracing::warn!(%problem, "budgets wait for the ledger's database");
            tokio::time::sleep(RETRY).await;
        }
    }
}
