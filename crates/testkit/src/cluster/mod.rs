//! A real Redis Cluster for tests: three primaries and three replicas, faults at will.

mod reshape;
mod view;

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

pub use self::view::{SLOTS, slot_of};
use self::view::{Seen, ask, owners, view};
use crate::error::or_fail;
use crate::{KitError, RedisServer, wait};

/// Primaries, and replicas, of a new cluster.
const PRIMARIES: usize = 3;

/// How long the nodes may take to agree: they gossip every second, and failures take the node timeout of 1 s.
const AGREEMENT: Duration = Duration::from_secs(60);

/// The cluster of this test binary, empty and whole, for the calling test alone. Others wait until it is given back.
///
/// # Panics
/// When there is no Redis, naming the command that installs it, and when the cluster cannot be repaired.
#[track_caller]
pub fn redis_cluster() -> ClusterLease {
    static CLUSTER: OnceLock<Result<Mutex<RedisCluster>, KitError>> = OnceLock::new();
    let start = || RedisCluster::start().map(Mutex::new);
    let cluster = match CLUSTER.get_or_init(start) {
        Ok(cluster) => cluster,
        Err(error) => {
            let output = error.to_string();
            return or_fail(Err(KitError::Failed { what: "starting a Redis Cluster", output }));
        }
    };
    // A test that failed with it leaves nothing that the repair does not mend.
    let mut cluster = cluster.lock().unwrap_or_else(PoisonError::into_inner);
    or_fail(cluster.repair());
    ClusterLease(cluster)
}

/// The shared cluster, while a test has it.
#[derive(Debug)]
pub struct ClusterLease(MutexGuard<'static, RedisCluster>);

impl Deref for ClusterLease {
    type Target = RedisCluster;

    fn deref(&self) -> &RedisCluster {
        &self.0
    }
}

impl DerefMut for ClusterLease {
    fn deref_mut(&mut self) -> &mut RedisCluster {
        &mut self.0
    }
}

/// A Redis Cluster: node timeout 1 s, no persistence, a slot without a node takes no other with it. Ends on drop.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
    ids: Vec<String>,
}

impl RedisCluster {
    /// Starts six nodes and waits until they agree and replicas are in sync.
    pub fn start() -> Result<Self, KitError> {
        let nodes: Vec<_> =
            (0..2 * PRIMARIES).map(|_| RedisServer::start_node()).collect::<Result<_, KitError>>()?;
        let ids = nodes.iter().map(|node| ask(node, &["CLUSTER", "MYID"])).collect::<Result<_, _>>()?;
        let cluster = Self { nodes, ids };
        for (index, node) in cluster.nodes.iter().enumerate() {
            // Different from the start: nodes that claim the same epoch first have to settle that.
            ask::<()>(node, &["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()])?;
        }
        for (index, node) in cluster.nodes.iter().enumerate() {
            for other in &cluster.nodes[index + 1..] {
                cluster.meet(node, other)?;
            }
        }
        let share = usize::from(SLOTS).div_ceil(PRIMARIES);
        for (index, node) in cluster.nodes.iter().enumerate().take(PRIMARIES) {
            let (first, end) = (index * share, ((index + 1) * share).min(SLOTS.into()));
            ask::<()>(node, &["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &(end - 1).to_string()])?;
        }
        cluster.wait_met()?;
        for replica in PRIMARIES..2 * PRIMARIES {
            ask::<()>(&cluster.nodes[replica], &["CLUSTER", "REPLICATE", &cluster.ids[replica - PRIMARIES]])?;
        }
        cluster.wait_whole()?;
        Ok(cluster)
    }

    fn meet(&self, node: &RedisServer, other: &RedisServer) -> Result<(), KitError> {
        let (port, bus) = (other.port().to_string(), other.bus_port().unwrap_or_default().to_string());
        ask(node, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus])
    }

    /// URLs of the nodes that the cluster began with.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| format!("redis://127.0.0.1:{}", node.port())).collect()
    }

    /// A node by its index; primaries and replicas change places when nodes fail.
    pub fn node(&self, index: usize) -> &RedisServer {
        &self.nodes[index]
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// There are always some.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The primary of a slot as those who can be asked see it.
    ///
    /// # Panics
    /// When nobody owns it.
    #[track_caller]
    pub fn primary_of(&self, slot: u16) -> usize {
        wait::wait_for("an owner of the slot", AGREEMENT, || {
            self.owners().get(usize::from(slot)).copied().flatten()
        })
    }

    /// The primary of each slot, as [`RedisCluster::primary_of`] has it; none where nobody owns it.
    pub fn owners(&self) -> Vec<Option<usize>> {
        let index = |id: Option<String>| self.ids.iter().position(|one| Some(one) == id.as_ref());
        owners(self.answering()).into_iter().map(index).collect()
    }

    /// The replicas of a primary that run.
    pub fn replicas_of(&self, primary: usize) -> Vec<usize> {
        let seen = self.answering().find_map(|node| view(node).ok()).unwrap_or_default();
        let of = |index: &usize| {
            seen.iter().any(|one| {
                Some(&one.id) == self.ids.get(*index) && one.primary.as_ref() == self.ids.get(primary)
            })
        };
        (0..self.nodes.len()).filter(of).filter(|index| self.nodes[*index].is_up()).collect()
    }

    /// Waits until somebody else than this node is the primary of the slot, and says who.
    ///
    /// # Panics
    /// When nobody is within a minute.
    #[track_caller]
    pub fn wait_promoted(&self, slot: u16, instead_of: usize) -> usize {
        wait::wait_for("a replica to be promoted", AGREEMENT, || {
            let owner = self.primary_of(slot);
            (owner != instead_of).then_some(owner)
        })
    }

    /// Kills a node at once; what only it held is lost.
    #[track_caller]
    pub fn kill(&self, index: usize) {
        self.nodes[index].kill();
    }

    /// Starts a killed node again, empty; it finds its place in the cluster by itself.
    #[track_caller]
    pub fn restart(&mut self, index: usize) {
        or_fail(self.nodes[index].restart());
    }

    /// Nodes whose processes run and are not stopped.
    fn answering(&self) -> impl Iterator<Item = &RedisServer> {
        self.nodes.iter().filter(|node| node.is_up() && !node.is_frozen())
    }

    /// Starts what was killed, lets go on what was frozen, finishes what was being moved, removes what was added and
    /// empties everything.
    pub fn repair(&mut self) -> Result<(), KitError> {
        for node in &mut self.nodes {
            if node.is_up() {
                node.thaw();
            } else {
                node.restart()?;
            }
        }
        for node in &self.nodes {
            for (name, value) in [("maxmemory", "512mb"), ("cluster-announce-port", "0")] {
                ask::<()>(node, &["CONFIG", "SET", name, value])?;
            }
        }
        self.wait_whole()?;
        self.settle_slots()?;
        for added in (2 * PRIMARIES..self.nodes.len()).rev() {
            self.empty_node(added)?;
        }
        self.spread_replicas()?;
        for added in (2 * PRIMARIES..self.nodes.len()).rev() {
            self.remove_node(added)?;
        }
        for seen in self.claims()?.iter().filter(|one| one.is("master")) {
            if let Some(index) = self.ids.iter().position(|id| *id == seen.id) {
                ask::<()>(&self.nodes[index], &["FLUSHALL"])?;
                ask::<()>(&self.nodes[index], &["SCRIPT", "FLUSH"])?;
            }
        }
        self.wait_whole()
    }

    fn wait_for(&self, what: &'static str, holds: impl Fn() -> bool) -> Result<(), KitError> {
        wait::poll(AGREEMENT, || holds().then_some(())).ok_or_else(|| KitError::Failed {
            what,
            output: format!("after {AGREEMENT:?} the first node says:\n{:#?}", self.nodes.first().map(view)),
        })
    }

    /// Every node that answers has met every other, and talks to those that run.
    fn wait_met(&self) -> Result<(), KitError> {
        let met = |node: &RedisServer| {
            let seen = view(node).unwrap_or_default();
            seen.len() == self.nodes.len()
                && seen.iter().all(|one| one.linked || one.is("myself") || one.is("fail"))
                && seen.iter().all(|one| !one.is("handshake"))
                && seen.iter().all(|one| one.is("fail") || self.is_where_it_listens(one))
        };
        self.wait_for("waiting for the nodes to meet", || self.answering().all(met))
    }

    /// Nobody takes it to be where it was announced in a test before.
    fn is_where_it_listens(&self, seen: &Seen) -> bool {
        let index = self.ids.iter().position(|id| *id == seen.id);
        index.and_then(|index| self.nodes.get(index)).is_some_and(|node| Some(node.port()) == seen.port)
    }

    /// Every node says that the cluster is well, and every replica is in sync.
    fn wait_whole(&self) -> Result<(), KitError> {
        self.wait_met()?;
        self.wait_for("waiting for the cluster to be whole", || {
            self.nodes.iter().all(|node| self.is_whole(node).unwrap_or(false))
        })
    }

    fn is_whole(&self, node: &RedisServer) -> Result<bool, KitError> {
        let info: String = ask(node, &["CLUSTER", "INFO"])?;
        let covered = format!("cluster_slots_ok:{SLOTS}");
        if !info.contains("cluster_state:ok") || !info.contains(&covered) {
            return Ok(false);
        }
        if view(node)?.iter().any(|one| one.is("fail") || one.is("fail?")) {
            return Ok(false);
        }
        let replication: String = ask(node, &["INFO", "replication"])?;
        let line = |name: &str| replication.lines().find_map(|line| line.strip_prefix(name));
        Ok(match line("role:") {
            Some("slave") => line("master_link_status:") == Some("up"),
            // Each of its replicas is told of and has all.
            _ => {
                let offset = line("master_repl_offset:").unwrap_or_default();
                let states = replication.lines().filter(|line| line.contains(",state="));
                states.clone().all(|line| line.contains("state=online"))
                    && states
                        .filter_map(|line| line.split(',').find_map(|part| part.strip_prefix("offset=")))
                        .all(|acknowledged| lag(offset, acknowledged) < 100)
            }
        })
    }
}

/// How far a replica is behind. A ping goes by each second, so "nothing" would be a matter of luck.
fn lag(offset: &str, acknowledged: &str) -> u64 {
    let number = |text: &str| text.parse::<u64>().unwrap_or_default();
    number(offset).saturating_sub(number(acknowledged))
}
