//! The role follows the suppression list: at the start, over a broken stream and over a restart.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tagbid_ports::{FeedError, SourceStatus, SuppressionEvent, SuppressionFeed};
use tagbid_runtime::auth::Secret;
use tagbid_tags::{Options, StoreKind};
use tagbid_tagset::{MacKeys, UserKey};
use tagbid_testkit::wait_until_async;
use tagbid_types::Revision;
use tokio::sync::mpsc;

use crate::conformance::{DATASET, event, offline_blob, user};
use crate::fixture::{PATIENCE, Role, mac_key, statuses};

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
        let (first, first_events) = mpsc::channel(8);
        let (second, second_events) = mpsc::channel(8);
        let (was_asked, asked) = mpsc::channel(8);
        let streams = Mutex::new(VecDeque::from([first_events, second_events]));
        let feed = Feed { streams, asked: was_asked };
        let keys = MacKeys { current: mac_key(1), previous: None };
        let role = Role::start_with(options, Some(Arc::new(feed)), keys).await;
        Self { role, first, second, asked }
    }

    async fn until_ready(&self) {
        let mut readiness = self.role.service.readiness();
        let ready = tokio::time::timeout(PATIENCE, readiness.wait_for(|ready| *ready)).await;
        ready.unwrap().unwrap();
    }

    async fn suppressed(&self, key: UserKey) -> bool {
        let answer = self.role.lookup(key).await;
        assert_eq!(statuses(&answer), [SourceStatus::Known; 3]);
        answer.suppressed
    }
}

fn users(revision: u64, users: &[(UserKey, bool)]) -> Event {
    Ok(SuppressionEvent::Users { revision: Revision(revision), users: users.to_vec() })
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
    assert_eq!(statuses(&answer), [SourceStatus::Failed; 3]);

    following.first.send(users(5, &[(user(1), true), (user(2), true)])).await.unwrap();
    following.first.send(CAUGHT_UP).await.unwrap();
    following.until_ready().await;
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
    following.until_ready().await;
    assert!(following.suppressed(user(1)).await, "told by the stream that broke");
    assert!(!following.suppressed(user(2)).await);
}

/// The whole story of a user: suppressed, then lifted, as two events.
async fn replayed(options: Options) -> Following {
    let following = Following::start(options).await;
    following.first.send(users(1, &[(user(1), true), (user(2), true)])).await.unwrap();
    following.first.send(users(2, &[(user(1), false)])).await.unwrap();
    following.first.send(CAUGHT_UP).await.unwrap();
    following.until_ready().await;
    following
}

async fn tags_written_after_a_lift_survive_a_restart(options: Options) {
    let before = replayed(options.clone()).await.role;
    let writer = before.service.writer();
    writer.put_offline(DATASET, vec![(user(1), offline_blob(1))]).await.unwrap();
    writer.merge_realtime(vec![(user(1), event(1, 60, 10))]).await.unwrap();
    let written = before.lookup(user(1)).await;
    assert!(written.realtime.is_some() && !written.offline.is_empty());
    before.tasks.drain().start();
    assert!(before.tasks.finish(PATIENCE).await);

    let after = replayed(options).await;
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
