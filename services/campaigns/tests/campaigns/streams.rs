//! The catalog and the suppression list on their way to other roles.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tagbid_catalog::Place;
use tagbid_clients::{CatalogFollower, CatalogState, FollowOptions};
use tagbid_ports::{
    CatalogEvent, CatalogFeed, FeedError, SuppressionChange, SuppressionEvent, SuppressionFeed,
};
use tagbid_runtime::{Drain, SystemClock, Tasks};
use tagbid_tagset::UserKey;
use tagbid_testkit::{wait_for_async, wait_until_async};
use tagbid_types::{CatalogLife, Clock, Revision, Timestamp};
use tagbid_wire::pb::campaigns as pb;
use tonic::Code;

use crate::harness::{Caller, Database, PATIENCE, Stack, campaign, fields, two_tenants};
use crate::kinds::Kind;

async fn next<T>(stream: &mut (impl futures_util::Stream<Item = T> + Unpin)) -> T {
    let next = tokio::time::timeout(PATIENCE, stream.next()).await;
    next.expect("the stream is silent").expect("the stream ended")
}

#[tokio::test]
async fn a_reader_gets_a_snapshot_then_changes_then_word_that_it_is_up_to_date() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let feed = stack.catalog(Caller::Role);
    let mut events = feed.subscribe(Place::default());
    let first = next(&mut events).await.unwrap();
    assert!(matches!(first, CatalogEvent::Snapshot(_)));
    let mut state = CatalogState::default();
    state.apply(first, Timestamp(0)).unwrap();
    while state.up_to_date().is_none() || state.revision() != Revision(2) {
        state.apply(next(&mut events).await.unwrap(), Timestamp(0)).unwrap();
    }
    assert_eq!(state.view().catalog.entities.size(), 2);

    let mut acme = stack.api(Caller::Tenant(1)).await;
    let started = Instant::now();
    campaign("Spring").create(&mut acme, "").await.unwrap();
    let change = loop {
        if let CatalogEvent::Changes(changes) = next(&mut events).await.unwrap() {
            break changes;
        }
    };
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!((change.len(), change[0].revision), (1, Revision(3)));

    // One that resumes gets only what it missed, and one that knows the future or another past starts over.
    let place = state.place();
    let mut resumed = feed.subscribe(place);
    assert!(matches!(next(&mut resumed).await.unwrap(), CatalogEvent::Changes(c) if c.len() == 1));
    let other = CatalogLife(place.life.0 + 1);
    for lost in [Place { revision: Revision(9), ..place }, Place { life: other, ..place }] {
        let mut lost = feed.subscribe(lost);
        let first = next(&mut lost).await.unwrap();
        assert!(matches!(first, CatalogEvent::Snapshot(c) if c.revision == Revision(3)));
    }
    stack.stop().await;
}

#[tokio::test]
async fn streams_are_for_roles_only() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let mut events = stack.catalog(Caller::Tenant(1)).subscribe(Place::default());
    assert!(matches!(next(&mut events).await, Err(FeedError::Denied(_))));
    let mut events = stack.suppressions(Caller::Tenant(1)).subscribe(Revision(0));
    assert!(matches!(next(&mut events).await, Err(FeedError::Denied(_))));
    stack.stop().await;
}

#[tokio::test]
async fn two_processes_on_one_postgres_see_each_others_changes_within_a_second() {
    let database = Database::postgres();
    let (here, there) = (Stack::start(&database).await, Stack::start(&database).await);
    two_tenants(&here).await;
    let tasks = Tasks::new(Drain::default());
    let feed = Arc::new(there.catalog(Caller::Role));
    let follower =
        CatalogFollower::start(feed, FollowOptions::default(), Arc::new(SystemClock), &tasks).await;
    let mut acme = here.api(Caller::Tenant(1)).await;
    for number in 0..5 {
        let made = campaign(&format!("c{number}")).create(&mut acme, "").await.unwrap();
        let started = Instant::now();
        let revision = Revision(made.metadata().revision);
        wait_until_async("the other process", PATIENCE, async || {
            follower.view().catalog.revision >= revision
        })
        .await;
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }
    tasks.drain().start();
    assert!(tasks.finish(PATIENCE).await);
    here.stop().await;
    there.stop().await;
}

#[tokio::test]
async fn a_follower_outlives_a_restart_of_the_role() {
    let database = Database::sqlite();
    let stack = Stack::start(&database).await;
    two_tenants(&stack).await;
    let (tasks, clock) = (Tasks::new(Drain::default()), Arc::new(SystemClock));
    let options = FollowOptions { longest_pause: Duration::from_millis(200), ..FollowOptions::default() };
    let follower =
        CatalogFollower::start(Arc::new(stack.catalog(Caller::Role)), options, clock.clone(), &tasks).await;
    wait_until_async("the first catalog", PATIENCE, async || {
        follower.view().catalog.revision == Revision(2) && follower.age(clock.now()).is_some()
    })
    .await;
    let seen = follower.view().position();

    let address = stack.stop().await;
    let stack = Stack::start_on(&database, address).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let made = campaign("Spring").create(&mut acme, "").await.unwrap();
    let view = wait_for_async("the change", PATIENCE, async || {
        Some(follower.view()).filter(|view| view.catalog.revision == Revision(3))
    })
    .await;
    let tagbid_clients::Changed::Keys(keys) = view.changed_since(seen) else {
        panic!("a restart with all changes kept needs no snapshot");
    };
    let ids: BTreeSet<u64> = keys.into_iter().map(|key| key.id).collect();
    assert_eq!(ids, BTreeSet::from([made.id]));
    tasks.drain().start();
    assert!(tasks.finish(PATIENCE).await);
    stack.stop().await;
}

fn by_ifa(id: &str) -> pb::SuppressionUser {
    let id = pb::RawUserId { kind: pb::UserIdKind::Ifa.into(), source: String::new(), id: id.into() };
    pb::SuppressionUser { user: Some(pb::suppression_user::User::Id(id)) }
}

fn by_key(key: UserKey) -> pb::SuppressionUser {
    pb::SuppressionUser { user: Some(pb::suppression_user::User::UserKey(key.0.to_vec())) }
}

#[tokio::test]
async fn a_suppressed_user_is_streamed_and_stays_suppressed_after_a_restart() {
    const IFA: &str = "6d92078a-8246-4ba4-ae5b-76104861e7dc";
    let database = Database::sqlite();
    let stack = Stack::start(&database).await;
    let mut operator = stack.suppression(Caller::Operator).await;
    let feed = stack.suppressions(Caller::Role);
    let mut events = feed.subscribe(Revision(0));
    assert_eq!(next(&mut events).await.unwrap(), SuppressionEvent::CaughtUp);

    let request = pb::SuppressRequest { users: vec![by_ifa(IFA)] };
    operator.suppress(request).await.unwrap();
    let SuppressionEvent::Users(changes) = next(&mut events).await.unwrap() else {
        panic!("no users");
    };
    let [SuppressionChange { revision, user: key, suppressed: true, .. }] = changes[..] else {
        panic!("not suppressed: {changes:?}");
    };

    let address = stack.stop().await;
    let stack = Stack::start_on(&database, address).await;
    let mut role = stack.suppression(Caller::Role).await;
    for user in [by_ifa(&IFA.to_uppercase()), by_key(key)] {
        let check = pb::CheckRequest { user: Some(user) };
        assert!(role.check(check).await.unwrap().into_inner().suppressed);
    }
    let mut events = stack.suppressions(Caller::Role).subscribe(Revision(0));
    assert_eq!(next(&mut events).await.unwrap(), SuppressionEvent::Users(changes));
    assert_eq!(next(&mut events).await.unwrap(), SuppressionEvent::CaughtUp);

    role.lift(pb::LiftRequest { users: vec![by_key(key)] }).await.unwrap();
    let SuppressionEvent::Users(changes) = next(&mut events).await.unwrap() else {
        panic!("no users");
    };
    let [SuppressionChange { revision: after, user, suppressed: false, .. }] = changes[..] else {
        panic!("not lifted: {changes:?}");
    };
    assert!(after > revision, "{after:?} {revision:?}");
    assert_eq!(user, key);
    let check = pb::CheckRequest { user: Some(by_ifa(IFA)) };
    assert!(!role.check(check).await.unwrap().into_inner().suppressed);
    stack.stop().await;
}

#[tokio::test]
async fn suppression_is_not_for_advertisers_nor_for_ids_that_stand_for_nobody() {
    let stack = Stack::start(&Database::sqlite()).await;
    let mut acme = stack.suppression(Caller::Tenant(1)).await;
    let request = |users| pb::SuppressRequest { users };
    let refused = acme.suppress(request(vec![by_ifa("abcd1234")])).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);

    let mut operator = stack.suppression(Caller::Operator).await;
    let zeros = by_ifa("00000000-0000-0000-0000-000000000000");
    let users = vec![by_ifa("abcd1234"), zeros, pb::SuppressionUser { user: None }];
    let refused = operator.suppress(request(users)).await.unwrap_err();
    assert_eq!(fields(&refused), ["users[1]", "users[2]"]);
    let none = operator.suppress(request(vec![])).await.unwrap_err();
    assert_eq!(fields(&none), ["users"]);
    stack.stop().await;
}
