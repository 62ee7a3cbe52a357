//! Pace: a budget is spent over its time, not as fast as requests come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tagbid_catalog::{Budget, Entity, LineItem, Pacing, Schedule};
use tagbid_testkit::wait_until;
use tagbid_types::{Clock, Nanos};
use tagbid_wire::pb::campaigns::ExplainRequest;

use crate::advertiser::{Shop, block_on, create_as, in_the_usa, with_token};
use crate::catalog::bidder;
use crate::exchange::{banner, bid, no_bid_reason};
use crate::notices::{fetch, spent};
use crate::stack::{OPERATOR, START, Stack};

/// What one impression costs at a CPM of 2 US dollars.
const ONE: i64 = 2_000_000;

/// A flight that begins now: so many bids in so many seconds.
fn flight(stack: &Stack, shop: &Shop, bids: i64, seconds: u64) -> Arc<LineItem> {
    let now = tagbid_runtime::SystemClock.now();
    let draft = LineItem {
        budget: Budget { daily: None, lifetime: Some(Nanos(bids * ONE)) },
        schedule: Schedule {
            start: Some(now),
            end: Some(now.after(Duration::from_secs(seconds))),
            dayparts: None,
        },
        pacing: Pacing::Even,
        ..shop.draft(in_the_usa(), 2.0)
    };
    match create_as(OPERATOR, stack.campaigns, Entity::LineItem(draft.into())) {
        Entity::LineItem(item) => item,
        other => panic!("{other:?}"),
    }
}

fn an_even_flight_spends_each_seconds_share(stack: &Stack) {
    // Four bids a second, for two minutes.
    let shop = Shop::open(stack, "shop.example");
    let begun = Instant::now();
    let item = flight(stack, &shop, 480, 120);
    let (mut won, mut paced, mut explained) = (0, 0, String::new());
    wait_until("forty bids", 2 * START, || {
        let answer = bid(stack.http, &banner("user-1"));
        if answer.status == 200 {
            let burl = answer.bids()[0]["burl"].as_str().unwrap().to_owned();
            assert_eq!(fetch(&burl, "2").status, 200);
            won += 1;
        } else if no_bid_reason(&answer) == "paced" {
            paced += 1;
            // The moment may be over before the question is there.
            if won > 0 && !explained.contains("paced: ") {
                explained = explain(stack, item.id.0);
            }
        }
        won >= 40
    });
    // What was missed in the first seconds is caught up with at twice the plan's rate at most, and no further than the plan is
    // five seconds from now.
    let due = begun.elapsed().as_secs_f64();
    assert!(due >= 40.0 / 4.0 - 5.0, "forty bids in {due:.1} s; the plan has four a second");
    assert!(paced > 0, "all else was held back");
    assert!(explained.contains("paced: "), "{explained}");
    assert_eq!(spent(stack), Nanos(40 * ONE));
}

/// What the bidder says of a line item now.
pub(crate) fn explain(stack: &Stack, line_item: u64) -> String {
    let ask = ExplainRequest {
        line_item_id: line_item,
        exchange: "demo".into(),
        openrtb_json: banner("user-1").to_string().into(),
    };
    let told = block_on(async { bidder(stack).await.explain(with_token(OPERATOR, ask)).await });
    format!("{:?}", told.unwrap().into_inner())
}

#[test]
fn an_even_flight_spends_each_seconds_share_in_one_process() {
    an_even_flight_spends_each_seconds_share(&Stack::all());
}

#[test]
fn an_even_flight_spends_each_seconds_share_over_processes() {
    an_even_flight_spends_each_seconds_share(&Stack::separate());
}
