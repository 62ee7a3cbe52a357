//! What the ledger needs of the catalog: where clicks lead, and budgets.

use std::time::Duration;

use tagbid_budget::Owner;
use tagbid_catalog::Entity;
use tagbid_clients::{CatalogFollower, CatalogView, Changed, Position};
use tagbid_runtime::Drain;

use crate::clicks::Targets;
use crate::limits::{Limits, Read};
use crate::queue::Queue;
use crate::work::Work;

/// Between two tries.
const RETRY: Duration = Duration::from_millis(500);

/// How long a change of budgets waits for the database before it is tried again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes in what the catalog becomes.
pub(crate) struct Reader {
    pub(crate) targets: Targets,
    pub(crate) limits: std::sync::Arc<Limits>,
    pub(crate) queue: Queue,
}

impl Reader {
    /// Follows the catalog until the drain.
    pub(crate) async fn follow(self, follower: CatalogFollower, drain: Drain) {
        let (mut views, mut seen) = (follower.watch(), Position::default());
        loop {
            let view = views.borrow_and_update().clone();
            if view.is_loaded() && view.position() != seen {
                let work = self.take(&view, seen);
                let (revision, changed) = (view.catalog.place().revision, view.catalog.place().changed);
                self.limits.reached(Read { revision, changed });
                tokio::select! {
                    () = drain.wait() => return,
                    () = self.tell(work) => seen = view.position(),
                }
            }
            tokio::select! {
                () = drain.wait() => return,
                changed = views.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Takes in what changed since then; what the writer is to do about it.
    fn take(&self, view: &CatalogView, seen: Position) -> Option<Work> {
        let entities = &view.catalog.entities;
        match view.changed_since(seen) {
            Changed::All => {
                let _changed = entities.values().filter(|entity| self.learn(entity).is_some()).count();
                Some(Work::AllLimits)
            }
            Changed::Keys(keys) => {
                let changed = keys.iter().filter_map(|key| entities.get(key));
                let changed: Vec<Owner> = changed.filter_map(|entity| self.learn(entity)).collect();
                (!changed.is_empty()).then_some(Work::Limits(changed))
            }
        }
    }

    fn learn(&self, entity: &Entity) -> Option<Owner> {
        self.targets.learn(entity);
        self.limits.learn(entity)
    }

    /// Has changed budgets set in the accounts that there are: until the database has taken them, so that a budget that was
    /// lowered stops bids.
    async fn tell(&self, work: Option<Work>) {
        let Some(work) = work else { return };
        while let Err(problem) = self.queue.ask(work.clone(), PATIENCE).await {
            tracing::warn!(%problem, "budgets wait for the ledger's database");
            tokio::time::sleep(RETRY).await;
        }
    }
}
