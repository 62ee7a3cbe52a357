//! What data teams and people see over gRPC.

use std::time::Duration;

use tagbid_tags::Options;
use tagbid_types::{Clock, DatasetId};
use tagbid_wire::pb::tags as pb;
use tagbid_wire::tags::to_timestamp;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::conformance::{offline_blob, user};
use crate::fixture::{ACME, Client, OPERATOR, ROLE, Role, ifa, key_of, mac_key};

const DAY: Duration = Duration::from_secs(86_400);

fn fields(status: &Status) -> Vec<String> {
    let details = status.get_details_bad_request().unwrap();
    details.field_violations.into_iter().map(|one| one.field).collect()
}

fn offline_tag(tag: u32, weight: u32) -> pb::OfflineTag {
    pb::OfflineTag { tag, weight, expires: None }
}

fn put(role: &Role, dataset: u32, users: Vec<(&str, Vec<pb::OfflineTag>)>) -> pb::PutOfflineTagsRequest {
    let users = users.into_iter().map(|(id, tags)| pb::OfflineUser { user: Some(ifa(id)), tags });
    pb::PutOfflineTagsRequest { dataset, as_of: Some(to_timestamp(role.clock.now())), users: users.collect() }
}

fn event(tag: u32, weight: u32) -> pb::RealtimeTag {
    pb::RealtimeTag { tag, weight, event_time: None, expires: None }
}

fn merge(id: &str, tags: Vec<pb::RealtimeTag>) -> pb::MergeRealtimeTagsRequest {
    let user = pb::RealtimeUser { user: Some(ifa(id)), tags };
    pb::MergeRealtimeTagsRequest { users: vec![user] }
}

async fn look(client: &mut Client, id: &str) -> pb::LookupResponse {
    let request = pb::LookupRequest { user: Some(ifa(id)), datasets: vec![] };
    client.lookup(request).await.unwrap().into_inner()
}

/// (name, source, weight, age) of each tag.
fn words(found: &pb::LookupResponse) -> Vec<(&str, &str, u32, u32)> {
    found.tags.iter().map(|tag| (&*tag.name, &*tag.source, tag.weight, tag.age_s)).collect()
}

#[tokio::test]
async fn a_data_team_publishes_tags_and_reads_them_back_in_words() {
    let role = Role::start(Options::default()).await;
    let mut acme = role.client(ACME).await;
    let request = put(&role, 2, vec![("ABC-123", vec![offline_tag(1, 10), offline_tag(2, 255)])]);
    let written = acme.put_offline_tags(request).await.unwrap().into_inner();
    assert_eq!((written.version, written.stored, written.rejects), (1, 1, vec![]));
    acme.merge_realtime_tags(merge("abc-123", vec![event(2, 200)])).await.unwrap();

    // Ten minutes later: one half-life of the event's tag.
    role.clock.advance(Duration::from_secs(600));
    let found = look(&mut acme, "abc-123").await;
    assert_eq!(
        words(&found),
        [
            ("tag-2", "realtime", 100, 600),
            ("tag-1", "offline: set-2", 10, 600),
            ("tag-2", "offline: set-2", 255, 600)
        ]
    );
    assert_eq!(found.key.len(), 22);

    // After the default lifetime of an hour nothing is left.
    role.clock.advance(Duration::from_secs(3_000));
    assert_eq!(words(&look(&mut acme, "abc-123").await), []);
}

#[tokio::test]
async fn users_that_cannot_be_stored_are_reported_and_the_others_stored() {
    let role = Role::start(Options::default()).await;
    let mut operator = role.client(OPERATOR).await;
    let users = vec![
        ("good", vec![offline_tag(1, 1)]),
        ("00000000-0000-0000-0000-000000000000", vec![offline_tag(1, 1)]),
        ("u2", vec![offline_tag(1, 1), offline_tag(99, 1)]),
        ("u3", vec![offline_tag(1, 256)]),
        ("u4", vec![offline_tag(1, 1), offline_tag(1, 2)]),
        ("GOOD", vec![offline_tag(1, 7)]),
        ("beef", vec![offline_tag(1, 7)]),
        ("BEEF", vec![offline_tag(1, 8)]),
    ];
    let request = put(&role, 1, users);
    let written = operator.put_offline_tags(request).await.unwrap().into_inner();
    assert_eq!(written.stored, 3, "case counts in opaque ids, so good and GOOD are two people");
    let rejects: Vec<_> = written.rejects.iter().map(|one| (one.user, &*one.field)).collect();
    assert_eq!(
        rejects,
        [
            (1, "users[1].user.id"),
            (2, "users[2].tags[1].tag"),
            (3, "users[3].tags[0].weight"),
            (4, "users[4].tags"),
            (7, "users[7].user"),
        ]
    );
    assert_eq!(words(&look(&mut operator, "good").await).len(), 1);
}

#[tokio::test]
async fn a_write_without_a_single_good_user_fails_and_names_every_field() {
    let role = Role::start(Options::default()).await;
    let mut operator = role.client(OPERATOR).await;
    let request = put(&role, 1, vec![("null", vec![]), ("x", vec![offline_tag(99, 1)])]);
    let status = operator.put_offline_tags(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(fields(&status), ["users[0].user.id", "users[1].tags[0].tag"]);
    assert!(status.message().contains("placeholder"), "{}", status.message());
}

#[tokio::test]
async fn requests_that_cannot_be_meant_are_refused_by_field() {
    let role = Role::start(Options::default()).await;
    let mut operator = role.client(OPERATOR).await;
    let good = put(&role, 1, vec![("x", vec![offline_tag(1, 1)])]);
    let after = |span| Some(to_timestamp(role.clock.now().after(span)));
    let bad = [
        ("dataset", pb::PutOfflineTagsRequest { dataset: 99, ..good.clone() }),
        ("dataset", pb::PutOfflineTagsRequest { dataset: 4, ..good.clone() }),
        ("as_of", pb::PutOfflineTagsRequest { as_of: None, ..good.clone() }),
        ("as_of", pb::PutOfflineTagsRequest { as_of: after(DAY), ..good.clone() }),
        ("users", pb::PutOfflineTagsRequest { users: vec![], ..good.clone() }),
        ("users", pb::PutOfflineTagsRequest { users: vec![good.users[0].clone(); 1_001], ..good.clone() }),
    ];
    for (field, request) in bad {
        let status = operator.put_offline_tags(request).await.unwrap_err();
        assert_eq!(fields(&status), [field], "{status:?}");
    }

    let future = pb::RealtimeTag { event_time: after(DAY), ..event(1, 1) };
    let status = operator.merge_realtime_tags(merge("x", vec![future])).await.unwrap_err();
    assert_eq!(fields(&status), ["users[0].tags[0].event_time"]);
    let ends_before_it_begins = pb::RealtimeTag { expires: after(Duration::ZERO), ..event(1, 1) };
    let status = operator.merge_realtime_tags(merge("x", vec![ends_before_it_begins])).await.unwrap_err();
    assert_eq!(fields(&status), ["users[0].tags[0].expires"]);
    let status = operator.merge_realtime_tags(merge("x", vec![])).await.unwrap_err();
    assert_eq!(fields(&status), ["users[0].tags"]);

    let kindless = Some(pb::UserId { id: "x".into(), ..pb::UserId::default() });
    let kindless = pb::LookupRequest { user: kindless, datasets: vec![] };
    assert_eq!(fields(&operator.lookup(kindless).await.unwrap_err()), ["user.kind"]);
    assert_eq!(fields(&operator.lookup(pb::LookupRequest::default()).await.unwrap_err()), ["user"]);
}

#[tokio::test]
async fn ids_that_stand_for_nobody_are_refused_by_field_with_what_to_do() {
    let role = Role::start(Options::default()).await;
    let mut operator = role.client(OPERATOR).await;
    let ifa = |id: &str| (pb::IdKind::Ifa as i32, "", id.to_owned());
    let eid = |source| (pb::IdKind::Eid as i32, source, "x1".to_owned());
    let long = "x".repeat(254);
    let bad = [
        (ifa(""), "user.id", "leave the user out"),
        (ifa("0"), "user.id", "leave the user out"),
        (ifa("00000000-0000-0000-0000-000000000000"), "user.id", "leave the user out"),
        (ifa(&"x".repeat(2_000)), "user.id", "at most 1024"),
        (ifa("a\0b"), "user.id", "control characters"),
        (eid(""), "user.source", "give the identity provider's domain"),
        (eid(&long), "user.source", "over 253 bytes"),
        ((pb::IdKind::Ifa as i32, "x", "x1".to_owned()), "user.source", "leave it empty"),
        ((0, "", "x1".to_owned()), "user.kind", "missing: use BUYERUID"),
        ((9, "", "x1".to_owned()), "user.kind", "9 is unknown: use BUYERUID"),
    ];
    for ((kind, source, id), field, remedy) in bad {
        let user = Some(pb::UserId { kind, source: source.into(), id });
        let status = operator.lookup(pb::LookupRequest { user, datasets: vec![] }).await.unwrap_err();
        assert_eq!((status.code(), fields(&status)), (Code::InvalidArgument, vec![field.to_owned()]));
        assert!(status.message().contains(remedy), "{}", status.message());
    }
}

#[tokio::test]
async fn a_ninth_dataset_is_no_passing_failure() {
    let role = Role::start(Options::default()).await;
    let writer = role.service.writer();
    for dataset in 11..19 {
        writer.put_offline(DatasetId(dataset), vec![(user(1), offline_blob(1))]).await.unwrap();
    }
    let mut operator = role.client(OPERATOR).await;
    let ninth = operator.put_offline_tags(put(&role, 1, vec![("x1", vec![offline_tag(1, 1)])])).await;
    let status = ninth.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "sending it again does not help");
    let violations = status.get_details_precondition_failure().unwrap().violations;
    assert_eq!(violations[0].subject, "dataset");
    assert!(status.message().contains("8 datasets are active"), "{}", status.message());
}

#[tokio::test]
async fn times_that_no_clock_shows_are_refused_by_field() {
    let role = Role::start(Options::default()).await;
    let mut operator = role.client(OPERATOR).await;
    let good = put(&role, 1, vec![("x1", vec![offline_tag(1, 1)])]);
    for (seconds, nanos) in [(-5, 0), (i64::MAX, 0), (i64::MIN, 0), (1, -5), (1, 2_000_000_000)] {
        let at = Some(prost_types::Timestamp { seconds, nanos });
        let request = pb::PutOfflineTagsRequest { as_of: at, ..good.clone() };
        assert_eq!(fields(&operator.put_offline_tags(request).await.unwrap_err()), ["as_of"]);
        let tag = pb::RealtimeTag { event_time: at, ..event(1, 1) };
        let status = operator.merge_realtime_tags(merge("x1", vec![tag])).await.unwrap_err();
        assert_eq!(fields(&status), ["users[0].tags[0].event_time"]);
        let tag = pb::RealtimeTag { expires: at, ..event(1, 1) };
        let status = operator.merge_realtime_tags(merge("x1", vec![tag])).await.unwrap_err();
        assert_eq!(fields(&status), ["users[0].tags[0].expires"]);
    }
}

#[tokio::test]
async fn a_granted_dataset_is_seen_and_not_written_and_its_rules_hold() {
    let role = Role::start(Options::default()).await;
    let (mut operator, mut acme) = (role.client(OPERATOR).await, role.client(ACME).await);
    let request = put(&role, 5, vec![("x1", vec![offline_tag(5, 9)])]);
    assert_eq!(fields(&acme.put_offline_tags(request.clone()).await.unwrap_err()), ["dataset"]);
    operator.put_offline_tags(request).await.unwrap();
    let own = put(&role, 2, vec![("x1", vec![offline_tag(5, 9)])]);
    let status = acme.put_offline_tags(own).await.unwrap_err();
    assert_eq!(fields(&status), ["users[0].tags[0].tag"], "seeing is not writing");
    operator.merge_realtime_tags(merge("x1", vec![event(5, 200)])).await.unwrap();
    role.clock.advance(Duration::from_secs(60));
    let seen = look(&mut acme, "x1").await;
    assert_eq!(words(&seen), [("tag-5", "realtime", 100, 60), ("tag-5", "offline: set-5", 9, 60)]);
    role.clock.advance(Duration::from_secs(60));
    assert_eq!(words(&look(&mut acme, "x1").await), [], "gone with the dataset's lifetime");

    let realtime = put(&role, 6, vec![("x1", vec![offline_tag(1, 1)])]);
    assert_eq!(fields(&acme.put_offline_tags(realtime).await.unwrap_err()), ["dataset"]);
}

#[tokio::test]
async fn an_advertiser_neither_writes_nor_sees_what_is_anothers() {
    let role = Role::start(Options::default()).await;
    let (mut operator, mut acme) = (role.client(OPERATOR).await, role.client(ACME).await);
    for dataset in [1, 3] {
        // Shared and another's: unknown, as far as acme can tell.
        let request = put(&role, dataset, vec![("x1", vec![offline_tag(1, 1)])]);
        let status = acme.put_offline_tags(request.clone()).await.unwrap_err();
        assert_eq!(fields(&status), ["dataset"]);
        operator.put_offline_tags(request).await.unwrap();
    }
    for tag in [1, 3] {
        let status = acme.merge_realtime_tags(merge("x1", vec![event(tag, 1)])).await.unwrap_err();
        assert_eq!(fields(&status), ["users[0].tags[0].tag"]);
        operator.merge_realtime_tags(merge("x1", vec![event(tag, 1)])).await.unwrap();
    }
    acme.put_offline_tags(put(&role, 2, vec![("x1", vec![offline_tag(3, 1)])])).await.unwrap_err();
    acme.merge_realtime_tags(merge("x1", vec![event(2, 1)])).await.unwrap();

    let seen = look(&mut acme, "x1").await;
    let seen: Vec<_> = words(&seen).into_iter().map(|(name, source, _, _)| (name, source)).collect();
    assert_eq!(seen, [("tag-1", "realtime"), ("tag-2", "realtime"), ("tag-1", "offline: set-1")]);
    assert_eq!(look(&mut operator, "x1").await.tags.len(), 5);
}

#[tokio::test]
async fn each_method_wants_its_credential() {
    let role = Role::start(Options::default()).await;
    let (mut acme, mut bidder) = (role.client(ACME).await, role.client(ROLE).await);
    let mut stranger = role.client("nobody-knows-this-token").await;
    let denied = [
        acme.batch_lookup(pb::LookupFrame::default()).await.unwrap_err(),
        acme.lookup_stream(tokio_stream::empty()).await.unwrap_err(),
        bidder.lookup(pb::LookupRequest { user: Some(ifa("x")), datasets: vec![] }).await.unwrap_err(),
        bidder.put_offline_tags(put(&role, 1, vec![])).await.unwrap_err(),
        bidder.merge_realtime_tags(merge("x", vec![event(1, 1)])).await.unwrap_err(),
    ];
    for status in denied {
        assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    }
    let status = stranger.batch_lookup(pb::LookupFrame::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_suppressed_user_shows_as_such_and_nothing_else() {
    let role = Role::start(Options::default()).await;
    let mut operator = role.client(OPERATOR).await;
    operator.merge_realtime_tags(merge("x1", vec![event(1, 1)])).await.unwrap();
    let key = key_of("x1", &mac_key(1));
    role.suppress(key).await;
    let found = look(&mut operator, "x1").await;
    assert!(found.suppressed && found.tags.is_empty() && found.counts.is_empty());
    assert_eq!(found.key, key.to_string());
}
