//! Follows the catalog stream for as long as the process lives.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use tagbid_catalog::Place;
use tagbid_ports::{CatalogEvent, CatalogFeed, FeedError};
use tagbid_runtime::{Drain, Tasks};
use tagbid_types::{Clock, Timestamp};
use tokio::sync::watch;

use super::save::Saver;
use super::{Backoff, CatalogCopy, CatalogState, CatalogView, Gap};

/// Never: an i64 that no clock shows.
const NEVER: i64 = i64::MIN;

/// Events that are applied before the result is shown: one copy of the catalog's map serves a burst of changes.
const BURST: usize = 64;

/// How the catalog is followed.
#[derive(Clone, Debug)]
pub struct FollowOptions {
    /// Where to keep a copy; none: nowhere.
    pub copy: Option<PathBuf>,
    /// At most so often a changed catalog is saved. Default: 5 s.
    pub save_every: Duration,
    /// So often one that did not change is saved, for the moment at which it was up to date. Default: 60 s.
    pub refresh_every: Duration,
    /// Longest pause before the stream is opened again. Default: 5 s.
    pub longest_pause: Duration,
    /// Tells processes apart in their pauses.
    pub seed: u64,
}

impl Default for FollowOptions {
    fn default() -> Self {
        Self {
            copy: None,
            save_every: Duration::from_secs(5),
            refresh_every: Duration::from_secs(60),
            longest_pause: Duration::from_secs(5),
            seed: 0,
        }
    }
}

/// The catalog as this process has it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CatalogFollower {
    views: watch::Receiver<CatalogView>,
    up_to_date: Arc<AtomicI64>,
}

impl CatalogFollower {
    /// Starts from the copy on disk, if there is one, and follows the stream until the drain. A damaged copy is
    /// logged and not used.
    pub async fn start(
        feed: Arc<dyn CatalogFeed>,
        options: FollowOptions,
        clock: Arc<dyn Clock>,
        tasks: &Tasks,
    ) -> Self {
        let copy = options.copy.clone().map(CatalogCopy::at);
        let state = load(copy.clone()).await;
        let (views, receiver) = watch::channel(state.view().clone());
        let up_to_date = Arc::new(AtomicI64::new(state.up_to_date().map_or(NEVER, |at| at.0)));
        let follower = Self { views: receiver, up_to_date: Arc::clone(&up_to_date) };
        let task = Task {
            feed,
            clock,
            drain: tasks.drain().clone(),
            saver: Saver::new(copy, options.save_every, options.refresh_every),
            backoff: Backoff::new(Duration::from_millis(100), options.longest_pause, options.seed),
            resume: state.place(),
            state,
            views,
            up_to_date,
            reported: false,
        };
        tasks.spawn("catalog follower", task.run());
        follower
    }

    /// The catalog now.
    pub fn view(&self) -> CatalogView {
        self.views.borrow().clone()
    }

    /// Wakes at each change of the catalog. Changes that come close together wake once.
    pub fn watch(&self) -> watch::Receiver<CatalogView> {
        self.views.clone()
    }

    /// How long ago the catalog was last known to be up to date; none: never.
    pub fn age(&self, now: Timestamp) -> Option<Duration> {
        match self.up_to_date.load(Ordering::Relaxed) {
            NEVER => None,
            at => Some(now.since(Timestamp(at))),
        }
    }
}

async fn load(copy: Option<CatalogCopy>) -> CatalogState {
    let Some(copy) = copy else {
        return CatalogState::default();
    };
    let loaded = tokio::task::spawn_blocking(move || copy.load()).await;
    match loaded {
        Ok(Ok(Some(saved))) => CatalogState::from_copy(saved),
        Ok(Ok(None)) => CatalogState::default(),
        Ok(Err(error)) => {
            tracing::warn!(%error, "catalog copy not used");
            CatalogState::default()
        }
        Err(error) => {
            tracing::error!(%error, "reading the catalog copy failed");
            CatalogState::default()
        }
    }
}

struct Task {
    feed: Arc<dyn CatalogFeed>,
    clock: Arc<dyn Clock>,
    drain: Drain,
    state: CatalogState,
    /// Where to subscribe from: the state's place, or none when only a snapshot helps.
    resume: Place,
    views: watch::Sender<CatalogView>,
    up_to_date: Arc<AtomicI64>,
    saver: Saver,
    backoff: Backoff,
    /// Whether the present outage was logged: once is enough, the catalog's age is a metric.
    reported: bool,
}

impl Task {
    async fn run(mut self) {
        let drain = self.drain.clone();
        loop {
            let ended = tokio::select! {
                () = drain.wait() => break,
                ended = self.follow_once() => ended,
            };
            if !drain.started() && !std::mem::replace(&mut self.reported, true) {
                tracing::warn!(why = %ended, "catalog stream ended; it will be opened again");
            }
            let pause = self.backoff.pause();
            tokio::select! {
                () = drain.wait() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.saver.finish(&self.state).await;
    }

    /// Follows one subscription to its end, and says why it ended.
    async fn follow_once(&mut self) -> FeedError {
        let mut batches = self.feed.subscribe(self.resume).ready_chunks(BURST);
        loop {
            let batch = tokio::select! {
                () = tokio::time::sleep_until(self.saver.due()) => {
                    self.saver.save(&self.state);
                    continue;
                }
                batch = batches.next() => batch,
            };
            let Some(batch) = batch else {
                return FeedError::Broken("the other side closed it".into());
            };
            if let Err(error) = self.take(batch) {
                return error;
            }
        }
    }

    /// Applies the events that have come, then shows the result once.
    fn take(&mut self, batch: Vec<Result<CatalogEvent, FeedError>>) -> Result<(), FeedError> {
        let mut changed = false;
        let apply = || {
            for event in batch {
                let event = event?;
                let up_to_date = matches!(event, CatalogEvent::UpToDate { .. });
                changed |= self.state.apply(event, self.clock.now()).map_err(|Gap| {
                    self.resume = Place::default();
                    FeedError::Broken("the changes have a gap".into())
                })?;
                self.resume = self.state.place();
                if up_to_date {
                    self.backoff.reset();
                    self.reported = false;
                }
            }
            Ok(())
        };
        let result = apply();
        if changed {
            self.views.send_replace(self.state.view().clone());
            self.saver.mark_changed();
        }
        if let Some(at) = self.state.up_to_date() {
            self.up_to_date.store(at.0, Ordering::Relaxed);
        }
        result
    }
}
