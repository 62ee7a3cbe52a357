//! Follows the database and keeps what subscribers ask for.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tagbid_catalog::{Catalog, Change, Place, Registry};
use tagbid_ports::CatalogEvent;
use tagbid_runtime::Drain;
use tagbid_types::{CatalogLife, Clock, Revision, Timestamp};
use tokio::sync::{Notify, watch};

use crate::metrics::Metrics;
use crate::store::{Session, Store, StoreError, changes, entities, people};

/// Changes that are kept in memory for readers that were away.
const LOG: usize = 4_096;
/// Changes in one event at most.
const BATCH: usize = 512;
/// Changes read from the database at once.
const PAGE: u32 = 1_000;

/// At most so often the suppressed users are counted.
const COUNT_EVERY: Duration = Duration::from_secs(10);

/// How far the database had come when it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The database.
    pub(crate) life: CatalogLife,
    /// The catalog's revision.
    pub(crate) revision: Revision,
    /// The suppression list's position.
    pub(crate) suppression: Revision,
    /// Just before it was asked.
    pub(crate) at: Timestamp,
}

/// The process's view of the database.
pub(crate) struct Hub {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    drain: Drain,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    seen: watch::Sender<Seen>,
    wake: Notify,
    healthy: AtomicBool,
}

#[derive(Default)]
struct State {
    catalog: Arc<Catalog>,
    /// The catalog's datasets and tags, compiled.
    registry: Registry,
    /// The last changes, without gaps, up to the catalog's revision.
    log: VecDeque<Change>,
    /// The position at which suppressed users were counted, and when.
    counted: (Revision, Timestamp),
}

impl State {
    /// Where in the log the changes after a place begin; none when the log does not tell.
    fn position(&self, place: Place) -> Option<usize> {
        if place.life != self.catalog.life {
            return None;
        }
        if place.revision == Revision(0) {
            return self.log.front().filter(|first| first.revision == Revision(1)).map(|_| 0);
        }
        let at = self.log.binary_search_by_key(&place.revision, |change| change.revision);
        // The reader's last change must still be there, to be compared.
        let at = at
            .ok()
            .filter(|at| self.log.get(*at).is_some_and(|own| Place::of(place.life, own).is_same(&place)));
        at.map(|at| at + 1)
    }
}

impl Hub {
    /// Loads the catalog and its last changes.
    pub(crate) async fn load(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        drain: Drain,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, StoreError> {
        let hub = Self {
            store,
            clock,
            drain,
            metrics,
            state: Mutex::default(),
            seen: watch::Sender::new(Seen::default()),
            wake: Notify::new(),
            healthy: AtomicBool::new(true),
        };
        hub.reload().await?;
        hub.poll().await?;
        Ok(Arc::new(hub))
    }

    /// Follows the database until the drain.
    pub(crate) async fn run(self: Arc<Self>, every: Duration) {
        loop {
            tokio::select! {
                () = self.drain.wait() => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(every) => {}
            }
            let result = self.poll().await;
            let was_healthy = self.healthy.swap(result.is_ok(), Ordering::Relaxed);
            match result {
                Err(error) if was_healthy => tracing::warn!(%error, "catalog database cannot be followed"),
                Ok(()) if !was_healthy => tracing::info!("catalog database is followed again"),
                _ => {}
            }
        }
    }

    /// Looks into the database now rather than at the next turn.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Whether the database answered when it was last asked.
    pub(crate) fn healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// How far the database has come; changes wake the receiver, and so does each look that finds none.
    pub(crate) fn seen(&self) -> watch::Receiver<Seen> {
        self.seen.subscribe()
    }

    /// Ends subscriptions.
    pub(crate) fn drain(&self) -> &Drain {
        &self.drain
    }

    /// What is counted.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The catalog's revision.
    pub(crate) fn revision(&self) -> Revision {
        self.state().catalog.revision
    }

    /// The database, for what is not kept in memory.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The catalog's datasets and tags, and the revision of the catalog.
    pub(crate) fn registry(&self) -> (Registry, Revision) {
        let state = self.state();
        (state.registry.clone(), state.catalog.revision)
    }

    /// What comes after a place, and the place after that; none when nothing does. The whole catalog for a reader without
    /// one, one that was away for too long, and one that knows a past or future that is not ours (another database, or
    /// this one before it was restored from a backup).
    pub(crate) fn after(&self, place: Option<Place>) -> Option<(CatalogEvent, Place)> {
        let state = self.state();
        let head = state.catalog.place();
        if place.is_some_and(|place| place.is_same(&head)) {
            return None;
        }
        let Some(known) = place.and_then(|place| state.position(place)) else {
            return Some((CatalogEvent::Snapshot(Arc::clone(&state.catalog)), head));
        };
        let changes: Vec<Change> = state.log.range(known..).take(BATCH).cloned().collect();
        let last = changes.last().map_or(head, |change| Place::of(head.life, change));
        Some((CatalogEvent::Changes(changes), last))
    }

    /// Keeps ids of tags from being given out twice. A reader of this very database that has heard of a tag that is not there
    /// says that the database was restored from a backup; ids up to that one are left to the tags that were lost.
    pub(crate) async fn spare(&self, place: Place) {
        let (registry, _) = self.registry();
        let ours = registry.epoch();
        if place.life != ours.life || place.newest_tag <= ours.tag {
            return;
        }
        tracing::warn!(
            theirs = %place.newest_tag, ours = %ours.tag,
            "a reader knows tags that this catalog does not: it was restored from a backup, and skips their ids"
        );
        let spared = async {
            let mut session = self.store.write().await?;
            entities::skip_tags(session.as_mut(), place.newest_tag).await?;
            session.commit().await
        };
        if let Err(error) = spared.await {
            tracing::error!(%error, "ids of lost tags may be given out again");
        }
    }

    /// Starts from what the database has: the catalog, and of the kept changes the last ones.
    async fn reload(&self) -> Result<(), StoreError> {
        let mut session = self.store.read().await?;
        let catalog = entities::snapshot(session.as_mut()).await?;
        let from = Revision(catalog.revision.0.saturating_sub(LOG as u64));
        let kept = changes::after(session.as_mut(), from, LOG as u32).await?;
        let registry = Registry::of(&catalog);
        let mut state = self.state();
        state.log = kept.unwrap_or_default().into();
        state.registry = registry;
        state.catalog = Arc::new(catalog);
        Ok(())
    }

    async fn poll(&self) -> Result<(), StoreError> {
        let at = self.clock.now();
        let mut session = self.store.read().await?;
        let revision = Revision(entities::counter(session.as_mut(), "revision").await?);
        let suppression = Revision(entities::counter(session.as_mut(), "suppression").await?);
        let life = entities::life(session.as_mut()).await?;
        loop {
            let have = self.state().catalog.place();
            if (have.life, have.revision) == (life, revision) {
                break;
            }
            let next = match have.life == life && have.revision < revision {
                true => changes::after(session.as_mut(), have.revision, PAGE).await?,
                false => None,
            };
            if !next.is_some_and(|changes| self.apply(changes)) {
                drop(session);
                self.reload().await?;
                // What was reloaded may be newer than what was asked for: the next turn will tell.
                self.wake();
                return Ok(());
            }
        }
        self.count_suppressed(session.as_mut(), suppression, at).await?;
        self.seen.send_replace(Seen { life, revision, suppression, at });
        Ok(())
    }

    /// Counting reads the whole list, so a busy one is counted now and then.
    async fn count_suppressed(
        &self,
        session: &mut dyn Session,
        position: Revision,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (counted, at) = self.state().counted;
        let is_due = now < at || now.since(at) >= COUNT_EVERY || counted == Revision(0);
        if position != counted && is_due {
            let count = people::count(session).await?;
            self.metrics.suppressed.store(count, Ordering::Relaxed);
            self.state().counted = (position, now);
        }
        Ok(())
    }

    /// False when the changes do not follow on what there is.
    fn apply(&self, changes: Vec<Change>) -> bool {
        let mut state = self.state();
        let State { catalog, registry, log, .. } = &mut *state;
        let catalog = Arc::make_mut(catalog);
        let fits = !changes.is_empty();
        for change in changes {
            if !catalog.apply(change.clone()) {
                return false;
            }
            registry.put(&change.entity);
            log.push_back(change);
            if log.len() > LOG {
                log.pop_front();
            }
        }
        fits
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was held cannot leave it half-done in a way that `apply` would not notice.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
