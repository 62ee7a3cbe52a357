//! How far line items come: every sampled request counted where it was lost, and what was won.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tagbid_catalog::{LineItem, Status};
use tagbid_clients::{Endpoint, GrpcFunnels};
use tagbid_ports::FunnelCounts;
use tagbid_runtime::auth::Secret;
use tagbid_targeting::{Dimension, Expr, Leaf};
use tagbid_testkit::{wait_for, wait_until};
use tagbid_types::LineItemId;
use tagbid_wire::pb::campaigns as pb;
use tagbid_wire::pb::campaigns::campaigns_service_client::CampaignsServiceClient;
use tonic::{Code, Status as Refusal};

use crate::advertiser::{Shop, block_on, create_as, in_the_usa, with_token};
use crate::exchange::{banner, bid, post};
use crate::notices::call;
use crate::stack::{ADVERTISER_1, ADVERTISER_2, OPERATOR, ROLE, SOON, START, Stack};

/// Asks for funnels by somebody's token.
fn ask(stack: &Stack, token: &str, ids: &[LineItemId]) -> Result<pb::GetFunnelResponse, Refusal> {
    let request = pb::GetFunnelRequest { line_item_ids: ids.iter().map(|id| id.0).collect() };
    block_on(async {
        let url = format!("http://{}", stack.campaigns);
        let mut client = CampaignsServiceClient::connect(url).await.unwrap();
        client.get_funnel(with_token(token, request)).await.map(tonic::Response::into_inner)
    })
}

/// The funnels as soon as everything that came to the search so far is in them.
fn settled(stack: &Stack, ids: &[LineItemId]) -> pb::GetFunnelResponse {
    wait_for("the passes", SOON, || {
        let answer = ask(stack, ADVERTISER_1, ids).unwrap();
        let bidder = &answer.bidders[0];
        assert_eq!(bidder.dropped_requests, 0, "{bidder:?}");
        (bidder.requests == bidder.sampled_requests).then_some(answer)
    })
}

/// What became of a line item between two answers.
fn came(
    before: &pb::LineItemFunnel,
    after: &pb::LineItemFunnel,
) -> (u64, u64, BTreeMap<String, u64>, u64, u64) {
    let mut losses: BTreeMap<_, _> =
        after.losses.iter().map(|loss| (loss.code.clone(), loss.count)).collect();
    for loss in &before.losses {
        *losses.get_mut(&loss.code).unwrap() -= loss.count;
    }
    losses.retain(|_, count| *count > 0);
    (
        after.considered - before.considered,
        after.matched - before.matched,
        losses,
        after.priced - before.priced,
        after.bid - before.bid,
    )
}

fn losses(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
    of.iter().map(|(code, count)| ((*code).to_owned(), *count)).collect()
}

/// The best line item, the second, a paused one and one for elsewhere.
fn four_line_items(stack: &Stack) -> [LineItemId; 4] {
    let shop = Shop::open(stack, "shop.example");
    let paused = LineItem { status: Status::Paused, ..shop.draft(in_the_usa(), 9.0) };
    let tagbid_catalog::Entity::LineItem(paused) =
        create_as(OPERATOR, stack.campaigns, tagbid_catalog::Entity::LineItem(paused.into()))
    else {
        panic!("kind")
    };
    let germany = Expr::Leaf(Leaf::In { dimension: Dimension::Country, values: vec!["deu".into()] });
    let elsewhere = shop.line_item(germany, 5.0);
    let second = shop.line_item(in_the_usa(), 2.0);
    let best = shop.line_item(in_the_usa(), 3.0);
    wait_until("the best bid", SOON, || {
        bid(stack.http, &banner("user-1")).bids().first().is_some_and(|bid| bid["price"] == 3.0)
    });
    [best, second, paused.id, elsewhere]
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut request = banner("user-1");
    change(&mut request);
    request
}

#[test]
fn every_loss_is_counted_where_it_happened_and_wins_are_there() {
    let stack = Stack::all();
    let ids = four_line_items(&stack);
    let before = settled(&stack, &ids);

    let answers: Vec<_> = (0..3).map(|_| bid(stack.http, &banner("user-1"))).collect();
    for floor in [2.5, 2.75] {
        assert_eq!(bid(stack.http, &with(|r| r["imp"][0]["bidfloor"] = json!(floor))).status, 200);
    }
    assert_eq!(bid(stack.http, &with(|r| r["bcat"] = json!(["IAB22"]))).status, 204);
    let two = json!({ "id": "2", "secure": 1, "banner": { "w": 728, "h": 90 } });
    assert_eq!(bid(stack.http, &with(|r| r["imp"].as_array_mut().unwrap().push(two))).bids().len(), 1);
    // What does not come to the search is no impression.
    assert_eq!(bid(stack.http, &with(|r| r["device"]["ua"] = json!("Googlebot/2.1"))).status, 204);
    assert_eq!(post(stack.http, "demo", b"{").status, 400);
    for answer in &answers[..2] {
        assert_eq!(call(answer, "nurl", "1.5").status, 200);
    }

    let after = settled(&stack, &ids);
    let came: Vec<_> = before.line_items.iter().zip(&after.line_items).map(|(b, a)| came(b, a)).collect();
    // Seven requests of eight impressions.
    let blocked = [("blocked_category", 1), ("no_creative", 1)];
    assert_eq!(came[0], (8, 8, losses(&blocked), 6, 6));
    let second = [("outbid", 4), ("below_floor", 2), ("blocked_category", 1), ("no_creative", 1)];
    assert_eq!(came[1], (8, 8, losses(&second), 4, 0));
    assert_eq!(came[2], (8, 8, losses(&[("not_live", 8)]), 0, 0));
    assert_eq!(came[3], (8, 0, losses(&[]), 0, 0));
    let won: Vec<_> = after.line_items.iter().map(|one| one.won).collect();
    assert_eq!(won, [Some(2), Some(0), Some(0), Some(0)]);
    the_metrics_agree(&stack, &after);
}

fn the_metrics_agree(stack: &Stack, all: &pb::GetFunnelResponse) {
    let (_, metrics) = stack.admin_get("/metrics");
    let sum = |count: fn(&pb::LineItemFunnel) -> u64| all.line_items.iter().map(count).sum::<u64>();
    let series = |name: &str, value: u64| {
        assert!(metrics.lines().any(|line| line == format!("{name} {value}")), "{name} {value}: {metrics}");
    };
    series(r#"tagbid_funnel_line_items_total{stage="matched"}"#, sum(|one| one.matched));
    series(r#"tagbid_funnel_line_items_total{stage="bid"}"#, sum(|one| one.bid));
    let not_live = |one: &pb::LineItemFunnel| {
        one.losses.iter().filter(|loss| loss.code == "not_live").map(|loss| loss.count).sum()
    };
    series(r#"tagbid_funnel_lost_total{reason="not_live"}"#, sum(not_live));
    series("tagbid_funnel_samples_dropped_total", 0);
}

#[test]
fn a_tenant_reads_its_own_funnel_only() {
    let stack = Stack::all();
    let [best, ..] = four_line_items(&stack);
    let rival = Shop::open(&stack, "rival.example");
    let theirs = rival.line_item(in_the_usa(), 1.0);
    assert_eq!(ask(&stack, ADVERTISER_2, &[best]).unwrap_err().code(), Code::NotFound);
    assert_eq!(ask(&stack, ADVERTISER_2, &[theirs, best]).unwrap_err().code(), Code::NotFound);
    assert!(ask(&stack, ADVERTISER_2, &[theirs]).is_ok());
    assert_eq!(ask(&stack, ROLE, &[best]).unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(ask(&stack, ADVERTISER_1, &[]).unwrap_err().code(), Code::InvalidArgument);
    // Nor do the bidder and the ledger tell a tenant what they tell the campaigns role.
    let as_tenant = bidders(&[("bidder", stack.bidding)], ADVERTISER_1);
    let refused = block_on(as_tenant.funnel(&[best])).unwrap_err();
    assert!(refused.to_string().contains("bidder"), "{refused}");
}

fn bidders(at: &[(&str, std::net::SocketAddr)], token: &str) -> GrpcFunnels {
    let endpoint = |at| Endpoint::new(&format!("http://{at}"), &Secret::new(token)).unwrap();
    GrpcFunnels::new(at.iter().map(|(name, at)| ((*name).to_owned(), endpoint(*at))).collect())
}

#[test]
fn what_several_bidders_counted_is_added_up_and_one_that_is_gone_is_named() {
    let stack = Stack::all();
    let ids = four_line_items(&stack);
    settled(&stack, &ids);
    let gone = std::net::SocketAddr::from(([127, 0, 0, 1], tagbid_testkit::free_port()));
    let ask = |at: &[_]| block_on(bidders(at, ROLE).funnel(&ids));
    let one = ask(&[("a", stack.bidding)]).unwrap();
    let three = ask(&[("a", stack.bidding), ("b", stack.bidding), ("gone", gone)]).unwrap();
    for (once, twice) in one.line_items.iter().zip(&three.line_items) {
        assert_eq!(
            (twice.considered, twice.matched, twice.bid),
            (once.considered * 2, once.matched * 2, once.bid * 2)
        );
    }
    let silent: Vec<_> = three.sources.iter().filter(|one| !one.problem.is_empty()).collect();
    assert_eq!((three.sources.len(), silent.len(), silent[0].bidder.as_str()), (3, 1, "gone"));
    assert!(ask(&[("gone", gone)]).unwrap_err().to_string().contains("gone"));
}

#[test]
fn across_processes_what_can_be_asked_is_given() {
    let mut stack = Stack::separate();
    let ids = four_line_items(&stack);
    let answer = bid(stack.http, &banner("user-1"));
    assert_eq!(call(&answer, "nurl", "1.5").status, 200);
    let told = settled(&stack, &ids);
    let best = &told.line_items[0];
    assert!(best.bid >= 2 && best.considered >= best.matched, "{best:?}");
    assert_eq!(best.won, Some(1), "{told:?}");

    stack.role("ledger").kill();
    stack.role("ledger").wait_exit(START);
    let told = settled(&stack, &ids);
    assert_eq!(told.line_items[0].won, None);
    assert!(told.won_problem.contains("ledger"), "{told:?}");
    assert_eq!(told.line_items[0].bid, best.bid);

    stack.bidder.kill();
    stack.bidder.wait_exit(START);
    assert_eq!(ask(&stack, ADVERTISER_1, &ids).unwrap_err().code(), Code::Unavailable);
}
