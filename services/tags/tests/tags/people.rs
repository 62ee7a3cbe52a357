//! A user under several ids: linked ones, those that came with a request, and those of other MAC keys.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tagbid_ports::{LookupRequest, OtherKeys, SuppressionChange, TagAnswer};
use tagbid_runtime::auth::Secret;
use tagbid_tags::store::Stored;
use tagbid_tags::{Options, StoreKind};
use tagbid_tagset::offline::Offline;
use tagbid_tagset::{MacKeys, UserKey};
use tagbid_testkit::wait_until_async;
use tagbid_types::{Clock, Revision};
use tagbid_wire::USER_KEYS;
use tagbid_wire::pb::tags as pb;
use tagbid_wire::pb::tags::ingest_service_client::IngestServiceClient;
use tagbid_wire::tags::to_timestamp;
use tonic::{Code, Request};

use crate::conformance::{DATASET, count_of, event, impression, offline_blob, tags_of, user};
use crate::fixture::{ACME, OPERATOR, PATIENCE, ROLE, Role, ifa, key_of, mac_key, signed_in};

/// Looks a user up who came with other ids.
async fn lookup_with(role: &Role, user: UserKey, others: &[UserKey]) -> TagAnswer {
    let mut other_keys = OtherKeys::NONE;
    assert!(others.iter().all(|key| other_keys.push(*key)));
    let deadline = role.clock.monotonic().after(PATIENCE);
    let request = LookupRequest { others: other_keys, deadline, ..role.request(user) };
    role.service.lookup_source().open().lookup(request).await
}

/// Ids of the offline tags of an answer, and (tag, weight) of the real-time ones.
fn known(answer: &TagAnswer) -> (Vec<u32>, Vec<(u32, u8)>) {
    let read = |blob: &bytes::Bytes| {
        Offline::parse(blob).unwrap().tags().map(|tag| tag.unwrap().id.0).collect::<Vec<_>>()
    };
    let offline = answer.offline.iter().filter_map(|one| one.blob.as_ref()).flat_map(read).collect();
    let realtime = Stored { realtime: answer.realtime.clone(), ..Stored::default() };
    (offline, tags_of(&realtime))
}

fn redis() -> Options {
    let redis_url = Secret::new(tagbid_testkit::redis().url());
    Options { store: StoreKind::Redis, redis_url, ..Options::default() }
}

async fn what_is_known_of_one_id_is_known_of_all(options: Options) {
    let role = Role::start(options).await;
    let writer = role.service.writer();
    writer.put_offline(DATASET, vec![(user(1), offline_blob(1)), (user(2), offline_blob(2))]).await.unwrap();
    writer.merge_realtime(vec![(user(1), event(7, 60, 10)), (user(3), event(7, 10, 20))]).await.unwrap();
    let counter = role.service.counter();
    counter.count(vec![impression(user(1), 1), impression(user(3), 2)]).await.unwrap();
    assert_eq!(known(&role.lookup(user(2)).await), (vec![2], vec![]));

    role.link(&[user(1), user(2), user(3)]).await;
    for n in 1..=3 {
        let answer = role.lookup(user(n)).await;
        assert_eq!(known(&answer), (vec![1, 2], vec![(7, 20)]), "user {n}");
        let counted = Stored { frequency: answer.frequency, ..Stored::default() };
        assert_eq!(count_of(&counted), 2, "user {n}");
    }
    // What comes later under one is known of all at once.
    writer.merge_realtime(vec![(user(2), event(8, 1, 30))]).await.unwrap();
    assert_eq!(known(&role.lookup(user(3)).await).1, [(7, 20), (8, 30)]);

    // One of them is suppressed before the others have heard of it.
    role.suppress(user(3)).await;
    assert!(role.lookup(user(1)).await.suppressed);
}

#[tokio::test]
async fn what_is_known_of_one_id_is_known_of_all_in_memory() {
    what_is_known_of_one_id_is_known_of_all(Options::default()).await;
}

#[tokio::test]
async fn what_is_known_of_one_id_is_known_of_all_in_redis() {
    what_is_known_of_one_id_is_known_of_all(redis()).await;
}

async fn whoever_is_suppressed_under_another_id_of_the_request_is_suppressed(options: Options) {
    let role = Role::start(options).await;
    role.service.writer().put_offline(DATASET, vec![(user(1), offline_blob(1))]).await.unwrap();
    role.suppress(user(9)).await;
    assert!(!lookup_with(&role, user(1), &[user(2), user(3)]).await.suppressed);
    let answer = lookup_with(&role, user(1), &[user(2), user(9)]).await;
    assert!(answer.suppressed && answer.offline.is_empty());
}

#[tokio::test]
async fn whoever_is_suppressed_under_another_id_of_the_request_is_suppressed_in_memory() {
    whoever_is_suppressed_under_another_id_of_the_request_is_suppressed(Options::default()).await;
}

#[tokio::test]
async fn whoever_is_suppressed_under_another_id_of_the_request_is_suppressed_in_redis() {
    whoever_is_suppressed_under_another_id_of_the_request_is_suppressed(redis()).await;
}

#[tokio::test]
async fn a_suppression_under_a_retired_key_holds() {
    let keys = MacKeys { retired: vec![mac_key(1), mac_key(2)], ..MacKeys::only(mac_key(3)) };
    let role = Role::start_with(Options::default(), None, keys).await;
    let mut client = role.client(OPERATOR).await;
    role.suppress(key_of("abc123", &mac_key(1))).await;
    let lookup = pb::LookupRequest { user: Some(ifa("abc123")), ..Default::default() };
    assert!(client.lookup(lookup).await.unwrap().into_inner().suppressed);
    let other = pb::LookupRequest { user: Some(ifa("abc124")), ..Default::default() };
    assert!(!client.lookup(other).await.unwrap().into_inner().suppressed);
}

#[tokio::test]
async fn a_bidder_with_other_keys_is_refused_by_name() {
    let role = Role::start(Options::default()).await;
    let mut client = role.client(ROLE).await;
    let mut open = async |ring: &str| {
        let mut request = Request::new(tokio_stream::empty());
        request.metadata_mut().insert(USER_KEYS, ring.parse().unwrap());
        client.lookup_stream(request).await.map(drop)
    };
    open(&MacKeys::only(mac_key(1)).ring().to_string()).await.unwrap();
    let next = MacKeys { previous: Some(mac_key(1)), ..MacKeys::only(mac_key(1)) };
    open(&next.ring().to_string()).await.unwrap();
    let refused = open(&MacKeys::only(mac_key(2)).ring().to_string()).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("keys.user"), "{}", refused.message());
    assert_eq!(open("nonsense").await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn an_event_with_several_ids_makes_them_one_person() {
    let role = Role::start(Options::default()).await;
    let mut client = IngestServiceClient::new(signed_in(&role.serve().await, ACME).await);
    let event = |id: &str, also: &[&str]| pb::Event {
        event_id: id.into(),
        user: Some(ifa("anna")),
        dataset: 6,
        tag: Some(pb::event::Tag::TagId(6)),
        event_time: Some(to_timestamp(role.clock.now())),
        weight: 200,
        also: also.iter().map(|id| ifa(id)).collect(),
    };
    let mut send = async |events: Vec<pb::Event>| {
        let batches = tokio_stream::once(pb::IngestBatch { sequence: 1, events });
        let mut acks = client.ingest(batches).await.unwrap().into_inner();
        acks.message().await.unwrap().unwrap()
    };
    let ack = send(vec![event("e1", &[]), event("e2", &["bertha", "carla"]), event("e3", &["null"])]).await;
    assert_eq!((ack.accepted, ack.rejects.len()), (2, 1));
    assert_eq!(ack.rejects[0].reason(), pb::RejectReason::Also);
    assert!(ack.rejects[0].description.starts_with("also[0].id"), "{}", ack.rejects[0].description);
    let links = role.catalog.links.lock().unwrap().clone();
    let keys = |ids: &[&str]| ids.iter().map(|id| key_of(id, &mac_key(1))).collect::<Vec<_>>();
    let told: Vec<_> = links.iter().map(|ids| ids.iter().map(|id| id.key).collect::<Vec<_>>()).collect();
    assert_eq!(told, [keys(&["anna", "bertha", "carla"])]);

    // Nobody knows whether the person is suppressed: nothing is kept before somebody does.
    role.catalog.away.store(true, Ordering::Relaxed);
    let ack = send(vec![event("e4", &["dora"])]).await;
    assert_eq!(
        (ack.accepted, ack.rejects[0].reason(), ack.rejects[0].retry),
        (0, pb::RejectReason::PeopleUnavailable, true)
    );
}

async fn keys_left(client: &mut crate::fixture::Client, ids: &[&str]) -> Vec<String> {
    let request = pb::FindKeysRequest { users: ids.iter().map(|id| ifa(id)).collect() };
    let mut found = client.find_keys(request).await.unwrap().into_inner();
    let (mut keys, mut last) = (Vec::new(), false);
    while let Some(some) = found.message().await.unwrap() {
        assert!(!last, "nothing comes after the last");
        (keys, last) = ([keys, some.keys].concat(), some.last);
    }
    assert!(last);
    keys.sort();
    keys
}

async fn an_operator_looks_through_all_keys(options: Options) {
    let keys = MacKeys { previous: Some(mac_key(2)), retired: vec![mac_key(3)], ..MacKeys::only(mac_key(1)) };
    let role = Role::start_with(options, None, keys).await;
    let of = |version| key_of("abc123", &mac_key(version));
    let writer = role.service.writer();
    writer.put_offline(DATASET, vec![(of(1), offline_blob(1)), (of(3), offline_blob(1))]).await.unwrap();
    writer.merge_realtime(vec![(of(2), event(1, 60, 10)), (user(1), event(1, 60, 10))]).await.unwrap();
    let mut client = role.client(OPERATOR).await;
    let mut expected =
        [format!("o:7:1:{{{}}}", of(1)), format!("o:7:1:{{{}}}", of(3)), format!("r:{{{}}}", of(2))];
    expected.sort();
    assert_eq!(keys_left(&mut client, &["abc124", "abc123"]).await, expected);
    for version in 1..=3 {
        role.tell(|revision| SuppressionChange::of(revision, of(version), false));
    }
    wait_until_async("the erasure", PATIENCE, async || {
        keys_left(&mut role.client(OPERATOR).await, &["abc123"]).await.iter().all(|key| key.starts_with("x:"))
    })
    .await;
    let request = pb::FindKeysRequest { users: vec![ifa("abc123")] };
    let refused = role.client(ACME).await.find_keys(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let refused = client.find_keys(pb::FindKeysRequest { users: vec![ifa("null")] }).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn an_operator_looks_through_all_keys_in_memory() {
    an_operator_looks_through_all_keys(Options::default()).await;
}

#[tokio::test]
async fn an_operator_looks_through_all_keys_in_redis() {
    an_operator_looks_through_all_keys(redis()).await;
}

/// All keys of a Redis with what they hold.
fn dump(redis: &mut redis::Connection) -> Vec<(Vec<u8>, Vec<u8>)> {
    let names: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(redis).unwrap();
    let dumped = |name: Vec<u8>| {
        let value = redis::cmd("DUMP").arg(&name).query(redis).unwrap();
        (name, value)
    };
    names.into_iter().map(dumped).collect()
}

#[tokio::test]
async fn a_redis_that_comes_back_from_a_backup_loses_the_erased_again() {
    let database = tagbid_testkit::redis();
    let redis_url = Secret::new(database.url());
    let role = Role::start(Options { store: StoreKind::Redis, redis_url, ..Options::default() }).await;
    let of = |id: &str| key_of(id, &mac_key(1));
    let writer = role.service.writer();
    let users = ["abc123", "abc124"].map(|id| (of(id), offline_blob(1)));
    writer.put_offline(DATASET, users.to_vec()).await.unwrap();
    writer.merge_realtime(vec![(of("abc123"), event(1, 60, 10))]).await.unwrap();
    let mut redis = redis::Client::open(database.url()).unwrap().get_connection().unwrap();
    let backup = dump(&mut redis);

    role.tell(|revision| SuppressionChange::of(revision, of("abc123"), false));
    let mut client = role.client(OPERATOR).await;
    let none_is_left = async |client: &mut crate::fixture::Client| {
        keys_left(client, &["abc123"]).await.iter().all(|key| key.starts_with("x:"))
    };
    wait_until_async("the erasure", PATIENCE, async || none_is_left(&mut client).await).await;

    redis::cmd("FLUSHDB").exec(&mut redis).unwrap();
    for (name, value) in &backup {
        redis::cmd("RESTORE").arg(name).arg(0).arg(value).arg("REPLACE").exec(&mut redis).unwrap();
    }
    // Nothing needs to ask for them: the node sees by itself that the list is behind.
    wait_until_async("the erasure again", PATIENCE, async || none_is_left(&mut client).await).await;
    wait_until_async("the other's profile", PATIENCE, async || {
        known(&role.lookup(of("abc124")).await).0 == [1]
    })
    .await;
    assert!(none_is_left(&mut client).await);
}

/// What a data team and a stream of events say of users, all of this moment, by every way that there is.
async fn said_of(role: &Role, ids: &[&str], load: &str) {
    let address = role.serve().await;
    let mut acme = crate::snapshots::client(role, ACME).await;
    assert_eq!(crate::snapshots::loaded(&mut acme, load, ids, 1).await.snapshots.unwrap().active, 1);
    let now = Some(to_timestamp(role.clock.now()));
    let mut people = role.client(ACME).await;
    let tags = vec![pb::OfflineTag { tag: 2, weight: 5, expires: None }];
    let users = ids.iter().map(|id| pb::OfflineUser { user: Some(ifa(id)), tags: tags.clone() }).collect();
    people.put_offline_tags(pb::PutOfflineTagsRequest { dataset: 2, as_of: now, users }).await.unwrap();
    let tags = vec![pb::RealtimeTag { tag: 2, weight: 5, event_time: now, expires: None }];
    let users = ids.iter().map(|id| pb::RealtimeUser { user: Some(ifa(id)), tags: tags.clone() }).collect();
    people.merge_realtime_tags(pb::MergeRealtimeTagsRequest { users }).await.unwrap();
    let event = |id: &&str| pb::Event {
        event_id: (*id).into(),
        user: Some(ifa(id)),
        dataset: 6,
        tag: Some(pb::event::Tag::TagId(6)),
        event_time: now,
        weight: 200,
        also: Vec::new(),
    };
    let events = ids.iter().map(event).collect();
    let mut stream = IngestServiceClient::new(signed_in(&address, ACME).await);
    let batches = tokio_stream::once(pb::IngestBatch { sequence: 1, events });
    let ack = stream.ingest(batches).await.unwrap().into_inner().message().await.unwrap().unwrap();
    assert_eq!(ack.accepted as usize, ids.len(), "senders hear nothing of it: {ack:?}");
}

async fn what_was_said_under_an_older_key_holds_for_writes_under_a_newer(keys: MacKeys) {
    let role = Role::start_with(redis(), None, keys).await;
    let old = |id: &str| key_of(id, &mac_key(1));
    role.suppress(old("suppressed")).await;
    let at = Revision(role.clock.now().0 as u64 + 1_000_000);
    role.tell(|_| SuppressionChange::of(at, old("erased"), false));
    wait_until_async("the erasure", PATIENCE, async || role.service.list_position() >= at).await;

    said_of(&role, &["suppressed", "erased", "nobody"], "monday").await;
    let mut operator = role.client(OPERATOR).await;
    let mut kept = async |id: &str| {
        let names = keys_left(&mut operator, &[id]).await;
        names.into_iter().filter(|name| !name.starts_with("x:")).collect::<Vec<_>>()
    };
    let new = |id: &str| key_of(id, &mac_key(2));
    assert_eq!(kept("suppressed").await, Vec::<String>::new());
    assert_eq!(kept("erased").await, Vec::<String>::new());
    let of_nobody = [format!("o:2:1:{{{}}}", new("nobody")), format!("r:{{{}}}", new("nobody"))];
    assert_eq!(kept("nobody").await, of_nobody);

    // What happens after the erasure is another thing.
    role.clock.advance(Duration::from_secs(2));
    let tags = vec![pb::RealtimeTag { tag: 2, weight: 5, event_time: None, expires: None }];
    let users =
        ["suppressed", "erased"].map(|id| pb::RealtimeUser { user: Some(ifa(id)), tags: tags.clone() });
    let later = pb::MergeRealtimeTagsRequest { users: users.to_vec() };
    role.client(ACME).await.merge_realtime_tags(later).await.unwrap();
    assert_eq!(kept("suppressed").await, Vec::<String>::new());
    assert_eq!(kept("erased").await, [format!("r:{{{}}}", new("erased"))]);
}

#[tokio::test]
async fn what_was_said_under_the_previous_key_holds_for_writes_under_a_newer() {
    let keys = MacKeys { previous: Some(mac_key(1)), ..MacKeys::only(mac_key(2)) };
    what_was_said_under_an_older_key_holds_for_writes_under_a_newer(keys).await;
}

#[tokio::test]
async fn what_was_said_under_a_retired_key_holds_for_writes_under_a_newer() {
    let keys = MacKeys { retired: vec![mac_key(1)], ..MacKeys::only(mac_key(2)) };
    what_was_said_under_an_older_key_holds_for_writes_under_a_newer(keys).await;
}
