//! The role follows the suppression list: at the start, over a broken stream and over a restart.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tagbid_ports::{FeedError, SourceStatus, SuppressionEvent, SuppressionFeed};
use tagbid_runtime::auth::Secret;
use tagbid_tags::{Options, StoreKind};
use tagbid_tagset::{MacKeys, UserKey};
use tagbid_testkit::{RedisServer, wait_until_async};
use tagbid_types::Revision;
use tokio::sync::mpsc;

use crate::conformance::{DATASET, change, event, offline_blob, user};
use crate::fixture::{Book, PATIENCE, Role, blobs, mac_key, statuses};

type Event = Result<SuppressionEvent, FeedError>;

/// Hands out one prepared stream for each subscription, and remembers from where it was asked.
struct Feed {
    streams: Mutex<VecDeque<mpsc::Receiver<Event>>>,
    asked: mpsc::Sender<Revision>,
}

impl SuppressionFeed for Feed {
    fn subscribe(&self, from: Revision) -> BoxStream<'static, Event> {
        self.asked.try_send(from).unwrap();
        let next = self.streams.lock().unwrap().pop_front().unwrap();
        stream::unfold(next, async |mut events| Some((events.recv().await?, events))).boxed()
    }
}

/// A role and the far ends of the two streams that it may subscribe to.
struct Following {
    role: Role,
    first: mpsc::Sender<Event>,
    second: mpsc::Sender<Event>,
    asked: mpsc::Receiver<Revision>,
}

impl Following {
    async fn start(options: Options) -> Self {
        Self::start_over(options, Book::default()).await
    }

    async fn start_over(options: Options, book: Book) -> Self {
        let (first, first_events) = mpsc::channel(8);
        let (second, second_events) = mpsc::channel(8);
        let (was_asked, asked) = mpsc::channel(8);
        let streams = Mutex::new(VecDeque::from([first_events, second_events]));
        let feed = Feed { streams, asked: was_asked };
        let keys = MacKeys::only(mac_key(1));
        let role = Role::start_over(options, Some(Arc::new(feed)), keys, book).await;
        Self { role, first, second, asked }
    }

    async fn suppressed(&self, key: UserKey) -> bool {
        let answer = self.role.lookup(key).await;
        assert_eq!(statuses(&answer), [SourceStatus::Known; 3]);
        answer.suppressed
    }
}

/// Changes up to this revision of the list, all of them at it.
fn users(revision: u64, users: &[(UserKey, bool)]) -> Event {
    let change = |(user, suppressed): &(UserKey, bool)| change(revision, *user, *suppressed);
    Ok(SuppressionEvent::Users(users.iter().map(change).collect()))
}

const CAUGHT_UP: Event = Ok(SuppressionEvent::CaughtUp);

fn broken() -> Event {
    Err(FeedError::Broken("gone".into()))
}

#[tokio::test]
async fn nobody_is_looked_up_before_suppression_is_replayed() {
    let mut following = Following::start(Options::default()).await;
    assert!(!following.role.service.ready());
    let answer = following.role.lookup(user(1)).await;
    assert_eq!(statuses(&answer), [SourceStatus::Uncertain; 3]);

    following.first.send(users(5, &[(user(1), true), (user(2), true)])).await.unwrap();
    following.first.send(CAUGHT_UP).await.unwrap();
    following.role.until_ready().await;
    assert!(following.suppressed(user(1)).await);
    assert!(following.suppressed(user(2)).await);
    assert_eq!(following.asked.recv().await, Some(Revision(0)));

    // The stream breaks; the next one goes on where it was, and lookups were answered all the time.
    following.first.send(broken()).await.unwrap();
    assert_eq!(following.asked.recv().await, Some(Revision(5)));
    let changes = [(user(1), false), (user(2), false), (user(2), true)];
    following.second.send(users(6, &changes)).await.unwrap();
    following.second.send(CAUGHT_UP).await.unwrap();
    wait_until_async("the lift", PATIENCE, async || !following.suppressed(user(1)).await).await;
    assert!(following.suppressed(user(2)).await, "the last state of a user wins");

    // From here on each change is stored as it comes.
    following.second.send(users(7, &[(user(3), true)])).await.unwrap();
    wait_until_async("a suppression", PATIENCE, async || following.suppressed(user(3)).await).await;
}

#[tokio::test]
async fn a_replay_that_breaks_goes_on_with_what_it_has() {
    let mut following = Following::start(Options::default()).await;
    following.first.send(users(5, &[(user(1), true), (user(2), true)])).await.unwrap();
    following.first.send(broken()).await.unwrap();
    assert_eq!(following.asked.recv().await, Some(Revision(0)));
    assert_eq!(following.asked.recv().await, Some(Revision(5)));
    assert!(!following.role.service.ready());

    following.second.send(users(6, &[(user(2), false)])).await.unwrap();
    following.second.send(CAUGHT_UP).await.unwrap();
    following.role.until_ready().await;
    assert!(following.suppressed(user(1)).await, "told by the stream that broke");
    assert!(!following.suppressed(user(2)).await);
}

/// The whole story of a user: suppressed, then lifted, as two events.
async fn replayed(options: Options, book: Book) -> Following {
    let following = Following::start_over(options, book).await;
    following.first.send(users(1, &[(user(1), true), (user(2), true)])).await.unwrap();
    following.first.send(users(2, &[(user(1), false)])).await.unwrap();
    following.first.send(CAUGHT_UP).await.unwrap();
    following.role.until_ready().await;
    following
}

async fn tags_written_after_a_lift_survive_a_restart(options: Options) {
    let before = replayed(options.clone(), Book::default()).await.role;
    let writer = before.service.writer();
    writer.put_offline(DATASET, vec![(user(1), offline_blob(1))]).await.unwrap();
    writer.merge_realtime(vec![(user(1), event(1, 60, 10))]).await.unwrap();
    let written = before.lookup(user(1)).await;
    assert!(written.realtime.is_some() && !blobs(&written).is_empty());
    before.tasks.drain().start();
    assert!(before.tasks.finish(PATIENCE).await);

    let after = replayed(options, before.book.clone()).await;
    assert_eq!(after.role.lookup(user(1)).await, written);
    assert!(after.suppressed(user(2)).await);
}

#[tokio::test]
async fn tags_written_after_a_lift_survive_a_restart_with_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { memory_file: Some(dir.path().join("tags")), ..Options::default() };
    tags_written_after_a_lift_survive_a_restart(options).await;
}

#[tokio::test]
async fn tags_written_after_a_lift_survive_a_restart_with_redis() {
    let redis_url = Secret::new(tagbid_testkit::redis().url());
    let options = Options { store: StoreKind::Redis, redis_url, ..Options::default() };
    tags_written_after_a_lift_survive_a_restart(options).await;
}

/// Looks a suppressed user up again and again until told to stop; what an answer must never hold is said at once.
async fn watch_closely(role: &Role, key: UserKey, stop: &AtomicBool) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    while !stop.load(Ordering::Relaxed) {
        let answer = role.lookup_within(key, Duration::from_millis(100)).await;
        assert!(answer.offline.is_empty() && answer.realtime.is_none(), "{answer:?}");
        let known = statuses(&answer).contains(&SourceStatus::Known);
        assert!(answer.suppressed || !known, "known, and not suppressed: {answer:?}");
        seen.insert(format!("{:?}", answer.offline_status));
        tokio::task::yield_now().await;
    }
    seen
}

/// Writes the tags of the users through the role whenever it lets it, as a data team would.
async fn write_always(role: &Role, users: &[UserKey], stop: &AtomicBool) {
    let writer = role.service.writer();
    while !stop.load(Ordering::Relaxed) {
        for user in users {
            drop(writer.put_offline(DATASET, vec![(*user, offline_blob(1))]).await);
            drop(writer.merge_realtime(vec![(*user, event(1, 60, 10))]).await);
        }
        tokio::task::yield_now().await;
    }
}

async fn profile_of(role: &Role, key: UserKey) -> bool {
    let answer = role.lookup(key).await;
    statuses(&answer) == [SourceStatus::Known; 3] && answer.realtime.is_some()
}

/// While somebody else writes and looks up through two nodes, Redis loses everything again and again.
async fn nobody_suppressed_is_known(mut lose: impl AsyncFnMut(&mut RedisServer)) {
    let mut server = RedisServer::start().unwrap();
    let redis_url = Secret::new(server.database().unwrap().url());
    let options = Options { store: StoreKind::Redis, redis_url, ..Options::default() };
    let nodes = [Role::start(options.clone()).await, Role::start(options).await];
    for node in &nodes {
        node.suppress(user(1)).await;
    }
    let stop = AtomicBool::new(false);
    let losses = async {
        for _ in 0..3 {
            wait_until_async("the other user's profile", PATIENCE, async || {
                profile_of(&nodes[0], user(2)).await && profile_of(&nodes[1], user(2)).await
            })
            .await;
            lose(&mut server).await;
            wait_until_async("both nodes to be certain again", PATIENCE, async || {
                nodes[0].lookup(user(1)).await.suppressed && nodes[1].lookup(user(1)).await.suppressed
            })
            .await;
        }
        stop.store(true, Ordering::Relaxed);
    };
    let watched = [watch_closely(&nodes[0], user(1), &stop), watch_closely(&nodes[1], user(1), &stop)];
    let users = [user(1), user(2)];
    let ((), seen, ()) =
        tokio::join!(losses, futures_util::future::join_all(watched), write_always(&nodes[0], &users, &stop));
    for seen in seen {
        assert!(seen.contains("Uncertain") && seen.contains("Known"), "{seen:?}");
    }
}

#[tokio::test]
async fn a_redis_that_is_flushed_never_makes_a_suppressed_user_known() {
    nobody_suppressed_is_known(async |server: &mut RedisServer| {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", server.port())).unwrap();
        redis::cmd("FLUSHALL").query::<()>(&mut client.get_connection().unwrap()).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_comes_back_empty_never_makes_a_suppressed_user_known() {
    nobody_suppressed_is_known(async |server: &mut RedisServer| {
        server.kill();
        server.restart().unwrap();
    })
    .await;
}

#[tokio::test]
async fn writes_are_refused_until_the_list_is_replayed() {
    let following = Following::start(Options::default()).await;
    let writer = following.role.service.writer();
    let refused = writer.put_offline(DATASET, vec![(user(1), offline_blob(1))]).await.unwrap_err();
    assert!(refused.to_string().contains("not replayed"), "{refused}");
    following.first.send(CAUGHT_UP).await.unwrap();
    writer.put_offline(DATASET, vec![(user(1), offline_blob(1))]).await.unwrap();
}

#[tokio::test]
async fn whoever_was_suppressed_and_lifted_while_no_node_followed_has_lost_the_old_profile() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { memory_file: Some(dir.path().join("tags")), ..Options::default() };
    let before = Following::start(options.clone()).await;
    before.first.send(users(1, &[(user(9), true)])).await.unwrap();
    before.first.send(CAUGHT_UP).await.unwrap();
    before.role.until_ready().await;
    for n in [1, 2] {
        before.role.service.writer().put_offline(DATASET, vec![(user(n), offline_blob(1))]).await.unwrap();
    }
    before.role.tasks.drain().start();
    assert!(before.role.tasks.finish(PATIENCE).await);

    // The list tells of each user the last change only.
    let mut after = Following::start_over(options, before.role.book.clone()).await;
    assert_eq!(after.asked.recv().await, Some(Revision(1)), "it goes on from where the store is");
    after.first.send(users(3, &[(user(1), false)])).await.unwrap();
    after.first.send(CAUGHT_UP).await.unwrap();
    after.role.until_ready().await;
    assert_eq!(blobs(&after.role.lookup(user(1)).await).len(), 0);
    assert_eq!(blobs(&after.role.lookup(user(2)).await).len(), 1);
}

#[tokio::test]
async fn a_node_that_lags_takes_nothing_back() {
    let redis_url = Secret::new(tagbid_testkit::redis().url());
    let options = Options { store: StoreKind::Redis, redis_url, ..Options::default() };
    let lagging = Following::start(options.clone()).await;
    lagging.first.send(CAUGHT_UP).await.unwrap();
    lagging.role.until_ready().await;
    let leading = Following::start(options).await;
    leading.first.send(users(2, &[(user(1), true), (user(2), false)])).await.unwrap();
    leading.first.send(users(4, &[(user(3), true)])).await.unwrap();
    leading.first.send(CAUGHT_UP).await.unwrap();
    leading.role.until_ready().await;
    let tags = leading.role.service.writer();
    tags.put_offline(DATASET, vec![(user(2), offline_blob(1))]).await.unwrap();

    // What the other node did long ago, in pieces of the slow one's own.
    lagging.first.send(users(1, &[(user(1), false)])).await.unwrap();
    lagging.first.send(users(2, &[(user(2), false), (user(1), true)])).await.unwrap();
    let rest = vec![change(3, user(3), false), change(6, user(4), true)];
    lagging.first.send(Ok(SuppressionEvent::Users(rest))).await.unwrap();
    wait_until_async("the new suppression", PATIENCE, async || leading.suppressed(user(4)).await).await;
    for n in [1, 3] {
        assert!(leading.suppressed(user(n)).await && lagging.suppressed(user(n)).await, "user {n}");
    }
    assert_eq!(blobs(&leading.role.lookup(user(2)).await).len(), 1, "written after the lift");
}

#[tokio::test]
async fn a_change_of_the_list_costs_no_lookup() {
    let redis_url = Secret::new(tagbid_testkit::redis().url());
    let options = Options { store: StoreKind::Redis, redis_url, ..Options::default() };
    let role = Role::start(options).await;
    let stop = AtomicBool::new(false);
    let look_up = async || {
        while !stop.load(Ordering::Relaxed) {
            assert_eq!(statuses(&role.lookup(user(200)).await), [SourceStatus::Known; 3]);
        }
    };
    let changes = async {
        for n in 0..100 {
            role.suppress(user(n)).await;
        }
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(changes, look_up(), look_up(), look_up(), look_up());
}
