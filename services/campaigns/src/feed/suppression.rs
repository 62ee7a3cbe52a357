//! The suppression stream, in process: read from the database page by page, for the list may be long.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tagbid_ports::{FeedError, SuppressionChange, SuppressionEvent, SuppressionFeed};
use tagbid_types::Revision;
use tokio::sync::watch;

use super::Hub;
use super::hub::Seen;
use crate::store::StoreError;
use crate::store::people;

/// Users in one event at most.
const PAGE: u32 = 1_000;

/// The port, served from the database.
pub(crate) struct InProcessSuppressions(pub(crate) Arc<Hub>);

impl SuppressionFeed for InProcessSuppressions {
    fn subscribe(&self, from: Revision) -> BoxStream<'static, Result<SuppressionEvent, FeedError>> {
        let subscriber =
            Subscriber { seen: self.0.seen(), hub: Arc::clone(&self.0), position: from, caught_up: false };
        stream::unfold(Some(subscriber), |subscriber| async {
            let mut subscriber = subscriber?;
            match subscriber.next().await {
                Ok(event) => Some((Ok(event?), Some(subscriber))),
                // After an error the reader opens a new stream from where it is.
                Err(error) => Some((Err(FeedError::Broken(error.to_string())), None)),
            }
        })
        .boxed()
    }
}

struct Subscriber {
    hub: Arc<Hub>,
    seen: watch::Receiver<Seen>,
    position: Revision,
    caught_up: bool,
}

impl Subscriber {
    /// The next event; none when the process drains.
    async fn next(&mut self) -> Result<Option<SuppressionEvent>, StoreError> {
        loop {
            let seen = *self.seen.borrow_and_update();
            if self.position > seen.suppression {
                // The reader knows a future that was lost with a database: it hears everything again.
                self.position = Revision(0);
            }
            if self.position < seen.suppression {
                let page = self.page().await?;
                if let Some(last) = page.last() {
                    self.position = last.revision;
                    return Ok(Some(SuppressionEvent::Users(page)));
                }
                self.position = seen.suppression;
            }
            if !self.caught_up {
                self.caught_up = true;
                return Ok(Some(SuppressionEvent::CaughtUp));
            }
            tokio::select! {
                changed = self.seen.changed() => if changed.is_err() { return Ok(None) },
                () = self.hub.drain().wait() => return Ok(None),
            }
        }
    }

    async fn page(&self) -> Result<Vec<SuppressionChange>, StoreError> {
        let mut session = self.hub.store().read().await?;
        people::after(session.as_mut(), self.position, PAGE).await
    }
}
