//! Loads that are resumed, begun anew and ended by several streams.

use tagbid_tags::Options;
use tagbid_wire::pb::tags as pb;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::fixture::{ACME, PATIENCE, Role};
use crate::snapshots::{Client, Load, OWN, begin, client, found, users};

async fn refused(client: &mut Client, load: &str, from: pb::LoadProgress) -> Status {
    Load::open(client).await.step(begin(load, Some(from))).await.unwrap_err()
}

async fn versions(client: &mut Client) -> usize {
    let list = pb::ListSnapshotsRequest { dataset: OWN };
    client.list_snapshots(list).await.unwrap().into_inner().snapshots.len()
}

fn is_lost(status: &Status) -> bool {
    let details = status.get_details_precondition_failure();
    details.is_some_and(|details| {
        details.violations.iter().any(|one| one.r#type == "VERSION_LOST" && one.subject == "begin.from")
    })
}

#[tokio::test]
async fn what_is_not_there_is_not_gone_on_with_and_not_made_for_that() {
    let role = Role::start(Options::default()).await;
    let mut acme = client(&role, ACME).await;
    let from = |version, position| pb::LoadProgress { version, position, ..Default::default() };
    let never = refused(&mut acme, "monday", from(1, 5)).await;
    assert!(is_lost(&never) && never.message().contains("begin it anew"), "{never:?}");
    assert_eq!(versions(&mut acme).await, 0, "it made a version");
    let unnamed = refused(&mut acme, "monday", from(0, 5)).await;
    assert_eq!(unnamed.get_details_bad_request().unwrap().field_violations[0].field, "begin.from.version");

    // Dropped, and begun again by somebody else: what the first had loaded is not in that.
    let mut first = Load::open(&mut acme).await;
    first.progress(begin("monday", None)).await;
    let told = first.progress(users(&["a1"], 1)).await;
    drop(first);
    acme.drop_snapshot(pb::DropSnapshotRequest { dataset: OWN, version: 1 }).await.unwrap();
    let mut second = Load::open(&mut acme).await;
    second.progress(begin("monday", None)).await;
    second.progress(users(&["a2", "a3"], 1)).await;
    let gone = refused(&mut acme, "monday", told).await;
    assert!(is_lost(&gone), "{gone:?}");
    assert!(is_lost(&refused(&mut acme, "tuesday", from(2, 1)).await), "it is of another load");
    second.finish(2, true).await.unwrap();
}

#[tokio::test]
async fn a_load_that_has_ended_is_ended_again_alike_and_takes_nobody_more() {
    let role = Role::start(Options::default()).await;
    let mut acme = client(&role, ACME).await;
    let mut load = Load::open(&mut acme).await;
    load.progress(begin("monday", None)).await;
    let told = load.progress(users(&["a1", "a2"], 1)).await;
    let mut beside = Load::open(&mut acme).await;
    beside.progress(begin("monday", Some(told.clone()))).await;
    let ended = load.finish(2, true).await.unwrap();
    let loaded = async |load: &mut Load| {
        let late = load.step(users(&["a3"], 1)).await.unwrap_err();
        assert!(late.message().contains("version 1 is loaded already"), "{late:?}");
    };
    loaded(&mut beside).await;

    // Whoever did not hear of it asks again.
    let mut again = Load::open(&mut acme).await;
    assert_eq!(again.progress(begin("monday", Some(told.clone()))).await.position, 2);
    assert_eq!(again.finish(2, true).await.unwrap(), ended);
    let mut more = Load::open(&mut acme).await;
    more.progress(begin("monday", Some(told))).await;
    loaded(&mut more).await;
    assert_eq!((found(&role, "a2").await, found(&role, "a3").await), (vec![(1, 1)], vec![]));
}

#[tokio::test]
async fn a_position_beyond_all_numbers_is_no_way_out() {
    let role = Role::start(Options::default()).await;
    let mut acme = client(&role, ACME).await;
    let mut load = Load::open(&mut acme).await;
    let begun = load.progress(begin("monday", None)).await;
    drop(load);
    let mut load = Load::open(&mut acme).await;
    let from = pb::LoadProgress { position: u64::MAX, ..begun };
    load.progress(begin("monday", Some(from))).await;
    assert_eq!(load.progress(users(&["a1", "a2"], 1)).await.position, u64::MAX);
    let refused = load.finish(2, true).await.unwrap_err();
    assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, "finish.users");
}

#[tokio::test]
async fn a_node_takes_so_many_loads_and_the_next_when_one_has_ended() {
    let role = Role::start(Options::default()).await;
    let mut acme = client(&role, ACME).await;
    let mut loads = Vec::new();
    for _ in 0..16 {
        loads.push(Load::open(&mut acme).await);
    }
    let one_more = async |client: &mut Client| {
        let (steps, received) = tokio::sync::mpsc::channel(1);
        let opened = client.load_snapshot(tokio_stream::wrappers::ReceiverStream::new(received)).await;
        opened.map(|answers| Load { steps, answers: answers.into_inner() })
    };
    let refused = one_more(&mut acme).await.map(drop).unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    assert!(refused.message().contains("when one of them has ended"), "{refused:?}");
    loads.clear();
    tagbid_testkit::wait_until_async("room for another", PATIENCE, async || {
        one_more(&mut acme.clone()).await.is_ok()
    })
    .await;
}
