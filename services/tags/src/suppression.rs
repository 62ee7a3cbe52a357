//! Follows the suppression list into the store. Nobody is looked up before all of it is in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use tagbid_ports::{SuppressionEvent, SuppressionFeed};
use tagbid_runtime::Drain;
use tagbid_tagset::UserKey;
use tagbid_types::Revision;
use tokio::sync::watch;

use crate::store::{Store, StoreError};

/// Between attempts to open the stream again or to store what came: the list is small and the source local.
const RETRY: Duration = Duration::from_millis(500);

/// Whether the suppression list has been replayed. Cheap to clone and to ask.
#[derive(Clone, Debug)]
pub(crate) struct Readiness {
    flag: Arc<AtomicBool>,
    changes: watch::Sender<bool>,
}

impl Readiness {
    pub(crate) fn new(ready: bool) -> Self {
        Self { flag: Arc::new(AtomicBool::new(ready)), changes: watch::Sender::new(ready) }
    }

    pub(crate) fn ready(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<bool> {
        self.changes.subscribe()
    }

    fn set(&self) {
        self.flag.store(true, Ordering::Release);
        self.changes.send_replace(true);
    }
}

/// Replays the whole list, then follows it until the drain. From the beginning at every start: the store may have
/// lost what it was told.
pub(crate) async fn follow(
    feed: Arc<dyn SuppressionFeed>,
    store: Arc<dyn Store>,
    readiness: Readiness,
    drain: Drain,
) {
    let mut from = Revision(0);
    while !drain.started() {
        let mut events = feed.subscribe(from);
        while let Some(event) = next(&mut events, &drain).await {
            match event {
                SuppressionEvent::Users { revision, users } => {
                    if !store_all(&*store, &users, &drain).await {
                        return;
                    }
                    from = revision;
                }
                SuppressionEvent::CaughtUp => readiness.set(),
            }
        }
        pause(&drain).await;
    }
}

async fn next<S, E>(events: &mut S, drain: &Drain) -> Option<SuppressionEvent>
where
    S: futures_util::Stream<Item = Result<SuppressionEvent, E>> + Unpin,
    E: std::fmt::Display,
{
    let event = tokio::select! {
        event = events.next() => event?,
        () = drain.wait() => return None,
    };
    event.inspect_err(|error| tracing::warn!(%error, "suppression feed broke; opening it again")).ok()
}

/// Tries until it is stored; false when the drain came first.
async fn store_all(store: &dyn Store, users: &[(UserKey, bool)], drain: &Drain) -> bool {
    while let Err(error) = store_once(store, users).await {
        tracing::warn!(%error, "suppression not stored; trying again");
        pause(drain).await;
        if drain.started() {
            return false;
        }
    }
    true
}

/// In runs of equal state, so that the last state of a user that comes twice wins.
async fn store_once(store: &dyn Store, users: &[(UserKey, bool)]) -> Result<(), StoreError> {
    for run in users.chunk_by(|one, next| one.1 == next.1) {
        let keys: Vec<_> = run.iter().map(|(key, _)| *key).collect();
        let suppressed = run.first().is_some_and(|(_, suppressed)| *suppressed);
        store.set_suppressed(&keys, suppressed).await?;
    }
    Ok(())
}

async fn pause(drain: &Drain) {
    tokio::select! {
        () = tokio::time::sleep(RETRY) => {}
        () = drain.wait() => {}
    }
}
