//! How long billing takes, as notices tell and bidders hear it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use http::StatusCode;
use tagbid_budget::Beat;
use tagbid_budget::life::{Cell, HoldLives};
use tagbid_notice::Token;
use tagbid_ports::{LeaseSource, Opened};
use tagbid_types::{Nanos, PlaceKind};

use crate::harness::{BIDDER, File, Ledger, options};
use crate::leasing::{acquire, ask, leased, wait};

/// The fewest billings that prove anything.
const ENOUGH: u128 = 3_000;

/// What a new session hears, as soon as there is anything.
async fn lives(leases: &impl LeaseSource, session: &Opened, heard: u64) -> HoldLives {
    let beat = || Beat {
        epoch: session.epoch,
        applied: session.watermark,
        leases: Vec::new(),
        wants: Vec::new(),
        lives: heard,
    };
    wait(async || leases.beat(beat()).await.unwrap().lives).await
}

#[tokio::test]
async fn bidders_hear_how_long_billing_takes() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let leases = ledger.leases(BIDDER);
    let session = leases.open().await.unwrap();
    let grant = acquire(&leases, ask(&ledger, &session, 0, 50_000_000)).await.unwrap();
    let nothing = lives(&leases, &session, 0).await;
    assert_eq!(nothing.lives, BTreeMap::new());
    // Of holds that began 20 seconds ago, for one minute.
    let bid = |number| {
        let token = leased(&ledger, &session, &grant, number);
        Token { hold_until_s: token.hold_until_s - 20, ..token }
    };
    let bids: Vec<Token> = (0..ENOUGH).map(bid).collect();
    let billed = futures_util::stream::iter(&bids).map(|bid| ledger.bill(bid, "0.001")).buffer_unordered(64);
    billed.for_each(async |status| assert_eq!(status, StatusCode::OK)).await;

    // Nothing is concluded before the longest hold was watched.
    ledger.clock.advance(Duration::from_secs(3_600));
    let again = leases.open().await.unwrap();
    let learnt = lives(&leases, &again, nothing.version).await;
    let cell = Cell { exchange: "demo".parse().unwrap(), place: PlaceKind::Page };
    assert_eq!(learnt.lives, BTreeMap::from([(cell, 25)]), "20 s, and a quarter more");

    let metrics = ledger.metrics();
    for line in [
        r#"tagbid_ledger_hold_life_seconds{exchange="demo",place="page"} 25"#,
        r#"tagbid_ledger_hold_samples{exchange="demo",place="page"} 3000"#,
        "tagbid_ledger_sessions 1",
        "tagbid_notices_uncovered_total 0",
        "tagbid_notices_overdrawn_total 0",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line} in\n{metrics}");
    }
    ledger.stop().await;
}

#[tokio::test]
async fn what_no_budget_covers_and_who_overdraws_is_counted() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let leases = ledger.leases(BIDDER);
    let session = leases.open().await.unwrap();
    // All that there is, of which a wrong bidder makes more than it covers.
    let grant = acquire(&leases, ask(&ledger, &session, 0, i64::MAX)).await.unwrap();
    let bids = grant.granted.0 / 2_000_000;
    for number in 0..=bids {
        let bid = leased(&ledger, &session, &grant, u128::from(number.unsigned_abs()));
        assert_eq!(ledger.bill(&bid, "2").await, StatusCode::OK);
    }
    let metrics = ledger.metrics();
    for line in
        ["tagbid_notices_overdrawn_total 1", "tagbid_notices_uncovered_total 1", "tagbid_ledger_leases 1"]
    {
        assert!(metrics.lines().any(|one| one == line), "{line} in\n{metrics}");
    }
    assert_eq!(Nanos(ledger.tally().await.spent_nanos), grant.granted);
    ledger.stop().await;
}
