//! Why a line item would or would not bid on a request.

use async_trait::async_trait;
use bytes::Bytes;
use tagbid_types::{Cpm, Currency, ExchangeName, LineItemId, NoBidReason, Revision};
use thiserror::Error;

/// Everything that stands between a line item and a bid, in the order of the bid path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// Why nothing of the request can be bid on.
    pub request_reasons: Vec<Reason>,
    /// One for each impression that could be read.
    pub impressions: Vec<ImpressionExplanation>,
}

/// The line item against one impression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImpressionExplanation {
    /// `imp.id`.
    pub impression: String,
    /// What it would bid, when the price could be worked out.
    pub price: Option<(Cpm, Currency)>,
    /// Every failing clause and gate; empty: it would bid.
    pub reasons: Vec<Reason>,
}

impl ImpressionExplanation {
    /// Whether nothing stands against a bid.
    pub fn would_bid(&self) -> bool {
        self.reasons.is_empty()
    }
}

/// One thing that stands against a bid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The reason's name.
    pub code: NoBidReason,
    /// In words, with the values that decided.
    pub text: String,
}

/// Why there is no explanation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExplainError {
    /// The request cannot be read; the text says where.
    #[error("the bid request cannot be read: {0}")]
    Request(String),
    /// No exchange of that name is configured.
    #[error("no exchange {0} is configured")]
    UnknownExchange(ExchangeName),
    /// The bidder's catalog does not have the line item: it was made a moment ago, or there is none of that id.
    #[error(
        "line item {line_item} has not reached the bidder, whose catalog is at revision {revision}; if it is new, ask again in a moment"
    )]
    UnknownLineItem {
        /// The line item.
        line_item: LineItemId,
        /// What the bidder's catalog holds all changes up to.
        revision: Revision,
    },
    /// No bidder could be asked.
    #[error("no bidder could be asked: {0}")]
    Unavailable(String),
}

/// The bidder, asked for reasons. It decides as for a real request but bids nothing.
#[async_trait]
pub trait Explainer: Send + Sync + 'static {
    /// Why this line item would or would not bid on this OpenRTB JSON request from this exchange.
    async fn explain(
        &self,
        line_item: LineItemId,
        exchange: &ExchangeName,
        openrtb: Bytes,
    ) -> Result<Explanation, ExplainError>;
}
