//! What is answered and what is billed.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use proptest::prelude::*;
use tagbid_notice::{Audience, Bills, Keys, NoticeKind, Sealer, TokenKey};
use tagbid_types::{Cpm, CreativeId};

use crate::harness::{CREATIVE, File, Ledger, OPERATOR, SHOP, bid, options};

#[tokio::test]
async fn a_sold_bid_is_billed_what_its_notice_says() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let token = bid(1, &ledger.clock);

    let reply = ledger.send(NoticeKind::Bill, &token, "price=1.25&cur=USD").await;

    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let tally = ledger.tally().await;
    assert_eq!((tally.spent_nanos, tally.billed), (1_250_000, 1));
}

#[tokio::test]
async fn a_forged_token_is_refused_and_leaves_no_trace() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let token = bid(1, &ledger.clock);
    let good = ledger.path(NoticeKind::Bill, &token, "price=1");
    let stranger = Keys::new(TokenKey::new(1, [8; 32]), None).unwrap();
    let forged = Sealer::new(&stranger).unwrap().seal(&token, Audience::Exchange, [1; 12]).unwrap();

    let cases = [
        (format!("/notice/bill/{}?price=1", forged.as_str()), "forged_token"),
        (good.replacen("?price=1", "*?price=1", 1), "malformed_token"),
        ("/notice/bill/%00%ff?price=1".into(), "malformed_token"),
        (good.replace("price=1", &format!("x={}", "y".repeat(3_000))), "url_too_long"),
    ];
    for (path, code) in &cases {
        let reply = ledger.get(path).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(reply.text().contains(code), "{}", reply.text());
    }
    assert_eq!(ledger.get("/notice/sale/x").await.status, StatusCode::NOT_FOUND);
    assert_eq!(ledger.request(Method::DELETE, &good).await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(ledger.request(Method::HEAD, &good).await.status, StatusCode::METHOD_NOT_ALLOWED);

    assert_eq!(ledger.tally().await, Default::default());
    assert_eq!(ledger.service.stats().invalid.of(NoticeKind::Bill).get(), cases.len() as u64);
}

#[tokio::test]
async fn a_price_that_cannot_be_read_leaves_a_trace() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let token = bid(1, &ledger.clock);
    for price in ["1%2C5", "-1"] {
        let reply = ledger.send(NoticeKind::Bill, &token, &format!("price={price}")).await;
        assert_eq!((reply.status, reply.text()), (StatusCode::OK, ""), "{price}");
    }
    let aside = ledger.quarantined(OPERATOR).await;
    let [suspect] = &aside[..] else { panic!("{aside:?}") };
    assert_eq!((suspect.reason.as_str(), suspect.said.as_str()), ("price", "-1"));
    assert_eq!((suspect.price_micros, suspect.times), (None, 2));
    // It is billed once the exchange says a price, in whatever form.
    assert_eq!(ledger.bill(&token, "1.25E0").await, StatusCode::OK);
    let tally = ledger.tally().await;
    assert_eq!((tally.spent_nanos, tally.billed, tally.quarantined), (1_250_000, 1, 2));
}

#[tokio::test]
async fn a_storm_of_repeats_bills_each_bid_once() {
    let file = File::new();
    let ledger = Arc::new(Ledger::start(options(&file.url())).await);
    let mut storm = tokio::task::JoinSet::new();
    for _ in 0..8 {
        for number in 0..50 {
            let ledger = Arc::clone(&ledger);
            storm.spawn(async move { ledger.bill(&bid(number, &ledger.clock), "1.5").await });
        }
    }
    assert!(storm.join_all().await.iter().all(|status| *status == StatusCode::OK));

    let tally = ledger.tally().await;
    assert_eq!((tally.billed, tally.spent_nanos, tally.duplicates), (50, 50 * 1_500_000, 350));
}

#[tokio::test]
async fn the_order_of_notices_does_not_matter() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let token = bid(1, &ledger.clock);

    for kind in [NoticeKind::Click, NoticeKind::Bill, NoticeKind::Imp, NoticeKind::Win] {
        let reply = ledger.send(kind, &token, "price=1").await;
        assert!(reply.status.is_success() || reply.status.is_redirection(), "{kind}: {reply:?}");
    }

    let tally = ledger.tally().await;
    assert_eq!((tally.wins, tally.billed, tally.impressions, tally.clicks), (1, 1, 1, 1));
    assert_eq!(tally.spent_nanos, 1_000_000);
}

#[tokio::test]
async fn the_notice_that_bills_is_the_one_that_the_bid_named() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    for (number, bills) in [(1, Bills::Win), (2, Bills::Imp), (3, Bills::Bill)] {
        let mut token = bid(number, &ledger.clock);
        token.bills = bills;
        for kind in [NoticeKind::Win, NoticeKind::Bill, NoticeKind::Imp] {
            ledger.send(kind, &token, "price=1").await;
        }
    }
    let tally = ledger.tally().await;
    assert_eq!((tally.billed, tally.spent_nanos), (3, 3_000_000));
}

#[tokio::test]
async fn what_must_not_bill_is_kept_and_does_not_bill() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let (audit, empty, mut test, late) =
        (bid(1, &ledger.clock), bid(2, &ledger.clock), bid(3, &ledger.clock), bid(4, &ledger.clock));
    test.test = true;
    assert_eq!(ledger.bill(&audit, "AUDIT").await, StatusCode::OK);
    assert_eq!(ledger.bill(&empty, "").await, StatusCode::OK);
    assert_eq!(ledger.bill(&test, "1").await, StatusCode::OK);
    ledger.clock.advance(Duration::from_secs(72 * 3_600 + 1));
    assert_eq!(ledger.bill(&late, "1").await, StatusCode::OK);

    let tally = ledger.tally().await;
    assert_eq!((tally.spent_nanos, tally.billed, tally.unbilled, tally.late), (0, 0, 3, 1));
}

#[tokio::test]
async fn a_price_above_the_bid_is_cut_and_another_price_is_quarantined() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let token = bid(1, &ledger.clock);

    assert_eq!(ledger.bill(&token, "3").await, StatusCode::OK);
    assert_eq!(
        ledger.bill(&token, "1").await,
        StatusCode::OK,
        "an exchange that repeats itself is not told off"
    );

    let tally = ledger.tally().await;
    assert_eq!((tally.spent_nanos, tally.excess_nanos), (2_000_000, 1_000_000));
    assert_eq!((tally.billed, tally.quarantined), (1, 1));
    assert_eq!(ledger.service.stats().quarantined.of(NoticeKind::Bill).get(), 1);
    assert_eq!(ledger.service.stats().overpriced.get(), 1);
}

#[tokio::test]
async fn a_pixel_is_a_picture_that_any_page_may_load() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let path = ledger.path(NoticeKind::Imp, &bid(1, &ledger.clock), "price=1");

    for method in [Method::GET, Method::POST] {
        let reply = ledger.request(method, &path).await;
        assert_eq!((reply.status, reply.header("content-type")), (StatusCode::OK, Some("image/gif")));
        assert!(reply.body.starts_with(b"GIF89a\x01\0\x01\0") && reply.body.ends_with(b";"));
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }
    let preflight = ledger.request(Method::OPTIONS, &path).await;
    assert_eq!(preflight.status, StatusCode::NO_CONTENT);
    assert_eq!(preflight.header("access-control-allow-methods"), Some("GET, POST, OPTIONS"));
    assert_eq!(ledger.tally().await.impressions, 1, "a preflight is no impression");
}

#[tokio::test]
async fn a_click_goes_where_the_catalog_says_and_nowhere_else() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    ledger.knows_the_creative().await;
    let (known, mut unknown) = (bid(1, &ledger.clock), bid(2, &ledger.clock));
    unknown.creative = CreativeId(CREATIVE.0 + 1);

    let evil = "url=https://evil.example&to=https://evil.example&redirect=//evil.example";
    let reply = ledger.send(NoticeKind::Click, &known, evil).await;
    let to = reply.header("location").unwrap();
    let id = to.strip_prefix(&format!("{SHOP}&tagbid_click=")).unwrap();
    assert_eq!((reply.status, id.contains("evil")), (StatusCode::FOUND, false));

    let reply = ledger.send(NoticeKind::Click, &unknown, evil).await;
    assert_eq!((reply.status, reply.header("location")), (StatusCode::NO_CONTENT, None));

    let reply = ledger.get("/notice/click/https://evil.example").await;
    assert_eq!((reply.status, reply.header("location")), (StatusCode::NOT_FOUND, None));
}

/// One delivery of a notice: which bid, which kind.
fn deliveries() -> impl Strategy<Value = Vec<(u128, NoticeKind)>> {
    let kind = prop::sample::select(vec![NoticeKind::Win, NoticeKind::Bill, NoticeKind::Imp]);
    prop::collection::vec((0..6_u128, kind), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever the order and however often each notice comes, the spend is that of each bid's billing notice once.
    #[test]
    fn spend_depends_only_on_the_set_of_notices(deliveries in deliveries()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (spent, want) = runtime.block_on(async {
            let file = File::new();
            let ledger = Ledger::start(options(&file.url())).await;
            let mut want = std::collections::BTreeMap::new();
            for (number, kind) in &deliveries {
                let price = Cpm(100_000 * (1 + i64::try_from(*number).unwrap()));
                let reply = ledger.send(*kind, &bid(*number, &ledger.clock), &format!("price={price}")).await;
                assert_eq!(reply.status, StatusCode::OK);
                if *kind == NoticeKind::Bill {
                    want.insert(*number, price.0);
                }
            }
            (ledger.tally().await.spent_nanos, want.values().sum::<i64>())
        });
        prop_assert_eq!(spent, want);
    }
}

#[tokio::test]
async fn metrics_say_what_came_and_how_it_was_written() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    for number in [1, 1, 2] {
        assert_eq!(ledger.bill(&bid(number, &ledger.clock), "1").await, StatusCode::OK);
    }
    let mut registry = prometheus_client::registry::Registry::default();
    registry.register_collector(ledger.service.collector());
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "tagbid_notices_recorded_total{kind=\"bill\"} 2",
        "tagbid_notices_duplicate_total{kind=\"bill\"} 1",
        "tagbid_ledger_queue 0",
        "tagbid_ledger_commit_seconds_count 3",
        "tagbid_ledger_batch_notices_sum 3.0",
        "tagbid_ledger_batch_notices_bucket{le=\"1.0\"} 3",
        "tagbid_ledger_commits_failed_total 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in:\n{text}");
    }
}
