//! Follows the suppression list into the store. Nobody is looked up or written before all of it is in, nor after the
//! store has lost it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tagbid_ports::{FeedError, SuppressionEvent, SuppressionFeed};
use tagbid_runtime::Drain;
use tagbid_tagset::UserKey;
use tagbid_types::Revision;
use thiserror::Error;

use crate::metrics::{Kind, Metrics};
use crate::readiness::Readiness;
use crate::sample::Sampler;
use crate::store::{Sentinel, Store, StoreError};

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
    /// Somebody else wrote beyond where this node's stream is, not at its end.
    #[error("another node is ahead, at revision {}", .0.revision)]
    Overtaken(Sentinel),
}

/// Keeps one store at the head of the suppression list, whoever else does so too.
///
/// The store's own [`Sentinel`] says how far it is: every change is applied once, in order, by whichever node is first,
/// and after data loss the list starts again from what the store has left. So a change is never told twice, and a lift
/// can erase what was there before it without touching what was written after.
pub(crate) struct Follower {
    feed: Arc<dyn SuppressionFeed>,
    store: Arc<dyn Store>,
    readiness: Readiness,
    metrics: Metrics,
    sampler: Sampler,
    /// The last change that this node has heard of.
    heard: Revision,
    /// Where the store was when this node last knew it to have the whole list.
    certain: Option<Sentinel>,
}

impl Follower {
    pub(crate) fn new(
        feed: Arc<dyn SuppressionFeed>,
        store: Arc<dyn Store>,
        readiness: Readiness,
        metrics: Metrics,
        sampler: Sampler,
    ) -> Self {
        Self { feed, store, readiness, metrics, sampler, heard: Revision(0), certain: None }
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
                Ended::Overtaken(_) => continue,
                Ended::Store(StoreError::Forgot) => {
                    tracing::error!(
                        "the tag store lost data: no lookups until the suppression list is replayed"
                    );
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
        let at = match self.look().await {
            Ok(at) => at,
            Err(error) => return error.into(),
        };
        if self.heard < at.revision {
            // Others have applied what this node will not be told.
            self.sampler.forget_all();
        }
        let mut stream = Stream { events: self.feed.subscribe(at.revision), position: at.revision, at };
        loop {
            let step = tokio::select! {
                event = stream.events.next() => self.take(&mut stream, event).await,
                () = self.readiness.doubted() => self.look().await.map(drop).map_err(Ended::from),
                () = tokio::time::sleep(CHECK) => self.look().await.map(drop).map_err(Ended::from),
            };
            if let Err(ended) = step {
                return ended;
            }
        }
    }

    /// Asks the store where it is. One that has what it had goes on serving, also while the feed is away.
    async fn look(&mut self) -> Result<Sentinel, StoreError> {
        let is = self.store.sentinel().await?;
        match self.certain {
            Some(certain) if certain.is_kept_by(is) => self.readiness.set(true),
            Some(_) => {
                self.uncertain();
                return Err(StoreError::Forgot);
            }
            None => {}
        }
        Ok(is)
    }

    async fn take(
        &mut self,
        stream: &mut Stream,
        event: Option<Result<SuppressionEvent, FeedError>>,
    ) -> Result<(), Ended> {
        match event.ok_or(Ended::Closed)?? {
            SuppressionEvent::Users { revision, users } => {
                self.readiness.told(revision);
                let applied = self.apply(stream, revision, &users).await;
                if let Err(Ended::Store(_)) = &applied {
                    // Somebody is suppressed, and the store does not know it.
                    self.uncertain();
                }
                applied?;
                self.sampler.forget(&users);
                self.heard = revision;
                if self.certain.is_some() {
                    self.reached(stream.at);
                }
            }
            SuppressionEvent::CaughtUp => {
                self.reached(stream.at);
                self.readiness.set(true);
            }
        }
        Ok(())
    }

    async fn apply(&self, stream: &mut Stream, to: Revision, users: &[(UserKey, bool)]) -> Result<(), Ended> {
        if to > stream.at.revision {
            if stream.position < stream.at.revision {
                return Err(Ended::Overtaken(stream.at));
            }
            let applied = self.store.suppress(stream.at, to, users).await;
            self.metrics.wrote(Kind::Suppression, &applied);
            stream.at = applied?;
            if stream.at.revision < to {
                return Err(Ended::Overtaken(stream.at));
            }
        }
        stream.position = to;
        Ok(())
    }

    fn reached(&mut self, at: Sentinel) {
        self.certain = Some(at);
        self.store.require(at);
        self.readiness.applied(at.revision);
    }

    fn uncertain(&mut self) {
        self.certain = None;
        self.readiness.set(false);
    }
}

/// One subscription.
struct Stream {
    events: Events,
    /// How far the events have come.
    position: Revision,
    /// Where the store was last seen: at the events' position, or ahead of it where other nodes are faster.
    at: Sentinel,
}
