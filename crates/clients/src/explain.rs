//! Explanations from a bidder elsewhere.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tagbid_ports::{ExplainError, Explainer, Explanation};
use tagbid_types::{ExchangeName, LineItemId, Revision};
use tagbid_wire::campaigns::{CATALOG_REVISION, explanation_from};
use tagbid_wire::pb::bidding::bidding_service_client::BiddingServiceClient;
use tagbid_wire::pb::campaigns::ExplainRequest;
use tonic::{Code, Request, Status};

use crate::Endpoint;

/// A person waits: longer than any bid, shorter than patience.
const WITHIN: Duration = Duration::from_secs(5);

/// Asks a bidder over gRPC. Connects when it is asked.
#[derive(Clone, Debug)]
pub struct GrpcExplainer {
    bidder: Endpoint,
}

impl GrpcExplainer {
    /// Asks this bidder.
    pub fn new(bidder: Endpoint) -> Self {
        Self { bidder }
    }
}

#[async_trait]
impl Explainer for GrpcExplainer {
    async fn explain(
        &self,
        line_item: LineItemId,
        exchange: &ExchangeName,
        openrtb: Bytes,
    ) -> Result<Explanation, ExplainError> {
        let connected = self.bidder.connect().await;
        let mut client = BiddingServiceClient::new(
            connected.map_err(|error| ExplainError::Unavailable(error.to_string()))?,
        );
        let mut request = Request::new(ExplainRequest {
            line_item_id: line_item.0,
            exchange: exchange.to_string(),
            openrtb_json: openrtb.into(),
        });
        request.set_timeout(WITHIN);
        let answer = client.explain(request).await.map_err(|status| refused(&status, line_item, exchange))?;
        explanation_from(answer.get_ref())
            .ok_or_else(|| ExplainError::Unavailable("the bidder speaks of reasons unknown here".into()))
    }
}

/// The revision of the bidder's catalog, which it tells beside the error.
fn revision(status: &Status) -> Option<Revision> {
    status.metadata().get(CATALOG_REVISION)?.to_str().ok()?.parse().ok().map(Revision)
}

/// The error that the bidder made this status of.
fn refused(status: &Status, line_item: LineItemId, exchange: &ExchangeName) -> ExplainError {
    let text = status.message();
    match status.code() {
        Code::InvalidArgument => ExplainError::Request(text.into()),
        Code::NotFound if text.contains("exchange") => ExplainError::UnknownExchange(exchange.clone()),
        Code::NotFound => match revision(status) {
            Some(revision) => ExplainError::UnknownLineItem { line_item, revision },
            None => ExplainError::Unavailable(text.into()),
        },
        _ => ExplainError::Unavailable(text.into()),
    }
}
