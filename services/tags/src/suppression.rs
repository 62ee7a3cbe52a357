//! Follows the suppression list into the store. Nobody is looked up before all of it is in.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ahash::RandomState;
use futures_util::StreamExt;
use tagbid_ports::{SuppressionEvent, SuppressionFeed};
use tagbid_runtime::Drain;
use tagbid_tagset::UserKey;
use tagbid_types::Revision;
use tokio::sync::watch;

use crate::store::Store;

/// Between attempts to open the stream again or to store what came: the list is small and the source local.
const RETRY: Duration = Duration::from_millis(500);

/// Users of one write to the store.
const CHUNK: usize = 1_000;

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
        self.changes.send_if_modified(|ready| !std::mem::replace(ready, true));
    }
}

/// Last known state of users that is not stored yet.
type Pending = HashMap<UserKey, bool, RandomState>;

/// Replays the whole list, then follows it until the drain. From the beginning at every start: the store may have
/// lost what it was told.
///
/// A subscription's past is stored only when all of it has come, and of each user only the last state: an old
/// suppression, stored before the lift that followed it, would erase what was written since. Until then the past is
/// held in memory, one entry of some 40 bytes for each user of the list.
pub(crate) async fn follow(
    feed: Arc<dyn SuppressionFeed>,
    store: Arc<dyn Store>,
    readiness: Readiness,
    drain: Drain,
) {
    let mut from = Revision(0);
    // Outlives a broken subscription, as `from` does: the next one does not send it again.
    let mut pending = Pending::default();
    while !drain.started() {
        let mut events = feed.subscribe(from);
        let mut caught_up = false;
        while let Some(event) = next(&mut events, &drain).await {
            match event {
                SuppressionEvent::Users { revision, users } => {
                    pending.extend(users);
                    from = revision;
                }
                SuppressionEvent::CaughtUp => caught_up = true,
            }
            if !caught_up {
                continue;
            }
            if !store_all(&*store, std::mem::take(&mut pending), &drain).await {
                return;
            }
            readiness.set();
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

/// Stores all, suppressions first; false when the drain came before the end.
async fn store_all(store: &dyn Store, pending: Pending, drain: &Drain) -> bool {
    let (suppressed, lifted): (Vec<_>, Vec<_>) = pending.into_iter().partition(|(_, suppressed)| *suppressed);
    for (users, suppressed) in [(suppressed, true), (lifted, false)] {
        for some in users.chunks(CHUNK) {
            let keys: Vec<_> = some.iter().map(|(key, _)| *key).collect();
            if !store_some(store, &keys, suppressed, drain).await {
                return false;
            }
            // The memory store never waits, and a long list would keep everybody else off this thread.
            tokio::task::yield_now().await;
        }
    }
    true
}

/// Tries until it is stored; false when the drain came first.
async fn store_some(store: &dyn Store, users: &[UserKey], suppressed: bool, drain: &Drain) -> bool {
    while let Err(error) = store.set_suppressed(users, suppressed).await {
        tracing::warn!(%error, "suppression not stored; trying again");
        pause(drain).await;
        if drain.started() {
            return false;
        }
    }
    true
}

async fn pause(drain: &Drain) {
    tokio::select! {
        () = tokio::time::sleep(RETRY) => {}
        () = drain.wait() => {}
    }
}
