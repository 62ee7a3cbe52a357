//! Why a line item would or would not bid: the bidder's word, for one's own.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tagbid_ports::{ExplainError, Explainer, Explanation, ImpressionExplanation, Reason};
use tagbid_types::{Cpm, Currency, ExchangeName, LineItemId, NoBidReason};
use tagbid_wire::pb::campaigns as pb;
use tonic::Code;

use crate::harness::{Caller, Database, Stack, fields, flight, two_tenants};

/// A bidder that finds the price too low, and remembers what it was asked.
#[derive(Default)]
struct Strict(Mutex<Vec<(LineItemId, String, usize)>>);

#[tonic::async_trait]
impl Explainer for Strict {
    async fn explain(
        &self,
        line_item: LineItemId,
        exchange: &ExchangeName,
        openrtb: Bytes,
    ) -> Result<Explanation, ExplainError> {
        self.0.lock().unwrap().push((line_item, exchange.to_string(), openrtb.len()));
        if openrtb.is_empty() {
            return Err(ExplainError::Request("it is empty".into()));
        }
        Ok(Explanation {
            request_reasons: vec![],
            impressions: vec![ImpressionExplanation {
                impression: "1".into(),
                price: Some((Cpm(2_000_000), Currency::USD)),
                reasons: vec![Reason {
                    code: NoBidReason::BelowFloor,
                    text: "2.00 USD is below the floor of 5.00 USD".into(),
                }],
            }],
        })
    }
}

#[tokio::test]
async fn explanations_are_the_bidders_for_ones_own_line_items() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let (_, _, item) = flight(&stack).await;
    let ask = |id, json: &[u8]| pb::ExplainRequest {
        line_item_id: id,
        exchange: "demo".into(),
        openrtb_json: json.to_vec(),
    };
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let nobody = acme.explain(ask(item.id, b"{}")).await.unwrap_err();
    assert_eq!(nobody.code(), Code::Unavailable);

    let bidder = Arc::new(Strict::default());
    stack.service.set_explainer(bidder.clone());
    let answer = acme.explain(ask(item.id, b"{}")).await.unwrap().into_inner();
    let impression = &answer.impressions[0];
    assert!(!impression.would_bid);
    assert_eq!(impression.price_cpm_micros, Some(2_000_000));
    assert_eq!(impression.reasons[0].code, "below_floor");
    let unreadable = acme.explain(ask(item.id, b"")).await.unwrap_err();
    assert_eq!(fields(&unreadable), ["openrtb_json"]);

    let asked = bidder.0.lock().unwrap().len();
    let mut rival = stack.api(Caller::Tenant(2)).await;
    let foreign = rival.explain(ask(item.id, b"{}")).await.unwrap_err();
    assert_eq!(foreign.code(), Code::NotFound);
    assert_eq!(bidder.0.lock().unwrap().len(), asked, "the bidder is not even asked");
    stack.stop().await;
}
