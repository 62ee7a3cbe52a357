//! A tags node over a Redis: in this process, or as a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tagbid_catalog::people::Id;
use tagbid_catalog::snapshots::OPEN;
use tagbid_catalog::{Dataset, Entity, Registry, RegistryEpoch, SnapshotChange};
use tagbid_ports::{
    FeedError, LinksError, NamesAnswer, NamesError, NamesQuestion, PeopleLinks, SnapshotBook,
    SnapshotBookError, SnapshotStep, SuppressionEvent, SuppressionFeed, TagNames, TagRegistry,
};
use tagbid_runtime::auth::{Secret, TokenConfig, Tokens};
use tagbid_runtime::{Drain, SystemClock, Tasks};
use tagbid_tags::{Options, Ports, Service, StoreKind};
use tagbid_tagset::{MacKey, MacKeys};
use tagbid_types::{DatasetId, Revision, Timestamp};
use tokio::net::TcpListener;
use tonic::Request;
use tonic::service::RoutesBuilder;

use crate::users;

pub(crate) const TOKEN: &str = "operator-token-0001";

/// One dataset whose version 1 is active, and nobody suppressed.
struct Fixed(Arc<Registry>);

impl Fixed {
    fn new() -> Arc<Self> {
        let mut dataset = Dataset { id: DatasetId(users::DATASET), ..Dataset::default() };
        let (load, as_of) = (OPEN.into(), Timestamp(0));
        let steps = [
            SnapshotChange::Begin { load, as_of, epoch: RegistryEpoch::default() },
            SnapshotChange::Loaded { version: 1, users: 0 },
            SnapshotChange::Activate(1),
        ];
        for step in steps {
            dataset.snapshots.apply(&step, Timestamp(1)).unwrap();
        }
        let mut registry = Registry::default();
        registry.put(&Entity::Dataset(Arc::new(dataset)));
        Arc::new(Self(Arc::new(registry)))
    }
}

impl TagRegistry for Fixed {
    fn now(&self) -> Arc<Registry> {
        Arc::clone(&self.0)
    }
}

#[async_trait]
impl TagNames for Fixed {
    async fn resolve(&self, _: NamesQuestion) -> Result<NamesAnswer, NamesError> {
        Err(NamesError::Unavailable("there is no campaigns role".into()))
    }
}

#[async_trait]
impl PeopleLinks for Fixed {
    async fn link(&self, _: Vec<Vec<Id>>) -> Result<Vec<Option<String>>, LinksError> {
        Err(LinksError::Unavailable("there is no campaigns role".into()))
    }
}

#[async_trait]
impl SnapshotBook for Fixed {
    async fn step(&self, _: SnapshotStep) -> Result<(u32, Arc<Dataset>), SnapshotBookError> {
        Err(SnapshotBookError::Unavailable("there is no campaigns role".into()))
    }
}

impl SuppressionFeed for Fixed {
    fn subscribe(&self, _: Revision) -> BoxStream<'static, Result<SuppressionEvent, FeedError>> {
        stream::iter([Ok(SuppressionEvent::CaughtUp)]).chain(stream::pending()).boxed()
    }
}

pub(crate) fn mac_key() -> MacKey {
    MacKey::new(1, &[1; 32]).unwrap()
}

/// The role in this process.
pub(crate) async fn service(redis: &str, tasks: &Tasks) -> Service {
    let options = Options { store: StoreKind::Redis, redis_url: Secret::new(redis), ..Options::default() };
    let fixed = Fixed::new();
    let ports = Ports {
        keys: MacKeys::only(mac_key()),
        registry: Arc::clone(&fixed) as _,
        names: Arc::clone(&fixed) as _,
        snapshots: Arc::clone(&fixed) as _,
        people: Arc::clone(&fixed) as _,
        suppression: fixed,
    };
    let service = Service::start(options, ports, Arc::new(SystemClock), tasks).await.unwrap();
    service.readiness().wait_for(|ready| *ready).await.unwrap();
    service
}

/// Serves until the process ends, on the runtime and behind the server that `tagbid tags` has. Its address is the first
/// line that is printed.
pub(crate) fn serve(redis: &str, port: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tasks = Tasks::new(Drain::default());
        let service = service(redis, &tasks).await;
        let token = TokenConfig { name: "all".into(), token: Secret::new(TOKEN), scope: "operator".into() };
        let mut routes = RoutesBuilder::default();
        service.add_grpc(&mut routes, Tokens::new(&[token]).unwrap());
        let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await.unwrap();
        println!("http://{}", listener.local_addr().unwrap());
        std::io::stdout().flush().unwrap();
        let health = Box::new(Vec::new);
        let drain = tasks.drain().clone();
        tagbid_runtime::grpc::serve(listener, routes, tagbid_wire::DESCRIPTORS, health, drain).await.unwrap();
    });
}

/// A message with the credential of whoever asks.
pub(crate) fn signed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
    request
}

/// A node of its own process, which ends with this handle.
pub(crate) struct Node {
    child: Child,
    pub(crate) address: String,
}

impl Node {
    pub(crate) fn start(redis: &str) -> Self {
        Self::start_at(redis, 0)
    }

    /// On this port; 0: a free one.
    pub(crate) fn start_at(redis: &str, port: u16) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["node", redis, &port.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { child, address: address.trim().to_owned() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
