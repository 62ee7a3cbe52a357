//! Many bidders and little money.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use tagbid_testkit::{Process, postgres};

use super::figure;
use super::market::{Market, ONE, ask, balance, insist, uncovered};
use crate::stack::{Separate, Stack};

/// How long a bid holds its money here, with the second that it is rounded up by and the grace after it.
const HOLD: Duration = Duration::from_secs(3);

/// Wins so many of its bids, until 98 in 100 of the budget are spent or five times hold by win rate have passed.
fn spend(stack: &Stack, bidders: &[SocketAddr], win_rate: f64) {
    let mut market = Market::open(stack, 100);
    // Line items of earlier rounds have a bid or two left.
    let of_this = market.item.campaign.0.to_string();
    let (begun, limit) = (Instant::now(), HOLD.div_f64(win_rate) * 5);
    let name = format!("32 bidders, wins {win_rate}");
    let mut lost = 0_u64;
    while market.billed < 98 && begun.elapsed() < limit {
        let at = bidders[market.dice.below(bidders.len())];
        let Some(answer) = ask(at, &format!("user-{}", market.asked)) else { continue };
        market.asked += 1;
        for bid in answer.bids().iter().filter(|bid| bid["cid"] == of_this.as_str()) {
            let url = bid["burl"].as_str().unwrap();
            if market.dice.chance(win_rate) {
                insist(url);
                market.billed += 1;
            } else {
                lost += 1;
            }
        }
        // As fast as an exchange of a hundred auctions a second.
        thread::sleep(Duration::from_millis(10));
    }
    let took = begun.elapsed();
    let balance = balance(stack, &market);
    figure(&name, "spent of a budget of 100 bids", balance.spent_nanos / ONE, "bids");
    figure(&name, "lost without a notice", lost, "bids");
    figure(&name, "in", took.as_millis(), "ms");
    figure(&name, "of at most", limit.as_millis(), "ms");
    assert!(balance.spent_nanos <= 100 * ONE);
    assert!(market.billed >= 98, "{} in {took:?}", market.billed);
    assert_eq!(uncovered(stack), 0);
}

#[test]
#[ignore = "takes minutes: cargo xtask faults"]
fn thirty_two_bidders_share_a_hundred_bids() {
    let database = postgres();
    let with = Separate {
        ledger: vec!["ledger.grace_s=1".into()],
        bidder: vec!["bidder.exchanges.demo.hold_s=1".into(), "bidder.workers=1".into()],
        ..Separate::over(database.url())
    };
    let stack = Stack::separate_with(&with);
    let more: Vec<(Process, SocketAddr)> = (1..32).map(|number| stack.one_more_bidder(number)).collect();
    let bidders: Vec<SocketAddr> =
        std::iter::once(stack.http).chain(more.iter().map(|(_, http)| *http)).collect();
    for win_rate in [1.0, 0.3, 0.05] {
        spend(&stack, &bidders, win_rate);
    }
}
