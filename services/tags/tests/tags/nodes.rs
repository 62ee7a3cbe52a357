//! Bidders' lookups over several tags nodes of which one is stopped, stands still or is slow: real sockets, a proxy before each
//! node.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::join_all;
use prometheus_client::registry::Registry;
use tagbid_clients::{GrpcLookupSource, NearOptions, NearSource};
use tagbid_ports::{Datasets, LookupRequest, OtherKeys, SourceStatus, TagAnswer, TagLookup, TagLookupSource};
use tagbid_runtime::auth::Secret;
use tagbid_runtime::{Drain, SystemClock, Tasks};
use tagbid_tags::Options;
use tagbid_tagset::UserKey;
use tagbid_testkit::{Proxy, Way, wait_until_async};
use tagbid_types::Clock;
use tagbid_wire::pb::tags as pb;

use crate::conformance::{DATASET, offline_blob};
use crate::fixture::{ACME, PATIENCE, ROLE, Role, blobs, key_of, mac_key};
use crate::snapshots;

/// Enough that each of two nodes has some of them.
const USERS: u8 = 40;

/// A key as random as they are: by it nodes are chosen.
fn user(n: u8) -> UserKey {
    key_of(&format!("user-{n}"), &mac_key(1))
}

/// A store with that many users behind some nodes, and a bidder's worker before them.
struct Nodes {
    role: Role,
    ways: Vec<Proxy>,
    lookup: Arc<dyn TagLookup>,
    metrics: Registry,
    tasks: Tasks,
}

impl Nodes {
    async fn start(count: usize, near: Option<NearOptions>) -> Self {
        let role = Role::start(Options::default()).await;
        let tags = (0..USERS).map(|n| (user(n), offline_blob(n.into()))).collect();
        role.service.writer().put_offline(DATASET, tags).await.unwrap();
        let mut ways = Vec::new();
        for _ in 0..count {
            let address = role.serve().await;
            let port = address.rsplit_once(':').unwrap().1.parse().unwrap();
            ways.push(Proxy::start(port).unwrap());
        }
        let addresses: Vec<_> = ways.iter().map(|way| format!("http://127.0.0.1:{}", way.port())).collect();
        let (clock, tasks): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), Tasks::new(Drain::default()));
        let token = Secret::new(ROLE);
        let source = GrpcLookupSource::new(&addresses, &token, Arc::clone(&clock), tasks.clone()).unwrap();
        let mut metrics = Registry::default();
        metrics.register_collector(source.collector());
        let source: Arc<dyn TagLookupSource> = match near {
            Some(options) => Arc::new(NearSource::new(Arc::new(source), options, clock)),
            None => Arc::new(source),
        };
        let nodes = Self { lookup: source.open(), role, ways, metrics, tasks };
        wait_until_async("all streams", PATIENCE, async || {
            nodes.sum("tagbid_lookup_streams{") == count as u64
        })
        .await;
        nodes
    }

    fn request(n: u8, within: Duration) -> LookupRequest {
        let deadline = SystemClock.monotonic().after(within);
        LookupRequest {
            user: user(n),
            previous: None,
            others: OtherKeys::NONE,
            frequency: true,
            datasets: Datasets::ALL,
            deadline,
        }
    }

    async fn one(&self, n: u8, within: Duration) -> TagAnswer {
        self.lookup.lookup(Self::request(n, within)).await
    }

    /// What all users' lookups said. Whatever it is, it is not wrong, and it does not say "no tags".
    async fn all(&self, within: Duration) -> Vec<SourceStatus> {
        let began = Instant::now();
        let answers = join_all((0..USERS).map(|n| self.one(n, within))).await;
        // Nobody waits for a node beyond their deadline; how long it then takes to run is the machine's affair.
        assert!(began.elapsed() < within + PATIENCE);
        let status = |(n, answer): (u8, TagAnswer)| {
            match answer.offline_status {
                SourceStatus::Known | SourceStatus::Stale => {
                    assert_eq!(blobs(&answer), [offline_blob(n.into())]);
                }
                _ => assert_eq!(answer, TagAnswer::unknown(answer.offline_status)),
            }
            answer.offline_status
        };
        (0..).zip(answers).map(status).collect()
    }

    async fn until_all_are_known(&self) {
        wait_until_async("all users to be known", PATIENCE, async || {
            self.all(Duration::from_millis(500)).await.iter().all(|one| *one == SourceStatus::Known)
        })
        .await;
    }

    /// Of a metric, over all series whose line begins so.
    fn sum(&self, begin: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.metrics).unwrap();
        let lines = text.lines().filter(|line| line.starts_with(begin));
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
    }

    fn left_alone(&self) -> u64 {
        self.changes("left_alone")
    }

    fn lost(&self) -> u64 {
        self.changes("lost")
    }

    fn changes(&self, change: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.metrics).unwrap();
        let label = format!("change=\"{change}\"");
        let lines = text.lines().filter(|line| line.contains(&label));
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.tasks.drain().start();
        self.role.tasks.drain().start();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_a_node_that_is_stopped_are_answered_by_the_others() {
    let nodes = Nodes::start(2, None).await;
    nodes.until_all_are_known().await;
    nodes.ways[0].set(Way::Broken);
    nodes.until_all_are_known().await;
    nodes.ways[1].set(Way::Broken);
    wait_until_async("both to be gone", PATIENCE, async || {
        nodes.all(Duration::from_millis(500)).await.iter().all(|one| *one == SourceStatus::Failed)
    })
    .await;
    let at_once = nodes.lookup.lookup(Nodes::request(1, PATIENCE)).now_or_never();
    assert_eq!(at_once, Some(TagAnswer::unknown(SourceStatus::Failed)));
    nodes.ways.iter().for_each(|way| way.set(Way::Clear));
    nodes.until_all_are_known().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stands_still_is_left_alone_and_tried_until_it_goes_on() {
    let nodes = Nodes::start(2, None).await;
    nodes.until_all_are_known().await;
    nodes.ways[0].set(Way::Silent);
    let first = nodes.all(Duration::from_millis(100)).await;
    assert!(first.contains(&SourceStatus::Late), "its users wait in vain: {first:?}");
    nodes.until_all_are_known().await;
    // A machine that stands still may find the stream broken first.
    assert!(nodes.left_alone() >= 1 || nodes.lost() >= 1);
    nodes.ways[0].set(Way::Clear);
    wait_until_async("the node to be asked again", PATIENCE, async || {
        nodes.all(Duration::from_millis(500)).await;
        nodes.sum("tagbid_lookup_streams{") == 2 && nodes.sum("tagbid_lookup_left_alone{") == 0
    })
    .await;
    nodes.until_all_are_known().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_only_node_does_not_answer_users_have_failed_at_once() {
    let nodes = Nodes::start(1, None).await;
    nodes.until_all_are_known().await;
    nodes.ways[0].set(Way::Silent);
    wait_until_async("an answer at once", PATIENCE, async || {
        nodes.all(Duration::from_millis(20)).await;
        let at_once = nodes.lookup.lookup(Nodes::request(1, PATIENCE)).now_or_never();
        at_once == Some(TagAnswer::unknown(SourceStatus::Failed))
    })
    .await;
    nodes.ways[0].set(Way::Clear);
    nodes.until_all_are_known().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_always_too_slow_loses_its_users_to_another() {
    let nodes = Nodes::start(2, None).await;
    nodes.until_all_are_known().await;
    nodes.ways[0].set(Way::Slow(Duration::from_millis(50)));
    let seen: BTreeSet<_> =
        nodes.all(Duration::from_millis(25)).await.iter().map(|one| format!("{one:?}")).collect();
    assert!(seen.contains("Late"), "{seen:?}");
    wait_until_async("the node to be left alone", PATIENCE, async || {
        nodes.all(Duration::from_millis(25)).await;
        nodes.left_alone() >= 1 || nodes.lost() >= 1
    })
    .await;
    nodes.ways[0].set(Way::Clear);
    nodes.until_all_are_known().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_of_the_version_that_it_names_whatever_is_activated_meanwhile() {
    let near = NearOptions { bytes: 1 << 20, stale: PATIENCE };
    let nodes = Nodes::start(2, Some(near)).await;
    let mut acme = snapshots::client(&nodes.role, ACME).await;
    let ids: Vec<_> = (0..USERS).map(|n| format!("user-{n}")).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    // The tag of each version has its number.
    for tag in [1, 2] {
        snapshots::loaded(&mut acme, &format!("load {tag}"), &ids, tag).await;
    }
    let versions = async || {
        let answers = join_all((0..USERS).map(|n| nodes.one(n, PATIENCE))).await;
        let of = |answer: &TagAnswer| {
            let found = answer.offline.iter().find(|one| one.dataset.0 == snapshots::OWN).unwrap();
            let blob = found.blob.clone().unwrap();
            let tag = tagbid_tagset::offline::Offline::parse(&blob).unwrap().tags().next().unwrap().unwrap();
            assert_eq!(tag.id.0, found.version, "a blob of one version under the name of another");
            found.version
        };
        answers.iter().map(of).collect::<BTreeSet<_>>()
    };
    let (mut seen, mut round) = (BTreeSet::new(), 0_usize);
    let began = Instant::now();
    while round < 20 || seen != BTreeSet::from([1, 2]) {
        assert!(began.elapsed() < PATIENCE, "{seen:?}");
        let version = 1 + u32::from(round % 2 == 1);
        acme.activate_snapshot(pb::ActivateSnapshotRequest { dataset: snapshots::OWN, version })
            .await
            .unwrap();
        nodes.ways[round % 2].set(Way::Slow(Duration::from_millis(5)));
        seen.extend(versions().await);
        tokio::time::sleep(Duration::from_millis(30)).await;
        round += 1;
    }
    let last = pb::ActivateSnapshotRequest { dataset: snapshots::OWN, version: 2 };
    acme.activate_snapshot(last).await.unwrap();
    wait_until_async("the last one everywhere", PATIENCE, async || versions().await == BTreeSet::from([2]))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nobody_answers_offline_tags_are_used_and_nothing_else_is_known() {
    let near = NearOptions { bytes: 1 << 20, stale: PATIENCE };
    let nodes = Nodes::start(1, Some(near)).await;
    nodes.until_all_are_known().await;
    nodes.ways[0].set(Way::Silent);
    wait_until_async("answers from earlier", PATIENCE, async || {
        nodes.all(Duration::from_millis(20)).await.iter().all(|one| *one == SourceStatus::Stale)
    })
    .await;
    let stale = nodes.one(3, Duration::from_millis(20)).await;
    assert!(
        !matches!(stale.realtime_status, SourceStatus::Known),
        "so nobody knows whether they are suppressed"
    );
    assert_eq!((stale.suppressed, stale.realtime, stale.frequency), (false, None, None));
    let stranger = nodes.one(200, Duration::from_millis(20)).await;
    assert_ne!(stranger.offline_status, SourceStatus::Stale, "of a stranger there is nothing from earlier");

    // Suppressed in the meantime: as soon as the node answers, that is what counts.
    nodes.role.suppress(user(3)).await;
    nodes.ways[0].set(Way::Clear);
    wait_until_async("the suppression", PATIENCE, async || {
        nodes.one(3, Duration::from_millis(500)).await.suppressed
    })
    .await;
}
