//! What is known of users, through sudden ends and losses of data.

use serde_json::Value;
use tagbid_targeting::{Expr, TagKind};
use tagbid_testkit::wait_until;

use crate::advertiser::{Shop, define_tag, in_the_usa, merge_realtime, put_offline, suppress, tagged};
use crate::bidding::wait_for_bid;
use crate::exchange::{banner, bid};
use crate::stack::{SOON, START, Stack};

fn price(stack: &Stack, request: &Value) -> Option<f64> {
    bid(stack.http, request).bids().first().and_then(|bid| bid["price"].as_f64())
}

#[test]
fn tags_that_were_acknowledged_survive_a_kill() {
    let mut stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    let (dataset, tag) = define_tag(&stack, "runners");
    shop.line_item(Expr::All(vec![in_the_usa(), tagged(tag, TagKind::Offline)]), 2.0);
    shop.line_item(Expr::All(vec![in_the_usa(), tagged(tag, TagKind::Realtime)]), 3.0);
    put_offline(&stack, dataset, "runner-1", tag);
    wait_for_bid(&stack, &banner("runner-1"));
    for n in 2..30 {
        put_offline(&stack, dataset, &format!("runner-{n}"), tag);
    }
    merge_realtime(&stack, "runner-30", tag);
    suppress(&stack, "runner-29", true);
    wait_until("the suppression", SOON, || price(&stack, &banner("runner-29")).is_none());
    stack.bidder.kill();
    stack.bidder.wait_exit(START);

    stack.restart_with(None);
    for n in 1..29 {
        wait_until("the offline tag", SOON, || price(&stack, &banner(&format!("runner-{n}"))) == Some(2.0));
    }
    wait_until("the event", SOON, || price(&stack, &banner("runner-30")) == Some(3.0));
    assert_eq!(price(&stack, &banner("runner-29")), None);
}

#[test]
fn a_tag_store_that_forgot_who_is_suppressed_is_not_believed() {
    let mut stack = Stack::separate();
    let shop = Shop::open(&stack, "shop.example");
    let (dataset, tag) = define_tag(&stack, "runners");
    shop.line_item(Expr::All(vec![in_the_usa(), Expr::Not(Box::new(tagged(tag, TagKind::Any)))]), 2.5);
    shop.line_item(in_the_usa(), 2.0);
    put_offline(&stack, dataset, "hidden-1", tag);
    suppress(&stack, "hidden-1", true);
    let (hidden, stranger) = (banner("hidden-1"), banner("stranger-1"));
    wait_until("the stranger's tags", SOON, || price(&stack, &stranger) == Some(2.5));
    wait_until("the suppression", SOON, || price(&stack, &hidden) == Some(2.0));

    // Nobody can tell the tag store again: of nobody it says "no tags".
    stack.role("campaigns").freeze();
    stack.flush_redis();
    for _ in 0..50 {
        assert_eq!(price(&stack, &hidden), Some(2.0), "by context, as if nobody knew");
        assert_eq!(price(&stack, &stranger), Some(2.0), "by context, as if nobody knew");
    }
    stack.role("campaigns").thaw();
    wait_until("the store to be believed again", SOON, || {
        assert_eq!(price(&stack, &hidden), Some(2.0), "suppressed all the time");
        price(&stack, &stranger) == Some(2.5)
    });
}
