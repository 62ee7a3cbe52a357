//! Reports as advertisers ask for them.

use http::StatusCode;
use tagbid_ledger::{Exchange, Options};
use tagbid_notice::{NoticeKind, PriceKey};
use tagbid_runtime::auth::Secret;
use tagbid_types::{AdvertiserId, CampaignId, LineItemId};
use tagbid_wire::pb::ledger as pb;
use tonic::Code;
use tonic_types::StatusExt;

use crate::harness::{ACME, BIDDER, File, Ledger, OPERATOR, bid, options};

/// Of advertiser 1: three bids won, of which one was clicked and one lost an auction before; of advertiser 9: one bid.
async fn two_tenants(file: &File) -> Ledger {
    let ledger = Ledger::start(options(&file.url())).await;
    for number in 1..=3 {
        let token = bid(number, &ledger.clock);
        ledger.send(NoticeKind::Win, &token, "price=1.5").await;
        ledger.bill(&token, "1.5").await;
        ledger.send(NoticeKind::Imp, &token, "price=1.5").await;
    }
    ledger.send(NoticeKind::Click, &bid(1, &ledger.clock), "").await;
    ledger.send(NoticeKind::Loss, &bid(4, &ledger.clock), "reason=102&min=2.1").await;
    let mut other = bid(7, &ledger.clock);
    (other.advertiser, other.campaign, other.line_item) = (AdvertiserId(9), CampaignId(20), LineItemId(30));
    ledger.bill(&other, "1").await;
    ledger
}

async fn report(
    ledger: &Ledger,
    token: &'static str,
    asked: pb::GetReportRequest,
) -> Result<pb::GetReportResponse, tonic::Status> {
    ledger.reports(token).await.get_report(asked).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn an_advertiser_reads_what_it_bought_and_what_came_of_it() {
    let file = File::new();
    let ledger = two_tenants(&file).await;
    let by = vec![pb::Dimension::LineItem.into(), pb::Dimension::Exchange.into(), pb::Dimension::Hour.into()];
    let answer = report(&ledger, ACME, pb::GetReportRequest { by, ..Default::default() }).await.unwrap();

    let [row] = &answer.rows[..] else { panic!("{:?}", answer.rows) };
    assert_eq!((row.line_item_id, row.exchange.as_deref(), row.campaign_id), (Some(3), Some("demo"), None));
    assert_eq!(row.hour.unwrap().seconds % 3_600, 0);
    assert_eq!((row.spent_nanos, row.billed, row.impressions, row.wins), (4_500_000, 3, 3, 3));
    assert_eq!((row.clicks, row.losses, row.currency.as_str()), (1, 1, "USD"));
    assert_eq!((row.ctr_millionths, row.cpc_nanos), (Some(333_333), Some(4_500_000)));
    assert_eq!((row.win_rate_millionths, row.cpa_nanos), (Some(750_000), None));
    let total = &answer.totals[0];
    assert_eq!((total.spent_nanos, total.line_item_id), (row.spent_nanos, None));
    assert_eq!(
        total.spent_nanos,
        ledger.spend(ACME, Default::default()).await.unwrap().totals[0].tally.unwrap().spent_nanos
    );

    let losses = pb::GetLossesRequest::default();
    let losses = ledger.reports(ACME).await.get_losses(losses).await.unwrap().into_inner().rows;
    let want = pb::LossRow { line_item_id: 3, reason: Some(102), needed_percent: Some(110), losses: 1 };
    assert_eq!(losses, [want]);
}

#[tokio::test]
async fn reports_are_for_their_own_advertiser_and_the_operator() {
    let file = File::new();
    let ledger = two_tenants(&file).await;
    let by = vec![pb::Dimension::Advertiser.into()];
    let by_advertiser = pb::GetReportRequest { by, ..Default::default() };
    let all = report(&ledger, OPERATOR, by_advertiser.clone()).await.unwrap();
    assert_eq!(all.rows.iter().map(|row| row.advertiser_id.unwrap()).collect::<Vec<_>>(), [1, 9]);
    let own = report(&ledger, ACME, by_advertiser).await.unwrap();
    assert_eq!(own.rows.iter().map(|row| row.advertiser_id.unwrap()).collect::<Vec<_>>(), [1]);
    let filter = Some(pb::ReportFilter { advertiser_id: 9, ..Default::default() });
    let others =
        report(&ledger, ACME, pb::GetReportRequest { filter: filter.clone(), ..Default::default() }).await;
    assert_eq!(others.unwrap_err().code(), Code::PermissionDenied);
    let losses =
        ledger.reports(ACME).await.get_losses(pb::GetLossesRequest { filter, ..Default::default() }).await;
    assert_eq!(losses.unwrap_err().code(), Code::PermissionDenied);
    let role = report(&ledger, BIDDER, pb::GetReportRequest::default()).await;
    assert_eq!(role.unwrap_err().code(), Code::PermissionDenied);
    let stranger = report(&ledger, "", pb::GetReportRequest::default()).await;
    assert_eq!(stranger.unwrap_err().code(), Code::Unauthenticated);
    let wrong = pb::GetReportRequest { by: vec![77], page_token: "x:y".into(), ..Default::default() };
    let wrong = report(&ledger, ACME, wrong).await.unwrap_err();
    let fields = wrong.get_details_bad_request().unwrap().field_violations;
    assert_eq!(fields.iter().map(|one| one.field.as_str()).collect::<Vec<_>>(), ["by", "page_token"]);
}

#[tokio::test]
async fn an_exchange_that_encrypts_its_prices_bills_with_signed_ones_alone() {
    let pair = "skU7Ax_NL5pPAFyKdkfZjZz2-VhIN8bjj1rVFOaJ_5o=:arO23ykdNqUQ5LEoQ0FVmPkBd7xB5CO89PDZlSjpFxo=";
    let old = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc:CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg";
    let file = File::new();
    let price_keys = [pair, old].map(Secret::new).into();
    let exchanges = [("demo".parse().unwrap(), Exchange { price_keys })].into();
    let ledger = Ledger::start(Options { exchanges, ..options(&file.url()) }).await;
    let encrypted = |pair: &str, micros| PriceKey::parse(pair).unwrap().encrypt(micros, [3; 16]);

    assert_eq!(ledger.bill(&bid(1, &ledger.clock), &encrypted(pair, 1_250_000)).await, StatusCode::OK);
    assert_eq!(ledger.bill(&bid(2, &ledger.clock), &encrypted(old, 1_000_000)).await, StatusCode::OK);
    let forged = encrypted(
        "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk:CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg",
        1,
    );
    assert_eq!(ledger.bill(&bid(3, &ledger.clock), &forged).await, StatusCode::OK);
    assert_eq!(ledger.bill(&bid(4, &ledger.clock), "0.01").await, StatusCode::OK);
    assert_eq!(ledger.bill(&bid(5, &ledger.clock), "AUDIT").await, StatusCode::OK);

    let tally = ledger.tally().await;
    assert_eq!((tally.spent_nanos, tally.billed, tally.quarantined, tally.unbilled), (2_250_000, 2, 2, 1));
    let mut reasons: Vec<String> =
        ledger.quarantined(ACME).await.into_iter().map(|suspect| suspect.reason).collect();
    reasons.sort();
    assert_eq!(reasons, ["not_encrypted", "signature"]);
    // The true price comes later, and bills.
    assert_eq!(ledger.bill(&bid(3, &ledger.clock), &encrypted(pair, 500_000)).await, StatusCode::OK);
    assert_eq!(ledger.tally().await.spent_nanos, 2_750_000);
}
