//! The list of people over gRPC: in bulk, with several ids, and with MAC keys that come and go.

use tagbid_campaigns::{KeysError, StartError};
use tagbid_catalog::people::{Id, PeopleChange};
use tagbid_clients::{GrpcCatalog, GrpcPeopleLinks, PeopleStream, RawId};
use tagbid_ports::{CatalogEvent, CatalogFeed, FeedError, LinksError, PeopleLinks};
use tagbid_tagset::{IdKind, MacKeys, UserKey};
use tagbid_wire::campaigns::raw_user;
use tagbid_wire::pb::campaigns as pb;
use tonic::Code;

use crate::harness::{Caller, Database, Stack, mac_key, try_start_with};

fn ifa(id: &str) -> RawId {
    RawId { kind: IdKind::Ifa, source: String::new(), id: id.into() }
}

fn key_of(id: &str, key: &tagbid_tagset::MacKey) -> UserKey {
    let id = tagbid_tagset::UserId { kind: IdKind::Ifa, source: "", id };
    key.user_key(&id.standard().unwrap())
}

async fn check(stack: &Stack, id: &str) -> pb::CheckResponse {
    let request = pb::CheckRequest { user: Some(raw_user(IdKind::Ifa, "", id)) };
    stack.suppression(Caller::Operator).await.check(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_check_of_nobody_names_the_field_of_that_message() {
    let stack = Stack::start(&Database::sqlite()).await;
    let mut client = stack.suppression(Caller::Operator).await;
    for user in [None, Some(raw_user(IdKind::Ifa, "", "null"))] {
        let refused = client.check(pb::CheckRequest { user }).await.unwrap_err();
        let details = tonic_types::StatusExt::get_details_bad_request(&refused).unwrap();
        assert_eq!(details.field_violations[0].field, "user", "{refused}");
    }
}

#[tokio::test]
async fn batches_are_answered_in_order_and_bad_ones_hold_nobody_up() {
    let stack = Stack::start(&Database::sqlite()).await;
    let mut links = PeopleStream::open(&stack.endpoint(Caller::Operator), PeopleChange::Link).await.unwrap();
    links.send(&[vec![ifa("abc1"), ifa("abc2")], vec![ifa("abc3")], vec![ifa("abc3"), ifa("null")]]).await;
    links.send(&[vec![ifa("abc2"), ifa("abc4")]]).await;
    let first = links.answer().await.unwrap();
    assert_eq!(first.changed, 2);
    let of = key_of("abc3", &mac_key(1, 7)).to_string();
    let rejects: Vec<_> = first.rejects.iter().map(|(place, _, key)| (*place, key.clone())).collect();
    assert_eq!(rejects, [(1, of.clone()), (2, of)]);
    assert!(first.rejects[0].1.contains("two different ids"), "{:?}", first.rejects);
    assert!(first.rejects[1].1.starts_with("ids[1]: the id is a placeholder"), "{:?}", first.rejects);
    assert_eq!(links.answer().await.unwrap().changed, 3);

    let erase = async |persons: Vec<Vec<RawId>>| {
        let mut stream =
            PeopleStream::open(&stack.endpoint(Caller::Role), PeopleChange::Erase).await.unwrap();
        stream.send(&persons).await;
        stream.answer().await.unwrap()
    };
    let known = check(&stack, "ABC4").await;
    assert_eq!((known.suppressed, known.ids, known.erased), (false, 3, None));
    assert_eq!(erase(vec![vec![ifa("abc1")]]).await.changed, 3, "all ids of the person");
    let known = check(&stack, "abc4").await;
    assert!(known.ids == 1 && known.erased.is_some(), "{known:?}");
    assert_eq!(check(&stack, "abc5").await, pb::CheckResponse::default());
    stack.stop().await;
}

#[tokio::test]
async fn requests_that_are_none_are_refused_by_field() {
    let stack = Stack::start(&Database::sqlite()).await;
    let person = pb::Person { ids: vec![raw_user(IdKind::Ifa, "", "abc1")] };
    let request = |action: pb::PeopleAction, persons: Vec<pb::Person>| pb::ChangeRequest {
        sequence: 7,
        action: action.into(),
        persons,
    };
    let mut operator = stack.suppression(Caller::Operator).await;
    let none = request(pb::PeopleAction::Suppress, vec![]);
    let unsaid = request(pb::PeopleAction::Unspecified, vec![person.clone()]);
    for (bad, field) in [(none, "persons"), (unsaid, "action")] {
        let refused = operator.change(bad).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(field), "{}", refused.message());
    }
    let many = pb::Person { ids: (0..17).map(|n| raw_user(IdKind::Ifa, "", &format!("abc{n}"))).collect() };
    let good = request(pb::PeopleAction::Suppress, vec![many, person.clone()]);
    let answer = operator.change(good).await.unwrap().into_inner();
    assert_eq!((answer.sequence, answer.changed, answer.rejects.len()), (7, 1, 1));
    assert!(answer.rejects[0].reason.contains("send 1 to 16"), "{:?}", answer.rejects);
    let refused = stack.suppression(Caller::Tenant(1)).await;
    let refused = { refused }.change(request(pb::PeopleAction::Erase, vec![person])).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    stack.stop().await;
}

#[tokio::test]
async fn the_tags_role_links_by_key() {
    let stack = Stack::start(&Database::sqlite()).await;
    let id = |id: &str| Id { key: key_of(id, &mac_key(1, 7)), mac: Some(1) };
    let links = GrpcPeopleLinks::new(stack.endpoint(Caller::Role));
    for _ in 0..2 {
        let told = links.link(vec![vec![id("abc1"), id("abc2")], vec![id("abc3")]]).await.unwrap();
        assert!(told[0].is_none() && told[1].is_some(), "{told:?}");
    }
    assert_eq!(check(&stack, "abc2").await.ids, 2);
    let refused = GrpcPeopleLinks::new(stack.endpoint(Caller::Tenant(1))).link(vec![vec![id("abc1")]]).await;
    assert!(matches!(refused, Err(LinksError::Refused(_))), "{refused:?}");
    stack.stop().await;
}

#[tokio::test]
async fn no_key_that_suppressions_rest_on_can_be_taken_away() {
    let database = Database::sqlite();
    let stack = Stack::start(&database).await;
    let mut operator = stack.suppression(Caller::Operator).await;
    let users = vec![raw_user(IdKind::Ifa, "", "abc1")];
    operator.suppress(pb::SuppressRequest { users: users.clone() }).await.unwrap();
    stack.stop().await;

    let (old, new, other) = (mac_key(1, 7), mac_key(2, 8), mac_key(1, 9));
    let refused = try_start_with(&database.url, MacKeys::only(new.clone())).await.err().unwrap();
    assert!(matches!(refused, StartError::Keys(KeysError::Missing { version: 1, users: 1 })), "{refused}");
    assert!(refused.to_string().contains("keys.user_retired"), "{refused}");
    let refused = try_start_with(&database.url, MacKeys::only(other)).await.err().unwrap();
    assert!(matches!(refused, StartError::Keys(KeysError::Secret(1))), "{refused}");

    // With the old key retired all is known as before; when nobody rests on it any more, it may go.
    let retired = MacKeys { retired: vec![old], ..MacKeys::only(new.clone()) };
    let stack = Stack::start_with_keys(&database, retired).await;
    assert!(check(&stack, "abc1").await.suppressed);
    let mut operator = stack.suppression(Caller::Operator).await;
    operator.lift(pb::LiftRequest { users }).await.unwrap();
    assert!(!check(&stack, "abc1").await.suppressed);
    stack.stop().await;
    try_start_with(&database.url, MacKeys::only(new)).await.unwrap();
}

#[tokio::test]
async fn a_role_with_other_keys_gets_no_stream() {
    let stack = Stack::start(&Database::sqlite()).await;
    let with = |keys: MacKeys| GrpcCatalog::new(stack.endpoint(Caller::Role).with_user_keys(keys.ring()));
    let first = async |feed: GrpcCatalog| {
        let mut events = feed.subscribe(tagbid_catalog::Place::default());
        futures_util::StreamExt::next(&mut events).await.unwrap()
    };
    let next = MacKeys { previous: Some(mac_key(2, 8)), ..MacKeys::only(mac_key(1, 7)) };
    assert!(matches!(first(with(next)).await, Ok(CatalogEvent::Snapshot(_))));
    let Err(FeedError::Broken(problem)) = first(with(MacKeys::only(mac_key(2, 8)))).await else {
        panic!("not refused");
    };
    assert!(problem.contains("keys.user_previous"), "{problem}");
    stack.stop().await;
}
