//! Whether users may be looked up and written: the whole suppression list is in the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tagbid_types::Revision;
use tokio::sync::{Notify, watch};

/// Cheap to clone and to ask.
#[derive(Clone, Debug)]
pub(crate) struct Readiness(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    flag: AtomicBool,
    changes: watch::Sender<bool>,
    doubt: Notify,
    told: AtomicU64,
    applied: AtomicU64,
}

impl Readiness {
    /// Not ready.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            flag: AtomicBool::new(false),
            changes: watch::Sender::new(false),
            doubt: Notify::new(),
            told: AtomicU64::new(0),
            applied: AtomicU64::new(0),
        }))
    }

    pub(crate) fn ready(&self) -> bool {
        self.0.flag.load(Ordering::Acquire)
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<bool> {
        self.0.changes.subscribe()
    }

    pub(crate) fn set(&self, ready: bool) {
        self.0.flag.store(ready, Ordering::Release);
        self.0.changes.send_if_modified(|was| std::mem::replace(was, ready) != ready);
    }

    /// A lookup or a write has seen that the store, or a part of it, lost data. Which users that concerns the store
    /// tells of each.
    pub(crate) fn doubt(&self) {
        self.0.doubt.notify_one();
    }

    /// Resolves after a doubt.
    pub(crate) async fn doubted(&self) {
        self.0.doubt.notified().await;
    }

    /// The list has come so far.
    pub(crate) fn told(&self, revision: Revision) {
        self.0.told.fetch_max(revision.0, Ordering::Relaxed);
    }

    /// How far the store has come.
    pub(crate) fn position(&self) -> Revision {
        Revision(self.0.applied.load(Ordering::Relaxed))
    }

    /// The store has come so far.
    pub(crate) fn applied(&self, revision: Revision) {
        self.told(revision);
        self.0.applied.store(revision.0, Ordering::Relaxed);
    }

    /// How far the store and the list have come.
    pub(crate) fn progress(&self) -> (Revision, Revision) {
        (Revision(self.0.applied.load(Ordering::Relaxed)), Revision(self.0.told.load(Ordering::Relaxed)))
    }
}
