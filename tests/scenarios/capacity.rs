//! Capacities: so many impressions are billed and not one more, whoever bids.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tagbid_targeting::{Dimension, Expr, Leaf};
use tagbid_testkit::{Process, wait_until};
use tagbid_types::CampaignId;
use tagbid_wire::pb::campaigns as campaigns_pb;
use tagbid_wire::pb::campaigns::campaigns_service_client::CampaignsServiceClient;
use tagbid_wire::pb::ledger as pb;
use tagbid_wire::pb::ledger::ledger_service_client::LedgerServiceClient;

use crate::advertiser::{Shop, block_on, in_the_usa, with_token};
use crate::exchange::{banner, bid, no_bid_reason};
use crate::notices::fetch;
use crate::pacing::explain;
use crate::stack::{OPERATOR, START, Stack};

/// After so long without a bid no more impressions come: a bidder asks for some ten times a second, but not for long when there
/// were none.
const DRY: Duration = Duration::from_secs(2);

/// Says how many impressions the campaign may deliver for ever.
fn set_capacity(stack: &Stack, campaign: CampaignId, impressions: u64) {
    let capacity = campaigns_pb::Capacity { lifetime_impressions: Some(impressions), ..Default::default() };
    let campaign = campaigns_pb::Campaign { id: campaign.0, capacity: Some(capacity), ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["capacity.lifetime_impressions".into()] });
    let request = campaigns_pb::UpdateCampaignRequest {
        campaign: Some(campaign),
        update_mask,
        ..campaigns_pb::UpdateCampaignRequest::default()
    };
    block_on(async {
        let url = format!("http://{}", stack.campaigns);
        let mut client = CampaignsServiceClient::connect(url).await.unwrap();
        client.update_campaign(with_token(OPERATOR, request)).await.unwrap();
    });
}

/// Users in this country.
fn country(code: &str) -> Expr {
    Expr::Leaf(Leaf::In { dimension: Dimension::Country, values: vec![code.into()] })
}

fn in_canada() -> Value {
    let mut request = banner("user-2");
    request["device"]["geo"]["country"] = json!("CAN");
    request
}

/// Sells to every bidder what it bids and bills it at once; how many were billed until nobody bid any more, once there were so many.
fn sell(bidders: &[SocketAddr], at_least: usize) -> usize {
    let requests = [banner("user-1"), in_canada()];
    let (mut billed, mut last) = (0, Instant::now());
    wait_until("the end of the impressions", 2 * START, || {
        for (at, request) in bidders.iter().flat_map(|at| requests.iter().map(move |request| (at, request))) {
            for one in bid(*at, request).bids() {
                assert_eq!(fetch(one["burl"].as_str().unwrap(), "2").status, 200);
                (billed, last) = (billed + 1, Instant::now());
            }
        }
        billed >= at_least && last.elapsed() > DRY
    });
    billed
}

/// What the ledger says of the campaign's capacity, and how many were above it.
fn delivered(stack: &Stack, campaign: CampaignId) -> (pb::ImpressionBalance, u64) {
    let asked = pb::GetBalancesRequest {
        owner: Some(pb::get_balances_request::Owner::CampaignId(campaign.0)),
        ..pb::GetBalancesRequest::default()
    };
    block_on(async {
        let mut client = LedgerServiceClient::connect(format!("http://{}", stack.ledger)).await.unwrap();
        let answer = client.get_balances(with_token(OPERATOR, asked)).await.unwrap().into_inner();
        let spend = client.get_spend(with_token(OPERATOR, pb::GetSpendRequest::default())).await.unwrap();
        let over = spend.into_inner().totals.into_iter().filter_map(|total| total.tally);
        (answer.balances[0].lifetime_impressions.unwrap(), over.map(|tally| tally.over_capacity).sum())
    })
}

#[test]
fn two_line_items_of_a_campaign_over_two_bidders_deliver_its_capacity_and_not_one_more() {
    let stack = Stack::separate();
    let more: (Process, SocketAddr) = stack.one_more_bidder(1);
    let bidders = [stack.http, more.1];
    let shop = Shop::open(&stack, "shop.example");
    set_capacity(&stack, shop.campaign, 20);
    let item = shop.line_item(in_the_usa(), 2.0);
    shop.line_item(country("can"), 3.0);

    assert_eq!(sell(&bidders, 20), 20);
    let (balance, over) = delivered(&stack, shop.campaign);
    assert_eq!((balance.limit, balance.delivered, over), (Some(20), 20, 0));
    assert_eq!(no_bid_reason(&bid(stack.http, &banner("user-1"))), "no_capacity");
    let explained = explain(&stack, item.0);
    assert!(explained.contains("its capacity, or that of its campaign"), "{explained}");

    set_capacity(&stack, shop.campaign, 30);
    assert_eq!(sell(&bidders, 10), 10);
    let (balance, over) = delivered(&stack, shop.campaign);
    assert_eq!((balance.limit, balance.delivered, over), (Some(30), 30, 0));
}
