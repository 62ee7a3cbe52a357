//! `CatalogStream`.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use tagbid_ports::{CatalogFeed, FeedError, SuppressionEvent, SuppressionFeed};
use tagbid_runtime::auth::principal;
use tagbid_types::Revision;
use tagbid_wire::campaigns::{catalog_event_to, place_from, suppression_event_to};
use tagbid_wire::check_user_keys;
use tagbid_wire::pb::campaigns as pb;
use tagbid_wire::pb::campaigns::catalog_stream_server::CatalogStream;
use tonic::{Request, Response, Status};

use crate::rights::check_role;
use crate::service::Inner;

/// The streams for other roles.
#[derive(Clone)]
pub(crate) struct StreamGrpc(pub(crate) Arc<Inner>);

impl StreamGrpc {
    /// Refuses roles whose user keys are made of other secrets: neither would find the other's users.
    fn check_keys<T>(&self, request: &Request<T>) -> Result<(), Status> {
        check_user_keys(request.metadata(), self.0.mac_keys.ring())
            .inspect_err(|refused| tracing::error!(problem = refused.message(), "a role was refused"))
    }
}

#[tonic::async_trait]
impl CatalogStream for StreamGrpc {
    type WatchStream = BoxStream<'static, Result<pb::WatchResponse, Status>>;
    type WatchSuppressionsStream = BoxStream<'static, Result<pb::WatchSuppressionsResponse, Status>>;

    async fn watch(&self, request: Request<pb::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        check_role(&principal(&request)?)?;
        self.check_keys(&request)?;
        let from = place_from(request.get_ref());
        let events = self.0.catalog_feed().subscribe(from).map_err(broken);
        // An event is cut into messages when the reader is ready for them: HTTP/2 flow control is the bound.
        let messages = events.map_ok(|event| {
            let messages = VecDeque::from(catalog_event_to(&event));
            stream::iter(messages).map(Ok)
        });
        Ok(Response::new(messages.try_flatten().boxed()))
    }

    async fn watch_suppressions(
        &self,
        request: Request<pb::WatchSuppressionsRequest>,
    ) -> Result<Response<Self::WatchSuppressionsStream>, Status> {
        check_role(&principal(&request)?)?;
        self.check_keys(&request)?;
        let from = Revision(request.into_inner().from_revision);
        let mut position = from;
        let messages = self.0.suppression_feed().subscribe(from).map(move |event| {
            let event = event.map_err(broken)?;
            if let SuppressionEvent::Users(changes) = &event
                && let Some(last) = changes.last()
            {
                position = last.revision;
            }
            Ok(suppression_event_to(&event, position))
        });
        Ok(Response::new(messages.boxed()))
    }
}

fn broken(error: FeedError) -> Status {
    match error {
        FeedError::Broken(why) => {
            tracing::warn!(%why, "stream broken");
            Status::unavailable("the catalog database cannot be read now; open the stream again")
        }
        FeedError::Denied(why) => Status::permission_denied(why),
    }
}
