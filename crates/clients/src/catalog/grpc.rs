//! The campaigns role's streams over gRPC. A subscription is one connection: it ends with it, and the reader opens
//! another from where it is.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use tagbid_catalog::Place;
use tagbid_ports::{CatalogEvent, CatalogFeed, FeedError, SuppressionEvent, SuppressionFeed};
use tagbid_types::Revision;
use tagbid_wire::campaigns::{CatalogReader, place_to, suppression_event_from};
use tagbid_wire::pb::campaigns as pb;
use tagbid_wire::pb::campaigns::catalog_stream_client::CatalogStreamClient;
use tonic::{Code, Status, Streaming};

use super::Endpoint;

/// The server tells at least every second that the reader is up to date; one that is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(5);

/// Largest message: chunks are small, but one list of 100,000 long domains is not.
const MAX_MESSAGE: usize = 64 * 1024 * 1024;

/// The catalog stream of another process.
#[derive(Clone, Debug)]
pub struct GrpcCatalog(Endpoint);

impl GrpcCatalog {
    /// Of the campaigns role at this endpoint.
    pub fn new(endpoint: Endpoint) -> Self {
        Self(endpoint)
    }
}

impl CatalogFeed for GrpcCatalog {
    fn subscribe(&self, from: Place) -> BoxStream<'static, Result<CatalogEvent, FeedError>> {
        let endpoint = self.0.clone();
        let opened = async move {
            let channel = endpoint.connect().await.map_err(broken)?;
            let mut client = CatalogStreamClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
            let messages = client.watch(place_to(from)).await.map_err(refused)?.into_inner();
            Ok(events(messages))
        };
        stream::once(opened).try_flatten().boxed()
    }
}

fn events(
    messages: Streaming<pb::WatchResponse>,
) -> impl futures_util::Stream<Item = Result<CatalogEvent, FeedError>> {
    let open = (messages, CatalogReader::default());
    stream::try_unfold(open, |(mut messages, mut reader)| async {
        loop {
            let next = tokio::time::timeout(SILENCE, messages.message()).await;
            let next = next.map_err(|_| FeedError::Broken(format!("silent for {SILENCE:?}")))?;
            let Some(message) = next.map_err(refused)? else {
                return Ok(None);
            };
            if let Some(event) = reader.read(message).map_err(broken)? {
                return Ok(Some((event, (messages, reader))));
            }
        }
    })
}

/// The suppression stream of another process.
#[derive(Clone, Debug)]
pub struct GrpcSuppressions(Endpoint);

impl GrpcSuppressions {
    /// Of the campaigns role at this endpoint.
    pub fn new(endpoint: Endpoint) -> Self {
        Self(endpoint)
    }
}

impl SuppressionFeed for GrpcSuppressions {
    fn subscribe(&self, from: Revision) -> BoxStream<'static, Result<SuppressionEvent, FeedError>> {
        let endpoint = self.0.clone();
        let opened = async move {
            let channel = endpoint.connect().await.map_err(broken)?;
            let request = pb::WatchSuppressionsRequest { from_revision: from.0 };
            let mut client = CatalogStreamClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
            let messages = client.watch_suppressions(request).await.map_err(refused)?.into_inner();
            let events = messages.map_err(refused).and_then(|message| async move {
                let events = suppression_event_from(&message).map_err(broken)?;
                Ok(stream::iter(VecDeque::from(events)).map(Ok))
            });
            Ok(events.try_flatten())
        };
        stream::once(opened).try_flatten().boxed()
    }
}

fn broken(error: impl std::error::Error) -> FeedError {
    // The transport's own message says only "transport error"; the cause says which.
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    FeedError::Broken(format!("{error}{cause}"))
}

fn refused(status: Status) -> FeedError {
    let text = format!("{:?}: {}", status.code(), status.message());
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => FeedError::Denied(text),
        _ => FeedError::Broken(text),
    }
}
