//! Budgets: what they allow is bid and spent, and nothing more, whoever bids and whatever happens to them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tagbid_catalog::{Budget, Entity, LineItem};
use tagbid_testkit::wait_until;
use tagbid_types::Nanos;

use crate::advertiser::{Shop, create_as, in_the_usa};
use crate::bidding::{wait_for_bid, wait_for_no_bid};
use crate::exchange::{banner, bid, no_bid_reason};
use crate::notices::{fetch, spent};
use crate::stack::{OPERATOR, START, Stack};

/// What one impression costs at a CPM of 2 US dollars.
const ONE: i64 = 2_000_000;

/// A line item at a CPM of 2 US dollars that may spend `bids` times its bid a day.
fn line_item(stack: &Stack, shop: &Shop, bids: i64) -> Arc<LineItem> {
    let budget = Budget { daily: Some(Nanos(bids * ONE)), lifetime: None };
    let draft = LineItem { budget, ..shop.draft(in_the_usa(), 2.0) };
    match create_as(OPERATOR, stack.campaigns, Entity::LineItem(draft.into())) {
        Entity::LineItem(item) => item,
        other => panic!("{other:?}"),
    }
}

/// After so long without a bid no more money comes: a bidder asks for some ten times a second.
const DRY: Duration = Duration::from_secs(2);

/// Bids until nothing more is bid; the billing URLs of all bids.
fn bid_it_all(stack: &Stack) -> Vec<String> {
    let request = banner("user-1");
    let (mut urls, mut last) = (Vec::new(), Instant::now());
    wait_until("the end of the money", START, || {
        let answer = bid(stack.http, &request);
        if answer.status == 200 {
            last = Instant::now();
            urls.extend(answer.bids().iter().map(|bid| bid["burl"].as_str().unwrap().to_owned()));
        } else {
            assert_eq!(no_bid_reason(&answer), "no_budget");
        }
        last.elapsed() > DRY
    });
    urls
}

fn a_budget_is_bid_with_once_and_spent_whole(stack: &Stack) {
    let shop = Shop::open(stack, "shop.example");
    line_item(stack, &shop, 20);
    wait_for_bid(stack, &banner("user-1"));
    let urls = bid_it_all(stack);
    // The first bid was seen by the one who waited for it.
    assert_eq!(urls.len(), 19, "each bid holds its price, and nothing was lost or billed");
    for url in urls.iter().chain(&urls) {
        assert_eq!(fetch(url, "2").status, 200);
    }
    assert_eq!(spent(stack), Nanos(19 * ONE));
    assert_eq!(no_bid_reason(&bid(stack.http, &banner("user-1"))), "no_budget");
}

#[test]
fn a_budget_is_bid_with_once_and_spent_whole_in_one_process() {
    a_budget_is_bid_with_once_and_spent_whole(&Stack::all());
}

#[test]
fn a_budget_is_bid_with_once_and_spent_whole_over_processes() {
    a_budget_is_bid_with_once_and_spent_whole(&Stack::separate());
}

#[test]
fn what_a_bid_did_not_cost_is_bid_with_again() {
    let stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    line_item(&stack, &shop, 4);
    wait_for_bid(&stack, &banner("user-1"));
    let urls = bid_it_all(&stack);
    // At half the price, and lost: one and a half bids come back of two.
    assert_eq!(fetch(&urls[0], "1").status, 200);
    let lost = urls[1].replace("/notice/bill/", "/notice/loss/");
    assert_eq!(fetch(&lost, "1").status, 200);
    wait_for_bid(&stack, &banner("user-1"));
    wait_for_no_bid(&stack, &banner("user-1"));
    assert_eq!(spent(&stack), Nanos(ONE / 2));
}

#[test]
fn a_bidder_that_was_killed_leaves_no_way_to_overspend() {
    let mut stack = Stack::separate();
    let shop = Shop::open(&stack, "shop.example");
    line_item(&stack, &shop, 10);
    wait_for_bid(&stack, &banner("user-1"));
    let before = bid_it_all(&stack);
    stack.kill_and_restart();
    // What the dead one has leased is not free before its holds are over.
    wait_until("a reason", START, || {
        let answer = bid(stack.http, &banner("user-1"));
        answer.bids().is_empty() && no_bid_reason(&answer) == "no_budget"
    });
    for url in &before {
        assert_eq!(fetch(url, "2").status, 200);
    }
    assert_eq!(spent(&stack), Nanos(before.len() as i64 * ONE));
}
