//! Snapshots over gRPC: loaded, verified, activated, rolled back, dropped.

use tagbid_ports::SourceStatus;
use tagbid_runtime::auth::Secret;
use tagbid_tags::{Options, StoreKind};
use tagbid_testkit::wait_until_async;
use tagbid_wire::pb::tags as pb;
use tagbid_wire::pb::tags::load_snapshot_request::Step;
use tagbid_wire::pb::tags::load_snapshot_response::Answer;
use tagbid_wire::pb::tags::snapshot_service_client::SnapshotServiceClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;

use crate::fixture::{ACME, OPERATOR, PATIENCE, ROLE, Role, SignedIn, ifa, key_of, mac_key, signed_in};
use crate::metrics::{metrics, shows};

pub(crate) type Client = SnapshotServiceClient<SignedIn>;

/// Dataset 2 is acme's, 3 another's; tags 1 and 2 may be written by acme.
pub(crate) const OWN: u32 = 2;

pub(crate) async fn client(role: &Role, token: &str) -> Client {
    SnapshotServiceClient::new(signed_in(&role.serve().await, token).await)
}

/// One load under way.
pub(crate) struct Load {
    pub(crate) steps: mpsc::Sender<pb::LoadSnapshotRequest>,
    pub(crate) answers: Streaming<pb::LoadSnapshotResponse>,
}

impl Load {
    pub(crate) async fn open(client: &mut Client) -> Self {
        let (steps, received) = mpsc::channel(4);
        let answers = client.load_snapshot(ReceiverStream::new(received)).await.unwrap().into_inner();
        Self { steps, answers }
    }

    pub(crate) async fn step(&mut self, step: Step) -> Result<Answer, Status> {
        self.steps.send(pb::LoadSnapshotRequest { step: Some(step) }).await.unwrap();
        let answer = tokio::time::timeout(PATIENCE, self.answers.message()).await.unwrap()?;
        Ok(answer.unwrap().answer.unwrap())
    }

    pub(crate) async fn progress(&mut self, step: Step) -> pb::LoadProgress {
        let answer = self.step(step).await.unwrap();
        let Answer::Progress(progress) = answer else { unreachable!("{answer:?}") };
        progress
    }

    pub(crate) async fn finish(&mut self, users: u64, activate: bool) -> Result<pb::LoadFinished, Status> {
        let answer = self.step(Step::Finish(pb::FinishLoad { users, activate })).await?;
        let Answer::Finished(finished) = answer else { unreachable!("{answer:?}") };
        Ok(finished)
    }
}

pub(crate) fn begin(load: &str, from: Option<pb::LoadProgress>) -> Step {
    let as_of = Some(prost_types::Timestamp { seconds: 1_600_000_000, nanos: 0 });
    let (load, registry_epoch) = (load.into(), String::new());
    Step::Begin(pb::BeginLoad { dataset: OWN, load, as_of, registry_epoch, from, unthrottled: false })
}

pub(crate) fn by_id(id: u32) -> pb::load_tag::Tag {
    pb::load_tag::Tag::Id(id)
}

pub(crate) fn user(id: &str, tag: pb::load_tag::Tag, weight: u32) -> pb::LoadUser {
    let expires = Some(prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 });
    let tags = vec![pb::LoadTag { tag: Some(tag), weight, expires }];
    pb::LoadUser { user: Some(ifa(id)), tags, packed: None }
}

pub(crate) fn users(ids: &[&str], tag: u32) -> Step {
    let users = ids.iter().map(|id| user(id, by_id(tag), 100)).collect();
    Step::Users(pb::LoadUsers { users, names: vec![] })
}

/// A whole load, activated.
pub(crate) async fn loaded(client: &mut Client, name: &str, ids: &[&str], tag: u32) -> pb::LoadFinished {
    let mut load = Load::open(client).await;
    load.progress(begin(name, None)).await;
    load.progress(users(ids, tag)).await;
    load.finish(ids.len() as u64, true).await.unwrap()
}

/// Tags and versions that a lookup finds.
pub(crate) async fn found(role: &Role, id: &str) -> Vec<(u32, u32)> {
    let answer = role.lookup(key_of(id, &mac_key(1))).await;
    assert_eq!(answer.offline_status, SourceStatus::Known);
    let tags = answer.offline.iter().filter_map(|one| {
        let read = tagbid_tagset::offline::Offline::parse(one.blob.as_ref()?).unwrap();
        Some(read.tags().map(|tag| (tag.unwrap().id.0, one.version)).collect::<Vec<_>>())
    });
    tags.flatten().collect()
}

/// The whole life of three snapshots, whatever the store.
async fn life(options: Options) {
    let role = Role::start(Options { drop_jitter_s: 0, ..options }).await;
    let mut acme = client(&role, ACME).await;
    let first = loaded(&mut acme, "monday", &["a1", "a2"], 1).await;
    assert_eq!((first.users, first.snapshots.unwrap().active), (2, 1));
    assert_eq!((found(&role, "a1").await, found(&role, "a3").await), (vec![(1, 1)], vec![]));

    // The next one is beside it until it is activated.
    let mut load = Load::open(&mut acme).await;
    load.progress(begin("tuesday", None)).await;
    load.progress(users(&["a2", "a3"], 2)).await;
    load.finish(2, false).await.unwrap();
    assert_eq!(found(&role, "a2").await, [(1, 1)]);
    let activate = pb::ActivateSnapshotRequest { dataset: OWN, version: 2 };
    for _ in 0..2 {
        let now = acme.activate_snapshot(activate).await.unwrap().into_inner();
        assert_eq!((now.active, now.previous), (2, 1), "again changes nothing");
    }
    assert_eq!((found(&role, "a1").await, found(&role, "a3").await), (vec![], vec![(2, 2)]));

    let back = pb::RollBackSnapshotRequest { dataset: OWN, version: 2 };
    for _ in 0..2 {
        assert_eq!(acme.roll_back_snapshot(back).await.unwrap().into_inner().active, 1);
    }
    assert_eq!(found(&role, "a1").await, [(1, 1)]);

    let drop = pb::DropSnapshotRequest { dataset: OWN, version: 2 };
    acme.drop_snapshot(drop).await.unwrap();
    let list = pb::ListSnapshotsRequest { dataset: OWN };
    wait_until_async("the version to be deleted", PATIENCE, async || {
        let listed = acme.clone().list_snapshots(list).await.unwrap().into_inner();
        listed.snapshots.iter().all(|one| one.version != 2)
    })
    .await;
    acme.drop_snapshot(drop).await.unwrap();
    let gone = acme.activate_snapshot(activate).await.unwrap_err();
    assert_eq!(gone.code(), Code::FailedPrecondition);
    assert_eq!(found(&role, "a1").await, [(1, 1)]);
    assert_eq!(loaded(&mut acme, "wednesday", &["a4"], 1).await.snapshots.unwrap().active, 3);
    role.tasks.drain().start();
}

#[tokio::test]
async fn a_snapshots_life_in_memory() {
    life(Options::default()).await;
}

#[tokio::test]
async fn a_snapshots_life_in_redis() {
    let redis_url = Secret::new(tagbid_testkit::redis().url());
    life(Options { store: StoreKind::Redis, redis_url, ..Options::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshots_life_in_a_cluster() {
    let cluster = tagbid_testkit::redis_cluster();
    let redis_cluster = cluster.urls().into_iter().map(Secret::new).collect();
    life(Options { store: StoreKind::Redis, redis_cluster, ..Options::default() }).await;
}

#[tokio::test]
async fn a_load_that_broke_is_resumed_where_it_was() {
    let role = Role::start(Options::default()).await;
    let mut acme = client(&role, ACME).await;
    let mut load = Load::open(&mut acme).await;
    load.progress(begin("monday", None)).await;
    let first = load.progress(users(&["a1", "a2"], 1)).await;
    assert_eq!((first.position, first.stored), (2, 2));
    // This one's answer never comes.
    load.steps.send(pb::LoadSnapshotRequest { step: Some(users(&["a3"], 1)) }).await.unwrap();
    wait_until_async("a3 to be stored", PATIENCE, async || {
        let mut other = Load::open(&mut acme.clone()).await;
        other.progress(begin("monday", Some(first.clone()))).await.stored == 3
    })
    .await;
    drop(load);

    let mut again = Load::open(&mut acme).await;
    let progress = again.progress(begin("monday", Some(first))).await;
    assert_eq!((progress.version, progress.position), (1, 2));
    again.progress(users(&["a3", "a4"], 1)).await;
    assert_eq!(again.finish(4, true).await.unwrap().users, 4);
    assert_eq!(found(&role, "a3").await, [(1, 1)]);

    // From the beginning again, another day: what an attempt left is not in it.
    let mut given_up = Load::open(&mut acme).await;
    given_up.progress(begin("tuesday", None)).await;
    given_up.progress(users(&["b1"], 1)).await;
    drop(given_up);
    assert_eq!(loaded(&mut acme, "tuesday", &["b2"], 1).await.users, 1);
    assert_eq!((found(&role, "b1").await, found(&role, "b2").await), (vec![], vec![(1, 2)]));
}

#[tokio::test]
async fn names_are_resolved_and_bad_users_come_back_without_their_id() {
    let role = Role::start(Options::default()).await;
    let mut acme = client(&role, ACME).await;
    let mut load = Load::open(&mut acme).await;
    load.progress(begin("monday", None)).await;
    let name = |name: &str| pb::load_tag::Tag::Name(name.into());
    let sent = vec![
        user("a1", name("tag-2"), 9),
        user("a2", name("too many"), 9),
        user("a3", by_id(3), 9),
        user("null", by_id(1), 9),
        user("a4", by_id(1), 256),
    ];
    let progress = load.progress(Step::Users(pb::LoadUsers { users: sent, names: vec![] })).await;
    let refused: Vec<_> = progress.rejects.iter().map(|one| (one.user, one.field.as_str())).collect();
    let expected = [(1, "tags[0].name"), (2, "tags[0].tag"), (3, "user.id"), (4, "tags[0].weight")];
    assert_eq!((progress.position, refused), (5, expected.to_vec()));
    assert_eq!(progress.rejects[0].key, key_of("a2", &mac_key(1)).to_string());
    assert_eq!(progress.rejects[2].key, "", "a placeholder is nobody");
    let short = load.finish(4, true).await.unwrap_err();
    assert_eq!(short.get_details_bad_request().unwrap().field_violations[0].field, "finish.users");
    assert_eq!(found(&role, "a1").await, [], "nothing was activated");
}

#[tokio::test]
async fn steps_out_of_order_and_other_peoples_datasets_are_refused() {
    let role = Role::start(Options::default()).await;
    let mut acme = client(&role, ACME).await;
    for step in [users(&["a1"], 1), Step::Finish(pb::FinishLoad::default())] {
        let refused = Load::open(&mut acme).await.step(step).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    let cases = [
        ("begin.dataset", pb::BeginLoad { dataset: 3, ..begin_of("x") }),
        ("begin.as_of", pb::BeginLoad { as_of: None, ..begin_of("x") }),
        ("begin.as_of", pb::BeginLoad { as_of: Some(prost_types::Timestamp::default()), ..begin_of("x") }),
        (
            "begin.registry_epoch",
            pb::BeginLoad { registry_epoch: "0000000000000009.0.0".into(), ..begin_of("x") },
        ),
        ("begin.load", begin_of("(user by user)")),
    ];
    for (field, begin) in cases {
        let refused = Load::open(&mut acme).await.step(Step::Begin(begin)).await.unwrap_err();
        assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, field);
    }
    let other = pb::ListSnapshotsRequest { dataset: 3 };
    assert_eq!(acme.list_snapshots(other).await.unwrap_err().code(), Code::InvalidArgument);
    let mut bidder = client(&role, ROLE).await;
    assert_eq!(bidder.list_snapshots(other).await.unwrap_err().code(), Code::PermissionDenied);

    loaded(&mut acme, "monday", &["a1"], 1).await;
    let active = pb::DropSnapshotRequest { dataset: OWN, version: 1 };
    let refused = acme.drop_snapshot(active).await.unwrap_err();
    assert!(refused.message().contains("activate another version"), "{refused}");
    let nowhere = pb::RollBackSnapshotRequest { dataset: OWN, version: 1 };
    let refused = acme.roll_back_snapshot(nowhere).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("no version before 1"), "{refused}");
    let mut operator = client(&role, OPERATOR).await;
    let again = Load::open(&mut operator).await.step(begin("monday", None)).await.unwrap_err();
    assert!(again.message().contains("loaded already"), "{again}");
}

/// What a load that is still under way is told when it goes on.
async fn ended(load: &mut Load) -> Status {
    load.step(users(&["a9"], 1)).await.unwrap_err()
}

fn is_lost(status: &Status) -> bool {
    let details = status.get_details_precondition_failure();
    details.is_some_and(|details| details.violations[0].r#type == "VERSION_LOST")
}

#[tokio::test]
async fn a_load_that_is_begun_anew_or_dropped_by_others_is_told_so_and_writes_nothing_more() {
    let role = Role::start(Options { drop_jitter_s: 0, ..Options::default() }).await;
    let mut acme = client(&role, ACME).await;
    let mut first = Load::open(&mut acme).await;
    first.progress(begin("monday", None)).await;
    first.progress(users(&["a1", "a2"], 1)).await;

    // The same command by somebody else, who does not know of the first.
    let mut second = Load::open(&mut acme).await;
    second.progress(begin("monday", None)).await;
    let overtaken = ended(&mut first).await;
    assert!(overtaken.message().contains("begun anew by another stream"), "{overtaken}");
    assert!(!is_lost(&overtaken), "the other one goes on");
    second.progress(users(&["a1"], 2)).await;
    assert_eq!(second.finish(1, true).await.unwrap().users, 1);
    assert_eq!((found(&role, "a1").await, found(&role, "a9").await), (vec![(2, 1)], vec![]));

    let mut third = Load::open(&mut acme).await;
    third.progress(begin("tuesday", None)).await;
    third.progress(users(&["a1"], 1)).await;
    acme.drop_snapshot(pb::DropSnapshotRequest { dataset: OWN, version: 2 }).await.unwrap();
    let list = pb::ListSnapshotsRequest { dataset: OWN };
    wait_until_async("the version to be deleted", PATIENCE, async || {
        acme.clone().list_snapshots(list).await.unwrap().into_inner().snapshots.len() == 1
    })
    .await;
    let dropped = ended(&mut third).await;
    assert!(is_lost(&dropped) && dropped.message().contains("was dropped"), "{dropped}");
    // Nobody is to be woken for that.
    shows(&metrics(&role), &["tagbid_tags_versions_lost_total 0"]);
}

#[tokio::test]
async fn a_version_that_is_not_active_is_not_rolled_back_and_nothing_is_said_to_be_lost() {
    let redis = tagbid_testkit::redis();
    let options =
        Options { store: StoreKind::Redis, redis_url: Secret::new(redis.url()), ..Options::default() };
    let role = Role::start(options).await;
    let mut acme = client(&role, ACME).await;
    loaded(&mut acme, "monday", &["a1"], 1).await;
    loaded(&mut acme, "tuesday", &["a1"], 1).await;
    let back = |version| pb::RollBackSnapshotRequest { dataset: OWN, version };
    assert_eq!(acme.roll_back_snapshot(back(2)).await.unwrap().into_inner().active, 1);
    let twice = acme.roll_back_snapshot(back(1)).await.unwrap_err();
    assert!(twice.message().contains("no version before 1"), "not forward again: {twice}");

    // Of the other version the store has nothing any more.
    let mut connection = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    redis::cmd("DEL").arg("versions").query::<()>(&mut connection).unwrap();
    let refused = acme.roll_back_snapshot(back(9)).await.unwrap_err();
    assert!(refused.message().contains("version 9 is not active"), "{refused}");
}

#[tokio::test]
async fn names_that_mean_one_tag_are_one_and_long_ones_are_quoted_in_part() {
    let role = Role::start(Options::default()).await;
    let mut acme = client(&role, ACME).await;
    let mut load = Load::open(&mut acme).await;
    load.progress(begin("monday", None)).await;
    let tag = |name: &str, weight| pb::LoadTag {
        tag: Some(pb::load_tag::Tag::Name(name.into())),
        weight,
        expires: Some(prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 }),
    };
    let tags = vec![tag("tag-2", 9), tag("TAG  2", 200), tag("Tag_2", 30)];
    let bad = "too many \u{1}".repeat(100);
    let sent = vec![
        pb::LoadUser { user: Some(ifa("a1")), tags, packed: None },
        pb::LoadUser { user: Some(ifa("a2")), tags: vec![tag(&bad, 1)], packed: None },
    ];
    let progress = load.progress(Step::Users(pb::LoadUsers { users: sent, names: vec![] })).await;
    assert_eq!(progress.rejects.len(), 1, "{progress:?}");
    let reject = &progress.rejects[0];
    assert!(reject.user == 1 && reject.description.len() < 1_000, "{reject:?}");
    load.finish(2, true).await.unwrap();
    let answer = role.lookup(key_of("a1", &mac_key(1))).await;
    let blob = answer.offline.iter().find_map(|one| one.blob.clone()).unwrap();
    let tags = tagbid_tagset::offline::Offline::parse(&blob).unwrap();
    let tags: Vec<_> = tags.tags().map(|tag| tag.unwrap()).map(|tag| (tag.id.0, tag.weight)).collect();
    assert_eq!(tags, [(2, 200)], "the heaviest");
}

pub(crate) fn begin_of(load: &str) -> pb::BeginLoad {
    match begin(load, None) {
        Step::Begin(begin) => begin,
        _ => unreachable!(),
    }
}

#[tokio::test]
async fn a_lookup_says_which_versions_it_read_and_which_are_lost() {
    let redis = tagbid_testkit::redis();
    let options =
        Options { store: StoreKind::Redis, redis_url: Secret::new(redis.url()), ..Options::default() };
    let role = Role::start(options).await;
    let mut acme = client(&role, ACME).await;
    loaded(&mut acme, "monday", &["a1"], 1).await;
    let mut people = role.client(ACME).await;
    let request = pb::LookupRequest { user: Some(ifa("a1")), datasets: vec![] };
    let answer = people.lookup(request.clone()).await.unwrap().into_inner();
    let read: Vec<_> = answer.datasets.iter().map(|one| (one.dataset, one.version, one.lost)).collect();
    assert_eq!((read, answer.datasets[0].as_of.unwrap().seconds), (vec![(OWN, 1, false)], 1_600_000_000));

    let mut connection = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    let name = format!("o:{OWN}:1:{{{}}}", key_of("a1", &mac_key(1)));
    redis::cmd("SET").arg(name).arg("no blob").exec(&mut connection).unwrap();
    let unreadable = people.lookup(request.clone()).await.unwrap_err();
    let told =
        unreadable.message().contains(&format!("dataset {OWN}")) && unreadable.message().contains("anew");
    assert!(unreadable.code() == Code::DataLoss && told, "{unreadable}");
    redis::cmd("FLUSHDB").query::<()>(&mut connection).unwrap();
    wait_until_async("the list to be told again", PATIENCE, async || {
        people.clone().lookup(request.clone()).await.is_ok_and(|answer| answer.into_inner().datasets[0].lost)
    })
    .await;
    let answer = role.lookup(key_of("a1", &mac_key(1))).await;
    let lost: Vec<_> = answer.offline.iter().map(|one| (one.dataset.0, one.version, one.status)).collect();
    assert_eq!(lost, [(OWN, 1, SourceStatus::Failed)], "not \"no tags\"");
    let refused = acme.activate_snapshot(pb::ActivateSnapshotRequest { dataset: OWN, version: 1 }).await;
    assert!(refused.unwrap_err().message().contains("load it anew"));
    loaded(&mut acme, "monday again", &["a1"], 1).await;
    assert_eq!(found(&role, "a1").await, [(1, 2)]);
}

#[tokio::test]
async fn a_dataset_is_found_by_its_name_by_those_who_may_load_it() {
    let role = Role::start(Options::default()).await;
    let found = async |token: &str, name: &str, realtime: bool| {
        let mut client = client(&role, token).await;
        let request = pb::FindDatasetsRequest { name: name.into(), realtime };
        let found = client.find_datasets(request).await.unwrap();
        let found = found.into_inner().datasets.into_iter();
        found.map(|one| (one.id, one.advertiser)).collect::<Vec<_>>()
    };
    let named = async |token: &str, name: &str| found(token, name, false).await;
    assert_eq!(named(ACME, " SET-2 ").await, [(2, 7)]);
    assert_eq!(named(ACME, "set-3").await, [], "somebody else's");
    assert_eq!(named(ACME, "set-4").await, [], "archived");
    assert_eq!(
        named(OPERATOR, "").await,
        [(1, 0), (2, 7), (3, 8), (5, 8)],
        "those of real-time tags are left out"
    );
    assert_eq!(
        (found(ACME, "", true).await, found(OPERATOR, "set-2", true).await),
        (vec![(6, 7), (9, 7)], vec![])
    );
}
