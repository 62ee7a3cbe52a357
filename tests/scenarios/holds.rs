//! How long a bid holds its money: as long as billing takes, once that is known.

use std::thread;

use tagbid_catalog::{Budget, Entity, LineItem, Pacing};
use tagbid_testkit::wait_until;
use tagbid_types::Nanos;

use crate::advertiser::{Shop, create_as, in_the_usa};
use crate::bidding::wait_for_bid;
use crate::exchange::{Answer, banner, bid};
use crate::notices::call;
use crate::stack::{OPERATOR, START, Stack};

/// The fewest billings that prove anything, and a few that find the money spent.
const ENOUGH: usize = 3_000;
const LANES: usize = 6;

/// For how long a bid says that it may still be shown.
fn life(answer: &Answer) -> u64 {
    answer.bids()[0]["exp"].as_u64().unwrap()
}

/// Bids and has what was bid billed, until so many were.
fn sell(stack: &Stack, times: usize) {
    let request = banner("user-1");
    let mut sold = 0;
    wait_until("enough sales", 8 * START, || {
        let answer = bid(stack.http, &request);
        if answer.status == 200 {
            assert_eq!(call(&answer, "burl", "0.01").status, 200);
            sold += 1;
        }
        sold >= times
    });
}

#[test]
fn where_billing_is_quick_bids_hold_their_money_for_seconds() {
    // Leases let holds last for 14 s here: so long has to be watched before anything is concluded.
    let stack = Stack::all_with("[ledger]\nlongest_hold_s = 14");
    let shop = Shop::open(&stack, "shop.example");
    let budget = Budget { daily: Some(Nanos(1_000_000_000_000)), lifetime: None };
    let draft = LineItem { budget, pacing: Pacing::Asap, ..shop.draft(in_the_usa(), 2.0) };
    create_as(OPERATOR, stack.campaigns, Entity::LineItem(draft.into()));
    assert_eq!(
        life(&wait_for_bid(&stack, &banner("user-1"))),
        14,
        "the usual 90 s are more than a lease allows"
    );
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| sell(&stack, ENOUGH.div_ceil(LANES)));
        }
    });
    let mut last = 14;
    wait_until("the learnt life", 4 * START, || {
        let answer = bid(stack.http, &banner("user-1"));
        last = if answer.status == 200 { life(&answer) } else { last };
        last != 14
    });
    assert!((10..14).contains(&last), "{last}");
    let (_, metrics) = stack.admin_get("/metrics");
    let line = format!("tagbid_ledger_hold_life_seconds{{exchange=\"demo\",place=\"page\"}} {last}");
    assert!(metrics.contains(&line), "{line} in\n{metrics}");
}
