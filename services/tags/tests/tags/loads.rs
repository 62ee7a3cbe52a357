//! Loads while things go wrong, and what lookups see of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tagbid_ports::SuppressionChange;
use tagbid_runtime::auth::Secret;
use tagbid_tags::{Options, StoreKind};
use tagbid_testkit::{Proxy, RedisServer, Way, redis_cluster, wait_until_async};
use tagbid_types::Revision;
use tagbid_wire::pb::tags as pb;
use tagbid_wire::pb::tags::load_snapshot_request::Step;
use tagbid_wire::pb::tags::load_snapshot_response::Answer;
use tokio::task::{JoinSet, block_in_place};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::fixture::{ACME, PATIENCE, ROLE, Role, key_of, mac_key};
use crate::metrics::metrics;
use crate::snapshots::{Client, Load, OWN, begin, begin_of, by_id, client, found, loaded, user, users};
use crate::stage::slot;

fn in_redis(url: String) -> Options {
    Options { store: StoreKind::Redis, redis_url: Secret::new(url), drop_jitter_s: 0, ..Options::default() }
}

/// Number of users that are looked up in one frame.
const READ: u32 = 64;

/// Looks the same users up again and again, in one frame each; which versions there were. A frame whose users are not all
/// of one version, or have not exactly the tags of it, fails.
async fn watch(role: Arc<Role>, stop: Arc<AtomicBool>, frames: Arc<AtomicU32>) -> Vec<u32> {
    let mut client = role.client(ROLE).await;
    let keys = (0..READ).flat_map(|n| key_of(&format!("many-{n}"), &mac_key(1)).0).collect();
    let frame = pb::LookupFrame { keys, budget_us: 30_000_000, ..Default::default() };
    let mut seen = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let answers = client.batch_lookup(frame.clone()).await.unwrap().into_inner().answers;
        let of = |answer: &pb::UserAnswer| {
            let [one] = &answer.offline[..] else { unreachable!("one blob each: {answer:?}") };
            let tags = tagbid_tagset::offline::Offline::parse(one.blob.as_ref().unwrap()).unwrap();
            let tags: Vec<_> = tags.tags().map(|tag| tag.unwrap().id.0).collect();
            assert_eq!(tags, [one.version], "tags of another version");
            one.version
        };
        let versions: Vec<_> = answers.iter().map(of).collect();
        assert!(versions.iter().all(|one| *one == versions[0]), "a frame mixes versions: {versions:?}");
        if seen.last() != Some(&versions[0]) {
            seen.push(versions[0]);
        }
        frames.fetch_add(1, Ordering::Relaxed);
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_while_versions_are_loaded_activated_rolled_back_and_dropped_sees_whole_ones() {
    let redis = tagbid_testkit::redis();
    let role = Arc::new(Role::start(in_redis(redis.url().into())).await);
    let mut acme = client(&role, ACME).await;
    load_many(&mut acme, "monday", 0..READ, 1).await;
    let (stop, frames) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let mut readers = JoinSet::new();
    readers.spawn(watch(Arc::clone(&role), Arc::clone(&stop), Arc::clone(&frames)));
    let some_frames = async || {
        let until = frames.load(Ordering::Relaxed) + 10;
        wait_until_async("some frames", PATIENCE, async || frames.load(Ordering::Relaxed) >= until).await;
    };

    some_frames().await;
    load_many(&mut acme, "tuesday", 0..2_000, 2).await;
    some_frames().await;
    acme.roll_back_snapshot(pb::RollBackSnapshotRequest { dataset: OWN, version: 2 }).await.unwrap();
    some_frames().await;
    acme.drop_snapshot(pb::DropSnapshotRequest { dataset: OWN, version: 2 }).await.unwrap();
    let list = pb::ListSnapshotsRequest { dataset: OWN };
    wait_until_async("the version to be deleted", PATIENCE, async || {
        acme.clone().list_snapshots(list).await.unwrap().into_inner().snapshots.len() == 1
    })
    .await;
    some_frames().await;
    stop.store(true, Ordering::Relaxed);
    assert_eq!(readers.join_all().await, [[1, 2, 1]]);
}

/// Loads users by number, all with this tag, and activates the version.
async fn load_many(client: &mut Client, name: &str, numbers: std::ops::Range<u32>, tag: u32) {
    let mut load = Load::open(client).await;
    load.progress(begin(name, None)).await;
    let count = numbers.len() as u64;
    for from in numbers.clone().step_by(500) {
        load.progress(tagged(from..numbers.end.min(from + 500), tag)).await;
    }
    assert_eq!(load.finish(count, true).await.unwrap().users, count);
}

fn tagged(numbers: std::ops::Range<u32>, tag: u32) -> Step {
    let users = numbers.map(|n| user(&format!("many-{n}"), by_id(tag), n % 256));
    Step::Users(pb::LoadUsers { users: users.collect(), names: vec![] })
}

/// One attempt at a load of so many users; where it broke off.
async fn attempt(
    client: &mut Client,
    count: u32,
    at: &mut Option<pb::LoadProgress>,
    after: impl AsyncFn(u64),
) -> Result<pb::LoadFinished, Status> {
    let mut load = Load::open(client).await;
    load.step(begin("big", at.clone())).await?;
    let first = at.as_ref().map_or(0, |at| at.position as u32);
    for from in (first..count).step_by(250) {
        let Answer::Progress(progress) = load.step(tagged(from..count.min(from + 250), 1)).await? else {
            unreachable!("users are answered with progress")
        };
        after(progress.position).await;
        *at = Some(progress);
    }
    load.finish(count.into(), true).await
}

fn is_lost(status: &Status) -> bool {
    let details = status.get_details_precondition_failure();
    details.is_some_and(|details| details.violations.iter().any(|one| one.r#type == "VERSION_LOST"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_into_a_cluster_whose_primary_is_killed_is_resumed_and_misses_nobody() {
    let cluster = redis_cluster();
    let redis_cluster = cluster.urls().into_iter().map(Secret::new).collect();
    let role = Role::start(Options { store: StoreKind::Redis, redis_cluster, ..Options::default() }).await;
    let mut acme = client(&role, ACME).await;
    let lost_slot = slot(key_of("many-0", &mac_key(1)));
    let victim = block_in_place(|| cluster.primary_of(lost_slot));
    let killed = AtomicBool::new(false);
    let kill = async |position: u64| {
        if position >= 1_000 && !killed.swap(true, Ordering::Relaxed) {
            block_in_place(|| cluster.kill(victim));
        }
    };
    let (mut at, mut breaks, began) = (None, 0, Instant::now());
    let finished = loop {
        assert!(began.elapsed() < PATIENCE * 2, "the load does not come to its end; it broke {breaks} times");
        match attempt(&mut acme, 3_000, &mut at, &kill).await {
            Ok(finished) => break finished,
            // What the replica had not heard of is gone: from the beginning.
            Err(status) if is_lost(&status) => at = None,
            Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
        }
        breaks += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(killed.load(Ordering::Relaxed) && breaks > 0, "a killed primary breaks the load");
    assert_eq!(finished.users, 3_000);
    for n in 0..3_000 {
        assert_eq!(found(&role, &format!("many-{n}")).await, [(1, 1)], "user {n}");
    }
    role.tasks.drain().start();
}

#[tokio::test]
async fn a_load_into_a_full_redis_says_what_to_do_readers_read_on_and_it_is_resumed() {
    let server = RedisServer::start().unwrap();
    let url = server.database().unwrap().url().to_owned();
    let mut redis = redis::Client::open(url.as_str()).unwrap().get_connection().unwrap();
    let role = Role::start(in_redis(url)).await;
    let mut acme = client(&role, ACME).await;
    loaded(&mut acme, "monday", &["a1"], 1).await;
    let limit = |redis: &mut redis::Connection, bytes: u64| {
        redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes).exec(redis).unwrap();
    };
    let info: String = redis::cmd("INFO").arg("memory").query(&mut redis).unwrap();
    let used = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"))
        .unwrap()
        .trim()
        .parse::<u64>()
        .unwrap();
    limit(&mut redis, used + (1 << 20));

    let mut at = None;
    let full = attempt(&mut acme, 30_000, &mut at, async |_| ()).await.unwrap_err();
    assert_eq!(full.code(), Code::ResourceExhausted, "{full:?}");
    for remedy in ["tagbid tags drop", "maxmemory", "resumed"] {
        assert!(full.message().contains(remedy), "{}", full.message());
    }
    assert_eq!(found(&role, "a1").await, [(1, 1)], "readers read on");
    limit(&mut redis, 0);
    assert!(at.is_some(), "some of it was loaded before");
    let finished = attempt(&mut acme, 30_000, &mut at, async |_| ()).await.unwrap();
    assert_eq!((finished.users, found(&role, "many-7").await), (30_000, vec![(1, 2)]));
}

#[tokio::test]
async fn a_version_that_is_not_as_it_was_written_is_not_activated_and_can_be_loaded_anew() {
    let redis = tagbid_testkit::redis();
    let role = Role::start(in_redis(redis.url().into())).await;
    let mut acme = client(&role, ACME).await;
    let mut keys = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    let blob = format!("o:{OWN}:1:{{{}}}", key_of("a2", &mac_key(1)));
    type Damage<'a> = &'a dyn Fn(&mut redis::Connection);
    let damages: [(&str, Damage<'_>); 3] = [
        ("another blob", &|keys| redis::cmd("SET").arg(&blob).arg("x").exec(keys).unwrap()),
        ("no blob", &|keys| redis::cmd("DEL").arg(&blob).exec(keys).unwrap()),
        ("a replica's count", &|keys| {
            redis::cmd("SET").arg("versions").arg(format!(";{OWN}:1:l:1")).exec(keys).unwrap()
        }),
    ];
    for (what, damage) in damages {
        let mut load = Load::open(&mut acme).await;
        load.progress(begin("monday", None)).await;
        load.progress(users(&["a1", "a2"], 1)).await;
        damage(&mut keys);
        let refused = load.finish(2, true).await.unwrap_err();
        assert!(refused.code() == Code::FailedPrecondition && is_lost(&refused), "{what}: {refused:?}");
        assert!(refused.message().contains("anew"), "{what}: {refused:?}");
        let list = acme.list_snapshots(pb::ListSnapshotsRequest { dataset: OWN }).await.unwrap().into_inner();
        assert_eq!((list.active, list.snapshots[0].stage()), (0, pb::SnapshotStage::Loading), "{what}");
    }
    assert_eq!(loaded(&mut acme, "monday", &["a1", "a2"], 1).await.users, 2);
    assert_eq!(found(&role, "a2").await, [(1, 1)]);

    // Whole when it was loaded, and not when it is to be activated.
    let mut load = Load::open(&mut acme).await;
    load.progress(begin("tuesday", None)).await;
    load.progress(users(&["a1", "a2"], 2)).await;
    load.finish(2, false).await.unwrap();
    redis::cmd("SET").arg("versions").arg(format!(";{OWN}:1:w:2;{OWN}:2:w:1")).exec(&mut keys).unwrap();
    let activate = pb::ActivateSnapshotRequest { dataset: OWN, version: 2 };
    let refused = acme.activate_snapshot(activate).await.unwrap_err();
    assert!(is_lost(&refused), "{refused:?}");
    assert_eq!(found(&role, "a2").await, [(1, 1)]);
}

#[tokio::test]
async fn a_load_is_not_gone_on_with_where_the_store_has_less_than_its_sender_was_told() {
    let role = Role::start(Options::default()).await;
    let mut acme = client(&role, ACME).await;
    let mut load = Load::open(&mut acme).await;
    load.progress(begin("monday", None)).await;
    let told = load.progress(users(&["a1", "a2"], 1)).await;
    drop(load);
    let more = pb::LoadProgress { stored: told.stored + 1, ..told.clone() };
    let refused = Load::open(&mut acme).await.step(begin("monday", Some(more))).await.unwrap_err();
    assert!(is_lost(&refused), "{refused:?}");
    assert_eq!(Load::open(&mut acme).await.progress(begin("monday", Some(told))).await.stored, 2);
}

#[tokio::test]
async fn who_is_erased_while_a_load_is_under_way_is_not_missed_at_its_end() {
    let redis = tagbid_testkit::redis();
    let role = Role::start(in_redis(redis.url().into())).await;
    let mut acme = client(&role, ACME).await;
    let mut load = Load::open(&mut acme).await;
    load.progress(begin("monday", None)).await;
    load.progress(users(&["a1", "a2", "a3"], 1)).await;
    let erased = key_of("a2", &mac_key(1));
    // Positions of the list are times; this one is after the load's as-of time.
    let at = Revision(1_700_000_000_000_000);
    role.tell(|_| SuppressionChange::of(at, erased, false));
    wait_until_async("the erasure", PATIENCE, async || role.service.list_position() >= at).await;
    load.progress(users(&["a4"], 1)).await;
    load.finish(4, true).await.unwrap();
    assert_eq!((found(&role, "a1").await, found(&role, "a2").await), (vec![(1, 1)], vec![]));
}

#[tokio::test]
async fn of_a_version_that_was_dropped_no_mark_is_left_that_calls_it_whole() {
    let redis = tagbid_testkit::redis();
    let role = Role::start(in_redis(redis.url().into())).await;
    let mut acme = client(&role, ACME).await;
    loaded(&mut acme, "monday", &["a1"], 1).await;
    loaded(&mut acme, "tuesday", &["a1"], 2).await;
    acme.drop_snapshot(pb::DropSnapshotRequest { dataset: OWN, version: 1 }).await.unwrap();
    let list = pb::ListSnapshotsRequest { dataset: OWN };
    wait_until_async("the version to be deleted", PATIENCE, async || {
        acme.clone().list_snapshots(list).await.unwrap().into_inner().snapshots.len() == 1
    })
    .await;
    let mut keys = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    let marks: String = redis::cmd("GET").arg("versions").query(&mut keys).unwrap();
    assert_eq!(marks, format!(";{OWN}:2:w:1"));
}

#[tokio::test]
async fn of_a_user_who_comes_again_the_last_counts_however_close_they_are() {
    let redis = tagbid_testkit::redis();
    let role = Role::start(in_redis(redis.url().into())).await;
    let mut acme = client(&role, ACME).await;
    let mut load = Load::open(&mut acme).await;
    load.progress(begin("monday", None)).await;
    let twice = vec![user("a1", by_id(1), 1), user("a1", by_id(2), 2)];
    let twice = Step::Users(pb::LoadUsers { users: twice, names: vec![] });
    assert_eq!(load.progress(twice.clone()).await.stored, 1);
    for tag in [1, 2, 1, 2] {
        load.steps.send(pb::LoadSnapshotRequest { step: Some(users(&["a1", "a2"], tag)) }).await.unwrap();
    }
    for _ in 0..4 {
        load.answers.message().await.unwrap().unwrap();
    }
    assert_eq!(load.finish(10, true).await.unwrap().users, 2);
    assert_eq!((found(&role, "a1").await, found(&role, "a2").await), (vec![(2, 1)], vec![(2, 1)]));

    // In one message, and nothing after it.
    let mut load = Load::open(&mut acme).await;
    load.progress(begin("tuesday", None)).await;
    load.progress(twice).await;
    load.finish(2, true).await.unwrap();
    assert_eq!(found(&role, "a1").await, [(2, 2)]);
}

/// Users of a load by number.
fn many(from: u32, to: u32) -> Step {
    let users = (from..to).map(|n| user(&format!("many-{n}"), by_id(1), n % 256));
    Step::Users(pb::LoadUsers { users: users.collect(), names: vec![] })
}

/// Sends message after message, some of them ahead, until an answer is as it should be.
async fn send_until(load: &mut Load, next: &mut u32, what: &str, good: impl Fn(&pb::LoadProgress) -> bool) {
    let began = Instant::now();
    let send = |next: &mut u32| {
        *next += 500;
        pb::LoadSnapshotRequest { step: Some(many(*next - 500, *next)) }
    };
    for _ in 0..3 {
        load.steps.send(send(next)).await.unwrap();
    }
    let mut found = false;
    while !found {
        assert!(began.elapsed() < PATIENCE, "{what}");
        load.steps.send(send(next)).await.unwrap();
        let answer = load.answers.message().await.unwrap().unwrap().answer.unwrap();
        let Answer::Progress(progress) = answer else { unreachable!("{answer:?}") };
        found = good(&progress);
    }
    for _ in 0..3 {
        load.answers.message().await.unwrap();
    }
}

/// What lookups take while loads rest, as this node has measured it.
fn idle_p99(role: &Role) -> Duration {
    let text = metrics(role);
    let shown =
        text.lines().find(|line| line.starts_with("tagbid_tags_load_lookup_p99_seconds{state=\"idle\"}"));
    let seconds = shown.and_then(|line| line.rsplit_once(' ')?.1.parse().ok()).unwrap_or(0.0);
    Duration::from_secs_f64(seconds)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_is_slowed_down_while_lookups_are_slow_unless_it_must_not_be() {
    let redis = RedisServer::start().unwrap();
    let proxy = Proxy::start(redis.port()).unwrap();
    let redis_url = Secret::new(format!("redis://127.0.0.1:{}/0", proxy.port()));
    let role = Role::start(Options { store: StoreKind::Redis, redis_url, ..Options::default() }).await;
    let mut acme = client(&role, ACME).await;
    let (mut load, mut next) = (Load::open(&mut acme).await, 0);
    load.progress(begin("slow", None)).await;
    // The idle measure is taken before much is written.
    send_until(&mut load, &mut next, "a load at its own pace", |progress| progress.position > 5_000).await;
    let slow = Duration::from_millis(40).max(idle_p99(&role) * 4);
    if slow > Duration::from_millis(80) {
        // What takes 100 ms or more is measured as that: nothing could be twice as slow.
        println!("the machine is so slow by itself that nothing more is to be seen: {slow:?}");
        return;
    }
    proxy.set(Way::Slow(slow));
    let slowed = |progress: &pb::LoadProgress| {
        let throttle = progress.throttle.unwrap_or_default();
        throttle.p99_us > 2 * throttle.idle_p99_us && throttle.users_per_second == 2_000
    };
    send_until(&mut load, &mut next, "the load to be slowed down to the least", slowed).await;

    let mut other = Load::open(&mut acme).await;
    other.progress(Step::Begin(pb::BeginLoad { unthrottled: true, ..begin_of("fast") })).await;
    for n in 0..5 {
        assert_eq!(other.progress(many(n * 500, n * 500 + 500)).await.throttle, None);
    }
    proxy.set(Way::Clear);
    let recovered = |progress: &pb::LoadProgress| {
        progress.throttle.is_none_or(|throttle| throttle.users_per_second > 2_000)
    };
    send_until(&mut load, &mut next, "the load to go faster again", recovered).await;
    assert_eq!(load.finish(next.into(), true).await.unwrap().users, u64::from(next));
}
