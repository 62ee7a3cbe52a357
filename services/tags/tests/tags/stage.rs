//! What fault tests stand on: a role over the shared Redis Cluster, users in every part of it, and load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tagbid_ports::{SourceStatus, TagAnswer};
use tagbid_runtime::auth::Secret;
use tagbid_tags::{Options, StoreKind};
use tagbid_tagset::UserKey;
use tagbid_testkit::{ClusterLease, redis_cluster, slot_of};
use tokio::task::{JoinSet, block_in_place};

use crate::conformance::{DATASET, offline_blob};
use crate::fixture::{PATIENCE, Role, blobs, statuses};

pub(crate) const KNOWN: [SourceStatus; 3] = [SourceStatus::Known; 3];

/// Users of the load: some thirty in each twelfth of the slots.
pub(crate) const USERS: u32 = 400;

/// What a lookup may take: an auction's share, and much for a test that shares its machine.
pub(crate) const DEADLINE: Duration = Duration::from_millis(100);

/// What an answer may take on a machine that does much else: far from "waited for a node".
const SLACK: Duration = Duration::from_secs(2);

pub(crate) fn user(n: u32) -> UserKey {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b9).to_be_bytes());
    key[12..].copy_from_slice(&n.to_be_bytes());
    UserKey(key)
}

pub(crate) fn slot(user: UserKey) -> u16 {
    slot_of(&user.to_string())
}

/// A role over the cluster, and users with tags in every part of it; every tenth is suppressed.
pub(crate) struct Stage {
    pub(crate) cluster: ClusterLease,
    pub(crate) role: Arc<Role>,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        Self::set_through(redis_cluster()).await
    }

    pub(crate) async fn set_through(cluster: ClusterLease) -> Self {
        let urls = cluster.urls().into_iter().map(Secret::new).collect();
        let options = Options { store: StoreKind::Redis, redis_cluster: urls, ..Options::default() };
        let role = Role::start(options).await;
        for n in (0..USERS).step_by(10) {
            role.suppress(user(n)).await;
        }
        let tags = (0..USERS).map(|n| (user(n), offline_blob(n))).collect();
        role.service.writer().put_offline(DATASET, tags).await.unwrap();
        Self { cluster, role: Arc::new(role) }
    }

    pub(crate) fn primary(&self, user: UserKey) -> usize {
        block_in_place(|| self.cluster.primary_of(slot(user)))
    }

    /// Begins to measure what the machine lets wait, beside a fault of this node.
    pub(crate) fn control(&self, victim: Option<usize>) -> Control {
        let owners = block_in_place(|| self.cluster.owners());
        let mut spared: Vec<usize> = owners.into_iter().flatten().collect();
        spared.sort_unstable();
        spared.dedup();
        spared.retain(|node| Some(*node) != victim);
        Control::start(spared.into_iter().map(|node| self.cluster.node(node).port()).collect())
    }

    /// Users by whether this node has them.
    pub(crate) fn split(&self, node: usize) -> (Vec<u32>, Vec<u32>) {
        let owners = block_in_place(|| self.cluster.owners());
        (0..USERS).partition(|n| owners[usize::from(slot(user(*n)))] == Some(node))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.role.tasks.drain().start();
    }
}

/// Whether it is what the stage was set with.
pub(crate) fn is_right(n: u32, answer: &TagAnswer) -> bool {
    let suppressed = n.is_multiple_of(10);
    let expected = if suppressed { vec![] } else { vec![offline_blob(n)] };
    let tags = blobs(answer) == expected;
    statuses(answer) == KNOWN && answer.suppressed == suppressed && tags
}

/// What lookups saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) right: usize,
    pub(crate) late: usize,
    pub(crate) failed: usize,
    pub(crate) uncertain: usize,
    pub(crate) slowest: Duration,
}

impl Seen {
    pub(crate) fn add(&mut self, n: u32, answer: &TagAnswer, took: Duration) {
        match answer.offline_status {
            SourceStatus::Known => {
                assert!(is_right(n, answer), "wrong about user {n}: {answer:?}");
                self.right += 1;
            }
            SourceStatus::Late => self.late += 1,
            SourceStatus::Failed | SourceStatus::Stale => self.failed += 1,
            SourceStatus::Uncertain => self.uncertain += 1,
        }
        self.slowest = self.slowest.max(took);
    }

    /// Nobody was uncertain; and nearly all were answered, as far as the machine had the time: where nodes that nothing
    /// ails take as long as a good part of a lookup's time, how many are late says nothing of us.
    #[track_caller]
    pub(crate) fn assert_well(&self, lag: Lag) {
        assert_eq!(self.uncertain, 0, "{self:?}");
        let unanswered = self.late + self.failed;
        let quick = lag.0 < DEADLINE / 4;
        assert!(!quick || unanswered * 10 <= self.right, "{self:?}, while the machine was quick: {lag:?}");
    }
}

/// The longest that the machine let something wait which nothing else held up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lag(Duration);

impl Lag {
    /// What takes that long on a machine of its own may take so long on this one.
    pub(crate) fn stretch(self, time: Duration) -> Duration {
        time + self.0 * 20
    }
}

/// Asks nodes that nothing ails for nothing, over connections of its own, until told to stop.
pub(crate) struct Control {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<Duration>,
}

impl Control {
    fn start(ports: Vec<u16>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let connect = |port| {
            let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
            client.get_connection().unwrap()
        };
        let asking = std::thread::spawn(move || {
            let mut nodes: Vec<_> = ports.into_iter().map(connect).collect();
            let mut slowest = Duration::ZERO;
            while !told.load(Ordering::Relaxed) {
                for node in &mut nodes {
                    let began = Instant::now();
                    redis::cmd("PING").exec(node).unwrap();
                    std::thread::sleep(Duration::from_millis(1));
                    slowest = slowest.max(began.elapsed());
                }
            }
            slowest
        });
        Self { stop, asking }
    }

    pub(crate) fn end(self) -> Lag {
        self.stop.store(true, Ordering::Relaxed);
        Lag(self.asking.join().unwrap())
    }
}

/// Looks these users up one after the other, in four tasks, until told to stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Seen>,
}

impl Load {
    pub(crate) fn start(role: &Arc<Role>, users: &[u32]) -> Self {
        let (stop, mut tasks) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for first in 0..4 {
            let (role, stop, users) = (Arc::clone(role), Arc::clone(&stop), users.to_vec());
            tasks.spawn(async move {
                let mut seen = Seen::default();
                for n in users.into_iter().cycle().skip(first * 7) {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let began = Instant::now();
                    let answer = role.lookup_within(user(n), DEADLINE).await;
                    seen.add(n, &answer, began.elapsed());
                    // A steady load, which leaves the servers of the test some of the machine.
                    tokio::time::sleep(Duration::from_micros(500)).await;
                }
                seen
            });
        }
        Self { stop, tasks }
    }

    pub(crate) async fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Seen::default();
        for seen in self.tasks.join_all().await {
            all.right += seen.right;
            all.late += seen.late;
            all.failed += seen.failed;
            all.uncertain += seen.uncertain;
            all.slowest = all.slowest.max(seen.slowest);
        }
        assert!(all.slowest < DEADLINE + SLACK, "an answer took {:?}", all.slowest);
        all
    }
}

/// Waits until these users are all looked up rightly; how long that took.
pub(crate) async fn until_right(role: &Role, users: &[u32]) -> Duration {
    let began = Instant::now();
    let mut wrong = None;
    let right = async {
        loop {
            wrong = None;
            for &n in users {
                let answer = role.lookup_within(user(n), DEADLINE).await;
                if !is_right(n, &answer) {
                    wrong = Some((n, answer));
                    break;
                }
            }
            if wrong.is_none() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, right).await.is_ok();
    assert!(in_time, "not right after {PATIENCE:?}: {wrong:?}");
    began.elapsed()
}

/// Lookups of users who are suppressed, again and again, while something is done to the cluster.
pub(crate) async fn never_known_while(stage: &Stage, suppressed: &[u32], fault: impl AsyncFnOnce()) -> Seen {
    let stop = Arc::new(AtomicBool::new(false));
    let (role, users, told) = (Arc::clone(&stage.role), suppressed.to_vec(), Arc::clone(&stop));
    let mut watch = JoinSet::new();
    watch.spawn(async move {
        let mut seen = Seen::default();
        while !told.load(Ordering::Relaxed) {
            for &n in &users {
                let began = Instant::now();
                let answer = role.lookup_within(user(n), DEADLINE).await;
                seen.add(n, &answer, began.elapsed());
            }
            tokio::task::yield_now().await;
        }
        seen
    });
    fault().await;
    stop.store(true, Ordering::Relaxed);
    watch.join_all().await.remove(0)
}
