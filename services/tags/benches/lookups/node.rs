//! A tags node over a Redis: in this process, or as a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use tagbid_catalog::snapshots::OPEN;
use tagbid_catalog::{Dataset, RegistryEpoch, SnapshotChange};
use tagbid_runtime::{Drain, Tasks};
use tagbid_tags::{Options, Service};
use tagbid_types::{DatasetId, Timestamp};
use tokio::net::TcpListener;
use tonic::Request;
use tonic::service::RoutesBuilder;

use crate::role::{self, TOKEN};
use crate::users;

/// The role in this process, with one dataset whose version 1 is active.
pub(crate) async fn service(redis: &str, tasks: &Tasks) -> Service {
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
    role::start(redis, Options::default(), dataset, std::iter::empty(), tasks).await
}

/// Serves until the process ends, on the runtime and behind the server that `tagbid tags` has. Its address is the first
/// line that is printed.
pub(crate) fn serve(redis: &str, port: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tasks = Tasks::new(Drain::default());
        let service = service(redis, &tasks).await;
        let mut routes = RoutesBuilder::default();
        service.add_grpc(&mut routes, role::tokens());
        let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await.unwrap();
        println!("http://{}", listener.local_addr().unwrap());
        std::io::stdout().flush().unwrap();
        let health = Box::new(Vec::new);
        let drain = tasks.drain().clone();
        let port = tagbid_runtime::grpc::Port::default();
        tagbid_runtime::grpc::serve(listener, port, routes, tagbid_wire::DESCRIPTORS, health, drain)
            .await
            .unwrap();
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
