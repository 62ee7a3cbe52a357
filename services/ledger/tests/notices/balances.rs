//! What budgets have left, for those whose they are.

use tagbid_ports::LeaseSource;
use tagbid_wire::pb::ledger as pb;
use tagbid_wire::pb::ledger::get_balances_request::Owner;
use tonic::Code;
use tonic_types::StatusExt;

use crate::harness::{ACME, BIDDER, DAILY, File, Ledger, OPERATOR, options};
use crate::leasing::{acquire, ask, leased, wait};

fn of(owner: Owner, first_day: &str, last_day: &str) -> pb::GetBalancesRequest {
    pb::GetBalancesRequest { owner: Some(owner), first_day: first_day.into(), last_day: last_day.into() }
}

/// A lease of 100 million nanos, of which one bid has cost one million.
async fn one_sale(file: &File) -> Ledger {
    let ledger = Ledger::start(options(&file.url())).await;
    let leases = ledger.leases(BIDDER);
    let session = wait(async || leases.open().await.ok()).await;
    let grant = acquire(&leases, ask(&ledger, &session, 0, 100_000_000)).await.unwrap();
    ledger.bill(&leased(&ledger, &session, &grant, 1), "1").await;
    ledger
}

#[tokio::test]
async fn an_advertiser_sees_where_its_money_is() {
    let file = File::new();
    let ledger = one_sale(&file).await;
    let whole = of(Owner::AdvertiserId(1), "2025-01-01", "2025-01-01");
    let answer = ledger.balances(ACME, whole).await.unwrap();
    let [balances] = answer.balances.as_slice() else { panic!("{answer:?}") };
    let [today] = balances.days.as_slice() else { panic!("{balances:?}") };
    let expected = pb::Balance {
        limit_nanos: Some(DAILY.0),
        free_nanos: Some(DAILY.0 - 100_000_000),
        leased_nanos: 99_000_000,
        held_nanos: 0,
        spent_nanos: 1_000_000,
    };
    assert_eq!((today.day.as_str(), today.balance), ("2025-01-01", Some(expected)));
    // Nothing limits impressions; they are counted all the same.
    let shown = pb::ImpressionBalance { limit: None, free: None, leased: 0, held: 0, delivered: 1 };
    assert_eq!((today.impressions, balances.lifetime_impressions), (Some(shown), Some(shown)));
    let for_ever = pb::Balance { limit_nanos: None, free_nanos: None, ..expected };
    assert_eq!(balances.lifetime, Some(for_ever));
    let before = of(Owner::AdvertiserId(1), "", "2024-12-31");
    assert_eq!(ledger.balances(OPERATOR, before).await.unwrap().balances[0].days, []);
}

#[tokio::test]
async fn nobody_sees_the_balances_of_others() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    for owner in [Owner::AdvertiserId(9), Owner::CampaignId(2), Owner::LineItemId(77)] {
        let refused = ledger.balances(ACME, of(owner, "", "")).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{owner:?}");
    }
    let role = ledger.balances(BIDDER, of(Owner::AdvertiserId(1), "", "")).await.unwrap_err();
    assert_eq!(role.code(), Code::PermissionDenied);
    let unknown = ledger.balances(OPERATOR, of(Owner::LineItemId(77), "", "")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    assert!(unknown.message().starts_with("line_item_id: "), "{}", unknown.message());
}

#[tokio::test]
async fn a_question_that_cannot_be_answered_names_its_fields() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let fields = async |request| {
        let refused = ledger.balances(OPERATOR, request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        let details = refused.get_details_bad_request().unwrap();
        details.field_violations.iter().map(|one| one.field.clone()).collect::<Vec<_>>()
    };
    assert_eq!(fields(pb::GetBalancesRequest::default()).await, ["owner"]);
    let one = Owner::AdvertiserId(1);
    assert_eq!(fields(of(one, "yesterday", "")).await, ["first_day"]);
    assert_eq!(fields(of(one, "2025-01-02", "2025-01-01")).await, ["last_day"]);
    assert_eq!(fields(of(one, "2024-01-01", "2025-01-01")).await, ["last_day"]);
}
