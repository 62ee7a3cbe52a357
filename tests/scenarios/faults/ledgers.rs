//! Ledgers and their databases that go away, disks that are full, notices that come again and again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tagbid_testkit::{Durability, PostgresServer, postgres};

use super::figure;
use super::market::{Market, insist, shuffle, uncovered};
use crate::notices::try_fetch;
use crate::stack::{Separate, Stack};

/// Bids and bills for so long; how many bids.
fn trade(market: &mut Market, stack: &Stack, time: Duration) -> u64 {
    let (begun, mut bids) = (Instant::now(), 0);
    while begun.elapsed() < time {
        bids += u64::from(market.auction(stack.http));
        market.bill(1);
    }
    bids
}

#[test]
#[ignore = "takes minutes: cargo xtask faults"]
fn the_ledger_is_killed_under_load() {
    let database = postgres();
    let mut stack = Stack::separate_with(&Separate::over(database.url()));
    let mut market = Market::open(&stack, 100_000);
    market.wait_for_bid(stack.http);
    let (mut away, mut longest) = (0, Duration::ZERO);
    for _ in 0..10 {
        trade(&mut market, &stack, Duration::from_millis(500));
        stack.role("ledger").kill();
        // What is leased is bid with meanwhile; notices wait.
        away += market.auctions(stack.http, Duration::from_millis(300));
        let killed = Instant::now();
        stack.role("ledger").restart().unwrap();
        market.bill(1);
        longest = longest.max(killed.elapsed());
    }
    trade(&mut market, &stack, Duration::from_secs(1));
    let sold = market.bids.len() as i64 + market.billed;
    market.close(&stack);
    assert_eq!(uncovered(&stack), 0);
    figure("ledger killed x10", "bids, all billed once", sold, "bids");
    figure("ledger killed x10", "bids while it was away", away, "bids");
    figure("ledger killed x10", "longest from its start to a notice taken", longest.as_millis(), "ms");
}

#[test]
#[ignore = "takes minutes: cargo xtask faults"]
fn the_database_is_killed_under_load() {
    let mut server = PostgresServer::start(Durability::On).unwrap();
    let database = server.database().unwrap();
    let stack = Stack::separate_with(&Separate::over(database.url()));
    let mut market = Market::open(&stack, 100_000);
    market.wait_for_bid(stack.http);
    let mut longest = Duration::ZERO;
    for _ in 0..5 {
        trade(&mut market, &stack, Duration::from_millis(500));
        server.kill();
        market.auctions(stack.http, Duration::from_millis(300));
        server.restart().unwrap();
        let back = Instant::now();
        market.bill(1);
        longest = longest.max(back.elapsed());
    }
    trade(&mut market, &stack, Duration::from_secs(1));
    let sold = market.bids.len() as i64 + market.billed;
    market.close(&stack);
    figure("PostgreSQL killed x5", "bids, all billed once (synchronous_commit on)", sold, "bids");
    figure("PostgreSQL killed x5", "longest from its return to a notice taken", longest.as_millis(), "ms");
}

/// Billed while the disk has room.
const BEFORE: usize = 50;

/// Each waits for five seconds before it is refused.
const REFUSED: i64 = 8;

#[test]
#[ignore = "takes minutes: cargo xtask faults"]
fn the_ledgers_disk_is_full() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ledger.db");
    let mut stack = Stack::separate_with(&Separate::over(&format!("sqlite:{}", file.display())));
    let mut market = Market::open(&stack, 100_000);
    market.wait_for_bid(stack.http);
    market.auctions(stack.http, Duration::from_secs(3));
    market.bill(BEFORE);
    // From now on no file of the ledger grows: what a write into a full disk says to SQLite.
    stack.role("ledger").limit_files(std::fs::metadata(&file).unwrap().len());
    let (mut taken, mut refused) = (0, 0_i64);
    let mut left = std::mem::take(&mut market.bids);
    while let Some(url) = left.pop() {
        match try_fetch(&url, "2") {
            Ok(answer) if answer.status == 200 => taken += 1,
            _ => {
                refused += 1;
                market.bids.push(url);
            }
        }
        if refused == REFUSED {
            break;
        }
    }
    assert_eq!(refused, REFUSED, "the disk was never full: {taken} were taken");
    market.bids.extend(left);
    market.billed += taken;
    stack.role("ledger").kill();
    stack.role("ledger").restart().unwrap();
    market.bill(1);
    market.close(&stack);
    let before = taken + BEFORE as i64;
    figure("ledger's disk full", "notices acknowledged before, all there after", before, "notices");
    figure("ledger's disk full", "refused with 503 while it was full, taken later", refused, "notices");
}

#[test]
#[ignore = "takes minutes: cargo xtask faults"]
fn notices_come_five_times_and_in_any_order() {
    let database = postgres();
    let stack = Stack::separate_with(&Separate::over(database.url()));
    let mut market = Market::open(&stack, 100_000);
    market.wait_for_bid(stack.http);
    market.auctions(stack.http, Duration::from_secs(3));
    let bids = std::mem::take(&mut market.bids);
    let mut all: Vec<&str> = bids.iter().flat_map(|url| [url.as_str(); 5]).collect();
    shuffle(&mut all, &mut market.dice);
    let (sent, begun) = (AtomicU64::new(0), Instant::now());
    thread::scope(|scope| {
        for part in all.chunks(all.len().div_ceil(8)) {
            let sent = &sent;
            scope.spawn(move || {
                for url in part {
                    sent.fetch_add(insist(url), Ordering::Relaxed);
                }
            });
        }
    });
    market.billed += bids.len() as i64;
    figure("notices x5 shuffled", "bids, each billed once", bids.len(), "bids");
    figure("notices x5 shuffled", "notices in 8 connections", sent.into_inner(), "notices");
    figure("notices x5 shuffled", "in all", begun.elapsed().as_millis(), "ms");
    market.close(&stack);
}
