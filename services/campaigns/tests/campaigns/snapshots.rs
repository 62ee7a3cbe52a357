//! Versions of datasets, as the tags role keeps them here.

use tagbid_wire::pb::campaigns as pb;
use tagbid_wire::pb::campaigns::change_snapshots_request::Change;
use tagbid_wire::pb::campaigns::snapshot_book_service_client::SnapshotBookServiceClient;
use tonic::{Code, Status};

use crate::harness::{Caller, Connection, Database, Stack, two_tenants};
use crate::kinds::Kind;

type Book = SnapshotBookServiceClient<Connection>;

async fn book(stack: &Stack, who: Caller) -> Book {
    SnapshotBookServiceClient::new(stack.channel(who).await)
}

async fn step(book: &mut Book, dataset_id: u32, change: Change) -> Result<pb::Snapshots, Status> {
    let request = pb::ChangeSnapshotsRequest { dataset_id, by: "data team".into(), change: Some(change) };
    let answer = book.change_snapshots(request).await?.into_inner();
    Ok(answer.dataset.unwrap().snapshots.unwrap())
}

fn begin(load: &str, epoch: &str) -> Change {
    let as_of = Some(prost_types::Timestamp { seconds: 1_735_689_600, nanos: 0 });
    Change::Begin(pb::BeginSnapshot { load: load.into(), as_of, registry_epoch: epoch.into() })
}

fn loaded(version: u32) -> Change {
    Change::Loaded(pb::SnapshotLoaded { version, users: 5 })
}

/// A dataset of the first tenant, and the epoch of the registry.
async fn dataset(stack: &Stack, name: &str) -> (pb::Dataset, String) {
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let set = pb::Dataset { name: name.into(), ..Default::default() }.create(&mut acme, "").await.unwrap();
    let channel = stack.channel(Caller::Role).await;
    let mut names = pb::tag_registry_service_client::TagRegistryServiceClient::new(channel);
    let question = pb::ResolveNamesRequest { dataset_id: set.id, names: vec!["x".into()], register: false };
    let epoch = names.resolve_names(question).await.unwrap().into_inner().registry_epoch;
    (set, epoch)
}

#[tokio::test]
async fn versions_survive_a_restart_and_their_owners_updates() {
    for database in [Database::sqlite(), Database::postgres()] {
        let stack = Stack::start(&database).await;
        two_tenants(&stack).await;
        let (set, epoch) = dataset(&stack, "CRM").await;
        let mut role = book(&stack, Caller::Role).await;
        for version in 1..=2 {
            let begun = step(&mut role, set.id, begin(&format!("day {version}"), &epoch)).await.unwrap();
            assert_eq!(begun.last, version);
            step(&mut role, set.id, loaded(version)).await.unwrap();
            step(&mut role, set.id, Change::Activate(version)).await.unwrap();
        }
        let told = step(&mut role, set.id, Change::Activate(2)).await.unwrap();
        assert_eq!((told.active, told.previous, told.versions[1].users), (2, 1, 5));

        let mut acme = stack.api(Caller::Tenant(1)).await;
        let renamed = pb::Dataset { name: "Customers".into(), ..set.clone() };
        let renamed = renamed.update(&mut acme, &[], "").await.unwrap();
        assert_eq!(renamed.snapshots.as_ref(), Some(&told), "an update leaves them as they are");
        stack.stop().await;

        let stack = Stack::start(&database).await;
        let mut role = book(&stack, Caller::Role).await;
        assert_eq!(step(&mut role, set.id, Change::RollBack(2)).await.unwrap().active, 1);
        stack.stop().await;
    }
}

#[tokio::test]
async fn a_snapshot_of_another_registry_and_a_ninth_dataset_are_refused() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let mut role = book(&stack, Caller::Role).await;
    let (set, _) = dataset(&stack, "CRM").await;
    let other = step(&mut role, set.id, begin("x", "00000000000000ff.0.0")).await.unwrap_err();
    assert_eq!(other.code(), Code::FailedPrecondition);
    assert!(other.message().contains("another catalog database"), "{other}");

    for n in 1..=9 {
        let (set, epoch) = dataset(&stack, &format!("set {n}")).await;
        step(&mut role, set.id, begin("x", &epoch)).await.unwrap();
        step(&mut role, set.id, loaded(1)).await.unwrap();
        let activated = step(&mut role, set.id, Change::Activate(1)).await;
        assert_eq!(activated.is_ok(), n < 9, "{activated:?}");
    }
    stack.stop().await;
}

#[tokio::test]
async fn only_roles_and_the_operator_make_steps() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let (set, epoch) = dataset(&stack, "CRM").await;
    let mut acme = book(&stack, Caller::Tenant(1)).await;
    let refused = step(&mut acme, set.id, begin("x", &epoch)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let mut role = book(&stack, Caller::Role).await;
    let none = pb::ChangeSnapshotsRequest { dataset_id: set.id, ..Default::default() };
    assert_eq!(role.change_snapshots(none).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(step(&mut role, 99, Change::Activate(1)).await.unwrap_err().code(), Code::NotFound);
    stack.stop().await;
}
