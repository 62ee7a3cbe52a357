//! Frequency caps over the whole product: what is billed is counted for its user, once, whatever dies meanwhile, and who has
//! seen enough is not bid for.

use std::time::Duration;

use serde_json::Value;
use tagbid_catalog::{Advertiser, Campaign, CapScope, CapWindow, Entity, FrequencyCap, LineItem};
use tagbid_clients::{Endpoint, GrpcImpressionCounter};
use tagbid_ports::{CountOutcome, Impression, ImpressionCounter};
use tagbid_runtime::SystemClock;
use tagbid_runtime::auth::Secret;
use tagbid_tagset::frequency::Counted;
use tagbid_tagset::{IdKind, MacKey, UserId, UserKey};
use tagbid_testkit::wait_until;
use tagbid_types::{Clock, LineItemId, Timestamp};
use tagbid_wire::pb::tags as tags_pb;
use tagbid_wire::pb::tags::tag_service_client::TagServiceClient;

use crate::advertiser::{
    Shop, advertiser, block_on, buyer, campaign, create_as, define_tag, in_the_usa, put_offline, with_token,
};
use crate::bidding::wait_for_bid;
use crate::exchange::{banner, bid, no_bid_reason};
use crate::notices::fetch;
use crate::stack::{OPERATOR, ROLE, SOON, START, Stack};

/// A line item that a user may see so often.
fn capped(stack: &Stack, shop: &Shop, impressions: u16, window: CapWindow) -> LineItemId {
    let caps = vec![FrequencyCap { scope: CapScope::LineItem, impressions, window }];
    let draft = LineItem { caps, ..shop.draft(in_the_usa(), 2.0) };
    match create_as(OPERATOR, stack.campaigns, Entity::LineItem(draft.into())) {
        Entity::LineItem(item) => item.id,
        other => panic!("{other:?}"),
    }
}

/// The billing URL of the next bid for the request.
fn next_burl(stack: &Stack, request: &Value) -> String {
    let answer = wait_for_bid(stack, request);
    answer.bids()[0]["burl"].as_str().unwrap().to_owned()
}

/// How often the tag store says that a user was shown a line item.
fn shown(stack: &Stack, user: &str, line_item: LineItemId) -> u32 {
    block_on(async {
        let client = TagServiceClient::connect(format!("http://{}", stack.tags)).await;
        let request = tags_pb::LookupRequest { user: Some(buyer(user)), ..Default::default() };
        let answer = client.unwrap().lookup(with_token(OPERATOR, request)).await.unwrap().into_inner();
        let count = answer.counts.iter().find(|one| one.kind == "line_item" && one.id == line_item.0);
        count.map_or(0, |count| count.total)
    })
}

fn wait_shown(stack: &Stack, user: &str, line_item: LineItemId, times: u32) {
    wait_until("the impressions to be counted", START, || shown(stack, user, line_item) == times);
}

fn is_capped(stack: &Stack, request: &Value) -> bool {
    let answer = bid(stack.http, request);
    answer.bids().is_empty() && no_bid_reason(&answer) == "frequency_capped"
}

#[test]
fn a_user_who_was_shown_enough_is_not_bid_for_after_a_restart_either() {
    let mut stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    let item = capped(&stack, &shop, 2, CapWindow::Day);
    let request = banner("user-1");
    let burls = [next_burl(&stack, &request), next_burl(&stack, &request)];
    assert!(is_capped(&stack, &request), "two bids are under way");
    for burl in burls.iter().chain(&burls) {
        assert_eq!(fetch(burl, "1.5").status, 200);
    }
    wait_shown(&stack, "user-1", item, 2);
    assert_eq!(bid(stack.http, &banner("user-2")).status, 200);

    // What was under way is forgotten, what was billed is not.
    stack.kill_and_restart();
    wait_until("the cap", START, || is_capped(&stack, &request));
    wait_for_bid(&stack, &banner("user-2"));
    assert_eq!(shown(&stack, "user-1", item), 2, "each once, though their notices came twice");
}

#[test]
fn an_impression_is_counted_though_ledger_and_tags_die_before_it_is_delivered() {
    let mut stack = Stack::separate();
    let shop = Shop::open(&stack, "shop.example");
    let item = capped(&stack, &shop, 3, CapWindow::Week);
    let request = banner("user-1");
    let burls: Vec<_> = (0..3).map(|_| next_burl(&stack, &request)).collect();
    assert_eq!(fetch(&burls[0], "1.5").status, 200);
    wait_shown(&stack, "user-1", item, 1);

    // Committed, and nobody to deliver to; then nobody to deliver.
    stack.role("tags").kill();
    assert_eq!(fetch(&burls[1], "1.5").status, 200);
    assert_eq!(fetch(&burls[2], "1.5").status, 200);
    stack.role("ledger").kill();
    stack.role("tags").restart().unwrap();
    stack.role("ledger").restart().unwrap();
    wait_until("the tags role", START, || {
        let request = tags_pb::LookupRequest { user: Some(buyer("user-1")), ..Default::default() };
        block_on(async {
            let client = TagServiceClient::connect(format!("http://{}", stack.tags)).await;
            match client {
                Ok(mut client) => client.lookup(with_token(OPERATOR, request)).await.is_ok(),
                Err(_) => false,
            }
        })
    });
    wait_shown(&stack, "user-1", item, 3);

    stack.kill_and_restart();
    wait_until("the cap", START, || is_capped(&stack, &request));
    wait_for_bid(&stack, &banner("user-2"));
}

/// The key of one of our own ids.
fn key(id: &str) -> UserKey {
    let mac = MacKey::new(1, b"a-user-key-of-thirty-two-letters").unwrap();
    mac.user_key(&UserId { kind: IdKind::BuyerUid, source: "", id }.standard().unwrap())
}

#[test]
fn the_window_that_follows_frees_the_user() {
    let stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    let item = capped(&stack, &shop, 1, CapWindow::Minute);
    let request = banner("user-1");
    wait_for_bid(&stack, &banner("user-2"));
    // As the ledger would tell of an impression some time ago: it is in the window for 15 to 25 seconds more.
    let seen = Timestamp::from_secs(SystemClock.now().secs() - 45);
    let impression = Impression {
        user: key("user-1"),
        event: 1,
        at: seen,
        counted: vec![Counted::LineItem(item)],
        capped: vec![],
    };
    let node = Endpoint::new(&format!("http://{}", stack.tags), &Secret::new(ROLE)).unwrap();
    let counted = block_on(async { GrpcImpressionCounter::new(vec![node]).count(vec![impression]).await });
    assert_eq!(counted, Ok(vec![CountOutcome::Counted]));
    wait_until("the cap", Duration::from_secs(10), || is_capped(&stack, &request));
    wait_until("the next window", SOON + START, || bid(stack.http, &request).status == 200);
    let freed = SystemClock.now().since(seen);
    assert!(freed >= Duration::from_secs(60), "{freed:?}: no impression leaves a window early");
}

#[test]
fn a_higher_tier_bids_first_and_who_is_never_contacted_gets_neither() {
    let stack = Stack::all();
    let (dataset, tag) = define_tag(&stack, "customers");
    let Entity::Advertiser(picky) = create_as(
        OPERATOR,
        stack.campaigns,
        Entity::Advertiser(Advertiser { never_contact: vec![tag], ..advertiser("picky.example") }.into()),
    ) else {
        panic!("kind")
    };
    let campaign = Campaign { tier: 1, ..campaign(picky.id) };
    let Entity::Campaign(first) = create_as(OPERATOR, stack.campaigns, Entity::Campaign(campaign.into()))
    else {
        panic!("kind")
    };
    let shop = Shop::open(&stack, "shop.example");
    shop.line_item(in_the_usa(), 3.0);
    let picky = shop.of(picky.id, first.id, "picky.example");
    picky.line_item(in_the_usa(), 1.0);
    put_offline(&stack, dataset, "customer-1", tag);
    let price =
        |user: &str| bid(stack.http, &banner(user)).bids().first().and_then(|bid| bid["price"].as_f64());
    wait_until("the higher tier", SOON, || price("stranger-1") == Some(1.0));
    wait_until("the other advertiser", SOON, || price("customer-1") == Some(3.0));
    let mut dear = banner("stranger-1");
    dear["imp"][0]["bidfloor"] = 2.into();
    assert_eq!(bid(stack.http, &dear).bids()[0]["price"], 3.0, "a tier is no way past a floor");
    let mut unknown = banner("stranger-1");
    unknown["regs"]["gdpr"] = 1.into();
    assert_eq!(bid(stack.http, &unknown).bids()[0]["price"], 3.0, "who may be a customer is not contacted");
}
