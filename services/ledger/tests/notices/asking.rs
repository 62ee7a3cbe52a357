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

#[tokio::test]
async fn an_advertiser_sees_its_own_ledger_and_no_other() {
    let file = File::new();
    let ledger = two_tenants(&file).await;
    let mut acme = ledger.ask(ACME).await;

    let spend = acme
        .get_spend(pb::GetSpendRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        spend.rows.iter().map(|row| row.line_item_id).collect::<Vec<_>>(),
        [3]
    );
    assert_eq!(spend.totals[0].tally.unwrap().spent_nanos, 1_000_000);
    let notices = acme
        .list_notices(pb::ListNoticesRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(notices.notices.iter().all(|notice| notice.advertiser_id == 1) && notices.notices.len() == 1);
    let suspects = acme
        .list_quarantined(pb::ListQuarantinedRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(suspects.quarantined.iter().all(|one| one.advertiser_id == 1) && suspects.quarantined.len() == 1);

    let by_line_item = pb::GetSpendRequest {
        line_item_ids: vec![30],
        ..Default::default()
    };
    assert!(
        acme.get_spend(by_line_item)
            .await
            .unwrap()
            .into_inner()
            .rows
            .is_empty()
    );
    let by_advertiser = pb::GetSpendRequest {
        advertiser_id: 9,
        ..Default::default()
    };
    assert_eq!(
        acme.get_spend(by_advertiser).await.unwrap_err().code(),
        Code::PermissionDenied
    );
}

#[tokio::test]
async fn the_operator_sees_all_a_role_nothing_and_a_stranger_not_even_that() {
    let file = File::new();
    let ledger = two_tenants(&file).await;
    let all = ledger
        .ask(OPERATOR)
        .await
        .get_spend(pb::GetSpendRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        all.rows.iter().map(|row| row.line_item_id).collect::<Vec<_>>(),
        [3, 30]
    );
    let role = ledger
        .ask(BIDDER)
        .await
        .get_spend(pb::GetSpendRequest::default())
        .await;
    assert_eq!(role.unwrap_err().code(), Code::PermissionDenied);
    for token in ["", "not-a-token-at-all"] {
        let stranger = ledger
            .ask(token)
            .await
            .list_notices(pb::ListNoticesRequest::default())
            .await;
        assert_eq!(stranger.unwrap_err().code(), Code::Unauthenticated);
    }
}

#[tokio::test]
async fn wrong_fields_are_named_with_their_remedy() {
    let file = File::new();
    let ledger = two_tenants(&file).await;
    let mut client = ledger.ask(OPERATOR).await;
    let spend = pb::GetSpendRequest {
        first_day: "2025-01-02".into(),
        last_day: "2025-01-01".into(),
        page_size: -1,
        ..Default::default()
    };
    let status = client.get_spend(spend).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let fields: Vec<String> = status
        .get_details_bad_request()
        .unwrap()
        .field_violations
        .into_iter()
        .map(|violation| violation.field)
        .collect();
    assert_eq!(fields, ["page_size", "last_day"]);

    let notices = pb::ListNoticesRequest {
        kind: 77,
        page_token: "x".into(),
        ..Default::default()
    };
    let status = client.list_notices(notices).await.unwrap_err();
    assert!(
        status.message().contains("kind: 77 is no kind of notice"),
        "{}",
        status.message()
    );
}

#[tokio::test]
async fn pages_of_notices_meet_without_gap_or_overlap() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    for number in 0..7 {
        ledger.bill(&bid(number, &ledger.clock), "1").await;
    }
    ledger
        .send(NoticeKind::Loss, &bid(8, &ledger.clock), "reason=102&min=2.1")
        .await;

    let mut client = ledger.ask(OPERATOR).await;
    let mut request = pb::ListNoticesRequest {
        kind: pb::NoticeKind::Bill.into(),
        page_size: 3,
        ..Default::default()
    };
    let mut bids = Vec::new();
    loop {
        let page = client.list_notices(request.clone()).await.unwrap().into_inner();
        bids.extend(
            page.notices
                .into_iter()
                .map(|notice| u128::from_str_radix(&notice.bid_id, 16).unwrap()),
        );
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(bids, [6, 5, 4, 3, 2, 1, 0]);

    let losses = pb::ListNoticesRequest {
        kind: pb::NoticeKind::Loss.into(),
        ..Default::default()
    };
    let loss = client
        .list_notices(losses)
        .await
        .unwrap()
        .into_inner()
        .notices
        .remove(0);
    assert_eq!(
        (loss.loss_reason, loss.min_to_win_micros),
        (Some(102), Some(2_100_000))
    );
    assert_eq!(
        (loss.outcome(), loss.budget_day.as_str()),
        (pb::Outcome::NotBilling, "2025-01-01")
    );
}
