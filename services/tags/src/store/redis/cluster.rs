//! All servers of the store: which one has what, kept up to date off the path of every request. A single Redis is a
//! cluster of one node that owns every slot.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use redis::io::tcp::TcpSettings;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, Pipeline, Value};
use tagbid_runtime::breaker::{jittered, random};
use tagbid_runtime::{Drain, Tasks};
use tokio::time::{Instant, sleep, timeout};

use super::node::{Node, Signals};
use super::topology::{self, Claim, Layout};
use super::{RedisConfig, RedisUrlError, Servers};

/// How old the known layout gets while all is well; and while something is not, between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(200));

/// A node that takes longer is not waited for: the others know too.
const ANSWER: Duration = Duration::from_millis(250);

/// The layout and the nodes that are in it.
pub(super) struct Map {
    pub(super) layout: Layout,
    /// In the order of the layout's primaries.
    pub(super) nodes: Vec<Arc<Node>>,
    /// How many layouts there were before it.
    pub(super) generation: u64,
}

impl Map {
    pub(super) fn owner(&self, slot: usize) -> Option<&Arc<Node>> {
        let index = self.layout.owners.get(slot).copied().flatten()?;
        self.nodes.get(usize::from(index))
    }

    pub(super) fn at(&self, address: &str) -> Option<&Arc<Node>> {
        self.nodes.iter().find(|node| node.address == address)
    }

    /// There is somebody for every slot, and a connection to each.
    pub(super) fn is_whole(&self) -> bool {
        self.nodes.iter().all(|node| node.is_up()) && self.layout.owners.iter().all(Option::is_some)
    }
}

/// A shared handle.
pub(super) struct Cluster {
    config: RedisConfig,
    /// How to reach nodes; of the first one for those that are found.
    seeds: Vec<ConnectionInfo>,
    map: ArcSwap<Map>,
    pub(super) signals: Arc<Signals>,
}

impl Cluster {
    pub(super) fn new(config: RedisConfig) -> Result<Arc<Self>, RedisUrlError> {
        let seeds = seeds(&config.servers)?;
        let signals = Arc::<Signals>::default();
        let (layout, nodes) = match (&config.servers, seeds.first()) {
            (Servers::One(_), Some(only)) => {
                let node =
                    Node::new(only.clone(), &config, Arc::clone(&signals)).map_err(RedisUrlError::Client)?;
                (Layout::alone(only.addr().to_string(), 0), vec![node])
            }
            _ => (Layout::of(Vec::new()), Vec::new()),
        };
        let map = ArcSwap::from_pointee(Map { layout, nodes, generation: 0 });
        Ok(Arc::new(Self { config, seeds, map, signals }))
    }

    pub(super) fn map(&self) -> Arc<Map> {
        self.map.load_full()
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.config.servers, Servers::Cluster(_))
    }

    pub(super) fn timeout(&self) -> Duration {
        self.config.timeout
    }

    /// Connects and keeps the layout until the drain has started.
    pub(super) async fn keep_up(self: Arc<Self>, tasks: Tasks) {
        let drain: Drain = tasks.drain().clone();
        for node in &self.map().nodes {
            tasks.spawn("tags redis node", Arc::clone(node).keep_up(drain.clone()));
        }
        if !self.is_cluster() {
            return;
        }
        let mut attempt = 0;
        loop {
            self.look(&tasks).await;
            let pause = if self.map().is_whole() {
                attempt = 0;
                LOOK_EVERY
            } else {
                attempt += 1;
                jittered(LOOK_AGAIN, attempt, random())
            };
            tokio::select! {
                () = sleep(pause) => {}
                // Not at once: a cluster that changes gives cause again and again.
                () = self.signals.trouble.notified() => sleep(LOOK_AGAIN.0).await,
                () = drain.wait() => return,
            }
        }
    }

    /// Asks whoever can be asked who owns what.
    async fn look(&self, tasks: &Tasks) {
        let map = self.map();
        let up = map.nodes.iter().filter(|node| node.is_up());
        let mut claims: Vec<Claim> = join_all(up.map(ask_node)).await.concat();
        if claims.is_empty() {
            claims = join_all(self.seeds.iter().map(|seed| self.ask_seed(seed))).await.concat();
        }
        if claims.is_empty() {
            return;
        }
        let layout = Layout::of(claims);
        if layout != map.layout {
            self.adopt(&map, layout, tasks);
        }
    }

    async fn ask_seed(&self, seed: &ConnectionInfo) -> Vec<Claim> {
        let asked = async {
            let client = redis::Client::open(seed.clone())?;
            let settings =
                redis::AsyncConnectionConfig::new().set_connection_timeout(Some(self.config.timeout));
            let mut connection = client.get_multiplexed_async_connection_with_config(&settings).await?;
            redis::cmd("CLUSTER").arg("NODES").query_async::<String>(&mut connection).await
        };
        match timeout(self.config.timeout * 2, asked).await {
            Ok(Ok(text)) => topology::claims(&text, &host_of(seed.addr())),
            Ok(Err(error)) => {
                let remedy = if error.to_string().contains("cluster support disabled") {
                    "; it is a single server: name it in tags.redis_url and leave tags.redis_cluster out"
                } else {
                    ""
                };
                tracing::warn!(node = %seed.addr(), %error, "no layout of the cluster{remedy}");
                Vec::new()
            }
            Err(_) => {
                tracing::warn!(node = %seed.addr(), "no layout of the cluster: no answer");
                Vec::new()
            }
        }
    }

    fn adopt(&self, map: &Map, layout: Layout, tasks: &Tasks) {
        let mut known: BTreeMap<&str, &Arc<Node>> =
            map.nodes.iter().map(|node| (node.address.as_str(), node)).collect();
        let mut nodes = Vec::with_capacity(layout.primaries.len());
        for (host, port) in &layout.primaries {
            let Some(info) = self.seeds.first() else { return };
            let info = info.clone().set_addr(ConnectionAddr::Tcp(host.clone(), *port));
            let address = info.addr().to_string();
            if let Some(node) = known.remove(address.as_str()) {
                nodes.push(Arc::clone(node));
                continue;
            }
            let Ok(node) = Node::new(info, &self.config, Arc::clone(&self.signals)) else { return };
            tasks.spawn("tags redis node", Arc::clone(&node).keep_up(tasks.drain().clone()));
            nodes.push(node);
        }
        let generation = map.generation + 1;
        tracing::info!(generation, primaries = nodes.len(), "the redis cluster has another layout");
        self.map.store(Arc::new(Map { layout, nodes, generation }));
        known.into_values().for_each(|node| node.retire());
        self.signals.doubt.notify_one();
    }
}

async fn ask_node(node: &Arc<Node>) -> Vec<Claim> {
    let mut commands = Pipeline::with_capacity(1);
    commands.cmd("CLUSTER").arg("NODES");
    match node.ask(&commands, Instant::now() + ANSWER).await.as_deref() {
        Ok([Value::BulkString(text)]) => {
            let host = node.address.rsplit_once(':').map_or("", |(host, _)| host);
            topology::claims(&String::from_utf8_lossy(text), host)
        }
        Ok([Value::VerbatimString { text, .. }]) => topology::claims(text, ""),
        _ => Vec::new(),
    }
}

fn host_of(address: &ConnectionAddr) -> String {
    match address {
        ConnectionAddr::Tcp(host, _) => host.clone(),
        other => other.to_string(),
    }
}

/// Where to begin, and how to sign in.
fn seeds(servers: &Servers) -> Result<Vec<ConnectionInfo>, RedisUrlError> {
    let urls = match servers {
        Servers::One(url) => std::slice::from_ref(url),
        Servers::Cluster(urls) if urls.is_empty() => return Err(RedisUrlError::Nobody),
        Servers::Cluster(urls) => urls.as_slice(),
    };
    let read = |url: &String| {
        let info = url.as_str().into_connection_info().map_err(RedisUrlError::Url)?;
        if matches!(servers, Servers::Cluster(_)) {
            if info.redis_settings().db() != 0 {
                return Err(RedisUrlError::Database(info.redis_settings().db()));
            }
            if !matches!(info.addr(), ConnectionAddr::Tcp(..)) {
                return Err(RedisUrlError::NotTcp);
            }
        }
        // Without it Nagle's algorithm holds small commands back for up to 40 ms.
        Ok(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
    };
    urls.iter().map(read).collect()
}
