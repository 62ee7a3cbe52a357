//! Those who ask what was spent: each sees its own.

use tagbid_notice::NoticeKind;
use tagbid_types::{AdvertiserId, LineItemId};
use tagbid_wire::pb::ledger as pb;
use tonic::Code;
use tonic_types::StatusExt;

use crate::harness::{ACME, BIDDER, File, Ledger, OPERATOR, bid, options};

/// Advertiser 1 spends on line item 3, advertiser 9 on line item 30; one suspect notice each.
async fn two_tenants(file: &File) -> Ledger {
    let ledger = Ledger::start(options(&file.url())).await;
    let mut other = bid(2, &ledger.clock);
    (other.advertiser, other.line_item) = (AdvertiserId(9), LineItemId(30));
    for token in [&bid(1, &ledger.clock), &other] {
        ledger.bill(token, "1").await;
        ledger.bill(token, "0.5").await;
    }
    ledger
}

fn line_items(answer: &pb::GetSpendResponse) -> Vec<u64> {
    answer.rows.iter().map(|row| row.line_item_id).collect()
}

#[tokio::test]
async fn an_advertiser_sees_its_own_ledger() {
    let file = File::new();
    let ledger = two_tenants(&file).await;

    let spend = ledger.spend(ACME, pb::GetSpendRequest::default()).await.unwrap();
    assert_eq!(line_items(&spend), [3]);
    assert_eq!(spend.totals[0].tally.unwrap().spent_nanos, 1_000_000);
    assert_eq!(spend.rows[0].day, "2025-01-01");

    let notices = ledger.notices(ACME, pb::ListNoticesRequest::default()).await.unwrap();
    let owners: Vec<u64> = notices.notices.iter().map(|notice| notice.advertiser_id).collect();
    assert_eq!(owners, [1]);
    let suspects = ledger.quarantined(ACME).await;
    let owners: Vec<u64> = suspects.iter().map(|suspect| suspect.advertiser_id).collect();
    assert_eq!(owners, [1]);
    assert_eq!((suspects[0].reason.as_str(), suspects[0].price_micros), ("price", Some(500_000)));
}

#[tokio::test]
async fn an_advertiser_sees_no_other_ledger() {
    let file = File::new();
    let ledger = two_tenants(&file).await;

    let by_line_item = pb::GetSpendRequest { line_item_ids: vec![3, 30], ..Default::default() };
    assert_eq!(line_items(&ledger.spend(ACME, by_line_item).await.unwrap()), [3]);
    let by_advertiser = pb::GetSpendRequest { advertiser_id: 9, ..Default::default() };
    let refused = ledger.spend(ACME, by_advertiser).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn the_operator_sees_all_a_role_nothing_and_a_stranger_not_even_that() {
    let file = File::new();
    let ledger = two_tenants(&file).await;
    let all = ledger.spend(OPERATOR, pb::GetSpendRequest::default()).await.unwrap();
    assert_eq!(line_items(&all), [3, 30]);
    let role = ledger.spend(BIDDER, pb::GetSpendRequest::default()).await;
    assert_eq!(role.unwrap_err().code(), Code::PermissionDenied);
    for token in ["", "not-a-token-at-all"] {
        let stranger = ledger.notices(token, pb::ListNoticesRequest::default()).await;
        assert_eq!(stranger.unwrap_err().code(), Code::Unauthenticated);
    }
}

#[tokio::test]
async fn wrong_fields_are_named_with_their_remedy() {
    let file = File::new();
    let ledger = two_tenants(&file).await;
    let spend = pb::GetSpendRequest {
        first_day: "2025-01-02".into(),
        last_day: "2025-01-01".into(),
        page_size: -1,
        ..Default::default()
    };
    let status = ledger.spend(OPERATOR, spend).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let fields: Vec<&str> = violations.iter().map(|one| one.field.as_str()).collect();
    assert_eq!(fields, ["page_size", "last_day"]);

    let notices = pb::ListNoticesRequest { kind: 77, ..Default::default() };
    let status = ledger.notices(OPERATOR, notices).await.unwrap_err();
    assert_eq!(
        status.message(),
        "kind: 77 is no kind of notice; use a value of NoticeKind, or leave it out for all"
    );
}

#[tokio::test]
async fn pages_of_notices_meet_without_gap_or_overlap() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    for number in 0..7 {
        ledger.bill(&bid(number, &ledger.clock), "1").await;
        ledger.send(NoticeKind::Win, &bid(number, &ledger.clock), "price=1").await;
    }
    let mut request =
        pb::ListNoticesRequest { kind: pb::NoticeKind::Bill.into(), page_size: 3, ..Default::default() };
    let mut bids = Vec::new();
    loop {
        let page = ledger.notices(OPERATOR, request.clone()).await.unwrap();
        bids.extend(page.notices.into_iter().map(|notice| notice.bid_id));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let want: Vec<String> = (0..7).rev().map(|number| format!("{number:032x}")).collect();
    assert_eq!(bids, want);
}

#[tokio::test]
async fn a_loss_tells_why() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    ledger.send(NoticeKind::Loss, &bid(8, &ledger.clock), "reason=102&min=2.1").await;

    let all = ledger.notices(OPERATOR, pb::ListNoticesRequest::default()).await.unwrap();
    let loss = &all.notices[0];
    assert_eq!((loss.kind(), loss.outcome()), (pb::NoticeKind::Loss, pb::Outcome::NotBilling));
    assert_eq!((loss.loss_reason, loss.min_to_win_micros), (Some(102), Some(2_100_000)));
}

#[tokio::test]
async fn other_roles_ask_for_wins_and_tenants_do_not() {
    let file = File::new();
    let ledger = two_tenants(&file).await;
    for number in [1, 7] {
        ledger.send(NoticeKind::Win, &bid(number, &ledger.clock), "price=1").await;
    }
    let asked = |ids: &[u64], first_day: &str| pb::CountWinsRequest {
        line_item_ids: ids.into(),
        first_day: first_day.into(),
    };
    assert_eq!(ledger.wins(BIDDER, asked(&[3, 30], "2025-01-01")).await.unwrap(), [(3, 2)]);
    assert_eq!(ledger.wins(OPERATOR, asked(&[3], "2025-01-02")).await.unwrap(), []);
    let refused = ledger.wins(ACME, asked(&[3], "")).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let wrong = ledger.wins(BIDDER, asked(&[], "soon")).await.unwrap_err();
    let violations = wrong.get_details_bad_request().unwrap().field_violations;
    let fields: Vec<&str> = violations.iter().map(|one| one.field.as_str()).collect();
    assert_eq!(fields, ["line_item_ids", "first_day"]);
}
