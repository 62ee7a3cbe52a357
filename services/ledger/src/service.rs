//! The role as a whole.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use prometheus_client::collector::Collector;
use tagbid_clients::{CatalogFollower, FollowOptions};
use tagbid_notice::{Keys, Opener, SealError, Sealer};
use tagbid_ports::{CatalogFeed, EventSink, ImpressionCounter, LeaseSource, SuppressionFeed, WinCounts};
use tagbid_runtime::auth::Tokens;
use tagbid_runtime::{Drain, Tasks};
use tagbid_tagset::MacKeys;
use tagbid_types::Clock;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tonic::service::RoutesBuilder;

use crate::catalog::Reader;
use crate::clicks::Targets;
use crate::counting::{CountingNews, Delivery};
use crate::grpc::{Grpc, LeaseGrpc, ReportGrpc};
use crate::leases::Leases;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::outbox::{Outbox, forget_users};
use crate::people::Forgetting;
use crate::prices::Prices;
use crate::queue::{Queue, Writer};
use crate::standing::Standing;
use crate::stats::Stats;
use crate::store::report::Reports;
use crate::store::{Setting, SqlStore, Store, StoreError};
use crate::wins::Wins;
use crate::work::Work;

/// Why the role did not start.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StartError {
    /// A setting that cannot work.
    #[error("{0}")]
    Options(String),
    /// The database could not be opened, or its tables not be brought up to date.
    #[error("{0}")]
    Database(String),
    /// The token keys could not be used.
    #[error("token keys: {0}")]
    Keys(#[from] SealError),
    /// The event log does not say what it has.
    #[error("event log: {0}")]
    Events(String),
}

/// What the role needs of others.
pub struct Needs {
    /// Keys of notice tokens and click ids.
    pub keys: Keys,
    /// Who is believed.
    pub tokens: Tokens,
    /// Makes keys of users whom conversions name; none: conversions name none.
    pub user_keys: Option<MacKeys>,
    /// Where clicks lead, and budgets.
    pub catalog: Arc<dyn CatalogFeed>,
    /// Who is erased or suppressed, to be forgotten in notices and not to be counted.
    pub people: Option<Arc<dyn SuppressionFeed>>,
    /// Where what is kept is told on; none: nowhere.
    pub events: Option<Arc<dyn EventSink>>,
}

/// What is wrong with the setting is told as such; what is wrong with a server is not.
fn cannot_open(url: &str, error: StoreError) -> StartError {
    match error {
        StoreError::Refused(problem) => StartError::Options(format!("ledger.database: {problem}")),
        StoreError::Beyond(problem) => StartError::Options(format!("ledger.database: {problem}")),
        StoreError::Unavailable(problem) if url.starts_with("sqlite:") => StartError::Options(format!(
            "ledger.database: {problem}; use a path that this user may write, in a directory that exists or can be \
             created"
        )),
        StoreError::Unavailable(problem) => StartError::Database(format!(
            "{problem}; look whether it runs and is reachable from here, and at ledger.database"
        )),
    }
}

/// What the parts of a ledger share.
struct Base {
    limits: Arc<Limits>,
    stats: Arc<Stats>,
    clock: Arc<dyn Clock>,
}

/// What a request needs.
pub(crate) struct Inner {
    pub(crate) opener: Opener,
    pub(crate) queue: Queue,
    pub(crate) targets: Targets,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) accept_for: Duration,
    pub(crate) answer_within: Duration,
    pub(crate) stats: Arc<Stats>,
    pub(crate) sealer: Sealer,
    /// The parameter for ids of clicks; empty: they have none.
    pub(crate) click_id: String,
    pub(crate) prices: Prices,
    pub(crate) tokens: Tokens,
    pub(crate) user_keys: Option<MacKeys>,
    store: Arc<dyn Store>,
    reports: Arc<dyn Reports>,
    leases: Leases,
    ready: Arc<AtomicBool>,
    counting: CountingNews,
    standing: Arc<Standing>,
}

impl Inner {
    fn new(
        store: &Arc<SqlStore>,
        options: &Options,
        needs: Needs,
        base: Base,
        leases: Leases,
    ) -> Result<Self, StartError> {
        Ok(Self {
            opener: Opener::new(&needs.keys)?,
            sealer: Sealer::new(&needs.keys)?,
            click_id: options.click_id.clone(),
            prices: options.prices().map_err(StartError::Options)?,
            tokens: needs.tokens,
            user_keys: needs.user_keys,
            queue: leases.queue.clone(),
            targets: Targets::default(),
            clock: base.clock,
            accept_for: options.accept_for(),
            answer_within: options.answer_within(),
            stats: base.stats,
            store: Arc::<SqlStore>::clone(store),
            reports: Arc::<SqlStore>::clone(store),
            leases,
            ready: Arc::new(AtomicBool::new(true)),
            counting: CountingNews::default(),
            standing: Arc::clone(&store.standing),
        })
    }
}

/// The running ledger. Cheap to clone; may be called from any runtime.
#[derive(Clone)]
pub struct Service(Arc<Inner>, CatalogFollower);

impl Service {
    /// Opens the database and starts writing. The writer and the catalog reader are spawned on the calling runtime:
    /// call this on the one that is to carry notices, apart from bids.
    pub async fn start(
        options: Options,
        needs: Needs,
        clock: Arc<dyn Clock>,
        tasks: &Tasks,
    ) -> Result<Self, StartError> {
        options.check().map_err(StartError::Options)?;
        let limits = Arc::new(Limits::default());
        let setting = Setting {
            terms: options.terms(),
            limits: Arc::clone(&limits),
            clock: Arc::clone(&clock),
            accept_for: options.accept_for(),
        };
        let store = SqlStore::open(options.database.expose(), options.connections, setting)
            .await
            .map_err(|error| cannot_open(options.database.expose(), error))?;
        let store = Arc::new(store);
        let stats = Arc::<Stats>::default();
        let outbox = match needs.events.clone() {
            None => None,
            Some(log) => {
                let mut outbox = Outbox::new(Arc::<SqlStore>::clone(&store), log, Arc::clone(&stats));
                outbox.check().await.map_err(|error| StartError::Events(error.to_string()))?;
                Some(outbox)
            }
        };
        Self::start_on(store, &options, needs, outbox, Base { limits, stats, clock }, tasks).await
    }

    async fn start_on(
        store: Arc<SqlStore>,
        options: &Options,
        needs: Needs,
        outbox: Option<Outbox>,
        base: Base,
        tasks: &Tasks,
    ) -> Result<Self, StartError> {
        let (queue, waiting) = Queue::new(options.queue);
        let (commits, committed) = watch::channel(0);
        let (limits, catalog, people) =
            (Arc::clone(&base.limits), Arc::clone(&needs.catalog), needs.people.clone());
        let leases = Leases {
            queue: queue.clone(),
            store: Arc::<SqlStore>::clone(&store),
            limits: Arc::clone(&limits),
            commits: committed.clone(),
        };
        let inner = Arc::new(Inner::new(&store, options, needs, base, leases)?);
        let writer = Writer {
            store: Arc::clone(&inner.store),
            stats: Arc::clone(&inner.stats),
            ready: Arc::clone(&inner.ready),
            batch: options.batch,
            clock: Arc::clone(&inner.clock),
            commits,
            counting: Arc::clone(&inner.counting.news),
        };
        let reader = Reader { targets: inner.targets.clone(), limits, queue: queue.clone() };
        let copy = Some(&options.catalog_copy).filter(|path| !path.is_empty()).map(PathBuf::from);
        let following = FollowOptions { copy, seed: std::process::id().into(), ..FollowOptions::default() };
        let catalog = CatalogFollower::start(catalog, following, Arc::clone(&inner.clock), tasks).await;
        let drain = tasks.drain();
        tasks.spawn("ledger writer", writer.run(waiting, drain.clone()));
        tasks.spawn("ledger catalog", reader.follow(catalog.clone(), drain.clone()));
        tasks.spawn("ledger watermark", advance(Arc::clone(&inner.store), queue, drain.clone()));
        if let Some(feed) = people {
            let (journal, store) = (Arc::<SqlStore>::clone(&store), Arc::clone(&inner.store));
            let forgetting = Forgetting { journal, store, queue: inner.queue.clone(), feed };
            tasks.spawn("ledger people", forgetting.run(drain.clone()));
        }
        let forgetting = forget_users(store, Arc::clone(&inner.clock), inner.accept_for, drain.clone());
        tasks.spawn("ledger users", forgetting);
        if let Some(outbox) = outbox {
            tasks.spawn("ledger events", outbox.run(committed, drain.clone()));
        }
        Ok(Self(inner, catalog))
    }

    /// Leases, in process.
    pub fn leases(&self) -> Arc<dyn LeaseSource> {
        Arc::new(self.0.leases.clone())
    }

    /// Answers a request to `/notice/...` or `/conversion...`; anything else is a 404. The answer to a notice or a conversion comes
    /// when it is durable.
    pub async fn http<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: BodyExt,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        crate::http::handle(&self.0, request).await
    }

    /// Adds the services of `tagbid.ledger.v1` to a gRPC port, behind the tokens that it was started with.
    pub fn add_grpc(&self, routes: &mut RoutesBuilder) {
        let tokens = || self.0.tokens.clone();
        routes.add_service(LeaseGrpc(self.leases()).service(tokens()));
        let (store, limits) = (Arc::clone(&self.0.store), Arc::clone(&self.0.leases.limits));
        routes.add_service(Grpc::new(store, limits, Arc::clone(&self.0.clock)).service(tokens()));
        routes.add_service(ReportGrpc::new(Arc::clone(&self.0.reports)).service(tokens()));
    }

    /// Has billed impressions counted, from now on and until the drain, where consent allows: `counter` is told of each until
    /// it has it. Without this call users are not counted. Call it once, before notices come.
    pub fn count_impressions(&self, counter: Arc<dyn ImpressionCounter>, tasks: &Tasks) {
        let ledger = &self.0;
        ledger.store.count_impressions();
        let delivery = Delivery {
            store: Arc::clone(&ledger.store),
            queue: ledger.queue.clone(),
            counter,
            clock: Arc::clone(&ledger.clock),
            limits: Arc::clone(&ledger.leases.limits),
            news: ledger.counting.clone(),
        };
        tasks.spawn("ledger counting", delivery.run(tasks.drain().clone()));
    }

    /// Wins by line item, in process.
    pub fn win_counts(&self) -> Arc<dyn WinCounts> {
        Arc::new(Wins(Arc::clone(&self.0.store)))
    }

    /// Whether the database took what was last given to it.
    pub fn ready(&self) -> bool {
        self.0.ready.load(Ordering::Relaxed)
    }

    /// Whether it has a catalog, from the campaigns role or from its own copy: without one it leases nothing, and clicks lead nowhere.
    pub fn knows_catalog(&self) -> bool {
        self.0.leases.limits.read().is_some()
    }

    /// The same counters for Prometheus.
    pub fn collector(&self) -> Box<dyn Collector> {
        let (stats, queue) = (Arc::clone(&self.0.stats), self.0.queue.clone());
        Box::new(Metrics {
            stats,
            queue,
            counting: Arc::clone(&self.0.counting.stats),
            standing: Arc::clone(&self.0.standing),
            clock: Arc::clone(&self.0.clock),
        })
    }

    /// What it follows the catalog with.
    pub fn catalog(&self) -> &CatalogFollower {
        &self.1
    }

    /// Counters since the start.
    pub fn stats(&self) -> &Stats {
        &self.0.stats
    }
}

/// Between two moves of the watermark: holds end by the second.
const ADVANCE: Duration = Duration::from_millis(500);

/// So many moves are left out while there is no lease; the next looks whether another ledger of this database has left some.
const LEFT_OUT: u32 = 40;

/// Moves the watermark until the drain. A move that the database does not take is no loss: the next goes as far.
async fn advance(store: Arc<dyn Store>, queue: Queue, drain: Drain) {
    let mut ticks = tokio::time::interval(ADVANCE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut idle = 0;
    loop {
        tokio::select! {
            () = drain.wait() => return,
            _ = ticks.tick() => {}
        }
        idle = if store.has_leases().await { 0 } else { (idle + 1) % LEFT_OUT };
        if idle == 0 {
            let _next_time = queue.ask(Work::Advance, ADVANCE).await;
        }
    }
}
