//! Saving the copy, not more often than asked and never in the way of the stream.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{CatalogCopy, CatalogState};

/// A pause that stands for "never"; whoever waits for it looks again a day later.
const NEVER: Duration = Duration::from_secs(24 * 3600);

pub(super) struct Saver {
    copy: Option<CatalogCopy>,
    save_every: Duration,
    refresh_every: Duration,
    changed: bool,
    last: Instant,
    running: Option<JoinHandle<()>>,
}

impl Saver {
    pub(super) fn new(copy: Option<CatalogCopy>, save_every: Duration, refresh_every: Duration) -> Self {
        Self { copy, save_every, refresh_every, changed: false, last: Instant::now(), running: None }
    }

    /// The catalog is not the saved one any more.
    pub(super) fn mark_changed(&mut self) {
        self.changed = true;
    }

    /// When to save next.
    pub(super) fn due(&self) -> Instant {
        let pause = match (&self.copy, self.changed) {
            (None, _) => NEVER,
            (Some(_), true) => self.save_every,
            (Some(_), false) => self.refresh_every,
        };
        self.last + pause
    }

    /// Starts to save on a thread of its own. While the last save is still under way it is skipped: the next turn
    /// saves what is newer.
    pub(super) fn save(&mut self, state: &CatalogState) {
        self.last = Instant::now();
        let Some(copy) = self.copy.clone() else { return };
        if self.running.as_ref().is_some_and(|running| !running.is_finished()) || !state.view().is_loaded() {
            return;
        }
        self.changed = false;
        let (catalog, up_to_date) = (state.view().catalog.clone(), state.up_to_date());
        let save = move || {
            if let Err(error) = copy.save(&catalog, up_to_date) {
                tracing::warn!(%error, "catalog copy not saved");
            }
        };
        self.running = Some(tokio::task::spawn_blocking(save));
    }

    /// Saves a last time and waits for it.
    pub(super) async fn finish(&mut self, state: &CatalogState) {
        self.join().await;
        self.save(state);
        self.join().await;
    }

    async fn join(&mut self) {
        if let Some(running) = self.running.take()
            && let Err(error) = running.await
        {
            tracing::error!(%error, "saving the catalog copy failed");
        }
    }
}
