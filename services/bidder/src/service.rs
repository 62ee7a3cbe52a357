//! The bidder as the binary sees it: workers to open, a gRPC face, readiness.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::available_parallelism;

use tagbid_clients::{CatalogFollower, FollowOptions};
use tagbid_ports::{CatalogFeed, RequestSample};
use tagbid_runtime::Tasks;
use tagbid_runtime::auth::Tokens;
use tokio::sync::Semaphore;
use tonic::service::RoutesBuilder;

use crate::book::keep;
use crate::funnel;
use crate::grpc::{self, BidderGrpc};
use crate::http::HttpWorker;
use crate::metrics::Metrics;
use crate::money;
use crate::reach::Reach;
use crate::settings::Options;
use crate::shared::{Parts, Shared};
use crate::worker::{StartError, Worker};

/// gRPC calls under way at once: more are answered RESOURCE_EXHAUSTED.
const CALLS: usize = 1_024;

/// The bidder role. Cheap to clone.
#[derive(Clone)]
pub struct Bidder {
    shared: Arc<Shared>,
    workers: usize,
}

/// A piece of work for some worker of the bidder.
pub struct WorkerCall(pub(crate) Box<dyn FnOnce(Rc<Worker>) + Send>);

impl WorkerCall {
    /// Does it, on the worker's own thread.
    pub fn run(self, worker: &HttpWorker) {
        (self.0)(Rc::clone(worker.worker()));
    }
}

impl Bidder {
    /// A bidder without catalog: it says so in its answers until [`Bidder::follow`] has one.
    pub fn new(options: Options, parts: Parts) -> Result<Self, StartError> {
        let cores = available_parallelism().map_or(1, usize::from);
        let workers = if options.workers == 0 { cores } else { options.workers };
        Ok(Self { shared: Arc::new(Shared::new(options, parts, workers)?), workers })
    }

    /// Starts to bid from this catalog, first from the disk copy if there is one, and to count how far line items come,
    /// until the drain. What it follows with says how old the catalog is.
    pub async fn follow(&self, feed: Arc<dyn CatalogFeed>, tasks: &Tasks) -> CatalogFollower {
        let copy = Some(&self.shared.options.catalog_copy).filter(|path| !path.is_empty()).map(PathBuf::from);
        let seed = u64::from(std::process::id());
        let options = FollowOptions { copy, seed, ..FollowOptions::default() };
        let follower = CatalogFollower::start(feed, options, Arc::clone(&self.shared.clock), tasks).await;
        tasks.spawn("book", keep(Arc::clone(&self.shared), follower.clone(), tasks.drain().clone()));
        if let Some(leases) = self.shared.leases.clone() {
            tasks.spawn("leases", money::keep(Arc::clone(&self.shared), leases, tasks.drain().clone()));
        }
        tasks.spawn("funnel", funnel::run(Arc::clone(&self.shared), tasks.drain().clone()));
        follower
    }

    /// How many workers to open.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Opens a worker on the calling thread, inside its runtime.
    pub fn open_worker(&self, index: usize) -> HttpWorker {
        HttpWorker::new(Worker::open(Arc::clone(&self.shared), index))
    }

    /// The gRPC face. `submit` hands a call to some worker; false when none has room for it.
    pub fn grpc(&self, submit: impl Fn(WorkerCall) -> bool + Send + Sync + 'static) -> BidderGrpc {
        BidderGrpc {
            submit: Arc::new(submit),
            calls: Arc::new(Semaphore::new(CALLS)),
            message_bytes: self.shared.options.body_bytes,
            shared: Arc::clone(&self.shared),
        }
    }

    /// Which share of recent impressions an expression matches; served to other roles on this gRPC port too.
    pub fn add_request_sample(&self, routes: &mut RoutesBuilder, tokens: Tokens) -> Arc<dyn RequestSample> {
        let sample: Arc<dyn RequestSample> = Arc::new(Reach::new(Arc::clone(&self.shared)));
        grpc::reach::add_service(Arc::clone(&sample), routes, tokens);
        sample
    }

    /// Its metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// What it waits for before it can bid.
    pub fn ready(&self) -> Result<(), String> {
        let now = self.shared.clock.monotonic();
        if self.shared.books.current(now).is_some() { Ok(()) } else { Err("no fresh catalog yet".into()) }
    }

    /// Line items in the book in force.
    pub fn line_items(&self) -> usize {
        self.shared.books.last().map_or(0, |book| book.len())
    }
}
