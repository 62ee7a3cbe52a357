//! Leases over gRPC, and notices of the bids made with them.

use std::time::Duration;

use futures_util::StreamExt;
use http::StatusCode;
use tagbid_budget::{Ask, Beat, Grant, Line, Refusal, Unit, Update};
use tagbid_notice::{NoticeKind, Token};
use tagbid_ports::{LeaseError, LeaseSource, Opened};
use tagbid_testkit::wait_until_async;
use tagbid_types::{Clock, Nanos, Timestamp};

use crate::harness::{ACME, BIDDER, DAILY, File, Ledger, OPERATOR, PATIENCE, bid, options};

/// What line item 3 asks for on the day of [`bid`].
pub(crate) fn ask(ledger: &Ledger, session: &Opened, known: i64, want: i64) -> Ask {
    let token = bid(0, &ledger.clock);
    let Token { advertiser, campaign, line_item, .. } = token;
    Ask {
        epoch: session.epoch,
        line: Line { advertiser, campaign, line_item },
        unit: Unit::Money,
        day: token.budget_day,
        day_ends: Timestamp(i64::MAX),
        known: Nanos(known),
        want: Nanos(want),
        least: Nanos(1),
        longest_hold_s: 60,
    }
}

pub(crate) async fn acquire(leases: &impl LeaseSource, ask: Ask) -> Result<Grant, Refusal> {
    let answers = wait(async || leases.acquire(vec![ask]).await.ok()).await;
    answers.into_iter().next().unwrap()
}

/// Until there is an answer: the ledger has to have read the catalog first.
pub(crate) async fn wait<T>(ask: impl AsyncFn() -> Option<T>) -> T {
    let found = std::cell::RefCell::new(None);
    wait_until_async("an answer", PATIENCE, async || {
        let answer = ask().await;
        let there = answer.is_some();
        *found.borrow_mut() = answer;
        there
    })
    .await;
    found.into_inner().unwrap()
}

/// Bid `number`, held under a lease for a minute.
pub(crate) fn leased(ledger: &Ledger, session: &Opened, grant: &Grant, number: u128) -> Token {
    let hold_until_s = ledger.clock.now().secs() + 60;
    let token = bid(number, &ledger.clock);
    Token { lease: grant.lease.0, epoch: session.epoch.0, hold_until_s, hold_s: 60, ..token }
}

#[tokio::test]
async fn a_bidder_leases_bids_and_hears_what_became_of_it() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let leases = ledger.leases(BIDDER);
    let session = leases.open().await.unwrap();
    let grant = acquire(&leases, ask(&ledger, &session, 0, 50_000_000)).await.unwrap();
    assert_eq!(grant.granted, Nanos(50_000_000));
    let more = acquire(&leases, ask(&ledger, &session, 50_000_000, i64::MAX)).await.unwrap();
    assert_eq!((more.lease, more.granted), (grant.lease, DAILY), "the advertiser's day has no more");
    let none = acquire(&leases, ask(&ledger, &session, DAILY.0, 1)).await;
    assert!(matches!(none, Err(Refusal::Empty(_))), "{none:?}");

    let mut updates = leases.follow(session.epoch);
    let first = updates.next().await.unwrap().unwrap();
    assert_eq!(first.buckets, []);
    let (sold, lost) = (leased(&ledger, &session, &grant, 1), leased(&ledger, &session, &grant, 2));
    assert_eq!(ledger.bill(&sold, "1.5").await, StatusCode::OK);
    assert_eq!(ledger.send(NoticeKind::Loss, &lost, "reason=102").await.status, StatusCode::OK);
    let resolved = |update: &Update| {
        let sums = update.buckets.first().map(|(_, _, sums)| *sums).unwrap_or_default();
        (sums.settled.0, sums.charged.0, sums.released.0)
    };
    let mut heard = (0, 0, 0);
    while heard != (2_000_000, 1_500_000, 2_000_000) {
        let update = tokio::time::timeout(PATIENCE, updates.next()).await.unwrap().unwrap().unwrap();
        heard = resolved(&update);
    }
    let beat =
        Beat { epoch: session.epoch, applied: first.watermark, leases: vec![], wants: vec![], lives: 0 };
    assert!(leases.beat(beat).await.is_ok());
    ledger.stop().await;
}

#[tokio::test]
async fn a_restarted_ledger_goes_on_with_the_same_leases() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let leases = ledger.leases(BIDDER);
    let session = leases.open().await.unwrap();
    let grant = acquire(&leases, ask(&ledger, &session, 0, 50_000_000)).await.unwrap();
    let sold = leased(&ledger, &session, &grant, 1);
    drop(leases);
    let clock = ledger.stop().await;

    let ledger = Ledger::start_at(options(&file.url()), clock).await;
    let leases = ledger.leases(BIDDER);
    let again = acquire(&leases, ask(&ledger, &session, 0, 9)).await.unwrap();
    assert_eq!((again.lease, again.granted), (grant.lease, grant.granted));
    assert_eq!(ledger.bill(&sold, "2").await, StatusCode::OK);
    let tally = ledger.tally().await;
    assert_eq!((tally.spent_nanos, tally.uncovered_nanos), (2_000_000, 0));
    ledger.stop().await;
}

#[tokio::test]
async fn a_bidder_that_was_silent_begins_anew_and_its_money_returns() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let leases = ledger.leases(BIDDER);
    let session = leases.open().await.unwrap();
    acquire(&leases, ask(&ledger, &session, 0, DAILY.0)).await.unwrap();
    ledger.clock.advance(Duration::from_secs(31));
    let beat =
        Beat { epoch: session.epoch, applied: session.watermark, leases: vec![], wants: vec![], lives: 0 };
    assert!(matches!(leases.beat(beat).await, Err(LeaseError::Over(_))));
    let again = leases.open().await.unwrap();
    assert!(again.epoch > session.epoch);
    assert!(acquire(&leases, ask(&ledger, &again, 0, 1)).await.is_err(), "its holds may still be billed");
    ledger.clock.advance(Duration::from_secs(62));
    let last = wait(async || {
        let session = leases.open().await.unwrap();
        acquire(&leases, ask(&ledger, &session, 0, DAILY.0)).await.ok()
    });
    assert!(last.await.granted > Nanos::ZERO);
    ledger.stop().await;
}

#[tokio::test]
async fn only_bidders_get_money() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    for token in [OPERATOR, ACME, "nobody-0123456789abcdef"] {
        let leases = ledger.leases(token);
        assert!(matches!(leases.open().await, Err(LeaseError::Refused(_))), "{token}");
    }
    let leases = ledger.leases(BIDDER);
    let session = leases.open().await.unwrap();
    let wrong = Ask { want: Nanos(-1), ..ask(&ledger, &session, 0, 1) };
    let Err(LeaseError::Refused(problem)) = leases.acquire(vec![wrong]).await else { panic!("taken") };
    assert!(problem.contains("asks[0].want"), "{problem}");
    ledger.stop().await;
}
