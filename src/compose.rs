//! Puts the roles of this process together. For each port it picks the service next door or the gRPC client: this is
//! the only place that knows both.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tagbid_bidder::{Bidder, Parts, SampledBids};
use tagbid_clients::{
    Endpoint, GrpcCatalog, GrpcExplainer, GrpcFunnels, GrpcImpressionCounter, GrpcLeases, GrpcLookupSource,
    GrpcPeopleLinks, GrpcRequestSample, GrpcSnapshotBook, GrpcSuppressions, GrpcTagNames, GrpcUserSample,
    GrpcWins, NearOptions, NearSource,
};
use tagbid_eventlog::{EventLog, follow_people};
use tagbid_ports::{
    BidSample, CatalogFeed, EventSink, Explainer, ImpressionCounter, LeaseSource, PeopleLinks, SnapshotBook,
    SuppressionFeed, TagLookupSource, TagNames,
};
use tagbid_runtime::admin::Admin;
use tagbid_runtime::auth::Tokens;
use tagbid_runtime::grpc::{Health, Port};
use tagbid_runtime::settings::dump;
use tagbid_runtime::systemd::Systemd;
use tagbid_runtime::workers::{ConnectionLimits, WorkerThreads, Workers};
use tagbid_runtime::{Drain, SystemClock, Tasks};
use tagbid_tags::CatalogRegistry;
use tagbid_types::Clock;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tonic::service::RoutesBuilder;

use crate::about;
use crate::front::Front;
use crate::notices::NoticeThread;
use crate::settings::Settings;

/// A ledger that starts without a catalog waits so long for one; notices are worth more than the clicks and leases that it lacks.
const CATALOG_WITHIN: Duration = Duration::from_secs(5);

/// Longest wait for tasks and connections when draining.
pub(crate) const DRAIN_WITHIN: Duration = Duration::from_secs(15);

/// The roles of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Roles {
    pub(crate) bidder: bool,
    pub(crate) tags: bool,
    pub(crate) campaigns: bool,
    pub(crate) ledger: bool,
}

impl Roles {
    pub(crate) const NONE: Self = Self { bidder: false, tags: false, campaigns: false, ledger: false };
    pub(crate) const ALL: Self = Self { bidder: true, tags: true, campaigns: true, ledger: true };
}

/// Why a process did not start.
#[derive(Debug)]
pub(crate) enum StartError {
    /// A setting cannot be used; the text names it.
    Settings(String),
    /// A role could not start: a port is taken, a database does not answer.
    Role(anyhow::Error),
}

impl From<anyhow::Error> for StartError {
    fn from(error: anyhow::Error) -> Self {
        Self::Role(error)
    }
}

/// The running process.
pub(crate) struct Running {
    /// Where bid requests and notices are taken, if they are.
    pub(crate) http: Option<SocketAddr>,
    /// Where gRPC is served.
    pub(crate) grpc: SocketAddr,
    /// Where metrics and health are.
    pub(crate) admin: SocketAddr,
    pub(crate) bidder: Option<Bidder>,
    pub(crate) explainer: Option<Arc<dyn Explainer>>,
    pub(crate) tags: Option<tagbid_tags::Service>,
    leave: Duration,
    state: Arc<Admin>,
    tasks: Tasks,
    threads: Option<WorkerThreads>,
    notices: Option<NoticeThread>,
    /// What happened to bids.
    pub(crate) events: Option<EventLog>,
}

/// A process on its way up: the roles started so far, and what each adds to the shared ports.
struct Assembly {
    settings: Settings,
    roles: Roles,
    tokens: Tokens,
    clock: Arc<dyn Clock>,
    tasks: Tasks,
    admin: Arc<Admin>,
    routes: RoutesBuilder,
    catalog: Option<Arc<dyn CatalogFeed>>,
    campaigns: Option<tagbid_campaigns::Service>,
    tags: Option<tagbid_tags::Service>,
    ledger: Option<tagbid_ledger::Service>,
    notices: Option<NoticeThread>,
    events: Option<EventLog>,
}

impl Running {
    /// Starts the roles, in the order in which they need each other: campaigns, tags, ledger, bidder.
    pub(crate) async fn start(roles: Roles, settings: Settings) -> Result<Self, StartError> {
        let mut assembly = Assembly::new(roles, settings)?;
        about::process(roles, &assembly.settings, &assembly.clock, &assembly.tasks, &assembly.admin)?;
        if roles.campaigns {
            assembly.start_campaigns().await?;
        }
        if roles.tags {
            assembly.start_tags().await?;
        }
        if roles.ledger {
            assembly.start_ledger()?;
        }
        let bidder = if roles.bidder { Some(assembly.start_bidder().await?) } else { None };
        assembly.listen(bidder).await
    }

    /// Resolves at SIGTERM or ctrl-c, after the time that load balancers get to look elsewhere.
    pub(crate) async fn until_signal(&self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        tokio::select! {
            _ = terminate.recv() => {}
            interrupted = tokio::signal::ctrl_c() => interrupted.context("listening for ctrl-c")?,
        }
        self.tasks.drain().leave();
        tokio::time::sleep(self.leave).await;
        tracing::info!("draining");
        Ok(())
    }

    /// What the roles still wait for; empty when all are ready.
    pub(crate) fn waiting(&self) -> Vec<String> {
        self.state.waiting()
    }

    /// Stops accepting, finishes what is under way, saves.
    pub(crate) async fn drain(mut self) {
        self.tasks.drain().start();
        let (threads, notices) = (self.threads.take(), self.notices.take());
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().for_each(WorkerThreads::join);
            notices.into_iter().for_each(NoticeThread::join);
        });
        let finished = self.tasks.finish(DRAIN_WITHIN).await;
        let joined = tokio::time::timeout(DRAIN_WITHIN, joined).await.is_ok();
        // Last: whoever was under way may have told it something.
        let events = self.events.take();
        let closed = tokio::task::spawn_blocking(move || events.iter().for_each(EventLog::close));
        let joined = tokio::time::timeout(DRAIN_WITHIN, closed).await.is_ok() && joined;
        tracing::info!(finished, joined, panics = self.tasks.panics(), "drained");
    }
}

impl Assembly {
    fn new(roles: Roles, settings: Settings) -> Result<Self, StartError> {
        let tokens = settings.auth.tokens().map_err(StartError::Settings)?;
        settings.peers.check().map_err(StartError::Settings)?;
        let unusable = settings.listen.limits.problems();
        if !unusable.is_empty() {
            return Err(StartError::Settings(unusable.join("\n")));
        }
        Ok(Self {
            tokens,
            roles,
            clock: Arc::new(SystemClock),
            tasks: Tasks::new(Drain::default()),
            admin: Arc::new(Admin::new(dump(&settings))),
            routes: RoutesBuilder::default(),
            catalog: None,
            campaigns: None,
            tags: None,
            ledger: None,
            notices: None,
            events: None,
            settings,
        })
    }

    async fn start_campaigns(&mut self) -> Result<(), StartError> {
        let mac_keys = Arc::new(self.settings.keys.user_keys().map_err(StartError::Settings)?);
        let unusable = self.settings.bidder.fx_problems();
        if !unusable.is_empty() {
            return Err(StartError::Settings(unusable.join("\n")));
        }
        let fx = Some(Arc::new(self.settings.bidder.rates()));
        let exchanges = self.settings.bidder.exchanges.keys().cloned().collect();
        let needs = tagbid_campaigns::Needs { mac_keys, fx, exchanges };
        let options = self.settings.campaigns.clone();
        let started = tagbid_campaigns::start(options, needs, Arc::clone(&self.clock), &self.tasks).await;
        let service = started.map_err(|error| match error {
            tagbid_campaigns::StartError::Setting { .. } | tagbid_campaigns::StartError::Keys(_) => {
                StartError::Settings(error.to_string())
            }
            other => StartError::Role(anyhow::Error::new(other).context("campaigns role")),
        })?;
        service.add_grpc(&mut self.routes, self.tokens.clone());
        let watched = service.clone();
        self.ready_when("campaigns", "its database does not answer", move || watched.ready());
        self.admin.register(|registry| registry.register_collector(service.collector()));
        self.introduce(&service)?;
        self.catalog = Some(service.catalog_feed());
        self.campaigns = Some(service);
        Ok(())
    }

    /// Tells the campaigns role whom to ask of the roles that run elsewhere.
    fn introduce(&self, campaigns: &tagbid_campaigns::Service) -> Result<(), StartError> {
        let peers = &self.settings.peers;
        if !self.roles.bidder && !peers.bidder.is_empty() {
            let bidder = self.peer("bidder", &peers.bidder)?;
            campaigns.set_explainer(Arc::new(GrpcExplainer::new(bidder.clone())));
            campaigns.set_request_sample(Arc::new(GrpcRequestSample::new(bidder)));
        }
        let bidders: Vec<_> = match peers.bidders.as_slice() {
            [] => [&peers.bidder].into_iter().filter(|url| !url.is_empty()).collect(),
            all => all.iter().collect(),
        };
        if !self.roles.bidder && !bidders.is_empty() {
            let bidders = bidders.into_iter().map(|url| Ok((url.clone(), self.peer("bidders", url)?)));
            campaigns.set_funnels(Arc::new(GrpcFunnels::new(bidders.collect::<Result<_, StartError>>()?)));
        }
        if !self.roles.ledger && !peers.ledger.is_empty() {
            campaigns.set_wins(Arc::new(GrpcWins::new(self.peer("ledger", &peers.ledger)?)));
        }
        if !self.roles.tags && !peers.tags.is_empty() {
            let nodes = peers.tags.iter().map(|url| self.peer("tags", url)).collect::<Result<_, _>>()?;
            campaigns.set_user_sample(Arc::new(GrpcUserSample::new(nodes)));
        }
        Ok(())
    }

    async fn start_tags(&mut self) -> Result<(), StartError> {
        let keys = self.settings.keys.user_keys().map_err(StartError::Settings)?;
        let registry = CatalogRegistry::follow(self.catalog()?, Arc::clone(&self.clock), &self.tasks).await;
        about::follower(&self.admin, "tags", registry.follower().clone(), &self.clock);
        let ports = tagbid_tags::Ports {
            keys,
            registry: Arc::new(registry),
            names: self.names()?,
            suppression: self.suppressions()?,
            snapshots: self.snapshots()?,
            people: self.people()?,
        };
        let options = self.settings.tags.clone();
        let started = tagbid_tags::Service::start(options, ports, Arc::clone(&self.clock), &self.tasks).await;
        let service = started.map_err(|error| match error {
            tagbid_tags::StartError::Redis { .. }
            | tagbid_tags::StartError::Settings(_)
            | tagbid_tags::StartError::Place(_) => StartError::Settings(error.to_string()),
            other => StartError::Role(anyhow::Error::new(other).context("tags role")),
        })?;
        service.add_grpc(&mut self.routes, self.tokens.clone());
        if let Some(campaigns) = &self.campaigns {
            campaigns.set_user_sample(service.user_sample());
        }
        let watched = service.clone();
        self.admin.register(|registry| registry.register_collector(service.collector()));
        self.ready_when("tags", "the suppression list is not replayed into the tag store", move || {
            watched.ready()
        });
        self.tags = Some(service);
        Ok(())
    }

    fn start_ledger(&mut self) -> Result<(), StartError> {
        let keys = &self.settings.keys;
        let needs = tagbid_ledger::Needs {
            keys: keys.notice_keys().map_err(StartError::Settings)?,
            tokens: self.tokens.clone(),
            // A ledger of its own needs none, unless conversions name users.
            user_keys: match keys.user.expose() {
                "" => None,
                _ => Some(keys.user_keys().map_err(StartError::Settings)?),
            },
            catalog: self.catalog()?,
            people: Some(self.suppressions()?),
            events: self.event_log()?.map(|log| Arc::new(log) as Arc<dyn EventSink>),
        };
        let options = self.settings.ledger.clone();
        let (service, thread) = NoticeThread::start(options, needs, Arc::clone(&self.clock), &self.tasks)?;
        service.add_grpc(&mut self.routes);
        let watched = service.clone();
        self.ready_when("ledger", "its database does not answer", move || watched.ready());
        let (watched, clock, begun) = (service.clone(), Arc::clone(&self.clock), self.clock.monotonic());
        let waits_for = "it has no catalog: no leases, and clicks lead nowhere; after five seconds it takes notices all the same";
        self.ready_when("ledger", waits_for, move || {
            watched.knows_catalog() || clock.monotonic().since(begun) >= CATALOG_WITHIN
        });
        about::follower(&self.admin, "ledger", service.catalog().clone(), &self.clock);
        self.admin.register(|registry| registry.register_collector(service.collector()));
        if let Some(campaigns) = &self.campaigns {
            campaigns.set_wins(service.win_counts());
        }
        match self.counter()? {
            Some(counter) => service.count_impressions(counter, &self.tasks),
            None => tracing::warn!(
                "no tags node is named: what users are shown is not counted, and frequency caps of line items are passed; set \
                 peers.tags"
            ),
        }
        self.ledger = Some(service);
        self.notices = Some(thread);
        Ok(())
    }

    /// The event log of this process, opened for the first role that writes to it; none where the settings name none.
    fn event_log(&mut self) -> Result<Option<EventLog>, StartError> {
        let Some(dir) = self.settings.events.dir.clone().filter(|_| self.events.is_none()) else {
            return Ok(self.events.clone());
        };
        let (options, clock) = (&self.settings.events, Arc::clone(&self.clock));
        let opened = EventLog::open(&dir, options, clock, &self.tasks);
        let log = opened.map_err(|error| match error {
            tagbid_eventlog::OpenError::Setting(problem) => StartError::Settings(problem),
            tagbid_eventlog::OpenError::Io { .. } => StartError::Settings(format!("events.dir: {error}")),
            other => StartError::Role(other.into()),
        })?;
        let following = follow_people(log.clone(), self.suppressions()?, self.tasks.drain().clone());
        self.tasks.spawn("event log people", following);
        self.admin.register(|registry| registry.register_collector(log.collector()));
        Ok(self.events.insert(log).clone().into())
    }

    async fn start_bidder(&mut self) -> Result<Bidder, StartError> {
        let sample = BidSample::new(self.settings.events.bid_sample());
        let bid_log = self.event_log()?.map(|log| SampledBids { sink: Arc::new(log), sample });
        let keys = &self.settings.keys;
        let parts = Parts {
            mac_keys: keys.user_keys().map_err(StartError::Settings)?,
            token_keys: keys.notice_keys().map_err(StartError::Settings)?,
            lookups: self.lookups()?,
            leases: self.leases()?,
            bid_log,
            clock: Arc::clone(&self.clock),
        };
        let bidder = Bidder::new(self.settings.bidder.clone(), parts).map_err(|error| match error {
            tagbid_bidder::StartError::Settings(problem) => StartError::Settings(problem),
            other => StartError::Role(other.into()),
        })?;
        let follower = bidder.follow(self.catalog()?, &self.tasks).await;
        about::follower(&self.admin, "bidder", follower, &self.clock);
        let metrics = bidder.metrics().clone();
        self.admin.register(|registry| registry.register_collector(Box::new(metrics)));
        let watched = bidder.clone();
        self.admin.ready_when("bidder", Box::new(move || watched.ready()));
        Ok(bidder)
    }

    /// Money to bid with: from this process's ledger, else from the one that is named; none: only line items without any
    /// budget bid.
    fn leases(&self) -> Result<Option<Arc<dyn LeaseSource>>, StartError> {
        let url = &self.settings.peers.ledger;
        match &self.ledger {
            Some(ledger) => Ok(Some(ledger.leases())),
            None if url.is_empty() => {
                tracing::warn!("no ledger is named: line items with a budget will not bid; set peers.ledger");
                Ok(None)
            }
            None => Ok(Some(Arc::new(GrpcLeases::new(vec![self.peer("ledger", url)?])))),
        }
    }

    /// Opens the ports. HTTP is served by workers where there is something to serve.
    async fn listen(mut self, bidder: Option<Bidder>) -> Result<Running, StartError> {
        let drain = self.tasks.drain().clone();
        let (mut http, mut threads, mut explainer) = (None, None, None);
        if bidder.is_some() || self.ledger.is_some() {
            let listener = bind("http", self.settings.listen.http).await?;
            http = Some(listener.local_addr().context("http")?);
            let (workers, started) = self.start_workers(bidder.clone())?;
            threads = Some(started);
            self.tasks.spawn("http", workers.clone().accept(listener, drain.clone()));
            if let Some(bidder) = &bidder {
                explainer = Some(self.serve_bidder(bidder, workers));
            }
        }
        let grpc = bind("grpc", self.settings.listen.grpc).await?;
        let admin = bind("admin", self.settings.listen.admin).await?;
        let running = Running {
            http,
            grpc: grpc.local_addr().context("grpc")?,
            admin: admin.local_addr().context("admin")?,
            bidder,
            explainer,
            tags: self.tags,
            leave: Duration::from_secs(self.settings.listen.leave_s),
            state: Arc::clone(&self.admin),
            tasks: self.tasks.clone(),
            threads,
            notices: self.notices,
            events: self.events,
        };
        let (routes, health) = (self.routes, health(self.roles, Arc::clone(&self.admin)));
        let port = grpc_port(&self.settings, &self.admin);
        self.tasks.spawn("admin", self.admin.serve(admin, drain.clone()));
        self.tasks.spawn("grpc", async move {
            if let Err(error) =
                tagbid_runtime::grpc::serve(grpc, port, routes, tagbid_wire::DESCRIPTORS, health, drain).await
            {
                tracing::error!(error, "gRPC port failed");
            }
        });
        running.announce();
        Ok(running)
    }

    fn start_workers(&self, bidder: Option<Bidder>) -> Result<(Workers<Front>, WorkerThreads), StartError> {
        let count = bidder.as_ref().map_or(1, Bidder::workers);
        let ledger = self.ledger.clone();
        let open =
            move |index| Front::new(bidder.as_ref().map(|bidder| bidder.open_worker(index)), ledger.clone());
        let limits = ConnectionLimits::from(&self.settings.listen.limits);
        let started = Workers::start(count, limits, Arc::clone(&self.clock), self.tasks.drain(), open);
        let (workers, threads) = started.context("workers")?;
        let stats = Arc::clone(workers.stats());
        self.admin.register(|registry| registry.register_collector(Box::new(stats)));
        Ok((workers, threads))
    }

    /// The bidder over gRPC, and as the one who explains.
    fn serve_bidder(&mut self, bidder: &Bidder, workers: Workers<Front>) -> Arc<dyn Explainer> {
        let grpc = bidder.grpc(move |call| workers.submit(move |front| front.run(call)));
        let explainer: Arc<dyn Explainer> = Arc::new(grpc.clone());
        grpc.add_grpc(&mut self.routes, self.tokens.clone());
        let requests = bidder.add_request_sample(&mut self.routes, self.tokens.clone());
        if let Some(campaigns) = &self.campaigns {
            campaigns.set_explainer(Arc::clone(&explainer));
            campaigns.set_funnels(Arc::new(grpc));
            campaigns.set_request_sample(requests);
        }
        explainer
    }

    fn catalog(&mut self) -> Result<Arc<dyn CatalogFeed>, StartError> {
        if let Some(feed) = &self.catalog {
            return Ok(Arc::clone(feed));
        }
        let feed: Arc<dyn CatalogFeed> =
            Arc::new(GrpcCatalog::new(self.peer("campaigns", &self.settings.peers.campaigns)?));
        self.catalog = Some(Arc::clone(&feed));
        Ok(feed)
    }

    fn suppressions(&self) -> Result<Arc<dyn SuppressionFeed>, StartError> {
        match &self.campaigns {
            Some(service) => Ok(service.suppression_feed()),
            None => {
                let peer = self.peer("campaigns", &self.settings.peers.campaigns)?;
                Ok(Arc::new(GrpcSuppressions::new(peer)))
            }
        }
    }

    /// Who counts impressions for their users; none: nobody is named.
    fn counter(&self) -> Result<Option<Arc<dyn ImpressionCounter>>, StartError> {
        if let Some(tags) = &self.tags {
            return Ok(Some(tags.counter()));
        }
        let nodes = self.settings.peers.tags.iter().map(|url| self.peer("tags", url));
        let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
        Ok((!nodes.is_empty()).then(|| Arc::new(GrpcImpressionCounter::new(nodes)) as _))
    }

    fn snapshots(&self) -> Result<Arc<dyn SnapshotBook>, StartError> {
        match &self.campaigns {
            Some(service) => Ok(service.snapshot_book()),
            None => {
                let peer = self.peer("campaigns", &self.settings.peers.campaigns)?;
                Ok(Arc::new(GrpcSnapshotBook::new(peer)))
            }
        }
    }

    fn people(&self) -> Result<Arc<dyn PeopleLinks>, StartError> {
        match &self.campaigns {
            Some(service) => Ok(service.people_links()),
            None => {
                let peer = self.peer("campaigns", &self.settings.peers.campaigns)?;
                Ok(Arc::new(GrpcPeopleLinks::new(peer)))
            }
        }
    }

    fn names(&self) -> Result<Arc<dyn TagNames>, StartError> {
        match &self.campaigns {
            Some(service) => Ok(service.tag_names()),
            None => Ok(Arc::new(GrpcTagNames::new(self.peer("campaigns", &self.settings.peers.campaigns)?))),
        }
    }

    fn lookups(&self) -> Result<Arc<dyn TagLookupSource>, StartError> {
        if let Some(service) = &self.tags {
            // Nothing is nearer than the memory store.
            let is_near = self.settings.tags.store == tagbid_tags::StoreKind::Memory;
            let source = service.lookup_source();
            return Ok(if is_near { source } else { self.near(source) });
        }
        let nodes = &self.settings.peers.tags;
        let (token, clock) = (&self.settings.peers.token, Arc::clone(&self.clock));
        let source = GrpcLookupSource::new(nodes, token, clock, self.tasks.clone())
            .map_err(|error| StartError::Settings(format!("peers.tags: {error}")))?;
        let source = self.settings.keys.ring().into_iter().fold(source, GrpcLookupSource::with_user_keys);
        self.admin.register(|registry| registry.register_collector(source.collector()));
        Ok(self.near(Arc::new(source)))
    }

    /// Lookups behind a near-cache for each worker.
    fn near(&self, lookups: Arc<dyn TagLookupSource>) -> Arc<dyn TagLookupSource> {
        let bidder = &self.settings.bidder;
        let options = NearOptions { bytes: bidder.tags_cache_bytes, stale: bidder.tags_stale() };
        let near = NearSource::new(lookups, options, Arc::clone(&self.clock));
        self.admin.register(|registry| registry.register_collector(near.collector()));
        Arc::new(near)
    }

    fn peer(&self, key: &str, url: &str) -> Result<Endpoint, StartError> {
        Endpoint::new(url, &self.settings.peers.token)
            .map(|endpoint| self.settings.keys.ring().into_iter().fold(endpoint, Endpoint::with_user_keys))
            .map_err(|problem| StartError::Settings(format!("peers.{key} {url:?}: {problem}")))
    }

    fn ready_when(
        &self,
        role: &'static str,
        waits_for: &'static str,
        ready: impl Fn() -> bool + Send + Sync + 'static,
    ) {
        let check = move || if ready() { Ok(()) } else { Err(waits_for.into()) };
        self.admin.ready_when(role, Box::new(check));
    }
}

impl Running {
    /// Tests and people learn the ports from the log; systemd, where it asked for it, how the process is.
    fn announce(&self) {
        if let Some(http) = self.http {
            tracing::info!("http listening on {http}");
        }
        tracing::info!("grpc listening on {}", self.grpc);
        tracing::info!("admin listening on {}", self.admin);
        if let Some(systemd) = Systemd::of_process() {
            let following = systemd.follow(Arc::clone(&self.state), self.tasks.drain().clone());
            self.tasks.spawn("systemd", following);
        }
    }
}

/// What the health service says of each gRPC service of these roles, and of the process.
fn health(roles: Roles, admin: Arc<Admin>) -> Health {
    let packages = [
        (roles.bidder, "bidder", "tagbid.bidding.v1"),
        (roles.tags, "tags", "tagbid.tags.v1"),
        (roles.campaigns, "campaigns", "tagbid.campaigns.v1"),
        (roles.ledger, "ledger", "tagbid.ledger.v1"),
    ];
    let running = packages.into_iter().filter(|(runs, ..)| *runs);
    let services: Vec<_> = running.map(|(_, role, package)| (role, tagbid_wire::services(package))).collect();
    Box::new(move || {
        let mut health = vec![(String::new(), admin.waiting().is_empty())];
        for (role, names) in &services {
            let ready = admin.is_ready(role);
            health.extend(names.iter().map(|name| (name.clone(), ready)));
        }
        health
    })
}

/// The gRPC port's limits; how full it is is told by the admin port.
fn grpc_port(settings: &Settings, admin: &Admin) -> Port {
    let port = Port::new(&settings.listen.limits);
    let collector = Box::new(port.clone());
    admin.register(|registry| registry.register_collector(collector));
    port
}

async fn bind(name: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let bound = TcpListener::bind(address).await;
    Ok(bound.with_context(|| format!("listen.{name}: cannot listen on {address}"))?)
}
