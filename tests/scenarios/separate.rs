//! The same product as one process a role, over Redis and PostgreSQL; and what it does when a role is gone.

use std::time::{Duration, Instant};

use tagbid_targeting::{Expr, TagKind};
use tagbid_testkit::wait_until;
use tagbid_types::Nanos;

use crate::advertiser::{Shop, define_tag, in_the_usa, put_offline, suppress, tagged};
use crate::bidding::{wait_for_bid, wait_for_no_bid};
use crate::exchange::{banner, bid, no_bid_reason};
use crate::notices::{call, spent};
use crate::stack::{SOON, START, Stack};

#[test]
fn a_bid_goes_all_the_way_through_every_process() {
    let stack = Stack::separate();
    let shop = Shop::open(&stack, "shop.example");
    let (dataset, tag) = define_tag(&stack, "runners");
    shop.line_item(Expr::All(vec![in_the_usa(), tagged(tag, TagKind::Offline)]), 2.0);
    put_offline(&stack, dataset, "runner-1", tag);
    let request = banner("runner-1");
    let answer = wait_for_bid(&stack, &request);
    assert_eq!(no_bid_reason(&bid(stack.http, &banner("stranger-1"))), "no_match");
    for _ in 0..2 {
        assert_eq!(call(&answer, "burl", "1.25").status, 200);
    }
    assert_eq!(spent(&stack), Nanos(1_250_000));
    suppress(&stack, "runner-1", true);
    wait_for_no_bid(&stack, &request);
}

#[test]
fn without_the_tag_service_bidding_goes_on_by_context() {
    let mut stack = Stack::separate();
    let shop = Shop::open(&stack, "shop.example");
    let (dataset, tag) = define_tag(&stack, "runners");
    shop.line_item(Expr::All(vec![in_the_usa(), tagged(tag, TagKind::Offline)]), 3.0);
    shop.line_item(Expr::All(vec![in_the_usa(), Expr::Not(Box::new(tagged(tag, TagKind::Any)))]), 2.5);
    shop.line_item(in_the_usa(), 2.0);
    put_offline(&stack, dataset, "runner-1", tag);
    let request = banner("runner-1");
    wait_until("the tagged bid", SOON, || price(&stack, &request) == Some(3.0));
    wait_until("the excluding bid", SOON, || price(&stack, &banner("stranger-1")) == Some(2.5));
    let mut unknown = request.clone();
    unknown["regs"]["gdpr"] = 1.into();
    wait_until("the contextual bid", SOON, || price(&stack, &unknown) == Some(2.0));

    // A frozen tag service must not cost the answer its time.
    stack.role("tags").freeze();
    let began = Instant::now();
    assert_eq!(price(&stack, &request), Some(2.0), "neither the tagged nor the excluding line item");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    stack.role("tags").thaw();
    wait_until("tags again", SOON, || price(&stack, &request) == Some(3.0));

    stack.role("tags").kill();
    wait_until("the contextual bid", SOON, || price(&stack, &request) == Some(2.0));
}

#[test]
fn without_the_campaigns_role_bidding_goes_on() {
    let mut stack = Stack::separate();
    let shop = Shop::open(&stack, "shop.example");
    shop.line_item(in_the_usa(), 2.0);
    let request = banner("user-1");
    wait_for_bid(&stack, &request);
    stack.role("campaigns").kill();
    stack.role("campaigns").wait_exit(START);
    assert_eq!(price(&stack, &request), Some(2.0));
}

fn price(stack: &Stack, request: &serde_json::Value) -> Option<f64> {
    bid(stack.http, request).bids().first().and_then(|bid| bid["price"].as_f64())
}
