//! Bidders that are killed, or stand still.

use std::thread;
use std::time::{Duration, Instant};

use tagbid_testkit::{Process, postgres};

use super::figure;
use super::market::{Market, ONE, ask, burls, uncovered, wait_for_all_free};
use crate::stack::{Separate, Stack};

/// Sessions of 2 s and holds of 3 s, so that minutes tell what hours would.
fn quick() -> Separate {
    Separate {
        ledger: ["session_s=2", "longest_hold_s=4"].map(|one| format!("ledger.{one}")).into(),
        bidder: vec!["bidder.exchanges.demo.hold_s=3".into()],
        ..Separate::over("")
    }
}

/// Of the settings above: a session, the longest hold, the grace of 2 s.
const HOLDS_OVER: Duration = Duration::from_secs(2 + 4 + 2);

#[test]
#[ignore = "takes minutes: cargo xtask faults"]
fn kill_a_bidder_a_hundred_times() {
    let database = postgres();
    let mut stack = Stack::separate_with(&Separate { ledger_database: database.url().into(), ..quick() });
    let mut market = Market::open(&stack, 400);
    market.wait_for_bid(stack.http);
    for _ in 0..100 {
        let pause = Duration::from_millis(1 + market.dice.below(150) as u64);
        market.auctions(stack.http, pause);
        // One is billed while its bidder lives; the others after it, in time: their holds last for 3 s.
        market.bill(1);
        stack.bidder.kill();
        market.bill(usize::MAX);
        stack.restart_with(None);
    }
    let bids = market.billed;
    stack.bidder.kill();
    let returned = wait_for_all_free(&stack, &market, HOLDS_OVER + Duration::from_secs(5));
    let spent = market.close(&stack);
    assert_eq!(uncovered(&stack), 0);
    figure("kill -9 bidder x100", "bids, all billed", bids, "bids");
    figure("kill -9 bidder x100", "overspent, or billed and not covered", 0, "nanos");
    figure("kill -9 bidder x100", "spent of a budget of 400 bids", spent.0 / ONE, "bids");
    figure("kill -9 bidder x100", "all money back after the last kill", returned.as_millis(), "ms");
}

#[test]
#[ignore = "takes minutes: cargo xtask faults"]
fn a_bidder_stands_still_for_thirty_seconds() {
    let database = postgres();
    let stack = Stack::separate_with(&Separate { ledger_database: database.url().into(), ..quick() });
    let (other, other_http) = stack.one_more_bidder(1);
    let mut market = Market::open(&stack, 60);
    market.wait_for_bid(stack.http);
    market.wait_for_bid(other_http);
    stack.bidder.freeze();
    // Sent while it stands still: read and answered when it goes on, by then without a lease.
    let late: Vec<_> = (0..20)
        .map(|number| {
            let at = stack.http;
            thread::spawn(move || ask(at, &format!("late-{number}")))
        })
        .collect();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        market.auction(other_http);
        market.bill(3);
    }
    stack.bidder.thaw();
    let late: Vec<String> = late
        .into_iter()
        .filter_map(|asked| asked.join().unwrap())
        .flat_map(|answer| burls(&answer))
        .collect();
    let thawed = Instant::now();
    figure("SIGSTOP 30 s", "bids of the one that stood still, on what came meanwhile", late.len(), "bids");
    market.bids.extend(late);
    end(&[&stack.bidder, &other]);
    wait_for_all_free(&stack, &market, HOLDS_OVER + Duration::from_secs(35));
    figure("SIGSTOP 30 s", "all money back after it went on and ended", thawed.elapsed().as_millis(), "ms");
    let spent = market.close(&stack);
    assert_eq!(uncovered(&stack), 0);
    figure("SIGSTOP 30 s", "spent of a budget of 60 bids", spent.0 / ONE, "bids");
}

fn end(processes: &[&Process]) {
    processes.iter().for_each(|process| process.kill());
}
