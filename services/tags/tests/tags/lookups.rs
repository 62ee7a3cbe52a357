//! What a lookup says of each dataset, and who may ask for which.

use bytes::Bytes;
use tagbid_ports::{Datasets, LookupRequest, SourceStatus, TagAnswer, UserKeys};
use tagbid_runtime::auth::Secret;
use tagbid_tags::{Options, StoreKind};
use tagbid_tagset::UserKey;
use tagbid_types::DatasetId;
use tagbid_wire::pb::tags as pb;

use crate::conformance::{offline_blob, user};
use crate::fixture::{OPERATOR, Role, blobs, ifa};

const BOTH: [DatasetId; 2] = [DatasetId(7), DatasetId(9)];

/// A role over Redis in which the user has one tag in each of two datasets.
async fn given_two_datasets(user: UserKey) -> (Role, tagbid_testkit::RedisDb) {
    let redis = tagbid_testkit::redis();
    let redis_url = Secret::new(redis.url());
    let role = Role::start(Options { store: StoreKind::Redis, redis_url, ..Options::default() }).await;
    for dataset in BOTH {
        role.service.writer().put_offline(dataset, vec![(user, offline_blob(dataset.0))]).await.unwrap();
    }
    (role, redis)
}

async fn ask(role: &Role, user: UserKey, datasets: Datasets) -> TagAnswer {
    let request = LookupRequest { datasets, ..role.request(user) };
    role.service.lookup_source().open().lookup(request).await
}

fn told(answer: &TagAnswer) -> Vec<(u32, u32, SourceStatus, Option<Bytes>)> {
    let told = answer.offline.iter();
    told.map(|one| (one.dataset.0, one.version, one.status, one.blob.clone())).collect()
}

#[tokio::test]
async fn a_dataset_that_the_store_lost_hides_no_other() {
    let (role, redis) = given_two_datasets(user(1)).await;
    let answer = ask(&role, user(1), Datasets::ALL).await;
    let of = |dataset| (dataset, 1, SourceStatus::Known, Some(offline_blob(dataset)));
    assert_eq!(told(&answer), [of(7), of(9)]);

    // As after a failover that lost the mark of one version.
    let mut connection = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    redis::cmd("SET").arg("versions").arg(";9:1:w:1").exec(&mut connection).unwrap();
    for n in [1, 2] {
        let answer = ask(&role, user(n), Datasets::ALL).await;
        let nine = (9, 1, SourceStatus::Known, (n == 1).then(|| offline_blob(9)));
        assert_eq!(answer.offline_status, SourceStatus::Known, "it is known which datasets there are");
        assert_eq!(told(&answer), [(7, 1, SourceStatus::Failed, None), nine], "user {n}");
    }
    let mut operator = role.client(OPERATOR).await;
    let people = operator.lookup(pb::LookupRequest { user: Some(ifa("a1")), datasets: vec![] });
    let read: Vec<_> = people.await.unwrap().into_inner().datasets;
    assert_eq!(read.iter().map(|one| (one.dataset, one.lost)).collect::<Vec<_>>(), [(7, true), (9, false)]);
}

#[tokio::test]
async fn only_the_datasets_that_were_asked_for_are_read() {
    let (role, redis) = given_two_datasets(user(1)).await;
    let nine: Datasets = [DatasetId(9), DatasetId(1_000)].into_iter().collect();
    assert_eq!(blobs(&ask(&role, user(1), nine).await), [offline_blob(9)]);
    let none = ask(&role, user(1), Datasets::NONE).await;
    assert_eq!((none.offline_status, none.offline.len()), (SourceStatus::Known, 0));

    // What is wrong with one dataset's value harms no other, and nobody who does not ask for it.
    let mut connection = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    let bad = vec![b'x'; 10_000];
    redis::cmd("SET").arg(format!("o:7:1:{{{}}}", user(1))).arg(bad).exec(&mut connection).unwrap();
    let both = told(&ask(&role, user(1), Datasets::ALL).await);
    let seven = (7, 1, SourceStatus::Failed, None);
    assert_eq!(both, [seven, (9, 1, SourceStatus::Known, Some(offline_blob(9)))]);
    assert_eq!(told(&ask(&role, user(1), nine).await), both[1..]);
}

#[tokio::test]
async fn people_name_the_datasets_that_they_want() {
    let (role, _redis) = given_two_datasets(user(1)).await;
    let mut operator = role.client(OPERATOR).await;
    let mut ask = async |datasets: Vec<u32>| {
        let answer = operator.lookup(pb::LookupRequest { user: Some(ifa("a1")), datasets }).await;
        answer.map(|answer| answer.into_inner().datasets.iter().map(|one| one.dataset).collect::<Vec<_>>())
    };
    assert_eq!(ask(vec![]).await.unwrap(), [7, 9]);
    assert_eq!(ask(vec![9, 4]).await.unwrap(), [9]);
    let refused = ask((0..17).collect()).await.unwrap_err();
    assert!(refused.message().contains("name at most 16"), "{refused}");
}

#[tokio::test]
async fn beyond_the_bound_users_are_late_at_once() {
    let role = Role::start(Options { lookup_concurrency: 64, ..Options::default() }).await;
    let mut client = role.client(crate::fixture::ROLE).await;
    let users: Vec<_> = (0..64).map(|n| UserKeys::only(user(n))).collect();
    let frame = tagbid_wire::tags::frame(1, &users, 1_000_000, (false, Datasets::ALL));
    let answer = client.batch_lookup(frame).await.unwrap().into_inner();
    assert_eq!(answer.answers.len(), 64);
    let known = |one: &pb::UserAnswer| one.realtime_status() == pb::Status::Known;
    assert!(answer.answers.iter().all(known), "as many as are allowed");
    let refused = Options { lookup_concurrency: 63, ..Options::default() }.check();
    assert!(refused.unwrap_err().contains("tags.lookup_concurrency"));
}
