//! Follows the suppression list into the store. Nobody is looked up or written before all of it is in, nor after the
//! store has lost it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tagbid_ports::{FeedError, SuppressionEvent, SuppressionFeed};
use tagbid_runtime::Drain;
use tagbid_types::Revision;
use thiserror::Error;
use tokio::time::{Instant, sleep_until};

use crate::metrics::{Kind, Metrics};
use crate::readiness::Readiness;
use crate::sample::Sampler;
use crate::store::{Store, StoreError};

/// Between attempts to open the stream again or to store what came: the list is small and the source local.
const RETRY: Duration = Duration::from_millis(500);

/// So often the store is asked whether it still has the list, when no lookup asks.
const CHECK: Duration = Duration::from_secs(1);

type Events = BoxStream<'static, Result<SuppressionEvent, FeedError>>;

/// Why a subscription ended. The next one goes on from where the store is.
#[derive(Debug, Error)]
enum Ended {
    #[error(transparent)]
    Feed(#[from] FeedError),
    #[error("the feed was closed")]
    Closed,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps one store at the head of the suppression list, whoever else does so too.
///
/// The store itself knows how far it is: every change is applied once, in order, by whichever node is first, and after
/// data loss the list starts again from what the store has left. So a lift can erase what was there before it without
/// touching what was written after.
pub(crate) struct Follower {
    feed: Arc<dyn SuppressionFeed>,
    store: Arc<dyn Store>,
    readiness: Readiness,
    metrics: Metrics,
    sampler: Sampler,
    /// The last change that this node has heard of.
    heard: Revision,
    /// The store has had the whole list, and has lost not all of it since.
    certain: bool,
    /// A part of the store could not be told something: when it is tried again.
    again: Option<Instant>,
}

impl Follower {
    pub(crate) fn new(
        feed: Arc<dyn SuppressionFeed>,
        store: Arc<dyn Store>,
        readiness: Readiness,
        metrics: Metrics,
        sampler: Sampler,
    ) -> Self {
        Self { feed, store, readiness, metrics, sampler, heard: Revision(0), certain: false, again: None }
    }

    /// Replays what the store lacks, then follows until the drain.
    pub(crate) async fn run(mut self, drain: Drain) {
        loop {
            let ended = tokio::select! {
                ended = self.follow_once() => ended,
                () = drain.wait() => return,
            };
            if drain.started() {
                // The other side may hear of it first.
                return;
            }
            match ended {
                Ended::Store(StoreError::Forgot) => {
                    tracing::error!(
                        "the tag store lost data: no lookups until the suppression list is replayed"
                    );
                    self.uncertain();
                    continue;
                }
                Ended::Store(StoreError::Partly(parts)) => {
                    tracing::warn!(parts, "the suppression list is told to a part of the tag store again");
                    continue;
                }
                // Away at the same time as the connection, which says so itself.
                Ended::Store(StoreError::Down) => {}
                other => tracing::warn!(error = %other, "suppression list not followed; trying again"),
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = drain.wait() => return,
            }
        }
    }

    /// Follows one subscription to its end.
    async fn follow_once(&mut self) -> Ended {
        self.again = None;
        let from = match self.store.open_list().await {
            Ok(from) => from,
            Err(error) => return error.into(),
        };
        if self.heard < from {
            // Others have applied what this node will not be told.
            self.sampler.forget_all();
        }
        let store = Arc::clone(&self.store);
        let (mut events, mut position): (Events, _) = (self.feed.subscribe(from), from);
        loop {
            let check = self.again.unwrap_or_else(|| Instant::now() + CHECK);
            let step = tokio::select! {
                event = events.next() => self.take(&mut position, event).await,
                () = self.readiness.doubted() => self.check().await,
                () = store.list_in_doubt() => self.check().await,
                () = sleep_until(check) => self.check().await,
            };
            if let Err(ended) = step {
                return ended;
            }
        }
    }

    /// Asks the store whether it has what it was told. One that has goes on serving, also while the feed is away.
    async fn check(&mut self) -> Result<(), Ended> {
        self.again = self.again.map(|_| Instant::now() + RETRY);
        match self.store.check_list().await {
            Err(StoreError::Down | StoreError::Late) if self.certain => Ok(()),
            checked => Ok(checked?),
        }
    }

    async fn take(
        &mut self,
        position: &mut Revision,
        event: Option<Result<SuppressionEvent, FeedError>>,
    ) -> Result<(), Ended> {
        match event.ok_or(Ended::Closed)?? {
            SuppressionEvent::Users(changes) => {
                let Some(last) = changes.last() else { return Ok(()) };
                self.readiness.told(last.revision);
                let applied = self.store.suppress(&changes).await;
                self.metrics.wrote(Kind::Suppression, &applied);
                match applied {
                    Ok(()) => {}
                    // The store itself keeps those users from being known.
                    Err(StoreError::Partly(_)) => self.again = Some(Instant::now() + RETRY),
                    Err(error) => {
                        // Somebody is suppressed, and the store does not know it.
                        self.uncertain();
                        return Err(error.into());
                    }
                }
                let erased = changes.iter().filter(|change| change.suppressed || change.erased.0 > 0);
                self.sampler.forget(&erased.cloned().collect::<Vec<_>>());
                self.heard = self.heard.max(last.revision);
                *position = last.revision;
                if self.certain {
                    self.applied(*position);
                }
            }
            SuppressionEvent::CaughtUp => {
                self.certain = true;
                self.store.trust_list();
                self.applied(*position);
                self.readiness.set(true);
            }
        }
        Ok(())
    }

    fn applied(&mut self, position: Revision) {
        if self.again.is_none() {
            self.readiness.applied(position);
        }
    }

    fn uncertain(&mut self) {
        self.certain = false;
        self.readiness.set(false);
    }
}
